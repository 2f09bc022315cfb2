//! Latency under an offered load: messages leave on a schedule, whether or not the server keeps up.
//!
//! A latency counts from when its message was due, not from when it left: a server that stalls makes
//! every message late that was due meanwhile, and all of them count. (Clients that wait for an answer
//! before they send again would leave those out, which is known as coordinated omission.)
//!
//! The client spins on a processor of its own, so that no sleep of its own is measured.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};

use crate::Result;
use crate::clients::ping::Latencies;
use crate::clients::sockets::{connect, read, watch};

/// Bytes of a message: its number, again and again.
const SIZE: usize = 64;

/// How long the last answers may take once the time is over.
const GRACE: Duration = Duration::from_secs(5);

/// How much is sent, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// What carries the messages.
    pub over: Over,
    /// Connections, or sockets that each know the server alone, which take turns.
    pub connections: usize,
    /// Messages a second, all together.
    pub rate: u32,
    /// How long.
    pub lasting: Duration,
}

/// What carries messages.
#[derive(Debug, Clone, Copy)]
pub enum Over {
    /// Streams.
    Tcp,
    /// Datagrams, none of which loopback loses as long as the server stands still for some milliseconds only.
    Udp,
}

/// Offers a server this load; the latencies.
pub fn run(server: SocketAddr, offer: Offer) -> Result<Latencies> {
    let mut clients = Clients::connect(server, offer)?;
    let (start, every) = (Instant::now(), Duration::from_secs(1) / offer.rate);
    let messages = (offer.lasting.as_nanos() / every.as_nanos()) as u32;
    let mut next = 0;
    while clients.latencies.len() < u64::from(messages) {
        let now = start.elapsed();
        while next < messages && every * next <= now {
            clients.send(next, start + every * next)?;
            next += 1;
        }
        clients.receive()?;
        if now > offer.lasting + GRACE {
            return Err("the server did not answer every message".into());
        }
    }
    Ok(clients.latencies)
}

struct Clients {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    latencies: Latencies,
}

struct Client {
    socket: Socket,
    /// What has been sent and not answered: its bytes, and when it was due.
    waiting: VecDeque<([u8; SIZE], Instant)>,
    /// The part of an answer that has arrived.
    answer: Vec<u8>,
}

enum Socket {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

impl Socket {
    fn open(poll: &Poll, over: Over, server: SocketAddr, token: usize) -> Result<Self> {
        match over {
            Over::Tcp => {
                Ok(Self::Stream(watch(poll, connect(server)?, token, Interest::READABLE)?))
            }
            Over::Udp => {
                let mut socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
                socket.connect(server)?;
                poll.registry().register(&mut socket, Token(token), Interest::READABLE)?;
                Ok(Self::Datagrams(socket))
            }
        }
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            // The kernel takes more than a server may leave unanswered for seconds.
            Self::Stream(stream) => stream.write_all(message),
            Self::Datagrams(socket) => socket.send(message).map(drop),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.read(buffer),
            Self::Datagrams(socket) => socket.recv(buffer),
        }
    }
}

impl Clients {
    fn connect(server: SocketAddr, offer: Offer) -> Result<Self> {
        let (poll, mut clients) = (Poll::new()?, Vec::new());
        for token in 0..offer.connections {
            let socket = Socket::open(&poll, offer.over, server, token)?;
            clients.push(Client { socket, waiting: VecDeque::new(), answer: Vec::new() });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            clients,
            latencies: Latencies::new()?,
        })
    }

    fn send(&mut self, number: u32, due: Instant) -> Result {
        let index = number as usize % self.clients.len();
        let client = &mut self.clients[index];
        let mut message = [b'o'; SIZE];
        message[..4].copy_from_slice(&number.to_le_bytes());
        client.socket.send(&message)?;
        client.waiting.push_back((message, due));
        Ok(())
    }

    fn receive(&mut self) -> Result {
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        for event in &self.events {
            self.clients[event.token().0].receive(&mut self.latencies)?;
        }
        Ok(())
    }
}

impl Client {
    /// Reads all there is, and records the latency of every whole answer.
    fn receive(&mut self, latencies: &mut Latencies) -> Result {
        let mut buffer = [0; 4096];
        while let Some(count) = read(&mut self.socket, &mut buffer)? {
            self.answer.extend_from_slice(&buffer[..count]);
        }
        while self.answer.len() >= SIZE {
            let Some((message, due)) = self.waiting.pop_front() else {
                return Err("the server sent more than it got".into());
            };
            if self.answer.drain(..SIZE).as_slice() != message {
                return Err("the echo differs from what was sent".into());
            }
            latencies.record(due.elapsed())?;
        }
        Ok(())
    }
}
