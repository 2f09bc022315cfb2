//! What waits in sockets to be taken: datagrams, and connections to be accepted.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::calls::Errno;
use super::names::SocketIndex;
use crate::net::Readiness;
use crate::{Address, Ecn, Membership};

/// What a datagram socket has in hand.
pub(super) struct Datagrams {
    pub(super) address: Address,
    pub(super) peer: Option<Address>,
    /// Whom a Unix socket is connected to, whatever becomes of the name.
    pub(super) peer_socket: Option<SocketIndex>,
    pub(super) arrived: VecDeque<Stored>,
    pub(super) bytes: usize,
    pub(super) capacity: usize,
    /// What the next call is to be told, once.
    pub(super) error: Option<Errno>,
    pub(super) groups: Vec<Membership>,
    pub(super) hears_itself: bool,
    /// It tells and sets more than bytes and a peer.
    pub(super) metadata: bool,
    /// It hears of ICMP errors though it is connected to nobody.
    pub(super) icmp: bool,
    /// Unix sockets that wait for room here.
    pub(super) waiting: Vec<SocketIndex>,
}

/// A datagram that waits to be received.
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) from: Address,
    /// The local address it was sent to.
    pub(super) to: Option<IpAddr>,
    pub(super) ecn: Option<Ecn>,
}

/// A datagram on its way.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(super) from_host: u16,
    pub(super) to_host: u16,
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) ecn: Option<Ecn>,
    pub(super) bytes: Vec<u8>,
}

impl Datagrams {
    pub(super) fn level(&self) -> Readiness {
        let failed = self.error.is_some();
        Readiness::WRITE
            .with(Readiness::READ.when(failed || !self.arrived.is_empty()))
            .with(Readiness::END.when(failed))
    }

    pub(super) fn takes(&self, from: &Address) -> bool {
        self.peer.as_ref().is_none_or(|peer| peer == from)
    }

    pub(super) fn store(&mut self, datagram: Stored) {
        self.bytes += datagram.bytes.len();
        self.arrived.push_back(datagram);
    }

    pub(super) fn takes_envelopes(&self) -> bool {
        self.metadata
    }

    pub(super) fn has_joined(&self, group: IpAddr) -> bool {
        self.groups.iter().any(|membership| match *membership {
            Membership::V4 { group: joined, .. } => group == IpAddr::V4(joined),
            Membership::V6 { group: joined, .. } => group == IpAddr::V6(joined),
        })
    }
}

/// Connections that nobody has accepted yet.
pub(super) struct Queue {
    pub(super) address: Address,
    pub(super) backlog: usize,
    pub(super) connections: VecDeque<usize>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// One more than was asked for fits, as in Linux.
    pub(super) fn is_full(&self) -> bool {
        self.connections.len() > self.backlog
    }
}
