//! A call of JSON-RPC, by all that carries it, and a notification to every subscriber of a topic.
//!
//! jayson is not counted: Node translates while it runs, and most of that would be counted.

use super::{Runner, Subject};
use crate::askers::Askers;
use crate::callers::{PROGRAM, Subscribers};
use crate::calls::Calls;
use crate::program::Program;

const CALLERS: usize = 50;
const CALLS: usize = 20_000;
const SUBSCRIBERS: usize = 1_000;
const DELIVERIES: usize = 50_000;

pub(super) fn subjects() -> Vec<Subject> {
    let deliveries = Runner::new("reactor", |instrument, deliveries| {
        crate::descriptors::require(SUBSCRIBERS + 64)?;
        let server = Program::named(PROGRAM)?.start_under(instrument)?;
        let mut subscribers = Subscribers::gather(server.address(), SUBSCRIBERS)?;
        subscribers.publish(deliveries / SUBSCRIBERS)?;
        server.stop()
    });
    vec![
        calls("rpc", "in lines", &[Calls::EpollLines, Calls::ReactorLines]),
        calls("rpc.http", "by HTTP", &[Calls::JsonrpseeHttp, Calls::EpollHttp, Calls::ReactorHttp]),
        calls(
            "rpc.socket",
            "by WebSocket",
            &[Calls::JsonrpseeSocket, Calls::EpollSocket, Calls::ReactorSocket],
        ),
        Subject {
            name: format!("rpc.topic.{SUBSCRIBERS}"),
            about: format!("a notification in JSON-RPC to each of {SUBSCRIBERS} subscribers"),
            unit: "delivery",
            program: PROGRAM,
            units: DELIVERIES,
            round: SUBSCRIBERS,
            runners: vec![deliveries],
        },
    ]
}

fn calls(name: &str, how: &str, servers: &[Calls]) -> Subject {
    let runner = |server: &Calls| {
        let server = *server;
        Runner::new(server.peer(), move |instrument, calls| {
            let running = server.program()?.start_under(instrument)?;
            Askers::connect(running.address(), server.asking(CALLERS, 1))?.ask(calls)?;
            running.stop()
        })
    };
    Subject {
        name: format!("{name}.{CALLERS}x1"),
        about: format!("a call of sum in JSON-RPC, {how}, connections: {CALLERS}"),
        unit: "call",
        program: PROGRAM,
        units: CALLS,
        round: CALLERS,
        runners: servers.iter().map(runner).collect(),
    }
}
