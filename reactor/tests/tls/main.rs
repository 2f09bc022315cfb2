//! TLS under protocols that know nothing of it, on real sockets: with rustls at the other end, with this
//! crate at both, and with other people's programs.
#![cfg(feature = "tls")]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod ends;
mod flow;
mod hand_off;
mod handshakes;
mod keys;
mod names;
mod outside;
#[cfg(feature = "sim")]
mod simulated;
mod start;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use reactor::tls::{ClientTls, ServerTls};
use reactor::{ConnectOptions, ListenOptions};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use keys::Keys;
use support::*;

const CLOSED: &str = "close closed";
const PEER_CLOSED: &str = "close the peer closed the connection";

/// The system's socket with rustls on it, which blocks.
type Rustls = StreamOwned<ClientConnection, TcpStream>;

fn with_tls(tls: &ServerTls) -> ListenOptions {
    ListenOptions { tls: Some(tls.clone()), ..ListenOptions::default() }
}

fn to_tls(tls: ClientTls) -> ConnectOptions {
    ConnectOptions { tls: Some(tls), ..ConnectOptions::default() }
}

fn echo(who: &'static str) -> Probe {
    Probe::new(who).on_data(|transport, input, _| transport.write(input.take_all()))
}

/// Connects with rustls, which trusts these keys.
fn rustls(address: SocketAddr, config: &Arc<ClientConfig>) -> Rustls {
    let name = ServerName::try_from("a.example").expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("it is configured");
    StreamOwned::new(connection, client(address))
}

/// As [`rustls`], up to where it has the last of the handshake to send.
fn all_but_shaken(stage: &mut Stage, address: SocketAddr, config: &Arc<ClientConfig>) -> Rustls {
    let mut peer = rustls(address, config);
    peer.sock.set_nonblocking(true).expect("it is a socket");
    peer.conn.write_tls(&mut peer.sock).expect("it has room");
    stage.until_outside(|_| {
        // There may be nothing yet.
        let _ = peer.conn.read_tls(&mut peer.sock);
        peer.conn.process_new_packets().expect("it is TLS");
        !peer.conn.is_handshaking()
    });
    peer
}

/// What it has to send, with this at its end.
fn wire_with(peer: &mut Rustls, plain: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    peer.conn.writer().write_all(plain).expect("it is kept");
    while peer.conn.wants_write() {
        peer.conn.write_tls(&mut wire).expect("it is a Vec");
    }
    wire
}

/// A record that these keys have not made.
const BROKEN: &[u8] = b"\x17\x03\x03\x00\x20 is no record of these keys at all";

/// Has a client of rustls do something with the server there, on a thread of its own.
fn caller<T: Send + 'static>(
    stage: &Stage,
    keys: &Keys,
    address: SocketAddr,
    act: impl FnOnce(Rustls) -> T + Send + 'static,
) -> Peer<T> {
    let config = keys.rustls();
    stage.peer(move || act(rustls(address, &config)))
}

/// Says goodbye as TLS does, and has it sent.
fn say_goodbye(peer: &mut Rustls) {
    peer.conn.send_close_notify();
    while peer.conn.wants_write() {
        peer.conn.write_tls(&mut peer.sock).expect("it has room");
    }
}

/// A server that echoes, and the address it is at.
fn echo_server(stage: &mut Stage, keys: &Keys) -> SocketAddr {
    stage.listen_with(&with_tls(&keys.server("a.example")), || echo("server"))
}
