//! Clients that ask the same question again and again, and know how long its answer is: of web servers, and
//! of WebSockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Result;
use crate::clients::sockets::connect;
use crate::loaded::{Loaded, Start};
use crate::program::Server;

/// What is asked, and how.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// Connections.
    pub connections: usize,
    /// Questions in flight on each.
    pub depth: usize,
    /// What is said first, once a connection; its answer ends with an empty line.
    pub preface: &'static [u8],
    /// The question.
    pub question: &'static [u8],
    /// How its answer ends.
    pub ending: &'static [u8],
}

impl Asking {
    /// Says what is said first, and has one question answered; how long the answer is.
    pub fn begin(&self, stream: &mut TcpStream) -> Result<usize> {
        if !self.preface.is_empty() {
            stream.write_all(self.preface)?;
            read_until(stream, b"\r\n\r\n")?;
        }
        stream.write_all(self.question)?;
        read_until(stream, self.ending)
    }

    /// Questions of a round.
    pub fn round(&self) -> usize {
        self.connections * self.depth
    }
}

/// A kind of server that is asked.
pub trait Asked: Copy + 'static {
    /// Who serves, whatever it is.
    fn peer(self) -> &'static str;

    /// Starts it; under an instrument only what is of this package.
    fn start(self, start: Start<'_>) -> Result<Server>;

    /// What this kind of server is asked.
    fn asking(self, connections: usize, depth: usize) -> Asking;
}

/// The clients, connected.
pub struct Askers {
    asking: Asking,
    streams: Vec<TcpStream>,
    batch: Vec<u8>,
    answers: Vec<u8>,
}

impl Askers {
    /// Connects them, each with one question answered: how long an answer of this server is, the first one
    /// tells.
    pub fn connect(address: SocketAddr, asking: Asking) -> Result<Self> {
        let mut streams = Vec::new();
        let mut length = 0;
        for _ in 0..asking.connections {
            let mut stream = connect(address)?;
            length = asking.begin(&mut stream)?;
            streams.push(stream);
        }
        let batch = asking.question.repeat(asking.depth);
        Ok(Self { asking, streams, batch, answers: vec![0; length * asking.depth] })
    }

    /// Asks all questions of all connections, and then hears the answers.
    pub fn round(&mut self) -> Result {
        for stream in &mut self.streams {
            stream.write_all(&self.batch)?;
        }
        for stream in &mut self.streams {
            stream.read_exact(&mut self.answers)?;
            if !self.answers.ends_with(self.asking.ending) {
                return Err("the server answers something else".into());
            }
        }
        Ok(())
    }
}

/// Reads until the last bytes are these; how many came.
fn read_until(stream: &mut TcpStream, ending: &[u8]) -> Result<usize> {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(ending) {
        stream.read_exact(&mut byte)?;
        read.push(byte[0]);
    }
    Ok(read.len())
}

/// A server and those who ask it.
pub fn asked(
    start: Start<'_>,
    server: impl Asked,
    (connections, depth): (usize, usize),
) -> Result<Loaded> {
    let asking = server.asking(connections, depth);
    let server = server.start(start)?;
    let mut askers = Askers::connect(server.address(), asking)?;
    Ok(Loaded::new(server, asking.round(), move || askers.round()))
}
