//! Protocols, each beside other people's: NATS, the web, TLS, JSON-RPC.

use super::timed::Timed;
use super::{Scale, section};
use crate::calls::Calls;
use crate::clients::askers::{self, Asked};
use crate::loaded::Start;
use crate::nats::{Nats, NatsWork, Way};
use crate::report::contest::{Contest, Section};
use crate::webs::Web;
use crate::work::Clock;

/// The name of the section that needs a program which is no part of this workspace.
pub const NATS: &str = "nats";

/// A client of NATS: what it publishes, and what it hears.
pub(super) fn nats(scale: Scale) -> Section {
    let timed = Timed { unit: "message", clock: Clock::Client, scale };
    let contest =
        |name, way| timed.contest(name, Nats::all(), move |nats| NatsWork::start(nats, way));
    section(
        NATS,
        "What a message of 64 bytes costs a client of NATS, which publishes it or is subscribed to it. The \
         ruler is async-nats on tokio's current-thread runtime; the other one is `nats` of npm, on Node. The \
         `nats-server` and who speaks with the client through it are on the other processor, and neither is \
         counted. (Whoever is not installed takes no part.)",
        "heard",
        vec![contest("published", Way::Published), contest("heard", Way::Heard)],
    )
}

/// Those who are asked the same, so many questions in flight on each of so many connections.
fn asked<A: Asked>(
    scale: Scale,
    what: &str,
    unit: &'static str,
    load: (usize, usize),
    servers: &[A],
) -> Contest {
    let timed = Timed { unit, clock: Clock::Processor, scale };
    let entrant = |&server: &A| {
        timed.entrant(server.peer(), move || askers::asked(Start::Apart, server, load))
    };
    let (connections, depth) = load;
    timed.among(
        format!("{what}, connections: {connections}, in flight on each: {depth}"),
        servers.iter().map(entrant).collect(),
    )
}

/// A short answer, a small file, an echo over WebSocket.
pub(super) fn web(scale: Scale) -> Section {
    const HELLOS: &[Web] = &[Web::Epoll, Web::Mio, Web::Reactor, Web::Hyper, Web::Nginx];
    let contest = |what, load, webs: &[Web]| asked(scale, what, "request", load, webs);
    section(
        "web",
        "What a request costs a web server, and a message of 64 bytes a server of WebSockets. The \
         ruler of the first two is a raw epoll loop that has httparse read each request and always \
         says the same; of the file it is nginx; of WebSocket tokio-tungstenite. (nginx takes part \
         where it is installed.)",
        "Hello, World!, connections: 64, in flight on each: 1",
        vec![
            contest("Hello, World!", (64, 1), HELLOS),
            contest("Hello, World!", (64, 16), HELLOS),
            contest("a file of 1 KiB", (64, 1), &[Web::NginxFile, Web::ReactorFile]),
            contest("WebSocket, an echo", (50, 1), &[Web::TungsteniteSocket, Web::ReactorSocket]),
        ],
    )
}

/// TLS: those who come and go, a large file, an echo; what an idle connection costs in memory.
#[cfg(feature = "tls")]
pub(super) fn tls(scale: Scale) -> Section {
    use rustls::HandshakeKind;

    use crate::clients::secured::{comings, echoing, fetching};
    use crate::loaded::Loaded;
    use crate::secure::Secure;

    // Who takes TLS off; the last two of those beside us have a plain server behind them.
    const ALL: [Secure; 5] =
        [Secure::Nginx, Secure::Reactor, Secure::Haproxy, Secure::Stunnel, Secure::Hitch];
    type Work = fn(Secure) -> crate::Result<Loaded>;
    let contest = |name, unit, who: &[Secure], work: Work| {
        let timed = Timed { unit, clock: Clock::Processor, scale };
        let entrant = |&secure: &Secure| timed.entrant(secure.peer(), move || work(secure));
        timed.among(name, who.iter().map(entrant).collect())
    };
    section(
        "tls",
        "What a server spends on TLS 1.3, with a certificate of ECDSA (P-256): on somebody who comes, is \
         answered once and goes, with a full handshake and with one that goes on with a session; on a MiB of \
         a large file; and on an echo of 64 bytes. stunnel and hitch have a plain server behind them, whose \
         time is not counted, and with each connection one to that. (Who is not installed takes no part.)",
        "a full handshake and an answer",
        vec![
            contest("a full handshake and an answer", "connection", &ALL, |secure| {
                comings(Start::Apart, secure, HandshakeKind::Full)
            }),
            contest("a resumed handshake and an answer", "connection", &ALL, |secure| {
                comings(Start::Apart, secure, HandshakeKind::Resumed)
            }),
            contest("a file of 64 MiB", "MiB", &[Secure::Nginx, Secure::Reactor], |secure| {
                fetching(Start::Apart, secure)
            }),
            contest(
                "an echo of 64 bytes, connections: 50",
                "message",
                &[Secure::TokioEcho, Secure::ReactorEcho],
                |secure| echoing(Start::Apart, secure, 50),
            ),
            super::memory::tls(scale),
        ],
    )
}

/// Calls of JSON-RPC: one at a time, and many in flight, by all that carries them.
pub(super) fn calls(scale: Scale) -> Section {
    use Calls::{
        EpollHttp, EpollLines, EpollSocket, JaysonHttp, JaysonLines, JaysonSocket, JsonrpseeHttp,
        JsonrpseeSocket, ReactorHttp, ReactorLines, ReactorSocket,
    };
    const LINES: &[Calls] = &[JaysonLines, EpollLines, ReactorLines];
    const SOCKETS: &[Calls] = &[JsonrpseeSocket, JaysonSocket, EpollSocket, ReactorSocket];
    let contest = |what, depth, calls: &[Calls]| asked(scale, what, "call", (50, depth), calls);
    section(
        "calls",
        "What a call of JSON-RPC costs its server: three numbers are added. The ruler is jsonrpsee on \
         tokio's current-thread runtime, where there is one of it, and jayson on Node where there is \
         none: jsonrpsee does not speak in lines. (jayson takes part where it is installed.) epoll is a raw loop \
         that reads nothing of what it is asked, and has its answer ready: what the kernel takes of a call \
         that comes by itself, and nobody can save. What each does in user space is under \
         [counts](#counts).",
        "sum by WebSocket, connections: 50, in flight on each: 1",
        vec![
            contest("sum in lines", 1, LINES),
            contest("sum in lines", 16, LINES),
            contest("sum by HTTP", 1, &[JsonrpseeHttp, JaysonHttp, EpollHttp, ReactorHttp]),
            contest("sum by WebSocket", 1, SOCKETS),
            contest("sum by WebSocket", 16, SOCKETS),
        ],
    )
}
