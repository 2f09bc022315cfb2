//! Bound and connected sockets.

use super::*;

#[test]
fn a_bound_socket_answers_whoever_sends() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo_datagrams());
    let peers = [peer(), peer()];
    for peer in &peers {
        peer.send_to(b"hello", address).unwrap();
    }
    stage.until(|log| log.datagrams.len() == 2);
    for peer in &peers {
        let mut buffer = [0; 16];
        let (length, from) = retry(|| peer.recv_from(&mut buffer)).unwrap();
        assert_eq!((&buffer[..length], from), (&b"hello"[..], address));
    }
}

#[test]
fn udp_over_ipv6_is_answered() {
    let mut stage = Stage::new();
    let Ok(peer) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return eprintln!("SKIPPED: this machine has no IPv6 loopback");
    };
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_, address) = bind(&mut stage, "[::1]:0".parse().unwrap(), echo_datagrams());
    peer.send_to(b"hello", address).unwrap();
    stage.until(|log| log.has("server", "datagram 5"));
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5);
    assert_eq!(stage.log.datagrams[0].2, peer.local_addr().unwrap().into());
    drop(peer);
}

#[test]
fn an_empty_datagram_is_data_and_ends_nothing() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo_datagrams());
    let peer = peer();
    for message in [&b""[..], b"a", b""] {
        peer.send_to(message, address).unwrap();
    }
    stage.until(|log| log.datagrams.len() == 3);
    assert_eq!(stage.log.of("server"), ["open", "datagram 0", "datagram 1", "datagram 0"]);
    for length in [0, 1, 0] {
        assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), length);
    }
}

#[test]
fn a_connected_socket_hears_its_peer_and_nobody_else() {
    let mut stage = Stage::new();
    let (peer, stranger) = (peer(), peer());
    let options = connected_to(peer.local_addr().unwrap());
    let probe = DatagramProbe::new("client").on_open(|socket, _| socket.send(b"hello").unwrap());
    let (_, address) = bind_with(&mut stage, any_port(), &options, probe);
    stage.until(|log| log.has("client", "open"));
    stranger.send_to(b"not for you", address).unwrap();
    peer.send_to(b"back", address).unwrap();
    stage.until(|log| !log.datagrams.is_empty());
    assert_eq!(stage.log.of("client"), ["open", "datagram 4"]);
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5);
}

#[test]
fn a_burst_longer_than_the_budget_arrives_whole_and_in_order() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), DatagramProbe::new("server"));
    let peer = peer();
    stage.until_quiet();
    // More than one turn's budget of 64, all of it there before the only event.
    for number in 0..200_u8 {
        peer.send_to(&[number], address).unwrap();
    }
    drop(peer);
    stage.until(|log| log.datagrams.len() == 200);
    let numbers = stage.log.datagrams.iter().map(|(_, bytes, _)| bytes[0]);
    assert!(numbers.eq(0..200));
}

#[test]
fn an_answer_that_has_left_wakes_nobody() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo_datagrams());
    let peer = peer();
    stage.until_quiet();
    let before = stage.reactor.stats().events;
    for count in 1..=10 {
        peer.send_to(b"hello", address).unwrap();
        stage.until(|log| log.datagrams.len() == count);
        // It is out of the sender's buffer now, where there is more room than before.
        retry(|| peer.recv(&mut [0; 16])).unwrap();
    }
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().events - before, 10, "one for each that came");
}

#[test]
fn a_socket_can_be_reached_by_its_id() {
    let mut stage = Stage::new();
    let peer = peer();
    let (id, address) = bind(&mut stage, any_port(), DatagramProbe::new("server"));
    let to = peer.local_addr().unwrap().into();
    stage.registry().send_to(id, b"hello", Some(&to)).unwrap();
    let (length, from) = retry(|| peer.recv_from(&mut [0; 16])).unwrap();
    assert_eq!((length, from), (5, address));

    stage.registry().close_socket(id).unwrap();
    let error = stage.registry().send_to(id, b"too late", Some(&to)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    stage.until(|log| log.has("server", "close closed"));
    assert!(stage.registry().close_socket(id).is_err(), "it is stale");
    assert!(stage.registry().socket_address(id).is_err());
}

#[test]
fn a_socket_that_closes_itself_is_told_nothing_more() {
    let mut stage = Stage::new();
    let closing = DatagramProbe::new("server").on_datagram(|socket, _, _| socket.close());
    let (_, address) = bind(&mut stage, any_port(), closing);
    let peer = peer();
    for _ in 0..3 {
        peer.send_to(b"hello", address).unwrap();
    }
    stage.until(|log| log.has("server", "close closed"));
    stage.until_quiet();
    assert_eq!(stage.log.of("server"), ["open", "datagram 5", "close closed"]);
}

#[test]
fn a_socket_made_elsewhere_is_served_and_can_be_taken_back() {
    let mut stage = Stage::new();
    let (socket, peer) = (peer(), peer());
    let address = socket.local_addr().unwrap();
    peer.send_to(b"early", address).unwrap();
    let adopting =
        stage.registry().adopt_datagram(socket, &DatagramLimits::default(), echo_datagrams());
    let id = adopting.unwrap();
    stage.until(|log| log.has("server", "datagram 5"));
    let StdDatagram::Udp(socket) = stage.registry().detach_socket(id).unwrap() else {
        panic!("it is a UDP socket");
    };
    assert!(stage.registry().is_empty());
    peer.send_to(b"late", address).unwrap();
    socket.set_nonblocking(false).unwrap();
    assert_eq!(retry(|| socket.recv(&mut [0; 16])).unwrap(), 4);
    assert_eq!(stage.log.of("server"), ["open", "datagram 5"]);
}
