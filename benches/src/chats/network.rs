//! Several of our servers that are one network over a `nats-server`.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::clients::user::User;
use crate::loaded::Start;
use crate::nats::broker::Broker;
use crate::program::{Program, Server};
use crate::{PATIENCE, Result};

/// How users are numbered who only look who is there: as nobody else is.
const LOOKING: usize = 20_000;

/// The servers, each of which knows all the others.
pub struct Network {
    /// The servers.
    pub nodes: Vec<Server>,
    /// What is between them.
    pub broker: Broker,
}

impl Network {
    /// Starts so many servers, the first of them in its own way.
    pub fn start(nodes: usize, first: impl FnOnce(&Program) -> Result<Server>) -> Result<Self> {
        let broker = Broker::start()?;
        let mut servers = vec![first(&node(&broker, 0)?)?];
        for number in 1..nodes {
            servers.push(Start::Here.program(&node(&broker, number)?)?);
        }
        Self { nodes: servers, broker }.once_united()
    }

    /// Where a server listens.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].address()
    }

    /// Messages that each server was sent by NATS, and those that it has published there.
    pub fn messages(&self) -> Result<Vec<[u64; 2]>> {
        let connections = self.broker.connections()?;
        let of = |number| {
            let name = format!("chat {}", name(number));
            let connection = connections.iter().find(|connection| connection.name == name);
            connection.map(|it| [it.out_msgs, it.in_msgs])
        };
        let all = (0..self.nodes.len()).map(of).collect::<Option<_>>();
        Ok(all.ok_or("a server is not connected to NATS")?)
    }

    /// Ends the first one by SIGTERM, and then the rest.
    pub fn stop(self) -> Result {
        self.nodes.into_iter().try_for_each(Server::stop)
    }

    /// Waits until each has heard of all the others.
    fn once_united(self) -> Result<Self> {
        let all = format!(" on {} servers", self.nodes.len());
        for (number, node) in self.nodes.iter().enumerate() {
            let mut user = User::register(node.address(), LOOKING + number)?;
            let began = Instant::now();
            while !user.ask("LUSERS", " 251 ")?.ends_with(&all) {
                if began.elapsed() > PATIENCE {
                    return Err("the servers do not find each other".into());
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(self)
    }
}

fn node(broker: &Broker, number: usize) -> Result<Program> {
    let node = name(number);
    Ok(Program::server("chat")?.with("--nats").with(broker.address()).with("--node").with(node))
}

fn name(number: usize) -> String {
    format!("node{number}")
}
