//! A call of JSON-RPC in lines, and a notification to every subscriber of a topic.
//!
//! Ours alone: there is no other server of lines to be started here.

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
    let calls = Runner::new("reactor", |instrument, calls| {
        let server = Program::named(PROGRAM)?.start_under(instrument)?;
        let asking = Calls::ReactorLines.asking(CALLERS, 1);
        Askers::connect(server.address(), asking)?.ask(calls)?;
        server.stop()
    });
    let deliveries = Runner::new("reactor", |instrument, deliveries| {
        crate::descriptors::require(SUBSCRIBERS + 64)?;
        let server = Program::named(PROGRAM)?.start_under(instrument)?;
        let mut subscribers = Subscribers::gather(server.address(), SUBSCRIBERS)?;
        subscribers.publish(deliveries / SUBSCRIBERS)?;
        server.stop()
    });
    vec![
        Subject {
            name: format!("rpc.{CALLERS}x1"),
            about: format!("a call of sum in JSON-RPC, in lines, connections: {CALLERS}"),
            unit: "call",
            program: PROGRAM,
            units: CALLS,
            round: CALLERS,
            runners: vec![calls],
        },
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
