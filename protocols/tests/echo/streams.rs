//! TCP and Unix streams.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use protocols::echo::{ClientOptions, NotSent};
use reactor::Address;

use crate::kit::{any_port, noise, retry};
use crate::stage::{Stage, v6};

const MIB: usize = 1024 * 1024;

/// Every kind of stream there is here; the directory keeps the paths.
fn addresses() -> (Vec<Address>, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut addresses: Vec<Address> = [any_port()].into_iter().chain(v6()).collect();
    if cfg!(unix) {
        addresses.push(Address::from(directory.path().join("echo.sock")));
    }
    (addresses, directory)
}

#[test]
fn payloads_come_back_in_order_on_every_kind_of_stream() {
    let (addresses, _directory) = addresses();
    for address in addresses {
        let mut stage = Stage::new();
        let server = stage.listen(address);
        let client = stage.connect(&server);
        stage.sends(client, &["one", "two", "three"]);
        stage.until("all is back", |world| world.replies.len() == 3);
        assert_eq!(stage.world.payloads(), [&b"one"[..], b"two", b"three"]);
        assert_eq!(stage.world.counters().open, 1);

        stage.end(client);
        assert_eq!(stage.outcome(client), Ok(()), "{server}");
        stage.until("the session is over", |world| world.counters().open == 0);
        assert_eq!((stage.world.counters().sessions, stage.world.counters().bytes), (1, 11));
    }
}

#[test]
fn a_mebibyte_comes_back_to_a_client_that_has_half_closed() {
    let (addresses, _directory) = addresses();
    for address in addresses {
        let mut stage = Stage::new();
        let server = stage.listen(address);
        let limits = ClientOptions { window: 2 * MIB, ..ClientOptions::default() };
        let client = stage.connect_with(&server, limits);
        let payload = noise(MIB);
        stage.send(client, payload.clone()).expect("there is room");
        stage.end(client);
        assert_eq!(stage.outcome(client), Ok(()), "{server}");
        assert_eq!(stage.world.bytes, payload);
        assert!(matches!(stage.send(client, "more"), Err(NotSent::Ended(_))));
    }
}

/// Two sides that both stop reading while they write would wait for each other for ever.
#[test]
fn a_client_that_sends_without_end_does_not_get_stuck() {
    let mut stage = Stage::new();
    let server = stage.listen(any_port());
    let client = stage.connect(&server);
    let chunk = Bytes::from(noise(64 * 1024));
    stage.world.script = vec![chunk.clone(); 500];
    let mut in_flight = 0;
    while stage.send(client, chunk.clone()).is_ok() {
        in_flight += 1;
    }
    assert!(in_flight > 10, "the window is used: {in_flight}");
    stage.until("all is back", |world| world.replies.len() == 500 + in_flight);
    assert_eq!(stage.world.bytes.len(), (500 + in_flight) * chunk.len());
    assert!(stage.world.replies.iter().all(|reply| reply.payload == chunk));
    stage.end(client);
    assert_eq!(stage.outcome(client), Ok(()));
}

#[test]
fn what_is_written_byte_by_byte_comes_back() {
    let mut stage = Stage::new();
    let mut peer = connect(&stage.listen(any_port()));
    let mut back = Vec::new();
    for byte in *b"byte by byte" {
        peer.write_all(&[byte]).expect("it is open");
        let expected = back.len() + 1;
        stage.until("it is back", |_| {
            read_some(&mut peer, &mut back);
            back.len() == expected
        });
    }
    assert_eq!(back, b"byte by byte");
    drop(peer);
    stage.until("the session is over", |world| world.counters().open == 0);
}

/// A peer that sends and does not read is held back by its own answers, and loses none of them.
#[test]
fn a_peer_that_does_not_read_costs_little_memory() {
    let mut stage = Stage::new();
    let mut peer = connect(&stage.listen(any_port()));
    let chunk = noise(64 * 1024);
    let mut sent = Vec::new();
    let mut refusals = 0;
    // Neither side's kernel takes any more, and the server does not either.
    stage.until("it is held back", |_| {
        match peer.write(&chunk) {
            Ok(count) => {
                sent.extend_from_slice(&chunk[..count]);
                refusals = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => refusals += 1,
            Err(error) => panic!("{error}"),
        }
        refusals == 200
    });
    assert!(stage.reactor.stats().queued_bytes <= 3 * 64 * 1024, "{}", stage.reactor.stats());

    peer.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut back = Vec::new();
    stage.until("everything is back", |_| {
        read_some(&mut peer, &mut back);
        back.len() >= sent.len()
    });
    assert!(back == sent, "what came back is what was sent");
    stage.until("the session is over", |world| world.counters().open == 0);
}

#[test]
fn what_does_not_fit_into_the_window_is_handed_back() {
    let mut stage = Stage::new();
    let server = stage.listen(any_port());
    let limits = ClientOptions { window: 200, ..ClientOptions::default() };
    let client = stage.connect_with(&server, limits);
    stage.send(client, noise(100)).expect("there is room");
    let NotSent::WindowFull(payload) = stage.send(client, "more").expect_err("no room") else {
        panic!("another reason");
    };
    assert_eq!(payload, "more");
    stage.until("there is room again", |world| world.replies.len() == 1);
    stage.send(client, payload).expect("there is room");
    assert!(matches!(stage.send(client, noise(137)), Err(NotSent::WindowFull(_))));
    stage.until("it is back", |world| world.replies.len() == 2);
    assert!(matches!(stage.send(client, Bytes::new()), Err(NotSent::Empty(_))));
    stage.close(client);
    assert_eq!(stage.outcome(client), Ok(()));
}

#[test]
fn a_shutdown_finishes_sessions_and_clients() {
    let mut stage = Stage::new();
    let server = stage.listen(any_port());
    let clients = [0; 10].map(|_| stage.connect(&server));
    for client in clients {
        stage.sends(client, &["hello"]);
    }
    stage.until("all is back", |world| world.replies.len() == 10);
}

fn connect(server: &Address) -> TcpStream {
    let address = server.socket_addr().expect("it is TCP");
    let peer = TcpStream::connect(address).expect("it listens");
    peer.set_nonblocking(true).expect("it can be");
    peer
}

fn read_some(peer: &mut TcpStream, into: &mut Vec<u8>) {
    let mut buffer = [0; 64 * 1024];
    match retry(|| peer.read(&mut buffer)) {
        Ok(count) => into.extend_from_slice(&buffer[..count]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => panic!("{error}"),
    }
}
