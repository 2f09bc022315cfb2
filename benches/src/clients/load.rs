//! An exact number of messages, so that what a server does for them can be counted.
//!
//! In rounds: write `depth` messages on every connection, then read all of them back. The server finds
//! many connections ready at once, as under real load.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::clients::sockets::connect;
use crate::loaded::{Loaded, Start};
use crate::servers::{self, Peer};
use crate::{Result, descriptors};

/// What a round may hold on one connection: more could fill the buffers of both ends and stop there.
const MOST_IN_FLIGHT: usize = 64 * 1024;

/// The form of a load: all but its length.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, all open before the first round.
    pub connections: usize,
    /// Messages in flight on each.
    pub depth: usize,
    /// Bytes a message.
    pub size: usize,
}

impl Load {
    /// Messages a round.
    pub fn round(&self) -> usize {
        self.connections * self.depth
    }

    /// Bytes in flight on each connection, if it is something that can be sent before it is read.
    fn bytes_in_flight(&self) -> Result<usize> {
        let bytes = self.depth * self.size;
        if bytes == 0 || self.connections == 0 || bytes > MOST_IN_FLIGHT {
            return Err(format!(
                "a load of {self:?}: 1 to {MOST_IN_FLIGHT} bytes a connection are possible"
            )
            .into());
        }
        Ok(bytes)
    }
}

/// The clients of a load, connected.
pub struct Clients {
    load: Load,
    streams: Vec<TcpStream>,
    batch: Vec<u8>,
    reply: Vec<u8>,
    sent: u64,
}

impl Clients {
    /// Connects them one after the other, each with one message echoed, so that the server does the
    /// same every time.
    pub fn connect(address: SocketAddr, load: Load) -> Result<Self> {
        Self::connect_to(&[address], load)
    }

    /// As [`connect`](Self::connect), to each of these in turns.
    pub fn connect_to(addresses: &[SocketAddr], load: Load) -> Result<Self> {
        let bytes = load.bytes_in_flight()?;
        let mut clients = Self {
            load,
            streams: Vec::new(),
            batch: vec![0; bytes],
            reply: vec![0; bytes],
            sent: 0,
        };
        for address in addresses.iter().cycle().take(load.connections) {
            clients.add(*address)?;
        }
        Ok(clients)
    }

    /// Its form.
    pub fn load(&self) -> Load {
        self.load
    }

    /// Puts more messages in flight on each connection, or fewer.
    pub fn deepen(&mut self, depth: usize) -> Result {
        let load = Load { depth, ..self.load };
        let bytes = load.bytes_in_flight()?;
        self.load = load;
        self.batch.resize(bytes, 0);
        self.reply.resize(bytes, 0);
        Ok(())
    }

    /// The connections, with nothing in flight on any.
    pub fn into_streams(self) -> Vec<TcpStream> {
        self.streams
    }

    fn add(&mut self, address: SocketAddr) -> Result {
        let mut stream = connect(address)?;
        let (message, reply) = (&self.batch[..self.load.size], &mut self.reply[..self.load.size]);
        stream.write_all(message)?;
        receive(&mut stream, message, reply)?;
        self.streams.push(stream);
        Ok(())
    }

    /// Writes all messages of all connections, and then reads them back.
    pub fn round(&mut self) -> Result {
        self.stamp();
        for stream in &mut self.streams {
            stream.write_all(&self.batch)?;
        }
        for stream in &mut self.streams {
            receive(stream, &self.batch, &mut self.reply)?;
        }
        Ok(())
    }

    /// Makes the messages of this round unlike those before, so that a late echo is not taken for one.
    fn stamp(&mut self) {
        for message in self.batch.chunks_exact_mut(self.load.size) {
            self.sent += 1;
            for (byte, stamp) in message.iter_mut().zip(self.sent.to_le_bytes()) {
                *byte = stamp;
            }
        }
    }
}

/// An echo server under a load: a unit is a message.
pub fn echo(start: Start<'_>, peer: Peer, load: Load) -> Result<Loaded> {
    descriptors::require(load.connections)?;
    let server = start.program(&servers::program(peer)?)?;
    let mut clients = Clients::connect(server.address(), load)?;
    Ok(Loaded::new(server, load.round(), move || clients.round()))
}

fn receive(stream: &mut TcpStream, expected: &[u8], reply: &mut [u8]) -> Result {
    stream.read_exact(reply)?;
    if reply == expected { Ok(()) } else { Err("the echo differs from what was sent".into()) }
}
