//! Datagram sockets of either system.

use std::io;

use super::shelf::{Detached, Shelved};
use super::{Poller, not_simulated_here};
use crate::id::Token;
use crate::net::{AtOnce, Failure, Incoming, Outgoing, StdDatagram, os, sim};
use crate::{Address, DatagramOptions, Membership, OpenError};

pub(crate) enum DatagramSocket {
    Os(os::DatagramSocket),
    Sim(Shelved<sim::DatagramSocket>),
}

/// A simulated datagram socket, taken out of its loop: another simulated loop of the same host
/// adopts it.
#[derive(Debug)]
pub struct SimulatedDatagram(Detached<sim::DatagramSocket>);

impl DatagramSocket {
    pub(crate) fn open(
        poller: &Poller,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<Self, OpenError> {
        match poller {
            Poller::Os(poller) => os::DatagramSocket::open(poller, address, options).map(Self::Os),
            Poller::Sim(system) => {
                system.bind(address, options).map(|socket| Self::Sim(Shelved::new(socket)))
            }
        }
    }

    pub(crate) fn adopt(poller: &Poller, socket: StdDatagram) -> Result<Self, OpenError> {
        match (poller, socket) {
            (Poller::Os(poller), socket) => os::DatagramSocket::adopt(poller, socket).map(Self::Os),
            (Poller::Sim(system), StdDatagram::Simulated(socket)) => {
                let attached = socket.0.attach();
                let ours = attached.filter(|shelved| shelved.with(|socket| socket.is_of(system)));
                ours.map(Self::Sim).ok_or_else(not_simulated_here)
            }
            (Poller::Sim(_), _) => Err(not_simulated_here()),
        }
    }

    pub(crate) fn into_std(mut self, poller: &Poller) -> StdDatagram {
        // It fails only if the socket was never registered, and then there is nothing to undo.
        let _ = self.deregister(poller);
        match self {
            Self::Os(socket) => socket.into_std(poller.os()),
            Self::Sim(shelved) => StdDatagram::Simulated(SimulatedDatagram(shelved.detach())),
        }
    }

    pub(crate) fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.register(poller.os(), token),
            Self::Sim(shelved) => shelved.with_mut(|socket| socket.register(token)),
        }
    }

    /// A simulated socket goes on by itself.
    pub(crate) fn register_again(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.register_again(poller.os(), token),
            Self::Sim(_) => Ok(()),
        }
    }

    pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.deregister(poller.os()),
            Self::Sim(shelved) => shelved.with_mut(sim::DatagramSocket::deregister),
        }
    }

    #[inline(always)]
    pub(crate) fn receive_at_once(&self, buffer: &mut [u8]) -> AtOnce {
        match self {
            Self::Os(socket) => socket.receive_at_once(buffer),
            Self::Sim(_) => AtOnce::Otherwise,
        }
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Incoming> {
        either!(self, socket => socket.receive(buffer))
    }

    #[inline(always)]
    pub(crate) fn send_at_once(
        &self,
        bytes: &[u8],
        to: Option<&Address>,
    ) -> Option<Result<(), Failure>> {
        match self {
            Self::Os(socket) => socket.send_at_once(bytes, to),
            Self::Sim(_) => None,
        }
    }

    pub(crate) fn run_of(&self, length: usize) -> usize {
        match self {
            Self::Os(socket) => socket.run_of(length),
            Self::Sim(_) => 1,
        }
    }

    pub(crate) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<()> {
        either!(self, socket => socket.send(outgoing))
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        either!(self, socket => socket.take_error())
    }

    pub(crate) fn join(&self, group: Membership) -> io::Result<()> {
        either!(self, socket => socket.join(group))
    }

    pub(crate) fn leave(&self, group: Membership) -> io::Result<()> {
        either!(self, socket => socket.leave(group))
    }

    pub(crate) fn local(&self) -> Address {
        either!(self, socket => socket.local())
    }

    pub(crate) fn peer(&self) -> Option<Address> {
        either!(self, socket => socket.peer())
    }

    pub(crate) fn kind(&self) -> &'static str {
        either!(self, socket => socket.kind())
    }
}
