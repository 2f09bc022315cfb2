//! 8: nothing is not the end.

use super::*;

/// Hazard 8: for a stream a read of nothing is the end; for datagrams it is a datagram.
#[test]
fn an_empty_datagram_is_a_datagram() {
    let mut stage = Stage::new();
    let registry = stage.registry();
    let id = registry.bind_datagram(any_port(), DatagramProbe::new("socket")).expect("it binds");
    let address = registry.socket_address(id).expect("it is bound");
    stage.will_close_socket(id);
    let address = address.socket_addr().expect("it is UDP");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    for datagram in [&b"before"[..], b"", b"", b"after"] {
        peer.send_to(datagram, address).expect("it leaves");
    }
    stage.until(|log| log.datagrams.len() == 4);
    let told = ["open", "datagram 6", "datagram 0", "datagram 0", "datagram 7"];
    assert_eq!(stage.log.of("socket")[..4], told[..4]);
    assert_eq!(stage.reactor.stats().datagrams_received, 4);
}

/// Hazard 8, on our side: writing nothing sends nothing, queues nothing and ends nothing.
#[test]
fn writing_nothing_does_nothing() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.write(b"");
            transport.send(Bytes::new());
            let id = transport.id();
            let _ = transport.registry().send(id, Bytes::new()).expect("it is open");
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"?").expect("it has room");
    stage.until(|log| log.bytes("server") == b"?");
    let id = stage.log.id("server");
    let _ = stage.registry().send(id, Bytes::new()).expect("it is open");
    stage.until_quiet();
    let stats = stage.reactor.stats();
    assert_eq!((stats.writes, stats.queued_bytes), (0, 0), "{stats}");
    drop(theirs);
    stage.until_closed("server");
}

/// Hazard 8: a read into a buffer of no length gives nothing, which must not be taken for the end of
/// the stream. A protocol that has left as much as it may is at its limit, not beyond it.
#[test]
fn an_inbox_that_is_full_to_the_byte_is_neither_an_end_nor_too_much() {
    let mut stage = Stage::new();
    let limits = StreamLimits { inbox: 10, ..StreamLimits::default() };
    let options = ListenOptions { limits, ..ListenOptions::default() };
    let offered = Rc::new(Cell::new(0));
    let seen = Rc::clone(&offered);
    let address = stage.listen_with(&options, move || {
        let seen = Rc::clone(&seen);
        Probe::new("server").on_data(move |transport, input, _| {
            seen.set(input.len());
            if input.len() == 10 {
                transport.write(b"10");
            }
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"0123456789").expect("it has room");
    let peer = stage.peer(move || {
        theirs.read_exact(&mut [0; 2]).expect("it answers");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        theirs.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    assert_eq!(stage.join(peer), 0);
    stage.until_closed("server");
    assert_eq!(offered.get(), 10);
    let told = ["open", "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("server"), told);
}
