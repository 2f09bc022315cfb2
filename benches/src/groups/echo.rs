//! Echo: small messages and large ones, one connection and many, one message in flight and sixteen.

use crate::Result;
use crate::descriptors;
use crate::load::{Clients, Load};
use crate::pipeline::Pipeline;
use crate::program::Server;
use crate::servers::{self, Peer};
use crate::work::{Case, Clock, Contender, Group, Spent, Work};

const SMALL: usize = 64;
const LARGE: usize = 64 * 1024;

/// Connections, depth and size of each case.
const LOADS: [(usize, usize, usize); 11] = [
    (1, 1, SMALL),
    (50, 1, SMALL),
    (1_000, 1, SMALL),
    (1, 16, SMALL),
    (50, 16, SMALL),
    (1_000, 16, SMALL),
    (1, 1, LARGE),
    (50, 1, LARGE),
    (1_000, 1, LARGE),
    (1, 16, LARGE),
    (50, 16, LARGE),
];

/// A large message is 53 bytes longer than what loopback carries in one segment, and how the kernel
/// tears it apart stays with a connection: of the same server, one costs two and a half times what
/// another does. So a turn goes over so many of them.
const SAMPLED: usize = 16;

/// What is measured only where it is asked for: it wants many descriptors.
const MANY: (usize, usize, usize) = (10_000, 1, SMALL);

/// The variable in the environment that asks for it.
const ASKED: &str = "BENCH_TEN_THOUSAND";

/// The group.
pub(super) fn group() -> Group {
    let many = std::env::var_os(ASKED).map(|_| MANY);
    Group {
        name: "echo",
        about: "What it costs a server to send a message back. The ruler is a raw epoll loop. (Large \
                messages end where the kernel's own limit on the memory of all TCP sockets would be \
                measured: at a thousand connections, and with sixteen in flight at fifty. A single \
                connection of them is connected anew sixteen times a turn: how loopback tears messages of \
                64 KiB into segments of 65483 bytes stays with a connection, and decides what they cost.)",
        shown: "connections: 50, in flight on each: 1, bytes: 64",
        cases: LOADS.into_iter().chain(many).map(case).collect(),
    }
}

fn case((connections, depth, size): (usize, usize, usize)) -> Case {
    let load = Load { connections, depth, size };
    Case {
        name: format!("connections: {connections}, in flight on each: {depth}, bytes: {size}"),
        grows_to: (depth == 1 && size == SMALL).then_some(connections),
        unit: "message",
        clock: Clock::Processor,
        contenders: Contender::each(Peer::all(), move |peer| EchoWork::start(peer, load)),
    }
}

/// An echo server as a child process and its clients, as work.
struct EchoWork {
    load: Load,
    clients: EchoClients,
    server: Server,
}

/// Small messages go in rounds, which cost the clients least; large ones would not fit, and are sent on
/// connections that are opened for them.
enum EchoClients {
    Rounds(Clients),
    Pipeline,
}

impl EchoWork {
    fn start(peer: Peer, load: Load) -> Result<Self> {
        descriptors::require(load.connections + 64)?;
        let program = servers::program(peer)?;
        if load.size == SMALL {
            let server = program.start_apart()?;
            let clients = EchoClients::Rounds(Clients::connect(server.address(), load)?);
            return Ok(Self { load, clients, server });
        }
        let server = program.with(format!("--own-buffer={}", load.size)).start_apart()?;
        Ok(Self { load, clients: EchoClients::Pipeline, server })
    }
}

impl Work for EchoWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let rounds = (units as usize).div_ceil(self.load.round());
        match &mut self.clients {
            EchoClients::Rounds(clients) => {
                let messages = rounds * self.load.round();
                self.server.watch(messages as u64, || clients.exchange(messages))
            }
            EchoClients::Pipeline => self.exchange_large(rounds),
        }
    }
}

impl EchoWork {
    fn exchange_large(&self, rounds: usize) -> Result<Spent> {
        let samples = SAMPLED.div_ceil(self.load.connections).min(rounds);
        let each = rounds.div_ceil(samples);
        let mut spent = Spent::default();
        for _ in 0..samples {
            let mut clients = Pipeline::connect(self.server.address(), self.load)?;
            let messages = (each * self.load.round()) as u64;
            let exchange = || clients.exchange((each * self.load.depth) as u64);
            spent += self.server.watch(messages, exchange)?;
        }
        Ok(spent)
    }
}
