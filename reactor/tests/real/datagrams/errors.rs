//! Errors, which are those of one datagram.

use super::*;

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
}

#[test]
fn errors_of_one_socket_leave_the_others_their_traffic() {
    let mut stage = Stage::new();
    let (_, address) = bind(&mut stage, any_port(), echo_datagrams());
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
}

#[test]
fn errors_of_binding_name_the_address() {
    let mut stage = Stage::new();
    let (_, taken) = bind(&mut stage, any_port(), echo_datagrams());
    let error = stage.registry().bind_datagram(taken.into(), echo_datagrams()).unwrap_err();
    assert_eq!(error.to_string(), format!("address already in use: {taken}"));

    let nobodys = "203.0.113.1:0".parse().unwrap();
    let error = stage.registry().bind_datagram(nobodys, echo_datagrams()).unwrap_err();
    assert!(matches!(error, OpenError::AddressNotAvailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");
}

/// The advice is for a peer: what one may bind to would not help.
#[test]
fn a_peer_that_is_a_name_is_refused_with_what_to_do_about_it() {
    let mut stage = Stage::new();
    let peer = Some("localhost:7".parse().unwrap());
    let options = DatagramOptions { peer, ..DatagramOptions::default() };
    let socket = DatagramProbe::new("socket");
    let refused = stage.registry().bind_datagram_with(any_port(), &options, socket).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "localhost:7 cannot be used here: a name may have several addresses; \
         look it up first, and give one of them"
    );
}

/// What can never be sent to from a socket is said so, with what to do about it.
#[test]
fn an_address_that_a_socket_cannot_reach_is_explained() {
    let mut stage = Stage::new();
    let v6: Address = "[::1]:7".parse().unwrap();
    let targets = [
        (
            v6,
            "[::1]:7 cannot be used here: the other end is IPv4, and both are of one family: \
              open a socket for each",
        ),
        (
            Address::Path("/nobody".into()),
            "unix:/nobody cannot be used here: the other end is an IP address, \
              and both are of one kind: open a socket for each",
        ),
        (
            "localhost:7".parse().unwrap(),
            "localhost:7 cannot be used here: a name may have several addresses; \
              look it up first, and give one of them",
        ),
        (
            Address::Unnamed,
            "the sender has no name, so nobody can answer it: a Unix client that wants answers binds \
              its socket to a path, or to an abstract name",
        ),
    ];
    for (to, why) in targets {
        let probe = DatagramProbe::new("socket").on_open(move |socket, log| {
            let refused = socket.send_to(b"hello", &to).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
            log.note("refused", refused.to_string());
        });
        let (id, _) = bind(&mut stage, any_port(), probe);
        stage.until(|log| log.count("socket", "open") == 1);
        assert_eq!(stage.log.of("refused"), [why]);
        stage.registry().close_socket(id).unwrap();
        stage.until(|log| log.has("socket", "close closed"));
        stage.log = support::Log::default();
    }
}
