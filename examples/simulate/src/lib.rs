//! What `simulate` runs: for each protocol a scenario, with everything that must always hold.

#![forbid(unsafe_code)]

mod broker;
mod cast;
pub mod chat;
pub mod cluster;
pub mod echo;
pub mod ftp;
pub mod nats;
pub mod rpc;
mod score;
pub mod tftp;
pub mod torrent;
pub mod websocket;

use reactor::sim::{Fault, Network, Outcome};

/// A protocol that can be simulated.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What a person calls it.
    pub name: &'static str,
    /// What is run on each seed.
    pub scenario: fn(&mut Network) -> Outcome,
    /// A shorter one without faults of its own, every call of which is made to fail.
    pub torture: fn(&mut Network) -> Outcome,
    /// Faults that cannot happen to it, since it has no sockets of that kind.
    pub without: &'static [Fault],
}

/// What happens to datagrams alone.
const OF_DATAGRAMS: &[Fault] = &[
    Fault::DatagramError,
    Fault::DatagramLost,
    Fault::DatagramDuplicated,
    Fault::DatagramReordered,
    Fault::DatagramCorrupted,
    Fault::DatagramTooLong,
];

/// What happens to streams alone; and a bit that is flipped in a datagram, which TFTP cannot know.
const OF_STREAMS: &[Fault] = &[
    Fault::HintHidden,
    Fault::ShortRead,
    Fault::ShortWrite,
    Fault::SmallBuffers,
    Fault::ReadError,
    Fault::WriteError,
    Fault::AcceptError,
    Fault::ConnectError,
    Fault::SegmentLost,
    Fault::ConnectRefused,
    Fault::ConnectSlow,
    Fault::ConnectHangs,
    Fault::EarlyEnd,
    Fault::Reset,
    Fault::ResetDiscards,
    Fault::Silence,
    Fault::DatagramCorrupted,
];

/// All there are.
pub const SUBJECTS: [Subject; 10] = [
    Subject { name: "echo", scenario: echo::swarm, torture: echo::torture, without: &[] },
    Subject { name: "rpc", scenario: rpc::swarm, torture: rpc::torture, without: OF_DATAGRAMS },
    Subject { name: "chat", scenario: chat::swarm, torture: chat::torture, without: OF_DATAGRAMS },
    Subject {
        name: "transfer",
        scenario: ftp::swarm,
        torture: ftp::torture,
        without: OF_DATAGRAMS,
    },
    Subject {
        name: "websocket",
        scenario: websocket::swarm,
        torture: websocket::torture,
        without: OF_DATAGRAMS,
    },
    Subject {
        name: "network",
        scenario: chat::network::swarm,
        torture: chat::network::torture,
        without: OF_DATAGRAMS,
    },
    Subject {
        name: "cluster",
        scenario: cluster::swarm,
        torture: cluster::torture,
        without: cluster::WITHOUT,
    },
    Subject { name: "nats", scenario: nats::swarm, torture: nats::torture, without: OF_DATAGRAMS },
    Subject {
        name: "torrent",
        scenario: torrent::swarm,
        torture: torrent::torture,
        without: OF_DATAGRAMS,
    },
    Subject { name: "tftp", scenario: tftp::swarm, torture: tftp::torture, without: OF_STREAMS },
];

/// Chapters of the book that simulate, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/simulation.md")]
struct Simulation;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/key-value.md")]
struct KeyValue;
