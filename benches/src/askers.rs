//! Clients that ask the same question again and again, and know how long its answer is: of web servers, and
//! of WebSockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Result;
use crate::load::connect;
use crate::program::{Program, Running};
use crate::work::{Spent, Work};

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
    #[must_use]
    pub fn round(&self) -> usize {
        self.connections * self.depth
    }
}

/// A kind of server that is asked.
pub trait Asked: Copy + 'static {
    /// Who serves, whatever it is.
    fn peer(self) -> &'static str;

    /// The program that is this server, of those that are of this package.
    fn program(self) -> Result<Program>;

    /// Starts it.
    fn start(self) -> Result<Running>;

    /// What this kind of server is asked.
    fn asking(self, connections: usize, depth: usize) -> Asking;
}

/// The clients, connected.
#[derive(Debug)]
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

    /// Asks so often, in rounds: all questions of all connections, and then the answers.
    pub fn ask(&mut self, questions: usize) -> Result {
        for _ in 0..questions / self.asking.round() {
            for stream in &mut self.streams {
                stream.write_all(&self.batch)?;
            }
            for stream in &mut self.streams {
                stream.read_exact(&mut self.answers)?;
                if !self.answers.ends_with(self.asking.ending) {
                    return Err("the server answers something else".into());
                }
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

/// A web server and its clients, as work.
#[derive(Debug)]
pub struct AskingWork {
    askers: Askers,
    running: Running,
}

impl AskingWork {
    /// Connects the clients.
    pub fn start(running: Running, asking: Asking) -> Result<Self> {
        Ok(Self { askers: Askers::connect(running.server.address(), asking)?, running })
    }
}

impl Work for AskingWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let questions = (units as usize).next_multiple_of(self.askers.asking.round());
        self.running.server.watch(questions as u64, || self.askers.ask(questions))
    }
}
