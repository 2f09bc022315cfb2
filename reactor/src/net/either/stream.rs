//! One connected stream socket of either system.

use std::fs::File;
use std::io::{self, IoSlice};

use super::shelf::{Detached, Shelved};
use super::{Poller, not_simulated_here};
use crate::id::Token;
use crate::net::{OwnedPath, StdStream, os, sim};
use crate::{Address, ConnectOptions, OpenError, StreamOptions};

pub(crate) enum StreamSocket {
    Os(os::StreamSocket),
    Sim(Shelved<sim::StreamSocket>),
}

/// A simulated stream, taken out of its loop: another simulated loop of the same host adopts it.
#[derive(Debug)]
pub struct SimulatedStream(Detached<sim::StreamSocket>);

impl StreamSocket {
    pub(crate) fn connect(
        poller: &Poller,
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<(Self, Option<OwnedPath>), OpenError> {
        match poller {
            Poller::Os(poller) => os::StreamSocket::connect(poller, address, options)
                .map(|(socket, path)| (Self::Os(socket), path)),
            Poller::Sim(system) => {
                system.connect(address, options).map(|socket| (Self::simulated(socket), None))
            }
        }
    }

    pub(crate) fn adopt(poller: &Poller, stream: StdStream) -> Result<Self, OpenError> {
        match (poller, stream) {
            (Poller::Os(poller), stream) => os::StreamSocket::adopt(poller, stream).map(Self::Os),
            (Poller::Sim(system), StdStream::Simulated(stream)) => {
                let attached = stream.0.attach();
                let ours = attached.filter(|shelved| shelved.with(|socket| socket.is_of(system)));
                ours.map(Self::Sim).ok_or_else(not_simulated_here)
            }
            (Poller::Sim(_), _) => Err(not_simulated_here()),
        }
    }

    pub(super) fn simulated(socket: sim::StreamSocket) -> Self {
        Self::Sim(Shelved::new(socket))
    }

    pub(crate) fn into_std(mut self, poller: &Poller) -> StdStream {
        // It fails only if the socket was never registered, and then there is nothing to undo.
        let _ = self.deregister(poller);
        match self {
            Self::Os(socket) => socket.into_std(poller.os()),
            Self::Sim(shelved) => StdStream::Simulated(SimulatedStream(shelved.detach())),
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
            Self::Sim(shelved) => shelved.with_mut(sim::StreamSocket::deregister),
        }
    }

    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        either!(self, socket => socket.is_connected())
    }

    pub(crate) fn apply(&self, options: &StreamOptions) -> io::Result<()> {
        either!(self, socket => socket.apply(options))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => socket.read(buffer))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => socket.write(bytes))
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.write_vectored(slices))
    }

    pub(crate) fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        either!(self, socket => socket.send_file(file, offset, count))
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        either!(self, socket => socket.shutdown_write())
    }

    pub(crate) fn reset_on_close(&self) {
        either!(self, socket => socket.reset_on_close());
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        either!(self, socket => socket.take_error())
    }

    pub(crate) fn local(&self) -> Address {
        either!(self, socket => socket.local())
    }

    pub(crate) fn peer(&self) -> Address {
        either!(self, socket => socket.peer())
    }

    pub(crate) fn kind(&self) -> &'static str {
        either!(self, socket => socket.kind())
    }
}
