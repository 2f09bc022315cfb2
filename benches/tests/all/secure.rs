//! Every server that speaks TLS answers, by full handshakes and by those that go on with a session: one that did not
//! would be measured wrong.

use std::thread;

use benches::Result;
use benches::secure::Secure;
use benches::secured::{Comings, Echoing, Fetching};
use benches::work::Work;
use clap::ValueEnum;
use rustls::HandshakeKind;

use crate::started;

fn run(secure: Secure, work: Result<impl Work>) -> Result {
    let spent = work.and_then(|mut work| work.run(3));
    let spent = spent.map_err(|error| format!("{secure}: {error}"))?;
    assert!(spent.units >= 3 && !spent.processor.is_zero(), "{secure}: {spent:?}");
    Ok(())
}

#[test]
fn every_server_that_speaks_tls_does_what_it_is_asked() {
    // All at once: most of the time one waits for a program to begin. A thread that panics fails the scope.
    thread::scope(|scope| {
        for secure in Secure::value_variants() {
            scope.spawn(|| ask(*secure).unwrap_or_else(|error| panic!("{error}")));
        }
    });
}

fn ask(secure: Secure) -> Result {
    if matches!(secure, Secure::TokioEcho | Secure::ReactorEcho) {
        let Some(started) = started(&secure, secure.start())? else { return Ok(()) };
        return run(secure, Echoing::start(started, 3));
    }
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let Some(started) = started(&secure, secure.start())? else { return Ok(()) };
        run(secure, Comings::start(started, kind))?;
    }
    if matches!(secure, Secure::Nginx | Secure::Reactor)
        && let Some(started) = started(&secure, secure.start())?
    {
        run(secure, Fetching::start(started))?;
    }
    Ok(())
}
