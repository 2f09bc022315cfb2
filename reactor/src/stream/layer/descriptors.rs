//! Descriptors beside the bytes of a Unix stream (`SCM_RIGHTS`, unix(7)).
//!
//! It is a layer that changes no byte: it knows with which byte each descriptor leaves, and reads with the call
//! that brings them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::Layer;
use crate::net::StreamSocket;

/// Descriptors that the system takes with one call (`SCM_MAX_FD` on Linux); so many may wait as well.
pub(crate) const MOST_AT_ONCE: usize = 253;

/// Descriptors on their way out and in.
pub(crate) struct Descriptors {
    /// How many that have come may wait for the protocol.
    most: usize,
    arrived: VecDeque<OwnedFd>,
    /// Those that have yet to leave, each batch with the byte of the stream that it leaves with.
    leaving: VecDeque<(u64, Vec<OwnedFd>)>,
    /// Bytes that the layer was given.
    accepted: u64,
    /// Bytes that the socket has taken.
    written: u64,
    has_ended: bool,
}

impl Descriptors {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            arrived: VecDeque::new(),
            leaving: VecDeque::new(),
            accepted: 0,
            written: 0,
            has_ended: false,
        }
    }

    /// Has these leave with the byte that comes `behind` so many that the layer has yet to be given.
    pub(crate) fn push(&mut self, behind: u64, descriptors: Vec<OwnedFd>) {
        self.leaving.push_back((self.accepted + behind, descriptors));
    }

    /// How many have yet to leave.
    pub(crate) fn waiting(&self) -> usize {
        self.leaving.iter().map(|(_, batch)| batch.len()).sum()
    }

    /// Takes those that have come.
    pub(crate) fn take(&mut self) -> Vec<OwnedFd> {
        self.arrived.drain(..).collect()
    }
}

impl Layer for Descriptors {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        _: &mut Vec<u8>,
    ) -> io::Result<()> {
        plain.extend_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        self.accepted += plain.len() as u64;
        wire.extend_from_slice(plain);
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}

    fn is_open(&self) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// A read ends where descriptors lie, though there is more.
    fn believes_short_reads(&self) -> bool {
        false
    }

    fn read_socket(&mut self, socket: &StreamSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut arrived = Vec::new();
        let length = socket.receive_with_descriptors(buffer, &mut arrived)?;
        self.has_ended |= length == 0;
        if self.arrived.len() + arrived.len() > self.most {
            let why = "the peer sends more descriptors than it may";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        self.arrived.extend(arrived);
        Ok(length)
    }

    /// Sends up to the byte with which the next descriptors leave, or beginning with that.
    fn write_socket(&mut self, socket: &StreamSocket, bytes: &[u8]) -> io::Result<usize> {
        let until_next = |leaving: &VecDeque<(u64, Vec<OwnedFd>)>, index| {
            let next: Option<&(u64, _)> = leaving.get(index);
            next.map_or(u64::MAX, |(at, _)| at - self.written)
        };
        let (first, second) = (until_next(&self.leaving, 0), until_next(&self.leaving, 1));
        let sent = if first == 0
            && let Some((_, batch)) = self.leaving.front()
        {
            let batch: Vec<_> = batch.iter().map(AsFd::as_fd).collect();
            let sent = socket.send_with_descriptors(cut(bytes, second), &batch)?;
            self.leaving.pop_front();
            sent
        } else {
            socket.write(cut(bytes, first))?
        };
        self.written += sent as u64;
        Ok(sent)
    }
}

/// The first so many bytes.
fn cut(bytes: &[u8], most: u64) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    bytes.get(..most).unwrap_or(bytes)
}
