//! `cargo run --release -p benches --bin idle`: resident bytes of a server for an idle connection that
//! has echoed one message.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use benches::process::EchoServer;
use benches::servers::Peer;
use benches::table::Table;
use benches::{Result, descriptors, memory};
use clap::Parser;
use socket2::{Domain, Socket, Type};

/// Connections from one source address, well below the ports it has.
const FROM_ONE_ADDRESS: usize = 20_000;

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

/// Memory of a server for each of many idle connections, peers side by side.
#[derive(Parser)]
struct Options {
    /// Whom to measure; everyone by default.
    #[arg(long)]
    peer: Vec<Peer>,
    /// Idle connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
}

fn main() -> Result {
    let options = Options::parse();
    descriptors::require(options.connections + SPARE_DESCRIPTORS)?;
    let server = EchoServer::beside_this()?;
    let peers = if options.peer.is_empty() { Peer::all() } else { &options.peer };
    let mut table = Table::new(["", "before", "after", "bytes a connection"]);
    for peer in peers {
        let growth = measure(&server, *peer, options.connections)?;
        let each = growth.after.saturating_sub(growth.before) as f64 / options.connections as f64;
        let kib = |bytes: u64| format!("{} KiB", bytes / 1024);
        table.row(peer.to_string(), [kib(growth.before), kib(growth.after), format!("{each:.0}")]);
    }
    println!(
        "resident memory with {} idle connections, each having echoed once\n\n{table}",
        options.connections
    );
    Ok(())
}

/// Resident bytes with one connection, and with all of them.
struct Growth {
    before: u64,
    after: u64,
}

fn measure(server: &EchoServer, peer: Peer, connections: usize) -> Result<Growth> {
    let running = server.start(peer)?;
    // The first connection makes the server touch what it needs once: code, scratch buffers.
    let _first = connect_and_echo(running.address(), 0)?;
    let before = memory::resident(running.pid())?;
    let mut idle = Vec::with_capacity(connections);
    for index in 0..connections {
        idle.push(connect_and_echo(running.address(), index)?);
    }
    let after = memory::resident(running.pid())?;
    running.stop()?;
    Ok(Growth { before, after })
}

/// Connects from one of the addresses of loopback, and waits for the echo of one message.
fn connect_and_echo(server: SocketAddr, index: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source(index), 0)).into())?;
    socket.set_tcp_nodelay(true)?;
    socket.connect(&server.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(&[b'i'; 64])?;
    stream.read_exact(&mut [0; 64])?;
    Ok(stream)
}

fn source(index: usize) -> Ipv4Addr {
    let [.., host] = (1 + (index / FROM_ONE_ADDRESS) as u32).to_be_bytes();
    Ipv4Addr::new(127, 0, 0, host)
}
