//! `bench-server KIND …`: one of the servers, or our client of NATS, for the measurements to start.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use benches::chats::{self, Node};
use benches::datagrams::{self, Datagrams, Duty};
use benches::servers::{self, Peer, Place};
use benches::transfers::ours::{self as files, Kind};
use benches::{Result, nats, rooms};
use clap::Parser;
use rustix::process::setsid;

/// A server on loopback.
#[derive(Parser)]
enum Server {
    /// Echo.
    Echo {
        peer: Peer,
        /// How many loops there are, of ours, each on a thread of its own.
        #[arg(long, value_name = "N")]
        loops: Option<NonZeroUsize>,
        /// The size of each connection's send and receive buffer; the kernel decides by default.
        #[arg(long, value_name = "BYTES")]
        kernel_buffers: Option<usize>,
        /// The size of a connection's own buffer, in the servers that have one.
        #[arg(long, value_name = "BYTES")]
        own_buffer: Option<usize>,
    },
    /// A room: what one says goes to all the others.
    Room {
        peer: Peer,
        /// As for echo.
        #[arg(long, value_name = "BYTES")]
        kernel_buffers: Option<usize>,
    },
    /// Datagrams.
    Datagrams { server: Datagrams, duty: Duty },
    /// Our chat server, alone or as one of several.
    Chat {
        /// The server of NATS by which it knows the others.
        #[arg(long, value_name = "ADDRESS", requires = "node")]
        nats: Option<SocketAddr>,
        /// What it is called among them.
        #[arg(long, value_name = "NAME", requires = "nats")]
        node: Option<String>,
    },
    /// TLS, with the certificate and the file in that directory.
    #[cfg(feature = "tls")]
    Tls { who: benches::secure::Secure, directory: PathBuf },
    /// Files: what is in that directory.
    Files { kind: Kind, root: PathBuf },
    /// No server: our client of NATS, connected to that one.
    Nats { server: SocketAddr },
}

fn main() -> ExitCode {
    benches::child(run)
}

fn run(server: Server) -> Result {
    let place = Place::LOOPBACK;
    match server {
        Server::Echo { peer: Peer::Reactor, loops: Some(loops), .. } => {
            servers::serve_on(loops, place)
        }
        Server::Echo { peer, kernel_buffers, own_buffer, .. } => {
            servers::serve(peer, Place { kernel_buffers, own_buffer, ..place })
        }
        Server::Room { peer, kernel_buffers } => {
            rooms::serve(peer, Place { kernel_buffers, ..place })
        }
        Server::Datagrams { server, duty } => datagrams::serve(server, duty, place),
        Server::Chat { nats, node } => {
            chats::serve(place, nats.zip(node).map(|(nats, name)| Node { nats, name }))
        }
        #[cfg(feature = "tls")]
        Server::Tls { who, directory } => benches::secure::serve(who, &directory, place),
        Server::Files { kind, root } => {
            // Daemons have a session of their own, and with it, on a machine that does something else too, a
            // share of the processor of their own: so has everybody who is measured.
            setsid()?;
            files::serve(kind, &root)
        }
        Server::Nats { server } => nats::serve(server),
    }
}
