//! How conversations fail: each in a way of its own, which the program can tell apart.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use protocols::echo::{ClientId, ClientOptions, Failure, Mismatch, NotSent};
use reactor::{Address, Limits, OpenError, Reactor};

use crate::kit::{any_port, retry};
use crate::stage::{Stage, within};

/// A client, and a peer that the test speaks for.
fn meet(stage: &mut Stage, options: ClientOptions) -> (ClientId, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = Address::from(listener.local_addr().expect("it listens"));
    let client = stage.connect_with(&address, options);
    (client, listener.accept().expect("it is connected").0)
}

/// The client says hello, and the peer has heard it.
fn greet(stage: &mut Stage, client: ClientId, peer: &mut TcpStream) {
    stage.sends(client, &["hello"]);
    stage.turn(Duration::ZERO);
    let mut heard = [0; 5];
    peer.read_exact(&mut heard).expect("it was sent");
    assert_eq!(&heard, b"hello");
}

#[test]
fn a_wrong_byte() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, ClientOptions::default());
    greet(&mut stage, client, &mut peer);
    peer.write_all(b"helLo").expect("it is open");
    let expected = Mismatch::Different { at: 3, expected: b'l', found: b'L' };
    assert_eq!(stage.outcome(client), Err(Failure::Mismatch(expected)));
    assert_eq!(stage.world.bytes, b"hel", "what was right has been told");
}

#[test]
fn a_byte_too_many() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, ClientOptions::default());
    greet(&mut stage, client, &mut peer);
    peer.write_all(b"hello!").expect("it is open");
    let expected = Mismatch::Unasked { at: 5 };
    assert_eq!(stage.outcome(client), Err(Failure::Mismatch(expected)));
    assert_eq!(stage.world.replies.len(), 1);
}

#[test]
fn an_end_that_comes_too_early() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, ClientOptions::default());
    greet(&mut stage, client, &mut peer);
    peer.write_all(b"he").expect("it is open");
    drop(peer);
    assert_eq!(stage.outcome(client), Err(Failure::EarlyEnd { missing: 3 }));
}

#[test]
fn an_end_before_ours_with_nothing_missing() {
    let mut stage = Stage::new();
    let (client, peer) = meet(&mut stage, ClientOptions::default());
    drop(peer);
    assert_eq!(stage.outcome(client), Err(Failure::EarlyEnd { missing: 0 }));
    assert!(matches!(stage.send(client, "more"), Err(NotSent::Ended(_))));
}

#[test]
fn a_reset() {
    let mut stage = Stage::new();
    let (client, peer) = meet(&mut stage, ClientOptions::default());
    stage.sends(client, &["hello"]);
    stage.turn(Duration::ZERO);
    retry(|| peer.peek(&mut [0])).expect("it was sent");
    // Closing with something unread is a reset (RFC 2525, 2.17).
    drop(peer);
    assert_eq!(stage.outcome(client), Err(Failure::Reset));
}

#[test]
fn silence() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, within(50));
    greet(&mut stage, client, &mut peer);
    assert_eq!(stage.outcome(client), Err(Failure::Timeout(Duration::from_millis(50))));
}

/// A peer that has answered everything and does not end is as silent.
#[test]
fn an_end_that_does_not_come() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, within(50));
    stage.end(client);
    stage.turn(Duration::ZERO);
    assert_eq!(retry(|| peer.read(&mut [0])).expect("it is open"), 0);
    assert_eq!(stage.outcome(client), Err(Failure::Timeout(Duration::from_millis(50))));
}

/// Whoever has closed does not care for what is on its way, also if the peer then says nothing more.
#[test]
fn silence_after_a_close() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, within(50));
    greet(&mut stage, client, &mut peer);
    stage.close(client);
    assert_eq!(stage.outcome(client), Ok(()));
}

/// Time in which nothing is on its way is nobody's fault.
#[test]
fn silence_that_nobody_minds() {
    let mut stage = Stage::new();
    let (client, mut peer) = meet(&mut stage, within(200));
    greet(&mut stage, client, &mut peer);
    peer.write_all(b"hello").expect("it is open");
    stage.until("it is back", |world| world.replies.len() == 1);
    let fired = stage.reactor.stats().timers_fired;
    while stage.reactor.stats().timers_fired == fired {
        stage.turn(Duration::from_millis(1));
    }
    assert_eq!(stage.reactor.stats().timers, 0, "it is not set again");
    assert!(!stage.world.has_ended(client));
    drop(peer);
    stage.until("it is over", |world| world.has_ended(client));
}

/// What there is no timer for would be waited for in vain.
#[test]
fn a_loop_without_timers() {
    let mut stage = Stage::new();
    let limits = Limits { timers: 1, ..Limits::default() };
    stage.reactor = Reactor::with_limits(limits).expect("a loop");
    let (client, _silent) = meet(&mut stage, ClientOptions::default());
    let last = stage.reactor.registry().after(Duration::MAX, |_, _| {}).expect("there is one");
    stage.end(client);
    let expected = Failure::Other("the loop has no timers left".to_owned());
    assert_eq!(stage.outcome(client), Err(expected));
    stage.reactor.registry().cancel(last);
}

#[test]
fn nobody_there() {
    let mut stage = Stage::new();
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let client = stage.connect(&Address::from(gone.expect("a socket")));
    let refused = Failure::Connect(ErrorKind::ConnectionRefused);
    assert_eq!(stage.outcome(client), Err(refused));
}

#[test]
fn an_address_in_use_is_named() {
    let mut stage = Stage::new();
    let address = stage.listen(any_port());
    let options = reactor::ListenOptions::default();
    let error = protocols::echo::listen(stage.reactor.registry(), address.clone(), &options)
        .expect_err("it is in use");
    assert!(matches!(error, OpenError::AddressInUse(taken) if taken == address));
}
