//! A request that is answered with "Hello, World!", a file of 1 KiB, and an echo over WebSocket.
//!
//! nginx is not counted: it does not say when it listens, as an instrument's child has to.

use super::{Runner, Subject};
use crate::askers::Askers;
use crate::webs::{PROGRAM, Web};

const REQUESTS: usize = 19_200;

const HELLOS: &[Web] = &[Web::Epoll, Web::Mio, Web::Reactor, Web::Hyper];

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        subject("web.hello", "Hello, World!", (64, 1), HELLOS),
        subject("web.hello", "Hello, World!", (64, 16), HELLOS),
        subject("web.file", "a file of 1 KiB", (64, 1), &[Web::ReactorFile]),
        subject(
            "web.socket",
            "an echo of 64 bytes over WebSocket",
            (50, 1),
            &[Web::TungsteniteSocket, Web::ReactorSocket],
        ),
    ]
}

fn subject(name: &str, what: &str, (connections, depth): (usize, usize), webs: &[Web]) -> Subject {
    let runner = |web: &Web| {
        let web = *web;
        Runner::new(web.peer(), move |instrument, requests| {
            let server = web.program()?.start_under(instrument)?;
            let mut askers = Askers::connect(server.address(), web.asking(connections, depth))?;
            askers.ask(requests)?;
            server.stop()
        })
    };
    Subject {
        name: format!("{name}.{connections}x{depth}"),
        about: format!("{what}, connections: {connections}, in flight on each: {depth}"),
        unit: "request",
        program: PROGRAM,
        units: REQUESTS.next_multiple_of(connections * depth),
        round: connections * depth,
        runners: webs.iter().map(runner).collect(),
    }
}
