//! The web: a short answer, a small file, an echo over WebSocket.

use crate::askers::AskingWork;
use crate::processor;
use crate::webs::Web;
use crate::work::{Case, Clock, Contender, Group};

/// The group.
pub fn group() -> Group {
    Group {
        name: "web",
        about: "What a request costs a web server, and a message of 64 bytes a server of WebSockets. The \
                ruler of the first two is a raw epoll loop that has httparse read each request and always \
                says the same; of the file it is nginx; of WebSocket tokio-tungstenite. (nginx takes part \
                where it is installed.)",
        shown: "Hello, World!, connections: 64, in flight on each: 1",
        cases: vec![
            case("Hello, World!", (64, 1), HELLOS),
            case("Hello, World!", (64, 16), HELLOS),
            case("a file of 1 KiB", (64, 1), &[Web::NginxFile, Web::ReactorFile]),
            case("WebSocket, an echo", (50, 1), &[Web::TungsteniteSocket, Web::ReactorSocket]),
        ],
    }
}

const HELLOS: &[Web] = &[Web::Epoll, Web::Mio, Web::Reactor, Web::Hyper, Web::Nginx];

fn case(what: &str, (connections, depth): (usize, usize), webs: &[Web]) -> Case {
    Case {
        name: format!("{what}, connections: {connections}, in flight on each: {depth}"),
        grows_to: None,
        unit: "request",
        clock: Clock::Processor,
        contenders: Contender::each_by_name(webs, Web::peer, move |web| {
            let running = processor::start_apart(|| web.start())?;
            AskingWork::start(running, web.asking(connections, depth))
        }),
    }
}
