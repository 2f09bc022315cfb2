//! Several loops: what a message costs two of them, beside one.

use crate::Result;
use crate::load::{Clients, Load};
use crate::program::{Program, Server};
use crate::servers::{self, Peer};
use crate::work::{Case, Clock, Contender, Group, Spent, Work};

/// The group.
pub fn group() -> Group {
    Group {
        name: "loops",
        about: "What an echo costs two loops, on two threads, beside one: in processor time of both. They and the clients \
                share all processors.",
        shown: "connections: 50, in flight on each: 16",
        cases: vec![case(50, 1), case(50, 16), case(1_000, 1)],
    }
}

fn case(connections: usize, depth: usize) -> Case {
    let load = Load { connections, depth, size: 64 };
    let contender = |(name, loops): (&str, usize)| {
        Contender::new(name, move || {
            let program = Program::named(servers::PROGRAM)?.with(Peer::Reactor);
            let server = program.with("--loops").with(loops).start()?;
            let clients = Clients::connect(server.address(), load)?;
            Ok(EchoWork { load, clients, server })
        })
    };
    Case {
        name: format!("connections: {connections}, in flight on each: {depth}"),
        grows_to: None,
        unit: "message",
        clock: Clock::Processor,
        contenders: [("one loop", 1), ("reactor", 2)].map(contender).into(),
    }
}

struct EchoWork {
    load: Load,
    clients: Clients,
    server: Server,
}

impl Work for EchoWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let messages = (units as usize).next_multiple_of(self.load.round());
        self.server.watch(messages as u64, || self.clients.exchange(messages))
    }
}
