//! Echo clients that write while they read: a window of bytes is in flight on every connection, however
//! much that is.
//!
//! [`load`](crate::clients::load) writes a round before it reads it, which stops for ever once a round no longer
//! fits into the buffers of both ends; here nothing blocks.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll};

use crate::clients::load::Load;
use crate::clients::sockets::{connect, read, watch};
use crate::{PATIENCE, Result};

/// Bytes of a read or a write.
const CHUNK: usize = 64 * 1024;

/// After so many bytes the stream repeats: a prime, so that no length of a message hides a shift.
const PERIOD: usize = 251;

/// The clients, connected.
pub struct Pipeline {
    load: Load,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    /// What every client sends, from any place of the period on.
    pattern: Vec<u8>,
    reply: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    /// Bytes sent and received since the beginning, and how many are to be sent in all.
    sent: u64,
    received: u64,
    goal: u64,
}

impl Pipeline {
    /// Connects them; nothing is sent yet.
    pub fn connect(address: SocketAddr, load: Load) -> Result<Self> {
        let mut pipeline = Self {
            load,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            pattern: (0..CHUNK + PERIOD).map(|index| (index % PERIOD) as u8).collect(),
            reply: vec![0; CHUNK],
        };
        for token in 0..load.connections {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let stream = watch(&pipeline.poll, connect(address)?, token, interest)?;
            pipeline.clients.push(Client { stream, sent: 0, received: 0, goal: 0 });
        }
        Ok(pipeline)
    }

    /// Exchanges so many messages on every connection, with the load's depth of them in flight.
    pub fn exchange(&mut self, each: u64) -> Result {
        for client in &mut self.clients {
            client.goal += each * self.load.size as u64;
        }
        for index in 0..self.clients.len() {
            self.advance(index)?;
        }
        while self.clients.iter().any(|client| client.received < client.goal) {
            self.poll.poll(&mut self.events, Some(PATIENCE))?;
            if self.events.is_empty() {
                return Err("the server has lost bytes".into());
            }
            let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
            ready.into_iter().try_for_each(|index| self.advance(index))?;
        }
        Ok(())
    }

    /// Reads and writes on one connection until the kernel has no more to give and takes no more, or
    /// the window is full.
    fn advance(&mut self, index: usize) -> Result {
        let window = (self.load.depth * self.load.size) as u64;
        let client = &mut self.clients[index];
        loop {
            let has_written = client.write(window, &self.pattern)?;
            let has_read = client.read(&self.pattern, &mut self.reply)?;
            if !has_written && !has_read {
                return Ok(());
            }
        }
    }
}

impl Client {
    fn write(&mut self, window: u64, pattern: &[u8]) -> Result<bool> {
        let end = self.goal.min(self.received + window);
        let count = CHUNK.min((end - self.sent) as usize);
        if count == 0 {
            return Ok(false);
        }
        match self.stream.write(piece(pattern, self.sent, count)) {
            Ok(count) => self.sent += count as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    fn read(&mut self, pattern: &[u8], reply: &mut [u8]) -> Result<bool> {
        let Some(count) = read(&mut self.stream, reply)? else {
            return Ok(false);
        };
        if reply[..count] != *piece(pattern, self.received, count) {
            return Err("the echo differs from what was sent".into());
        }
        self.received += count as u64;
        Ok(true)
    }
}

/// The bytes of the stream from a position on.
fn piece(pattern: &[u8], position: u64, count: usize) -> &[u8] {
    let start = (position % PERIOD as u64) as usize;
    &pattern[start..start + count]
}
