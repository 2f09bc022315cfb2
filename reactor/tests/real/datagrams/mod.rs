//! UDP: bound and connected, errors that are not fatal, multicast, broadcast, and full queues.

mod bound_and_connected;
mod by_id;
mod deaf_peers;
mod errors;
mod full_queues;
#[cfg(all(feature = "quinn-udp", target_os = "linux"))]
mod metadata;
mod multicast;
mod options;
mod runs;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::support;
use reactor::{
    Address, Datagram, DatagramLimits, DatagramOptions, DatagramProtocol, DatagramTransport,
    Envelope, Membership, MulticastInterface, OpenError, Reactor, SocketId, StdDatagram,
};
use socket2::SockRef;
use support::{DatagramProbe, PATIENCE, Stage, any_port, echo_datagrams, retry};

/// Binds a probe until the test ends, and tells its address.
#[track_caller]
fn bind(stage: &mut Stage, address: Address, probe: DatagramProbe) -> (SocketId, SocketAddr) {
    bind_with(stage, address, &DatagramOptions::default(), probe)
}

#[track_caller]
fn bind_with(
    stage: &mut Stage,
    address: Address,
    options: &DatagramOptions,
    probe: DatagramProbe,
) -> (SocketId, SocketAddr) {
    let id = stage.registry().bind_datagram_with(address, options, probe).unwrap();
    stage.will_close_socket(id);
    let bound = stage.registry().socket_address(id).unwrap();
    (id, bound.socket_addr().unwrap())
}

/// A socket of the system's own, which blocks, but not for ever.
fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn connected_to(peer: SocketAddr) -> DatagramOptions {
    DatagramOptions { peer: Some(peer.into()), ..DatagramOptions::default() }
}

/// Bytes of which no two pieces of a run are alike.
fn blocks(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at) as u8).collect()
}

/// Answers each datagram with a run, whose pieces have as many bytes as it says.
fn answering_runs(all: Vec<u8>) -> DatagramProbe {
    DatagramProbe::new("server").on_datagram(move |socket, datagram, _| {
        let size = usize::from(datagram.bytes[0]) * 10;
        socket.send_run(&all, size, Some(&datagram.from), Envelope::default()).unwrap();
    })
}
