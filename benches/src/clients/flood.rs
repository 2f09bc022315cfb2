//! Clients that send as much as the server takes, and read all of it, little, or nothing; and such as all end at once.
//!
//! A server that goes on conduct from them has to keep what it cannot send: without a bound its memory
//! grows as long as they like, and without fairness everyone else waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll};
use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::clients::sockets::{source, watch};

/// The clients' own buffers in the kernel, small so that a thousand of them fill soon.
const KERNEL_BUFFER: usize = 64 * 1024;

/// What one write offers.
static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// How often a slow reader reads, and how long a silent one sleeps at most.
const READ_EVERY: Duration = Duration::from_millis(20);

/// How far behind others a flooding thread steps: as far as it can.
const LAST: i32 = 19;

/// Who floods, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Clients, all at once.
    pub clients: usize,
    /// What each of them does.
    pub conduct: Conduct,
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// It sends, and reads all there is.
    ReadsAll,
    /// It sends, and reads so much.
    ReadsSlowly {
        /// Bytes a second.
        bytes_a_second: usize,
    },
    /// It sends, and reads nothing.
    ReadsNothing,
    /// It sends nothing, and ends at the same time as all the others.
    EndsAtOnce,
}

/// The flooding clients.
pub struct Flood {
    poll: Poll,
    clients: Vec<Client>,
    plan: Plan,
}

struct Client {
    stream: TcpStream,
    is_open: bool,
}

impl Flood {
    /// Connects the clients; they are silent so far.
    pub fn connect(address: SocketAddr, plan: Plan) -> Result<Self> {
        let mut flood = Self { poll: Poll::new()?, clients: Vec::new(), plan };
        let interest = match plan.conduct {
            Conduct::ReadsAll => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::WRITABLE,
        };
        for token in 0..plan.clients {
            let stream = connect(address, source(token))?;
            let stream = watch(&flood.poll, stream, token, interest)?;
            flood.clients.push(Client { stream, is_open: true });
        }
        Ok(flood)
    }

    /// Floods until it is over.
    ///
    /// The thread steps back behind all others on its processor: whoever measures shares it, and is not
    /// to wait for the flood instead of the server.
    pub fn run(&mut self, is_over: &AtomicBool) -> Result {
        rustix::process::nice(LAST)?;
        match self.plan.conduct {
            Conduct::ReadsAll => self.exchange(is_over),
            Conduct::ReadsSlowly { bytes_a_second } => self.send(is_over, bytes_a_second),
            Conduct::ReadsNothing => self.send(is_over, 0),
            Conduct::EndsAtOnce => {
                self.clients.clear();
                Ok(())
            }
        }
    }

    /// Sends and reads, a chunk at a time.
    fn exchange(&mut self, is_over: &AtomicBool) -> Result {
        let mut events = Events::with_capacity(1024);
        while !is_over.load(Ordering::Relaxed) {
            let mut has_moved = false;
            for client in &mut self.clients {
                has_moved |= client.send_some();
                has_moved |= client.receive(CHUNK.len()) > 0;
            }
            if !has_moved {
                self.poll.poll(&mut events, Some(READ_EVERY))?;
            }
        }
        Ok(())
    }

    /// Sends whenever the kernel takes something, and reads from time to time.
    fn send(&mut self, is_over: &AtomicBool, bytes_a_second: usize) -> Result {
        let share = (bytes_a_second as f64 * READ_EVERY.as_secs_f64()) as usize;
        let mut next_read = Instant::now() + READ_EVERY;
        let mut events = Events::with_capacity(1024);
        while !is_over.load(Ordering::Relaxed) {
            let timeout = next_read.saturating_duration_since(Instant::now());
            self.poll.poll(&mut events, Some(timeout))?;
            for event in &events {
                self.on_writable(event);
            }
            if Instant::now() >= next_read {
                for client in &mut self.clients {
                    client.receive(share);
                }
                next_read += READ_EVERY;
            }
        }
        Ok(())
    }

    /// Sends until the kernel takes no more.
    fn on_writable(&mut self, event: &Event) {
        while self.clients[event.token().0].send_some() {}
    }
}

impl Client {
    /// Sends a chunk, or as much as the kernel takes; whether that was something.
    fn send_some(&mut self) -> bool {
        if !self.is_open {
            return false;
        }
        match self.stream.write(&CHUNK) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            // The server may close whom it does not like.
            Err(_) => {
                self.is_open = false;
                false
            }
        }
    }

    /// Reads that many bytes, or what there is; how many it was.
    fn receive(&mut self, wanted: usize) -> usize {
        let mut buffer = [0; 16 * 1024];
        let mut received = 0;
        while self.is_open && received < wanted {
            let most = buffer.len().min(wanted - received);
            match self.stream.read(&mut buffer[..most]) {
                Ok(0) => self.is_open = false,
                Ok(count) => received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_open = false,
            }
        }
        received
    }
}

fn connect(address: SocketAddr, from: Ipv4Addr) -> Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    // It ends by a reset, and its port is free at once.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}
