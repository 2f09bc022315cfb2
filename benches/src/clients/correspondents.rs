//! The clients of a datagram server: many who have their datagrams sent back, or one who is sent runs.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::datagrams::{self, BULK, Datagrams, Duty, RUN};
use crate::loaded::{Loaded, Start};
use crate::program::Program;

/// Bytes of a datagram that is sent back.
const SIZE: usize = 64;

/// A silence of that long means that a datagram was lost, which loopback does not do to so few.
const PATIENCE: Duration = Duration::from_secs(10);

/// Room for several runs, however the kernel counts them.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// The clients.
pub struct Correspondents {
    duty: Duty,
    sockets: Vec<UdpSocket>,
    sent: u64,
    datagram: [u8; SIZE],
    run: Vec<u8>,
}

impl Correspondents {
    /// So many of them, each of whom has had an answer already.
    pub fn open(server: SocketAddr, duty: Duty, count: usize) -> Result<Self> {
        let sockets = (0..count).map(|_| open(server)).collect::<Result<_>>()?;
        let run = datagrams::run();
        let mut all = Self { duty, sockets, sent: 0, datagram: [b'd'; SIZE], run };
        all.round()?;
        Ok(all)
    }

    /// One datagram from each, and then every answer, each byte of it verified.
    pub fn round(&mut self) -> Result {
        for socket in &self.sockets {
            self.sent += 1;
            self.datagram[..8].copy_from_slice(&self.sent.to_le_bytes());
            socket.send(&self.datagram)?;
        }
        match self.duty {
            Duty::Echo => self.receive_echoes(),
            Duty::Bulk => self.receive_runs(),
        }
    }

    fn receive_echoes(&mut self) -> Result {
        let mut reply = [0; SIZE + 1];
        let first = self.sent - self.sockets.len() as u64;
        for (number, socket) in (first + 1..).zip(&self.sockets) {
            self.datagram[..8].copy_from_slice(&number.to_le_bytes());
            let length = socket.recv(&mut reply)?;
            expect(&reply[..length], &self.datagram)?;
        }
        Ok(())
    }

    fn receive_runs(&self) -> Result {
        let mut reply = [0; BULK + 1];
        for socket in &self.sockets {
            for datagram in self.run.chunks(BULK) {
                let length = socket.recv(&mut reply)?;
                expect(&reply[..length], datagram)?;
            }
        }
        Ok(())
    }
}

/// A datagram server and so many clients: a unit is a datagram that it sends.
pub fn datagrams(
    start: Start<'_>,
    server: Datagrams,
    duty: Duty,
    clients: usize,
) -> Result<Loaded> {
    let server = start.program(&program(server, duty)?)?;
    let mut all = Correspondents::open(server.address(), duty, clients)?;
    let units = match duty {
        Duty::Echo => clients,
        Duty::Bulk => clients * RUN,
    };
    Ok(Loaded::new(server, units, move || all.round()))
}

/// The program that is this server.
pub fn program(server: Datagrams, duty: Duty) -> Result<Program> {
    Ok(Program::server("datagrams")?.with(server).with(duty))
}

fn open(server: SocketAddr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

fn expect(received: &[u8], expected: &[u8]) -> Result {
    if received == expected {
        Ok(())
    } else {
        Err("the server sent another datagram than it should".into())
    }
}
