//! What peers do wrong, packet by packet, on real sockets.

use std::time::Duration;

use protocols::transfer::store::{Access, Replace};
use protocols::transfer::tftp::{ClientOptions, Failure, Limits, Options, Packet, Patience};

use crate::kit::noise;
use crate::tftp_stage::{Peer, Stage, in_words};

const RRQ: &[u8] = b"\0\x01file\0octet\0";
const WRQ: &[u8] = b"\0\x02up\0octet\0";

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack { block }.to_vec()
}

/// On a busy machine a test may stand still for a while: nothing is to be sent again meanwhile.
fn unhurried() -> Patience {
    let wait = Duration::from_secs(30);
    Patience { first: wait, shortest: wait, longest: wait, ..Patience::default() }
}

fn unhurried_stage() -> Stage {
    let limits = Limits { patience: unhurried(), ..Limits::default() };
    Stage::with(limits, Access::ReadWrite, Replace::No)
}

fn unhurried_client() -> ClientOptions {
    ClientOptions { patience: unhurried(), ..ClientOptions::default() }
}

fn hasty() -> Patience {
    let wait = Duration::from_millis(20);
    Patience { first: wait, shortest: wait, longest: wait, tries: 4, first_tries: 2 }
}

fn hasty_stage() -> Stage {
    let limits = Limits { patience: hasty(), ..Limits::default() };
    Stage::with(limits, Access::ReadWrite, Replace::No)
}

#[test]
fn a_transfer_has_a_port_of_its_own() {
    let mut stage = unhurried_stage();
    stage.place("file", b"hello");
    let client = Peer::new();
    let (packet, from) = client.asks(RRQ, &mut stage);
    assert_eq!(packet, b"\0\x03\0\x01hello");
    assert_ne!(from, stage.server);
    assert_eq!(from.ip(), stage.server.ip());
    client.says(&ack(1), &from);
    stage.until("it is sent", |world| world.counters().sent == 1);
}

/// RFC 1350, section 4: error 5 for the stranger, and nothing for the transfer.
#[test]
fn a_packet_from_elsewhere_gets_error_5_and_does_not_disturb_the_transfer() {
    let mut stage = unhurried_stage();
    stage.place("file", &noise(600));
    let (client, stranger) = (Peer::new(), Peer::new());
    let (_, transfer) = client.asks(RRQ, &mut stage);
    stranger.says(&ack(1), &transfer);
    assert_eq!(in_words(&stranger.hears(&mut stage).0), "ERROR 5");
    // An error of a stranger's is not answered, and does not end what is not its own.
    stranger.says(b"\0\x05\0\0stop\0", &transfer);
    client.says(&ack(1), &transfer);
    assert_eq!(in_words(&client.hears(&mut stage).0), "DATA 2");
    client.says(&ack(2), &transfer);
    stage.until("it is sent", |world| world.counters().sent == 1);
    assert_eq!(stranger.has_heard(), None);
}

#[test]
fn strangers_are_not_answered_without_end() {
    let limits = Limits { strays: 2, patience: unhurried(), ..Limits::default() };
    let mut stage = Stage::with(limits, Access::ReadOnly, Replace::No);
    stage.place("file", &noise(600));
    let (client, stranger) = (Peer::new(), Peer::new());
    let (_, transfer) = client.asks(RRQ, &mut stage);
    for _ in 0..10 {
        stranger.says(&ack(1), &transfer);
    }
    client.says(&ack(1), &transfer);
    client.hears(&mut stage);
    let answers = std::iter::from_fn(|| stranger.has_heard()).count();
    assert_eq!(answers, 2);
    client.says(&ack(2), &transfer);
}

/// And the same for the client: the second of two answers to a request that came twice.
#[test]
fn a_second_server_is_told_that_it_is_not_the_one() {
    let mut stage = unhurried_stage();
    let (first, second) = (Peer::new(), Peer::new());
    let (id, sink) = stage.get_from(first.address(), "file", &unhurried_client());
    let (request, client) = first.hears(&mut stage);
    assert_eq!(in_words(&request), "RRQ");
    first.says(&[b"\0\x03\0\x01", &[b'x'; 512][..]].concat(), &client);
    assert_eq!(first.hears(&mut stage).0, ack(1));
    second.says(b"\0\x03\0\x02wrong", &client);
    assert_eq!(in_words(&second.hears(&mut stage).0), "ERROR 5");
    first.says(b"\0\x03\0\x02right", &client);
    assert_eq!(first.hears(&mut stage).0, ack(2));
    assert_eq!(stage.outcome(id), Ok(517));
    assert_eq!(sink.bytes()[512..], *b"right");
}

#[test]
fn a_request_that_comes_twice_is_one_transfer() {
    let mut stage = unhurried_stage();
    stage.place("file", &noise(600));
    let client = Peer::new();
    let server = stage.server.clone();
    client.says(RRQ, &server);
    client.says(RRQ, &server);
    let (_, transfer) = client.hears(&mut stage);
    client.says(RRQ, &server);
    stage.until("all are dealt with", |world| world.counters().dropped == 2);
    assert_eq!(stage.world.counters().open, 1);
    client.says(&ack(1), &transfer);
    assert_eq!(in_words(&client.hears(&mut stage).0), "DATA 2");
    // By now it cannot be the same any more: the client has begun anew, from the same port.
    client.says(RRQ, &server);
    let (packet, other) = client.hears(&mut stage);
    assert_eq!(in_words(&packet), "DATA 1");
    assert_ne!(other, transfer);
    client.says(b"\0\x05\0\0enough\0", &transfer);
    client.says(b"\0\x05\0\0enough\0", &other);
    stage.until("both are over", |world| world.counters().open == 0);
}

#[test]
fn nonsense_at_the_well_known_port_is_not_answered_and_bad_requests_are_with_error_4() {
    let mut stage = unhurried_stage();
    let client = Peer::new();
    let server = stage.server.clone();
    for nonsense in [&b""[..], b"\0", b"\0\x07", b"\0\x03\0\x01data", b"\0\x05\0\x01no\0", &ack(0)]
    {
        client.says(nonsense, &server);
    }
    stage.until("all are dropped", |world| world.counters().dropped == 6);
    assert_eq!(client.has_heard(), None);
    client.says(b"\0\x01file\0mail\0", &server);
    assert_eq!(in_words(&client.hears(&mut stage).0), "ERROR 4");
    client.says(b"\0\x01\0octet\0", &server);
    assert_eq!(in_words(&client.hears(&mut stage).0), "ERROR 4");
}

/// GRUB and iPXE go by the size that they are told: one byte more is a byte of garbage.
#[test]
fn a_file_that_grows_meanwhile_is_sent_as_long_as_it_was_said_to_be() {
    let mut stage = unhurried_stage();
    stage.place("file", &noise(1_000));
    let client = Peer::new();
    let (oack, transfer) = client.asks(b"\0\x01file\0octet\0tsize\x000\0", &mut stage);
    assert_eq!(oack, b"\0\x06tsize\x001000\0");
    stage.place("file", &noise(5_000));
    client.says(&ack(0), &transfer);
    let mut received = Vec::new();
    for block in 1..3 {
        received.extend_from_slice(&client.hears(&mut stage).0[4..]);
        client.says(&ack(block), &transfer);
    }
    assert!(received == noise(1_000));
    stage.until("it is sent", |world| world.counters().sent == 1);
}

#[test]
fn a_file_that_shrinks_meanwhile_is_no_shorter_file() {
    let mut stage = unhurried_stage();
    stage.place("file", &noise(1_000));
    let client = Peer::new();
    let (_, transfer) = client.asks(b"\0\x01file\0octet\0tsize\x000\0", &mut stage);
    stage.place("file", b"short");
    client.says(&ack(0), &transfer);
    assert_eq!(in_words(&client.hears(&mut stage).0), "ERROR 0");
    stage.until("it has failed", |world| world.counters().failed == 1);
}

/// U-Boot refuses an answer with another timeout than it asked for.
#[test]
fn a_timeout_is_granted_exactly_or_not_at_all() {
    let mut stage = unhurried_stage();
    stage.place("file", &noise(1_000));
    for (asked, granted) in
        [("1", "1"), ("5", "5"), ("255", "255"), ("005", "5"), ("0", ""), ("256", ""), ("+5", "")]
    {
        let client = Peer::new();
        let request = format!("\0\x01file\0octet\0tsize\x000\0timeout\0{asked}\0");
        let (oack, transfer) = client.asks(request.as_bytes(), &mut stage);
        let timeout =
            if granted.is_empty() { String::new() } else { format!("timeout\0{granted}\0") };
        let expected = format!("\0\x06{timeout}tsize\x001000\0");
        assert_eq!(oack, expected.as_bytes(), "{asked}");
        client.says(b"\0\x05\0\0enough\0", &transfer);
        stage.until("it is over", |world| world.counters().open == 0);
    }
}

/// Each request forged in somebody's name has that somebody sent so much, and no more.
#[test]
fn a_victim_of_forged_requests_is_sent_little() {
    let limits = Limits { requests_per_second: 3, patience: hasty(), ..Limits::default() };
    let mut stage = Stage::with(limits, Access::ReadOnly, Replace::No);
    stage.place("file", &noise(100_000));
    let victim = Peer::new();
    let server = stage.server.clone();
    for number in 0..10 {
        let request = format!("\0\x01file\0octet\0windowsize\x0064\0number\0{number}\0");
        victim.says(request.as_bytes(), &server);
    }
    stage.until("the rest is dropped", |world| world.counters().dropped == 7);
    stage.until("all are given up", |world| world.counters().open == 0);
    let mut heard = Vec::new();
    while let Some((packet, _)) = victim.has_heard() {
        heard.push(in_words(&packet));
    }
    // Three requests, and each is answered three times.
    assert_eq!(heard, ["OACK"; 9]);
    assert_eq!(stage.world.counters().failed, 3);
}

#[test]
fn an_upload_that_stops_in_the_middle_leaves_nothing() {
    let mut stage = hasty_stage();
    let client = Peer::new();
    let (packet, transfer) = client.asks(WRQ, &mut stage);
    assert_eq!(packet, ack(0));
    client.says(&[b"\0\x03\0\x01", &[b'x'; 512][..]].concat(), &transfer);
    while client.hears(&mut stage).0 != ack(1) {}
    stage.until("it is given up", |world| world.counters().failed == 1);
    assert_eq!(std::fs::read_dir(stage.tree.path()).expect("it is there").count(), 0);
}

/// A file that has arrived is there when its sender is told so, not before and not later.
#[test]
fn the_last_block_is_acknowledged_when_the_file_has_its_name() {
    let mut stage = unhurried_stage();
    let client = Peer::new();
    let (_, transfer) = client.asks(WRQ, &mut stage);
    client.says(b"\0\x03\0\x01whole", &transfer);
    let (packet, _) = client.hears(&mut stage);
    assert_eq!(packet, ack(1));
    assert_eq!(std::fs::read(stage.path("up")).expect("it is there"), b"whole");
    // It was lost on its way: the block comes again, and is acknowledged again.
    let mut heard = None;
    stage.until("it is acknowledged again", |_| {
        client.says(b"\0\x03\0\x01whole", &transfer);
        heard = client.has_heard();
        heard.is_some()
    });
    assert_eq!(heard.map(|(packet, _)| packet), Some(ack(1)));
    assert_eq!(stage.world.counters().received, 1);
}

#[test]
fn a_name_that_is_taken_meanwhile_is_not_replaced() {
    let mut stage = unhurried_stage();
    let client = Peer::new();
    let (_, transfer) = client.asks(WRQ, &mut stage);
    stage.place("up", b"somebody else's");
    client.says(b"\0\x03\0\x01mine", &transfer);
    assert_eq!(in_words(&client.hears(&mut stage).0), "ERROR 6");
    assert_eq!(std::fs::read(stage.path("up")).expect("it is there"), b"somebody else's");
    stage.until("it has failed", |world| world.counters().failed == 1);
}

#[test]
fn a_server_that_is_not_there_is_found_out() {
    let mut stage = unhurried_stage();
    let silent = Peer::new();
    let options = ClientOptions { patience: hasty(), ..ClientOptions::default() };
    let (id, _) = stage.get_from(silent.address(), "file", &options);
    assert_eq!(stage.outcome(id), Err(Failure::NoAnswer));
}

/// The network says so, by ICMP, and that is heard where the system tells (Linux).
#[cfg(target_os = "linux")]
#[test]
fn a_port_where_nobody_listens_is_found_out_at_once() {
    for ip in ["127.0.0.1", "[::1]"] {
        let Ok(socket) = std::net::UdpSocket::bind(format!("{ip}:0")) else {
            continue;
        };
        let nobody = socket.local_addr().expect("it is bound");
        drop(socket);
        let mut stage = unhurried_stage();
        let (get, _) = stage.get_from(nobody.into(), "file", &unhurried_client());
        let outcome = stage.outcome(get);
        assert!(matches!(outcome, Err(Failure::Unreachable(_))), "{outcome:?}");
    }
}

/// The port that was asked may be gone by the time the file comes, from another: inetd's servers do so.
#[test]
fn a_server_may_close_the_port_it_was_asked_at() {
    let mut stage = unhurried_stage();
    let (door, port) = (Peer::new(), Peer::new());
    let (id, sink) = stage.get_from(door.address(), "file", &unhurried_client());
    let (_, client) = door.hears(&mut stage);
    port.says(&[b"\0\x03\0\x01", &[b'x'; 512][..]].concat(), &client);
    drop(door);
    assert_eq!(port.hears(&mut stage).0, ack(1));
    port.says(b"\0\x03\0\x02end", &client);
    assert_eq!(port.hears(&mut stage).0, ack(2));
    assert_eq!(stage.outcome(id), Ok(515));
    assert_eq!(sink.bytes().len(), 515);
}

#[test]
fn a_server_that_falls_silent_is_found_out_and_told() {
    let mut stage = unhurried_stage();
    let server = Peer::new();
    let options = ClientOptions { patience: hasty(), ..ClientOptions::default() };
    let (id, _) = stage.get_from(server.address(), "file", &options);
    let (_, client) = server.hears(&mut stage);
    server.says(&[b"\0\x03\0\x01", &[b'x'; 512][..]].concat(), &client);
    assert_eq!(stage.outcome(id), Err(Failure::Silent));
    let mut last = server.hears(&mut stage).0;
    while let Some((packet, _)) = server.has_heard() {
        last = packet;
    }
    assert_eq!(in_words(&last), "ERROR 0");
}

/// What a server grants has to be what was asked for (RFC 2347).
#[test]
fn a_server_that_grants_what_was_not_asked_for_gets_error_8() {
    let mut stage = unhurried_stage();
    let server = Peer::new();
    let plain = ClientOptions { options: Options::default(), ..ClientOptions::default() };
    let (id, _) = stage.get_from(server.address(), "file", &plain);
    let (_, client) = server.hears(&mut stage);
    server.says(b"\0\x06blksize\x001024\0", &client);
    assert!(matches!(stage.outcome(id), Err(Failure::Options(_))));
    assert_eq!(in_words(&server.hears(&mut stage).0), "ERROR 8");
}

/// A disk may fill up while a file is fetched, on either side.
#[test]
fn a_file_that_cannot_be_written_ends_the_transfer_on_both_sides() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut stage = unhurried_stage();
    let server = Peer::new();
    let options = unhurried_client();
    let registry = stage.reactor.registry();
    let id = protocols::transfer::tftp::get(registry, server.address(), b"file", Full, &options)
        .expect("a socket is bound");
    let (_, client) = server.hears(&mut stage);
    server.says(b"\0\x03\0\x01bytes", &client);
    assert!(matches!(stage.outcome(id), Err(Failure::File { .. })));
    assert_eq!(in_words(&server.hears(&mut stage).0), "ERROR 3");
}
