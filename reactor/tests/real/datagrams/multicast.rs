//! Multicast and broadcast.

use super::*;

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
    let receiving =
        stage.registry().bind_datagram_with(any.parse().unwrap(), &options, echo_datagrams());
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
    let id = match stage.registry().bind_datagram_with(every, &options, echo_datagrams()) {
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
        return;
    }
    stage.registry().send_to(sender, b"one", Some(&group)).unwrap();
    stage.until(|log| log.datagrams.len() == 2);
    stage.registry().send_to(sender, b"leave", Some(&direct)).unwrap();
    stage.until(|log| log.datagrams.len() == 3);
    stage.registry().send_to(sender, b"lost", Some(&group)).unwrap();
    stage.registry().send_to(sender, b"last", Some(&direct)).unwrap();
    stage.until(|log| log.datagrams.last().unwrap().1 == b"last");
    assert!(stage.log.datagrams.iter().all(|(_, bytes, _)| bytes != b"lost"));
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
    let error =
        stage.registry().bind_datagram_with(any_port(), &options, echo_datagrams()).unwrap_err();
    assert!(matches!(&error, OpenError::AddressNotAvailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");

    let multicast_interface = Some(MulticastInterface::V4(interface));
    let options = DatagramOptions { multicast_interface, ..DatagramOptions::default() };
    let error =
        stage.registry().bind_datagram_with(any_port(), &options, echo_datagrams()).unwrap_err();
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");
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
}

#[test]
fn a_peer_that_may_not_be_called_is_a_permission_denied() {
    let mut stage = Stage::new();
    let options = connected_to((Ipv4Addr::BROADCAST, 9).into());
    let any = "0.0.0.0:0".parse().unwrap();
    let error = stage.registry().bind_datagram_with(any, &options, echo_datagrams()).unwrap_err();
    assert!(matches!(&error, OpenError::PermissionDenied(_)), "{error:?}");
    assert_eq!(error.to_string(), "permission denied: 255.255.255.255:9");
}
