//! By id.

use std::time::Duration;

use reactor::{Limits, ReachError, TimerKey};

use super::*;

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

    let _leaks = support::Leaks::watch();
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

/// Keeps a number, which nobody else has.
#[derive(Default)]
struct Count(u32);

impl DatagramProtocol<Vec<String>> for Count {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, Vec<String>>,
        datagram: &Datagram<'_>,
        told: &mut Vec<String>,
    ) {
        let (id, from) = (socket.id(), datagram.from.clone());
        // It is on the stack, so this comes when it has returned.
        let act = move |count: &mut Self,
                        socket: &mut DatagramTransport<'_, Vec<String>>,
                        told: &mut Vec<String>| {
            count.0 += 1;
            told.push(format!("count {}", count.0));
            socket.send_to(b"counted", &from).expect("it has room");
        };
        assert_eq!(socket.registry().with_socket(id, act), Ok(()));
        told.push("returned".to_owned());
    }

    fn on_timer(
        &mut self,
        _: &mut DatagramTransport<'_, Vec<String>>,
        _: TimerKey,
        told: &mut Vec<String>,
    ) {
        told.push(format!("timer at {}", self.0));
    }

    fn on_close(
        &mut self,
        _: &mut reactor::Registry<Vec<String>>,
        closed: &reactor::SocketClosed,
        told: &mut Vec<String>,
    ) {
        told.push(closed.reason.to_string());
    }
}

struct Other;

impl DatagramProtocol<Vec<String>> for Other {
    fn on_datagram(
        &mut self,
        _: &mut DatagramTransport<'_, Vec<String>>,
        _: &Datagram<'_>,
        _: &mut Vec<String>,
    ) {
    }
}

#[test]
fn the_protocol_of_a_socket_is_reached_with_its_state_and_its_transport() {
    let _leaks = support::Leaks::watch();
    let mut reactor = Reactor::new().expect("there are descriptors for a loop");
    let mut told = Vec::new();
    let registry = reactor.registry();
    let id = registry.bind_datagram(any_port(), Count::default()).expect("a port is free");
    let address = registry.socket_address(id).expect("it is open").socket_addr().expect("UDP");
    let reached = registry.with_socket(id, |count: &mut Count, socket, told: &mut Vec<String>| {
        count.0 = 40;
        told.push("forty".to_owned());
        socket.set_timer(TimerKey(1), Duration::ZERO);
    });
    assert_eq!(reached, Ok(()));
    let other = registry.with_socket(id, |_: &mut Other, _, _| unreachable!("it runs another"));
    assert_eq!(other, Err(ReachError::OtherProtocol));
    support::until(&mut reactor, &mut told, |told, _| told.len() == 2);

    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    peer.send_to(b"?", address).expect("it has room");
    support::until(&mut reactor, &mut told, |told, _| told.len() == 4);
    retry(|| peer.recv(&mut [0; 7])).expect("it has been sent");
    reactor.registry().close_socket(id).expect("it is open");
    support::until(&mut reactor, &mut told, |told, _| told.len() == 5);
    assert_eq!(told, ["forty", "timer at 40", "returned", "count 41", "closed"]);
    let gone =
        reactor.registry().with_socket(id, |_: &mut Count, _, _| unreachable!("it has ended"));
    assert_eq!(gone, Err(ReachError::Stale));
}

/// As a connection that cannot have what it waits for.
#[test]
fn a_socket_for_which_no_timer_is_left_ends_and_says_why() {
    let _leaks = support::Leaks::watch();
    let mut reactor = Reactor::with_limits(&Limits { timers: 1, ..Limits::default() })
        .expect("there are descriptors for a loop");
    let mut told = Vec::new();
    let registry = reactor.registry();
    let id = registry.bind_datagram(any_port(), Count::default()).expect("a port is free");
    let reached = registry.with_socket(id, |_: &mut Count, socket, _| {
        socket.set_timer(TimerKey(1), Duration::MAX);
        socket.set_timer(TimerKey(1), Duration::from_secs(3_600));
        socket.set_timer(TimerKey(2), Duration::MAX);
        socket.set_timer(TimerKey(1), Duration::ZERO);
    });
    assert_eq!(reached, Ok(()));
    support::until(&mut reactor, &mut told, |told, _| !told.is_empty());
    assert_eq!(told, ["the loop has no timers left"]);
    assert_eq!(reactor.stats().timers, 0);
}
