//! `cargo run --release -p benches --bin idle`: resident bytes of a server for an idle connection that
//! has echoed one message.

use benches::idle::Growth;
use benches::process::EchoServer;
use benches::servers::Peer;
use benches::table::Table;
use benches::{Result, descriptors};
use clap::Parser;

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
        let running = server.start(*peer)?;
        let growth = Growth::measure(running.address(), running.pid(), options.connections)?;
        running.stop()?;
        let kib = |bytes: u64| format!("{} KiB", bytes / 1024);
        let each = format!("{:.0}", growth.each());
        table.row(peer.to_string(), [kib(growth.before), kib(growth.after), each]);
    }
    println!(
        "resident memory with {} idle connections, each having echoed once\n\n{table}",
        options.connections
    );
    Ok(())
}
