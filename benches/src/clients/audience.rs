//! The clients of a room: one who speaks, many who listen, and some who do not read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::loaded::{Loaded, Start};
use crate::program::Program;
use crate::servers::Peer;
use crate::{PATIENCE, Result, descriptors};

/// Bytes of a line, its end included.
const LINE: usize = 64;

/// The kernel's buffers on both ends where somebody stalls, so that it shows soon.
const SMALL_BUFFER: usize = 16 * 1024;

/// Enough long lines to fill those buffers, and what a room keeps for a member.
const FILLING: (usize, usize) = (64, 4096);

/// Who listens.
#[derive(Debug, Clone, Copy)]
pub struct Seats {
    /// Members who read everything.
    pub members: usize,
    /// Members who read nothing.
    pub stalled: usize,
}

impl Seats {
    /// The rooms that have such seats.
    pub fn rooms(self) -> Vec<Peer> {
        if self.stalled == 0 { Peer::all().to_vec() } else { Peer::patient().copied().collect() }
    }
}

/// A room's clients, connected.
pub struct Audience {
    speaker: TcpStream,
    members: Vec<TcpStream>,
    _stalled: Vec<TcpStream>,
    said: u64,
    line: Vec<u8>,
    heard: Vec<u8>,
}

impl Audience {
    /// Connects them, the speaker last: a room that hears it has let in everyone before. Then those
    /// who are to stall fill up.
    pub fn gather(address: SocketAddr, seats: Seats) -> Result<Self> {
        let connect_all = |count, buffer| -> Result<Vec<TcpStream>> {
            (0..count).map(|_| connect(address, buffer)).collect()
        };
        let mut audience = Self {
            members: connect_all(seats.members, None)?,
            _stalled: connect_all(seats.stalled, Some(SMALL_BUFFER))?,
            speaker: connect(address, None)?,
            said: 0,
            line: Vec::new(),
            heard: Vec::new(),
        };
        let (lines, length) = if seats.stalled > 0 { FILLING } else { (1, LINE) };
        (0..lines).try_for_each(|_| audience.say(length))?;
        Ok(audience)
    }

    /// Says so many lines, one after the other, each heard by every member.
    pub fn publish(&mut self, lines: u64) -> Result {
        (0..lines).try_for_each(|_| self.say(LINE))
    }

    fn say(&mut self, length: usize) -> Result {
        self.said += 1;
        self.line.clear();
        write!(self.line, "{:0>width$}", self.said, width = length - 1)?;
        self.line.push(b'\n');
        self.heard.resize(length, 0);
        self.speaker.write_all(&self.line)?;
        for member in &mut self.members {
            member.read_exact(&mut self.heard)?;
            if self.heard != self.line {
                return Err("a member heard another line than was said".into());
            }
        }
        Ok(())
    }
}

/// A room with everyone seated, in which a line is said in each round: a unit is its delivery to one member.
pub fn lines(start: Start<'_>, room: Peer, seats: Seats) -> Result<Loaded> {
    descriptors::require(seats.members + seats.stalled)?;
    let mut program = Program::server("room")?.with(room);
    if seats.stalled > 0 {
        program = program.with(format!("--kernel-buffers={SMALL_BUFFER}"));
    }
    let server = start.program(&program)?;
    let mut audience = Audience::gather(server.address(), seats)?;
    Ok(Loaded::new(server, seats.members, move || audience.publish(1)))
}

fn connect(address: SocketAddr, buffer: Option<usize>) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}
