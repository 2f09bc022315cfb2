//! Every server that speaks TLS answers, by full handshakes and by those that go on with a session: one that did not
//! would be measured wrong.

use std::thread;

use benches::Result;
use benches::clients::secured::{comings, echoing, fetching};
use benches::loaded::{Loaded, Start};
use benches::secure::Secure;
use benches::work::Work;
use rustls::HandshakeKind;

use crate::started;

fn run(secure: Secure, work: Result<Loaded>) -> Result {
    let Some(mut work) = started(&secure, work)? else { return Ok(()) };
    let spent = work.run(3).map_err(|error| format!("{secure}: {error}"))?;
    assert!(spent.units >= 3 && !spent.processor.is_zero(), "{secure}: {spent:?}");
    Ok(())
}

#[test]
fn every_server_that_speaks_tls_does_what_it_is_asked() {
    // All at once: most of the time one waits for a program to begin. A thread that panics fails the scope.
    thread::scope(|scope| {
        for secure in Secure::all() {
            scope.spawn(|| ask(*secure).unwrap_or_else(|error| panic!("{error}")));
        }
    });
}

fn ask(secure: Secure) -> Result {
    if matches!(secure, Secure::TokioEcho | Secure::ReactorEcho) {
        return run(secure, echoing(Start::Here, secure, 3));
    }
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        run(secure, comings(Start::Here, secure, kind))?;
    }
    if matches!(secure, Secure::Nginx | Secure::Reactor) {
        run(secure, fetching(Start::Here, secure))?;
    }
    Ok(())
}
