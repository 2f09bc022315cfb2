//! Options.

use super::*;

#[test]
fn options_are_those_of_the_system() {
    let mut stage = Stage::new();
    let options = DatagramOptions {
        broadcast: true,
        receive_buffer: Some(40_000),
        send_buffer: Some(50_000),
        ttl: Some(17),
        multicast_ttl: Some(3),
        multicast_loop: Some(false),
        ..DatagramOptions::default()
    };
    let binding = stage.registry().bind_datagram_with(any_port(), &options, echo_datagrams());
    let StdDatagram::Udp(socket) = stage.registry().detach_socket(binding.unwrap()).unwrap() else {
        panic!("it is a UDP socket");
    };
    let seen = SockRef::from(&socket);
    assert!(seen.broadcast().unwrap());
    // Linux doubles what it is asked for, others take it as it is.
    assert!([40_000, 80_000].contains(&seen.recv_buffer_size().unwrap()));
    assert!([50_000, 100_000].contains(&seen.send_buffer_size().unwrap()));
    assert_eq!(seen.ttl_v4().unwrap(), 17);
    assert_eq!(seen.multicast_ttl_v4().unwrap(), 3);
    assert!(!seen.multicast_loop_v4().unwrap());
    drop(socket);
}

#[test]
#[cfg(target_os = "linux")]
fn sockets_share_a_port_if_both_say_so() {
    let mut stage = Stage::new();
    let options = DatagramOptions { reuse_port: true, ..DatagramOptions::default() };
    let (_, address) = bind_with(&mut stage, any_port(), &options, DatagramProbe::new("one"));
    bind_with(&mut stage, address.into(), &options, DatagramProbe::new("other"));
    // The kernel spreads them by a hash of the sender's port: 64 go one way once in 2⁶³ runs.
    for _ in 0..64 {
        peer().send_to(b"hello", address).unwrap();
    }
    stage.until(|log| log.datagrams.len() == 64);
    assert!(stage.log.has("one", "datagram 5"));
    assert!(stage.log.has("other", "datagram 5"));
}

#[test]
fn a_dual_stack_socket_hears_both_families() {
    let mut stage = Stage::new();
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("SKIPPED: this machine has no IPv6 loopback");
    }
    let options = DatagramOptions { only_v6: Some(false), ..DatagramOptions::default() };
    let every = "[::]:0".parse().unwrap();
    let (_, address) = bind_with(&mut stage, every, &options, echo_datagrams());
    let peer = peer();
    peer.send_to(b"hello", (Ipv4Addr::LOCALHOST, address.port())).unwrap();
    stage.until(|log| log.has("server", "datagram 5"));
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5, "the answer finds its way");
}

#[cfg(not(feature = "quinn-udp"))]
#[test]
fn metadata_without_its_feature_is_refused() {
    let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
    let probe = DatagramProbe::new("never");
    let mut stage = Stage::new();
    let opening = stage.registry().bind_datagram_with(any_port(), &options, probe);
    assert!(matches!(opening, Err(OpenError::Unsupported(..))));
}
