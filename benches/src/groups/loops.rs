//! Several loops: what a message costs two of them, beside one.

use std::time::Duration;

use crate::Result;
use crate::load::{Clients, Load};
use crate::program::Server;
use crate::servers::{self, Peer};
use crate::work::{Case, Clock, Contender, Group, Spent, Work};

/// The group.
pub(super) fn group() -> Group {
    Group {
        name: "loops",
        about: "What an echo costs two loops, on two threads, beside one: in processor time of both. They and the clients \
                share all processors, so with two loops three threads share two. What that costs is seen by two \
                processes of one loop each, which have nothing in common but the clients: what two loops cost beyond \
                those is what several loops cost.",
        shown: "connections: 50, in flight on each: 16",
        cases: vec![case(50, 1), case(50, 16), case(1_000, 1)],
    }
}

fn case(connections: usize, depth: usize) -> Case {
    let load = Load { connections, depth, size: 64 };
    let contender = |(name, servers): (&str, &'static [usize])| {
        Contender::new(name, move || EchoWork::start(load, servers))
    };
    let all: [(&str, &[usize]); 3] =
        [("one loop", &[1]), ("reactor", &[2]), ("two processes", &[1, 1])];
    Case {
        name: format!("connections: {connections}, in flight on each: {depth}"),
        grows_to: None,
        unit: "message",
        clock: Clock::Processor,
        contenders: all.map(contender).into(),
    }
}

struct EchoWork {
    clients: Clients,
    servers: Vec<Server>,
}

impl EchoWork {
    /// With so many servers, of so many loops each.
    fn start(load: Load, servers: &[usize]) -> Result<Self> {
        let start = |loops: &usize| {
            let program = servers::program(Peer::Reactor)?;
            program.with("--loops").with(loops).start()
        };
        let servers = servers.iter().map(start).collect::<Result<Vec<Server>>>()?;
        let addresses: Vec<_> = servers.iter().map(Server::address).collect();
        Ok(Self { clients: Clients::connect_to(&addresses, load)?, servers })
    }
}

impl Work for EchoWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let messages = (units as usize).next_multiple_of(self.clients.load().round());
        watch(&self.servers, messages as u64, &mut || self.clients.exchange(messages))
    }
}

/// What all of these spend meanwhile.
fn watch(servers: &[Server], units: u64, load: &mut dyn FnMut() -> Result) -> Result<Spent> {
    let Some((first, others)) = servers.split_first() else {
        return Err("there is no server".into());
    };
    let mut processor = Duration::ZERO;
    let spent = first.watch(units, || {
        if others.is_empty() {
            return load();
        }
        processor = watch(others, units, load)?.processor;
        Ok(())
    })?;
    Ok(Spent { processor: spent.processor + processor, ..spent })
}
