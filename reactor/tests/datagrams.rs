//! UDP: bound and connected, errors that are not fatal, multicast, broadcast, and full queues.

mod support;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use reactor::{
    Address, Datagram, DatagramLimits, DatagramOptions, DatagramProtocol, DatagramTransport,
    Envelope, Membership, MulticastInterface, OpenError, Reactor, SocketId, StdDatagram,
};
use socket2::SockRef;
use support::{DatagramProbe, PATIENCE, Stage, any_port, retry};

/// Sends every datagram back.
fn echo() -> DatagramProbe {
    DatagramProbe::new("server").on_datagram(|socket, datagram, _| {
        socket.send_to(datagram.bytes, &datagram.from).unwrap();
    })
}

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

// ── bound and connected ─────────────────────────────────────────────────────────────────────

#[test]
fn a_bound_socket_answers_whoever_sends() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo());
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
    drop(peers);
    stage.finish();
}

#[test]
fn udp_over_ipv6_is_answered() {
    let mut stage = Stage::new();
    let Ok(peer) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return eprintln!("SKIPPED: this machine has no IPv6 loopback");
    };
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_, address) = bind(&mut stage, "[::1]:0".parse().unwrap(), echo());
    peer.send_to(b"hello", address).unwrap();
    stage.until(|log| log.has("server", "datagram 5"));
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5);
    assert_eq!(stage.log.datagrams[0].2, peer.local_addr().unwrap().into());
    drop(peer);
    stage.finish();
}

#[test]
fn an_empty_datagram_is_data_and_ends_nothing() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo());
    let peer = peer();
    for message in [&b""[..], b"a", b""] {
        peer.send_to(message, address).unwrap();
    }
    stage.until(|log| log.datagrams.len() == 3);
    assert_eq!(stage.log.of("server"), ["open", "datagram 0", "datagram 1", "datagram 0"]);
    for length in [0, 1, 0] {
        assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), length);
    }
    drop(peer);
    stage.finish();
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
    drop((peer, stranger));
    stage.finish();
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
    stage.finish();
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
    drop(peer);
    stage.finish();
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
    drop(peer);
    stage.finish();
}

#[test]
fn a_socket_made_elsewhere_is_served_and_can_be_taken_back() {
    let mut stage = Stage::new();
    let (socket, peer) = (peer(), peer());
    let address = socket.local_addr().unwrap();
    peer.send_to(b"early", address).unwrap();
    let adopting = stage.registry().adopt_datagram(socket, DatagramLimits::default(), echo());
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
    drop((socket, peer));
    stage.finish();
}

// ── errors ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_refused_datagram_is_an_error_of_one_datagram_and_not_the_end() {
    let mut stage = Stage::new();
    let peer = peer();
    let to = peer.local_addr().unwrap();
    let (id, address) =
        bind_with(&mut stage, any_port(), &connected_to(to), DatagramProbe::new("client"));
    stage.until(|log| log.has("client", "open"));

    // Nobody is there any more: an ICMP message says so.
    drop(peer);
    stage.registry().send_to(id, b"anybody?", None).unwrap();
    stage.until(|log| log.has("client", "error connection refused"));

    // Somebody is there again, and traffic flows both ways.
    let peer = UdpSocket::bind(to).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    stage.registry().send_to(id, b"hello", None).unwrap();
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5);
    peer.send_to(b"back", address).unwrap();
    stage.until(|log| log.has("client", "datagram 4"));
    assert_eq!(stage.log.of("client"), ["open", "error connection refused", "datagram 4"]);
    assert_eq!(stage.reactor.stats().datagram_errors, 1);
    drop(peer);
    stage.finish();
}

#[test]
fn a_datagram_that_waits_behind_an_error_is_delivered() {
    let mut stage = Stage::new();
    let peer = peer();
    let to = peer.local_addr().unwrap();
    let (id, address) =
        bind_with(&mut stage, any_port(), &connected_to(to), DatagramProbe::new("client"));
    stage.until(|log| log.has("client", "open"));
    stage.until_quiet();

    // The error and the datagram are both there before the loop looks at either.
    drop(peer);
    stage.registry().send_to(id, b"anybody?", None).unwrap();
    let peer = UdpSocket::bind(to).unwrap();
    peer.send_to(b"here I am", address).unwrap();
    stage.until(|log| log.has("client", "datagram 9"));
    stage.until_quiet();
    assert_eq!(stage.log.count("client", "error connection refused"), 1, "{:?}", stage.log);
    assert!(!stage.log.has("client", "close closed"));
    drop(peer);
    stage.finish();
}

#[test]
fn errors_of_one_socket_leave_the_others_their_traffic() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo());
    let gone = peer().local_addr().unwrap();
    let (shouting, _) =
        bind_with(&mut stage, any_port(), &connected_to(gone), DatagramProbe::new("shouting"));
    let living = DatagramProbe::new("living").on_datagram(|socket, datagram, _| {
        if datagram.bytes[0] < 20 {
            socket.send(&[datagram.bytes[0] + 1]).unwrap();
        }
    });
    let (living, _) = bind_with(&mut stage, any_port(), &connected_to(address), living);
    stage.registry().send_to(living, &[0], None).unwrap();
    let mut errors = 0;
    while stage.log.count("living", "datagram 1") < 21 {
        // It fails every other time, with what was said of the one before.
        errors += usize::from(stage.registry().send_to(shouting, b"hello?", None).is_err());
        let seen = stage.log.count("living", "datagram 1");
        stage.until(|log| log.count("living", "datagram 1") > seen);
    }
    errors += stage.log.count("shouting", "error connection refused");
    assert!(errors > 0, "{:?}", stage.log);
    stage.finish();
}

#[test]
fn a_datagram_too_long_for_udp_is_the_callers_error() {
    let mut stage = Stage::new();
    let (id, _) = bind(&mut stage, any_port(), DatagramProbe::new("client"));
    let peer = peer();
    let to = peer.local_addr().unwrap().into();
    let error = stage.registry().send_to(id, &[0; 65_508], Some(&to)).unwrap_err();
    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "it was not queued");
    #[cfg(unix)]
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MSGSIZE.raw_os_error()));
    // The longest goes through, where the loopback carries it.
    #[cfg(target_os = "linux")]
    {
        stage.registry().send_to(id, &[7; 65_507], Some(&to)).unwrap();
        assert_eq!(retry(|| peer.recv(&mut vec![0; 70_000])).unwrap(), 65_507);
    }
    assert_eq!(stage.reactor.stats().datagram_errors, 1);
    drop(peer);
    stage.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn the_longest_datagram_arrives_whole() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), DatagramProbe::new("server"));
    let peer = peer();
    let longest = support::pattern(65_507);
    peer.send_to(&longest, address).unwrap();
    stage.until(|log| !log.datagrams.is_empty());
    support::assert_same_bytes(&stage.log.datagrams[0].1, &longest);
    drop(peer);
    stage.finish();
}

#[test]
fn the_address_of_another_family_is_the_callers_error() {
    let mut stage = Stage::new();
    let (id, _) = bind(&mut stage, any_port(), DatagramProbe::new("client"));
    let path = Address::from(std::path::Path::new("/nowhere"));
    assert!(stage.registry().send_to(id, b"hello", Some(&path)).is_err());
    assert!(stage.registry().send_to(id, b"hello", None).is_err(), "it has no peer");
    stage.until(|log| log.has("client", "open"));
    assert_eq!(stage.log.of("client"), ["open"], "it goes on");
    stage.finish();
}

#[test]
fn errors_of_binding_name_the_address() {
    let mut stage = Stage::new();
    let (_, taken) = bind(&mut stage, any_port(), echo());
    let error = stage.registry().bind_datagram(taken.into(), echo()).unwrap_err();
    assert_eq!(error.to_string(), format!("address already in use: {taken}"));

    let nobodys = "203.0.113.1:0".parse().unwrap();
    let error = stage.registry().bind_datagram(nobodys, echo()).unwrap_err();
    assert!(matches!(error, OpenError::AddressNotAvailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");
    stage.finish();
}

// ── runs ────────────────────────────────────────────────────────────────────────────────────

/// Bytes of which no two pieces of a run are alike.
fn blocks(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at) as u8).collect()
}

/// Answers each datagram with a run, whose pieces have as many bytes as it says.
fn runs(all: Vec<u8>) -> DatagramProbe {
    DatagramProbe::new("server").on_datagram(move |socket, datagram, _| {
        let size = usize::from(datagram.bytes[0]) * 10;
        socket.send_run(&all, size, Some(&datagram.from), Envelope::default()).unwrap();
    })
}

/// Asks for runs of several sizes, and gets each in one piece after the other.
#[track_caller]
fn ask_for_runs(stage: &mut Stage, address: SocketAddr, all: &[u8]) {
    let peer = peer();
    SockRef::from(&peer).set_recv_buffer_size(1 << 20).unwrap();
    let mut buffer = [0; 4_000];
    for tens in [1, 50, 100, 255] {
        peer.send_to(&[tens], address).unwrap();
        let before = stage.log.datagrams.len();
        stage.until(|log| log.datagrams.len() > before);
        for piece in all.chunks(usize::from(tens) * 10) {
            let length = peer.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], piece);
        }
    }
}

#[test]
fn a_run_is_one_datagram_after_the_other() {
    let mut stage = Stage::new();
    let all = blocks(1_005);
    let (_, address) = bind(&mut stage, any_port(), runs(all.clone()));
    let before = stage.reactor.stats();
    ask_for_runs(&mut stage, address, &all);
    let stats = stage.reactor.stats();
    assert_eq!(stats.datagrams_sent - before.datagrams_sent, 101 + 3 + 2 + 1);
    assert_eq!(stats.datagram_bytes_sent - before.datagram_bytes_sent, 4 * 1_005);
    stage.finish();
}

#[test]
fn a_run_without_a_size_is_an_error_and_one_without_bytes_is_nothing() {
    let mut stage = Stage::new();
    let peer = peer();
    let to = peer.local_addr().unwrap().into();
    let probe = DatagramProbe::new("sender").on_open(move |socket, _| {
        let error = socket.send_run(b"abc", 0, Some(&to), Envelope::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        socket.send_run(b"", 10, Some(&to), Envelope::default()).unwrap();
    });
    bind(&mut stage, any_port(), probe);
    stage.until(|log| log.has("sender", "open"));
    assert_eq!(stage.reactor.stats().datagrams_sent, 0);
    drop(peer);
    stage.finish();
}

// ── full queues ─────────────────────────────────────────────────────────────────────────────

// UDP over loopback never makes its sender wait; a Unix socket does, when its peer does not receive.
#[cfg(unix)]
mod full {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;

    /// A socket of the loop whose peer does not receive yet.
    fn blocked(stage: &mut Stage, outbox: usize) -> (SocketId, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let limits = DatagramLimits { outbox };
        let probe = DatagramProbe::new("sender");
        let id = stage.registry().adopt_datagram(ours, limits, probe).unwrap();
        stage.will_close_socket(id);
        stage.until(|log| log.has("sender", "open"));
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        (id, theirs)
    }

    #[test]
    fn datagrams_beyond_the_queue_are_dropped_and_counted() {
        let mut stage = Stage::new();
        let (id, peer) = blocked(&mut stage, 4_000);
        let mut refused = Vec::new();
        // The kernel takes some, the queue a few more.
        for number in 0..=u8::MAX {
            let sent = stage.registry().send_to(id, &[number; 1_000], None);
            if let Err(error) = sent {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                refused.push(number);
            }
        }
        assert!(refused.len() > 3, "the queue has an end");
        assert_eq!(stage.reactor.stats().datagrams_dropped, refused.len() as u64);
        let row = &stage.reactor.snapshot().sockets[0];
        assert_eq!(row.send_queue, 3_000, "three of 1,064 fit into 4,000");

        // What was accepted arrives, in order, when there is room again.
        let receiver = peer.try_clone().unwrap();
        let accepted: Vec<u8> = (0..=u8::MAX).filter(|number| !refused.contains(number)).collect();
        let expected = accepted.len();
        let reading = stage.peer(move || {
            let mut buffer = [0; 2_000];
            let next =
                |_| retry(|| receiver.recv(&mut buffer)).map(|length| (length, buffer[0])).unwrap();
            (0..expected).map(next).collect::<Vec<_>>()
        });
        let arrived = stage.join(reading);
        assert!(arrived.iter().all(|&(length, _)| length == 1_000));
        assert!(arrived.iter().map(|&(_, number)| number).eq(accepted));
        stage.until(|log| log.has("sender", "drain"));
        drop(peer);
        stage.finish();
    }

    #[test]
    fn a_run_that_has_to_wait_keeps_its_order() {
        const PIECES: usize = 400;
        let mut stage = Stage::new();
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let all = blocks(PIECES * 1_000 + 1);
        let said = all.clone();
        let (sent, is_sent) = mpsc::channel();
        let probe = DatagramProbe::new("sender").on_open(move |socket, _| {
            socket.send_run(&said, 1_000, None, Envelope::default()).unwrap();
            assert!(socket.queued() > 0, "the kernel takes less");
            sent.send(()).unwrap();
        });
        let limits = DatagramLimits { outbox: 1 << 20 };
        let id = stage.registry().adopt_datagram(ours, limits, probe).unwrap();
        stage.will_close_socket(id);
        let reading = stage.peer(move || {
            let mut buffer = [0; 2_000];
            let mut heard = Vec::new();
            // Who reads meanwhile can take all of it.
            is_sent.recv().unwrap();
            for _ in 0..=PIECES {
                let length = retry(|| theirs.recv(&mut buffer)).unwrap();
                heard.extend_from_slice(&buffer[..length]);
            }
            heard
        });
        let heard = stage.join(reading);
        assert!(heard == all);
        stage.until(|log| log.has("sender", "drain"));
        assert_eq!(stage.reactor.stats().datagrams_sent, PIECES as u64 + 1);
        stage.finish();
    }

    #[test]
    fn closing_drops_what_is_queued_and_tells_how_much() {
        let mut stage = Stage::new();
        let (id, peer) = blocked(&mut stage, 4_000);
        while stage.registry().send_to(id, &[0; 1_000], None).is_ok() {}
        stage.registry().close_socket(id).unwrap();
        stage.until(|log| log.has("sender", "close closed"));
        stage.until(|log| log.has("sender", "3 unsent"));
        drop(peer);
        stage.finish();
    }
}

// ── multicast and broadcast ─────────────────────────────────────────────────────────────────

/// The index of the loopback interface, where it can be learnt.
fn loopback_index() -> Option<u32> {
    std::fs::read_to_string("/sys/class/net/lo/ifindex").ok()?.trim().parse().ok()
}

/// A receiver in a group and a sender, both on the loopback interface; `None`, loudly, where the
/// system does not do that.
fn multicast(
    stage: &mut Stage,
    any: &str,
    membership: Membership,
    interface: MulticastInterface,
) -> Option<(SocketId, SocketId, Address)> {
    let options = DatagramOptions { groups: vec![membership], ..DatagramOptions::default() };
    let receiving = stage.registry().bind_datagram_with(any.parse().unwrap(), &options, echo());
    let receiver = match receiving {
        Ok(receiver) => receiver,
        Err(error) => {
            eprintln!("SKIPPED: no multicast on the loopback interface: {error}");
            return None;
        }
    };
    stage.will_close_socket(receiver);
    let port = stage.registry().socket_address(receiver).unwrap().port().unwrap();
    let options = DatagramOptions {
        multicast_interface: Some(interface),
        multicast_loop: Some(true),
        multicast_ttl: Some(1),
        ..DatagramOptions::default()
    };
    let (sender, _) =
        bind_with(stage, any.parse().unwrap(), &options, DatagramProbe::new("sender"));
    let group: SocketAddr = match membership {
        Membership::V4 { group, .. } => (group, port).into(),
        Membership::V6 { group, .. } => (group, port).into(),
    };
    if let Err(error) = stage.registry().send_to(sender, b"hello, group", Some(&group.into())) {
        eprintln!("SKIPPED: no multicast on the loopback interface: {error}");
        return None;
    }
    Some((receiver, sender, group.into()))
}

#[test]
fn an_ipv4_group_is_heard_on_its_interface() {
    let mut stage = Stage::new();
    let membership =
        Membership::V4 { group: Ipv4Addr::new(239, 255, 77, 1), interface: Ipv4Addr::LOCALHOST };
    let interface = MulticastInterface::V4(Ipv4Addr::LOCALHOST);
    if multicast(&mut stage, "0.0.0.0:0", membership, interface).is_some() {
        // The answer goes to the sender alone, by the way the group was called.
        stage.until(|log| log.has("sender", "datagram 12"));
        assert_eq!(stage.log.of("server"), ["open", "datagram 12"]);
    }
    stage.finish();
}

#[test]
fn an_ipv6_group_is_heard_on_its_interface() {
    let mut stage = Stage::new();
    let Some(index) = loopback_index() else {
        return eprintln!("SKIPPED: the loopback interface's index is not known");
    };
    let group: Ipv6Addr = "ff12::4d01".parse().unwrap();
    let membership = Membership::V6 { group, interface: index };
    let interface = MulticastInterface::V6(index);
    if multicast(&mut stage, "[::]:0", membership, interface).is_some() {
        stage.until(|log| log.has("sender", "datagram 12"));
        assert_eq!(stage.log.of("server"), ["open", "datagram 12"]);
    }
    stage.finish();
}

/// Where the loopback interface carries no IPv6 multicast, the kernel's tables still tell.
#[test]
#[cfg(target_os = "linux")]
fn an_ipv6_group_is_joined_on_its_interface_until_the_socket_closes() {
    let mut stage = Stage::new();
    let Some(index) = loopback_index() else {
        return eprintln!("SKIPPED: the loopback interface's index is not known");
    };
    let group: Ipv6Addr = "ff12::4d02".parse().unwrap();
    let members = || {
        let table = std::fs::read_to_string("/proc/net/igmp6").unwrap_or_default();
        let line = format!("{index:<4} lo ");
        let group: String = group.octets().iter().map(|octet| format!("{octet:02x}")).collect();
        table.lines().filter(|row| row.contains(&group) && row.starts_with(line.trim())).count()
    };
    let options = DatagramOptions {
        groups: vec![Membership::V6 { group, interface: index }],
        multicast_interface: Some(MulticastInterface::V6(index)),
        multicast_ttl: Some(3),
        multicast_loop: Some(false),
        ..DatagramOptions::default()
    };
    let every: Address = "[::]:0".parse().unwrap();
    let id = match stage.registry().bind_datagram_with(every, &options, echo()) {
        Ok(id) => id,
        Err(error) => return eprintln!("SKIPPED: no IPv6 multicast: {error}"),
    };
    assert_eq!(members(), 1);
    let StdDatagram::Udp(socket) = stage.registry().detach_socket(id).unwrap() else {
        panic!("it is a UDP socket");
    };
    let seen = SockRef::from(&socket);
    assert_eq!(seen.multicast_if_v6().unwrap(), index);
    assert_eq!(seen.multicast_hops_v6().unwrap(), 3);
    assert!(!seen.multicast_loop_v6().unwrap());
    drop(socket);
    assert_eq!(members(), 0);
    stage.finish();
}

#[test]
fn a_group_that_was_left_is_not_heard_any_more() {
    let mut stage = Stage::new();
    let membership =
        Membership::V4 { group: Ipv4Addr::new(239, 255, 77, 2), interface: Ipv4Addr::LOCALHOST };
    // It joins and leaves when it is told to, by its id.
    let receiver = DatagramProbe::new("receiver").on_datagram(move |socket, datagram, log| {
        let outcome = match datagram.bytes {
            b"join" => socket.join(membership),
            b"leave" => socket.leave(membership),
            _ => Ok(()),
        };
        log.note("receiver", format!("{outcome:?}"));
    });
    let (_, address) = bind(&mut stage, "0.0.0.0:0".parse().unwrap(), receiver);
    let options = DatagramOptions {
        multicast_interface: Some(MulticastInterface::V4(Ipv4Addr::LOCALHOST)),
        ..DatagramOptions::default()
    };
    let sender = DatagramProbe::new("sender");
    let (sender, _) = bind_with(&mut stage, "0.0.0.0:0".parse().unwrap(), &options, sender);
    let direct = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())).into();
    let group = SocketAddr::from((Ipv4Addr::new(239, 255, 77, 2), address.port())).into();

    stage.registry().send_to(sender, b"join", Some(&direct)).unwrap();
    stage.until(|log| log.datagrams.len() == 1);
    if !stage.log.has("receiver", "Ok(())") {
        eprintln!("SKIPPED: no multicast on the loopback interface: {:?}", stage.log);
        return stage.finish();
    }
    stage.registry().send_to(sender, b"one", Some(&group)).unwrap();
    stage.until(|log| log.datagrams.len() == 2);
    stage.registry().send_to(sender, b"leave", Some(&direct)).unwrap();
    stage.until(|log| log.datagrams.len() == 3);
    stage.registry().send_to(sender, b"lost", Some(&group)).unwrap();
    stage.registry().send_to(sender, b"last", Some(&direct)).unwrap();
    stage.until(|log| log.datagrams.last().unwrap().1 == b"last");
    assert!(stage.log.datagrams.iter().all(|(_, bytes, _)| bytes != b"lost"));
    stage.finish();
}

#[test]
fn several_receivers_of_a_group_share_its_port() {
    let mut stage = Stage::new();
    let group = Ipv4Addr::new(239, 255, 77, 3);
    let membership = Membership::V4 { group, interface: Ipv4Addr::LOCALHOST };
    let options = DatagramOptions {
        reuse_address: true,
        groups: vec![membership],
        multicast_interface: Some(MulticastInterface::V4(Ipv4Addr::LOCALHOST)),
        ..DatagramOptions::default()
    };
    let any = "0.0.0.0:0".parse().unwrap();
    let first = stage.registry().bind_datagram_with(any, &options, DatagramProbe::new("first"));
    let Ok(first) = first else {
        return eprintln!("SKIPPED: no multicast on the loopback interface: {first:?}");
    };
    stage.will_close_socket(first);
    let address = stage.registry().socket_address(first).unwrap();
    let (second, _) =
        bind_with(&mut stage, address.clone(), &options, DatagramProbe::new("second"));
    let to = SocketAddr::from((group, address.port().unwrap())).into();
    stage.registry().send_to(second, b"hello", Some(&to)).unwrap();
    stage.until(|log| log.has("first", "datagram 5") && log.has("second", "datagram 5"));
    stage.finish();
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let mut stage = Stage::new();
    let group = Ipv4Addr::new(239, 255, 77, 4);
    let interface = Ipv4Addr::new(203, 0, 113, 1);
    let options = DatagramOptions {
        groups: vec![Membership::V4 { group, interface }],
        ..DatagramOptions::default()
    };
    let error = stage.registry().bind_datagram_with(any_port(), &options, echo()).unwrap_err();
    assert!(matches!(&error, OpenError::AddressNotAvailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");

    let multicast_interface = Some(MulticastInterface::V4(interface));
    let options = DatagramOptions { multicast_interface, ..DatagramOptions::default() };
    let error = stage.registry().bind_datagram_with(any_port(), &options, echo()).unwrap_err();
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");
    stage.finish();
}

#[test]
fn broadcasting_has_to_be_allowed() {
    let mut stage = Stage::new();
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 9)).into();
    let any: Address = "0.0.0.0:0".parse().unwrap();
    let (timid, _) = bind(&mut stage, any.clone(), DatagramProbe::new("timid"));
    let error = stage.registry().send_to(timid, b"hello", Some(&everybody)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);

    let options = DatagramOptions { broadcast: true, ..DatagramOptions::default() };
    let id = stage.registry().bind_datagram_with(any, &options, DatagramProbe::new("loud"));
    let StdDatagram::Udp(socket) = stage.registry().detach_socket(id.unwrap()).unwrap() else {
        panic!("it is a UDP socket");
    };
    assert!(socket.broadcast().unwrap());
    drop(socket);
    stage.finish();
}

#[test]
fn a_peer_that_may_not_be_called_is_a_permission_denied() {
    let mut stage = Stage::new();
    let options = connected_to((Ipv4Addr::BROADCAST, 9).into());
    let any = "0.0.0.0:0".parse().unwrap();
    let error = stage.registry().bind_datagram_with(any, &options, echo()).unwrap_err();
    assert!(matches!(&error, OpenError::PermissionDenied(_)), "{error:?}");
    assert_eq!(error.to_string(), "permission denied: 255.255.255.255:9");
    stage.finish();
}

// ── options ─────────────────────────────────────────────────────────────────────────────────

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
    let binding = stage.registry().bind_datagram_with(any_port(), &options, echo());
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
    stage.finish();
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
    stage.finish();
}

#[test]
fn a_dual_stack_socket_hears_both_families() {
    let mut stage = Stage::new();
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return eprintln!("SKIPPED: this machine has no IPv6 loopback");
    }
    let options = DatagramOptions { only_v6: Some(false), ..DatagramOptions::default() };
    let every = "[::]:0".parse().unwrap();
    let (_, address) = bind_with(&mut stage, every, &options, echo());
    let peer = peer();
    peer.send_to(b"hello", (Ipv4Addr::LOCALHOST, address.port())).unwrap();
    stage.until(|log| log.has("server", "datagram 5"));
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5, "the answer finds its way");
    drop(peer);
    stage.finish();
}

// ── by id ───────────────────────────────────────────────────────────────────────────────────

/// As a stream's `send` by its own id does, so that whoever knows an id need not know who is calling.
#[test]
fn a_socket_that_is_sent_to_by_its_own_id_in_its_callback_sends_it_after_the_callback() {
    struct Twice;

    impl DatagramProtocol<()> for Twice {
        fn on_datagram(
            &mut self,
            socket: &mut DatagramTransport<'_, ()>,
            datagram: &Datagram<'_>,
            (): &mut (),
        ) {
            let id = socket.id();
            let later = socket.registry().send_to(id, b"later", Some(&datagram.from));
            later.expect("it is there");
            socket.send_to(b"first", &datagram.from).expect("it has room");
        }
    }

    let mut reactor = Reactor::<()>::new().expect("there are descriptors for a loop");
    let registry = reactor.registry();
    let id = registry.bind_datagram(any_port(), Twice).expect("loopback has a free port");
    let address = registry.socket_address(id).expect("it is open");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    peer.send_to(b"?", address.socket_addr().expect("it is an IP address")).expect("it has room");
    support::until(&mut reactor, &mut (), |(), registry| registry.stats().datagrams_sent == 2);
    let mut answer = [0; 5];
    for expected in [b"first", b"later"] {
        retry(|| peer.recv(&mut answer)).expect("it has been sent");
        assert_eq!(&answer, expected);
    }
}

// ── metadata ────────────────────────────────────────────────────────────────────────────────

#[cfg(all(feature = "quinn-udp", target_os = "linux"))]
mod metadata {
    use super::*;
    use reactor::Ecn;

    /// A server on all addresses, which answers from the one that was asked.
    fn answering(stage: &mut Stage, address: &str) -> SocketAddr {
        let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
        let probe = DatagramProbe::new("server").on_datagram(|socket, datagram, log| {
            let to = datagram.to.map(|ip| ip.to_canonical().to_string());
            log.note("server", format!("to {} {:?}", to.unwrap_or_default(), datagram.ecn));
            socket.answer(datagram, datagram.bytes).unwrap();
        });
        bind_with(stage, address.parse().unwrap(), &options, probe).1
    }

    /// Asks at one of the server's addresses, and hears that address alone.
    #[track_caller]
    fn ask(stage: &mut Stage, from: &str, to: SocketAddr) {
        let peer = UdpSocket::bind(from).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.connect(to).unwrap();
        let before = stage.log.datagrams.len();
        if to.is_ipv4() {
            SockRef::from(&peer).set_tos_v4(0b10).unwrap();
        }
        peer.send(b"hello").unwrap();
        stage.until(|log| log.datagrams.len() > before);
        assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5);
    }

    #[test]
    fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
        let mut stage = Stage::new();
        let port = answering(&mut stage, "0.0.0.0:0").port();
        for last in 1..4 {
            ask(&mut stage, "127.0.0.1:0", (Ipv4Addr::new(127, 0, 0, last), port).into());
        }
        for last in 1..4 {
            let ect0 = Some(Ecn::Ect0);
            assert!(stage.log.has("server", &format!("to 127.0.0.{last} {ect0:?}")));
        }
        stage.finish();
    }

    #[test]
    fn a_server_of_both_families_answers_from_the_one_that_was_asked() {
        let mut stage = Stage::new();
        if UdpSocket::bind("[::1]:0").is_err() {
            return eprintln!("SKIPPED: this machine has no IPv6 loopback");
        }
        let port = answering(&mut stage, "[::]:0").port();
        ask(&mut stage, "[::1]:0", (Ipv6Addr::LOCALHOST, port).into());
        ask(&mut stage, "127.0.0.1:0", (Ipv4Addr::new(127, 0, 0, 9), port).into());
        assert!(stage.log.has("server", "to ::1 None"));
        assert!(stage.log.has("server", "to 127.0.0.9 Some(Ect0)"));
        stage.finish();
    }

    /// Up to 64 datagrams leave by one call. A kernel that cannot do that takes them one by one, and
    /// the peer cannot tell.
    #[test]
    fn a_run_leaves_by_few_calls_and_arrives_piece_by_piece() {
        let mut stage = Stage::new();
        let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
        let all = blocks(100_003);
        let (_, address) = bind_with(&mut stage, any_port(), &options, runs(all.clone()));
        #[cfg(feature = "trace")]
        stage.reactor.trace(10_000);
        let peer = peer();
        SockRef::from(&peer).set_recv_buffer_size(1 << 20).unwrap();
        let size = 2_000;
        peer.send_to(&[200], address).unwrap();
        let reading = stage.peer(move || {
            let mut buffer = [0; 4_000];
            let next = |_| peer.recv(&mut buffer).map(|length| buffer[..length].to_vec()).unwrap();
            (0..100_003_usize.div_ceil(size)).map(next).collect::<Vec<_>>()
        });
        let heard = stage.join(reading);
        assert!(heard.iter().map(Vec::as_slice).eq(all.chunks(size)));
        assert_eq!(stage.reactor.stats().datagrams_sent, heard.len() as u64);
        #[cfg(feature = "trace")]
        {
            let trace = stage.reactor.take_trace().to_string();
            // 32 of 2,000 bytes are no longer than one datagram over IPv4 may be.
            let calls = trace.lines().filter(|line| line.contains("sent: ")).count();
            match calls {
                2 => assert!(trace.contains("sent: 64000 bytes"), "{trace}"),
                51 => eprintln!("SKIPPED: this kernel knows no segmentation offload"),
                _ => panic!("{calls} calls\n{trace}"),
            }
        }
        stage.finish();
    }

    #[test]
    fn a_long_datagram_arrives_whole_and_an_empty_one_too() {
        let mut stage = Stage::new();
        let address = answering(&mut stage, "127.0.0.1:0");
        let peer = peer();
        for length in [65_507, 0, 1] {
            let before = stage.log.datagrams.len();
            peer.send_to(&vec![7; length], address).unwrap();
            stage.until(|log| log.datagrams.len() > before);
            assert_eq!(retry(|| peer.recv(&mut vec![0; 65_536])).unwrap(), length);
        }
        drop(peer);
        stage.finish();
    }
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
