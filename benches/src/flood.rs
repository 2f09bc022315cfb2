//! Clients that send as much as the server takes, and read slowly or not at all.
//!
//! A server that goes on reading from them has to keep what it cannot send: without a bound its memory
//! grows as long as they like, and without fairness everyone else waits.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::Result;

/// The clients' own buffers in the kernel, small so that a thousand of them fill soon.
const KERNEL_BUFFER: usize = 64 * 1024;

/// What one write offers.
static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// How often a slow reader reads.
const READ_EVERY: Duration = Duration::from_millis(50);

/// Who floods, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Clients, all at once.
    pub clients: usize,
    /// Bytes a second that each of them reads.
    pub reads: usize,
}

/// The flooding clients.
#[derive(Debug)]
pub struct Flood {
    poll: Poll,
    clients: Vec<Client>,
    plan: Plan,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    sent: u64,
    is_open: bool,
}

/// What the server let the clients do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Bytes that left the clients, all together.
    pub sent: u64,
    /// Clients that the server closed.
    pub closed: usize,
}

impl Flood {
    /// Connects the clients; they are silent so far.
    pub fn connect(address: SocketAddr, plan: Plan) -> Result<Self> {
        let mut flood = Self { poll: Poll::new()?, clients: Vec::new(), plan };
        for token in 0..plan.clients {
            let mut stream = connect(address)?;
            flood.poll.registry().register(&mut stream, Token(token), Interest::WRITABLE)?;
            flood.clients.push(Client { stream, sent: 0, is_open: true });
        }
        Ok(flood)
    }

    /// Floods for that long.
    pub fn run(&mut self, lasting: Duration) -> Result<Outcome> {
        let end = Instant::now() + lasting;
        let mut next_read = Instant::now() + READ_EVERY;
        let mut events = Events::with_capacity(1024);
        while Instant::now() < end {
            let timeout = next_read.min(end).saturating_duration_since(Instant::now());
            self.poll.poll(&mut events, Some(timeout))?;
            for event in &events {
                self.on_writable(event);
            }
            if Instant::now() >= next_read {
                self.read();
                next_read += READ_EVERY;
            }
        }
        Ok(self.outcome())
    }

    fn on_writable(&mut self, event: &Event) {
        self.clients[event.token().0].send();
    }

    fn read(&mut self) {
        let share = self.plan.reads
            / (Duration::from_secs(1).as_millis() / READ_EVERY.as_millis()) as usize;
        for client in &mut self.clients {
            client.receive(share);
        }
    }

    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        for client in &self.clients {
            outcome.sent += client.sent;
            outcome.closed += usize::from(!client.is_open);
        }
        outcome
    }
}

impl Client {
    /// Sends until the kernel takes no more.
    fn send(&mut self) {
        while self.is_open {
            match self.stream.write(&CHUNK) {
                Ok(count) => self.sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_open = false,
            }
        }
    }

    /// Reads that many bytes, or what there is.
    fn receive(&mut self, mut wanted: usize) {
        let mut buffer = [0; 16 * 1024];
        while self.is_open && wanted > 0 {
            let most = buffer.len().min(wanted);
            match self.stream.read(&mut buffer[..most]) {
                Ok(0) => self.is_open = false,
                Ok(count) => wanted -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_open = false,
            }
        }
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.connect(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into()))
}
