//! Listening sockets of either system.

use std::io;

use super::shelf::{Detached, Shelved};
use super::{Poller, StreamSocket, not_simulated_here};
use crate::id::Token;
use crate::net::{StdListener, os, sim};
use crate::{Address, ListenOptions, OpenError, StreamOptions};

pub(crate) enum ListenerSocket {
    Os(os::ListenerSocket),
    Sim(Shelved<sim::ListenerSocket>),
}

/// A simulated listener, taken out of its loop: another simulated loop of the same host adopts it.
#[derive(Debug)]
pub struct SimulatedListener(Detached<sim::ListenerSocket>);

impl ListenerSocket {
    pub(crate) fn open(
        poller: &Poller,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<Self, OpenError> {
        match poller {
            Poller::Os(poller) => os::ListenerSocket::open(poller, address, options).map(Self::Os),
            Poller::Sim(system) => {
                system.listen(address, options).map(|socket| Self::Sim(Shelved::new(socket)))
            }
        }
    }

    pub(crate) fn adopt(poller: &Poller, listener: StdListener) -> Result<Self, OpenError> {
        match (poller, listener) {
            (Poller::Os(poller), listener) => {
                os::ListenerSocket::adopt(poller, listener).map(Self::Os)
            }
            (Poller::Sim(system), StdListener::Simulated(listener)) => {
                let attached = listener.0.attach();
                let ours = attached.filter(|shelved| shelved.with(|socket| socket.is_of(system)));
                ours.map(Self::Sim).ok_or_else(not_simulated_here)
            }
            (Poller::Sim(_), _) => Err(not_simulated_here()),
        }
    }

    pub(crate) fn into_std(mut self, poller: &Poller) -> StdListener {
        // It fails only if the socket was never registered, and then there is nothing to undo.
        let _ = self.deregister(poller);
        match self {
            Self::Os(socket) => socket.into_std(poller.os()),
            Self::Sim(shelved) => StdListener::Simulated(SimulatedListener(shelved.detach())),
        }
    }

    pub(crate) fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.register(poller.os(), token),
            Self::Sim(shelved) => shelved.with_mut(|socket| socket.register(token)),
        }
    }

    pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
        match self {
            Self::Os(socket) => socket.deregister(poller.os()),
            Self::Sim(shelved) => shelved.with_mut(sim::ListenerSocket::deregister),
        }
    }

    pub(crate) fn accept(&self, options: &StreamOptions) -> io::Result<(StreamSocket, Address)> {
        match self {
            Self::Os(socket) => {
                socket.accept(options).map(|(socket, peer)| (StreamSocket::Os(socket), peer))
            }
            Self::Sim(shelved) => shelved
                .with(|socket| socket.accept(options))
                .map(|(socket, peer)| (StreamSocket::simulated(socket), peer)),
        }
    }

    pub(crate) fn local(&self) -> Address {
        either!(self, socket => socket.local())
    }

    pub(crate) fn kind(&self) -> &'static str {
        either!(self, socket => socket.kind())
    }
}
