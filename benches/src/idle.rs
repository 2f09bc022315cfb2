//! What an idle connection costs a server in memory, having been answered once.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::Pid;
use socket2::{Domain, Socket, Type};

use crate::askers::Asking;
use crate::{Result, memory};

/// Connections from one source address, well below the ports it has.
const FROM_ONE_ADDRESS: usize = 20_000;

/// Resident bytes with one connection, and with all of them.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// With one.
    pub before: u64,
    /// With all.
    pub after: u64,
    /// How many there are beside the one.
    pub connections: usize,
}

impl Growth {
    /// Measures the server with this address and process, which is asked so, once on each connection.
    pub fn measure(
        server: SocketAddr,
        pid: Pid,
        asking: &Asking,
        connections: usize,
    ) -> Result<Self> {
        // The first connection makes the server touch what it needs once: code, scratch buffers.
        let _first = connect_and_ask(server, asking, 0)?;
        let before = memory::resident(pid)?;
        let mut idle = Vec::with_capacity(connections);
        for index in 0..connections {
            idle.push(connect_and_ask(server, asking, index)?);
        }
        Ok(Self { before, after: memory::resident(pid)?, connections })
    }

    /// Bytes for each connection.
    pub fn each(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / self.connections as f64
    }
}

/// Connects from one of the addresses of loopback, and waits for one answer.
fn connect_and_ask(server: SocketAddr, asking: &Asking, index: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source(index), 0)).into())?;
    // It ends by a reset, and its port is free for the next server's connections at once.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    socket.connect(&server.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    asking.begin(&mut stream)?;
    Ok(stream)
}

/// Not 127.0.0.x, whose ports those who connected before may have used up for a minute.
fn source(index: usize) -> Ipv4Addr {
    let [.., host] = (1 + (index / FROM_ONE_ADDRESS) as u32).to_be_bytes();
    Ipv4Addr::new(127, 0, 1, host)
}
