//! TLS: those who come and go, a large file, an echo.

use rustls::HandshakeKind;

use crate::processor;
use crate::secure::{Secure, Started};
use crate::secured::{Comings, Echoing, Fetching};
use crate::work::{Case, Clock, Contender, Group, Work};

/// Who takes TLS off; the last two of those beside us have a plain server behind them.
const ALL: [Secure; 5] =
    [Secure::Nginx, Secure::Reactor, Secure::Haproxy, Secure::Stunnel, Secure::Hitch];

/// The group.
pub(super) fn group() -> Group {
    Group {
        name: "tls",
        about: "What a server spends on TLS 1.3, with a certificate of ECDSA (P-256): on somebody who comes, is \
                answered once and goes, with a full handshake and with one that goes on with a session; on a MiB of \
                a large file; and on an echo of 64 bytes. stunnel and hitch have a plain server behind them, whose \
                time is not counted, and with each connection one to that. (Who is not installed takes no part.)",
        shown: "a full handshake and an answer",
        cases: vec![
            case("a full handshake and an answer", "connection", &ALL, |started| {
                Comings::start(started, HandshakeKind::Full)
            }),
            case("a resumed handshake and an answer", "connection", &ALL, |started| {
                Comings::start(started, HandshakeKind::Resumed)
            }),
            case("a file of 64 MiB", "MiB", &[Secure::Nginx, Secure::Reactor], Fetching::start),
            case(
                "an echo of 64 bytes, connections: 50",
                "message",
                &[Secure::TokioEcho, Secure::ReactorEcho],
                |started| Echoing::start(started, 50),
            ),
        ],
    }
}

fn case<W: Work + 'static>(
    name: &str,
    unit: &'static str,
    who: &[Secure],
    work: fn(Started) -> crate::Result<W>,
) -> Case {
    Case {
        name: name.to_owned(),
        grows_to: None,
        unit,
        clock: Clock::Processor,
        contenders: Contender::each_by_name(who, Secure::peer, move |secure| {
            work(processor::start_apart(|| secure.start())?)
        }),
    }
}
