//! UDP and Unix datagrams.

use std::net::UdpSocket;

use protocols::echo::{ClientOptions, Limits, Refusal};
use reactor::Address;

use crate::kit::{any_port, noise, retry};
use crate::stage::{Stage, v6, within};

#[test]
fn udp_datagrams_come_back_the_empty_one_and_the_longest_too() {
    for address in [any_port()].into_iter().chain(v6()) {
        let mut stage = Stage::new();
        let server = stage.bind(address);
        let client = stage.connect_datagrams(&server, ClientOptions::default());
        stage.sends(client, &["one", "", "three"]);
        stage.send(client, noise(65_000)).expect("it fits");
        stage.until("all is back", |world| world.replies.len() == 4);
        let mut lengths: Vec<usize> = stage.world.payloads().iter().map(|p| p.len()).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [0, 3, 5, 65_000], "{server}");
        let counters = *stage.world.counters();
        assert_eq!((counters.datagrams, counters.datagram_bytes), (4, 65_008));
        stage.close(client);
        assert_eq!(stage.outcome(client), Ok(()));
    }
}

/// Datagrams have no end of their own: it is when the last has come back.
#[test]
fn a_client_that_has_ended_hears_the_rest() {
    let mut stage = Stage::new();
    let server = stage.bind(any_port());
    let client = stage.connect_datagrams(&server, ClientOptions::default());
    stage.sends(client, &["one", "two", "three"]);
    stage.end(client);
    assert_eq!(stage.outcome(client), Ok(()));
    assert_eq!(stage.world.payloads(), [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_client_that_has_ended_does_not_wait_for_what_is_lost() {
    let mut stage = Stage::new();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let server = Address::from(silent.local_addr().expect("it is bound"));
    let client = stage.connect_datagrams(&server, within(50));
    stage.sends(client, &["one", "two"]);
    stage.end(client);
    assert_eq!(stage.outcome(client), Ok(()));
    assert_eq!(stage.world.losses.len(), 2);
}

/// The answer to a reply is sent from the callback that tells of it.
#[test]
fn datagrams_can_be_sent_one_after_the_other() {
    let mut stage = Stage::new();
    let server = stage.bind(any_port());
    let client = stage.connect_datagrams(&server, ClientOptions::default());
    stage.world.script = vec!["again".into(); 100];
    stage.sends(client, &["again"]);
    stage.until("all is back", |world| world.replies.len() == 101);
    assert!(stage.world.losses.is_empty());
}

#[test]
#[cfg(unix)]
fn unix_datagrams_come_back_to_whoever_has_a_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stage = Stage::new();
    let server = stage.bind(Address::from(directory.path().join("server")));
    let mut options = ClientOptions::default();
    options.connect.from = Some(Address::from(directory.path().join("client")));
    let client = stage.connect_datagrams(&server, options);
    stage.sends(client, &["one", "two"]);
    stage.until("all is back", |world| world.replies.len() == 2);

    let nameless = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    nameless.send_to(b"hello", server.path().expect("a path")).expect("it is there");
    stage.until("it is refused", |world| world.counters().refused(Refusal::NoReturnAddress) == 1);
    assert_eq!(stage.world.counters().datagrams, 2);
}

/// Two echo servers that a forger has set upon each other would never stop.
#[test]
fn a_socket_on_the_same_port_is_not_answered() {
    let mut stage = Stage::new();
    let server = stage.bind(any_port());
    let port = server.port().expect("it is UDP");
    let Ok(twin) = UdpSocket::bind(("127.0.0.2", port)) else {
        return crate::outside::left_out("this machine has no 127.0.0.2");
    };
    twin.send_to(b"hello", server.socket_addr().expect("it is UDP")).expect("sent");
    stage.until("it is refused", |world| world.counters().refused(Refusal::OwnPort) == 1);
    assert_nothing_came(&twin);
    assert_eq!(stage.world.counters().datagrams, 0);
}

#[test]
fn a_reply_port_is_not_answered() {
    let mut stage = Stage::new();
    let server = stage.bind(any_port());
    let privileged = [7, 13, 17, 19, 37].map(|port| UdpSocket::bind(("127.0.0.1", port)));
    let Some(chargen) = privileged.into_iter().find_map(Result::ok) else {
        return crate::outside::left_out("ports below 1024 are not allowed here");
    };
    chargen.send_to(b"hello", server.socket_addr().expect("it is UDP")).expect("sent");
    stage.until("it is refused", |world| world.counters().refused(Refusal::ReplyPort) == 1);
    assert_nothing_came(&chargen);
}

#[test]
fn a_source_beyond_its_budget_is_not_answered_and_its_client_counts_the_losses() {
    let mut stage = Stage::with_limits(&Limits { datagrams_per_second: 1, ..Limits::default() });
    let server = stage.bind(any_port());
    let client = stage.connect_datagrams(&server, within(300));
    stage.sends(client, &["one", "two", "three"]);
    stage.until("the rest is lost", |world| world.losses.len() == 2);
    assert_eq!(stage.world.payloads(), [b"one"]);
    assert_eq!(stage.world.losses, [1, 2]);
    assert_eq!(stage.world.counters().refused(Refusal::OverBudget), 2);
}

#[test]
fn nobody_there_is_trouble_and_a_loss_but_not_the_end() {
    let mut stage = Stage::new();
    let gone = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let server = Address::from(gone.expect("a socket"));
    let client = stage.connect_datagrams(&server, within(50));
    stage.sends(client, &["hello"]);
    stage.until("it is lost", |world| world.losses.len() == 1);
    assert_eq!(stage.world.troubles, [std::io::ErrorKind::ConnectionRefused]);
    assert!(!stage.world.has_ended(client));
}

#[test]
fn a_datagram_that_comes_late_or_changed_is_a_stray() {
    let mut stage = Stage::new();
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = Address::from(server.local_addr().expect("it is bound"));
    let client = stage.connect_datagrams(&address, within(50));
    stage.sends(client, &["hello"]);
    let mut buffer = [0; 100];
    let (length, from) = retry(|| server.recv_from(&mut buffer)).expect("it was sent");
    server.send_to(b"hellO", from).expect("sent");
    stage.until("it is lost", |world| world.losses.len() == 1);
    server.send_to(&buffer[..length], from).expect("sent");
    stage.until("both are strays", |world| world.clients[&client].exchange().strays() == 2);
    assert_eq!(stage.world.replies, []);
}

/// Whatever was sent has been dealt with, so an answer would be there.
fn assert_nothing_came(socket: &UdpSocket) {
    socket.set_nonblocking(true).expect("it can be");
    let error = retry(|| socket.recv_from(&mut [0; 100])).expect_err("nothing came");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}
