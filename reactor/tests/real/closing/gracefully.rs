//! Gracefully.

use super::*;

#[test]
fn a_graceful_close_sends_everything_and_then_says_goodbye() {
    let mut stage = Stage::new();
    let reply = pattern(4 * MIB);
    let large = reply.clone();
    let server = once(Probe::new("server").on_open(move |transport, _| {
        transport.write(&large);
        transport.close();
        assert!(transport.queued_bytes() > MIB, "the kernel does not take it all at once");
    }));
    let address = stage.listen_with(&narrow(), server);
    let caller = client(address);
    let seen = read_all(&mut stage, caller);
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean, end.unsent), (Side::Local, true, 0));
}

#[test]
fn a_peer_that_closes_is_answered_and_told_of() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_end(|transport, _| {
            transport.write(b"goodbye");
            transport.close();
        })
    });
    let caller = client(address);
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"goodbye");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", PEER_CLOSED]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean), (Side::Peer, true));
}

/// A server that has seen enough after the first bytes.
#[track_caller]
fn assert_reply_survives(length: usize) {
    let mut stage = Stage::new();
    let reply = pattern(length);
    let answer = reply.clone();
    let server = once(Probe::new("server").on_data(move |transport, input, _| {
        input.take_all();
        transport.write(&answer);
        transport.close();
    }));
    let address = stage.listen_with(&narrow(), server);
    let talking = talker(&stage, client(address));
    let seen = stage.join(talking).expect("it is not reset");
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server").last(), Some(&"close closed"));
}

#[test]
fn a_reply_survives_a_close_while_the_client_still_uploads() {
    assert_reply_survives(100_000);
}

#[test]
fn a_reply_too_large_for_the_kernel_survives_it_too() {
    assert_reply_survives(4 * MIB);
}

#[test]
fn a_reply_survives_a_close_with_input_unread() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"go away");
            transport.close();
        })
    });
    let mut caller = client(address);
    // It is there before the loop looks, and nobody will ever read it.
    caller.write_all(&pattern(100_000)).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"go away");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
}

#[test]
fn a_paused_connection_can_be_closed() {
    let mut stage = Stage::new();
    let reply = pattern(2 * MIB);
    let answer = reply.clone();
    let server = once(Probe::new("server").on_open(move |transport, _| {
        transport.pause();
        transport.write(&answer);
    }));
    let address = stage.listen_with(&narrow(), server);
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    // Both wait for each other, and the kernel reports nothing.
    stage.fill(&mut caller);
    let id = stage.log.id("server");
    stage.registry().close(id).unwrap();
    stage.until_quiet();
    assert!(stage.reactor.stats().read_bytes > 0, "it was read without an event");
    let talking = talker(&stage, caller);
    let seen = stage.join(talking).expect("it is not reset");
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
}

#[test]
fn a_paused_connection_can_be_closed_by_its_timer() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server")
            .on_open(|transport, _| {
                transport.pause();
                transport.set_timer(TimerKey(1), Duration::from_millis(20));
            })
            .on_timer(|transport, _, _| {
                transport.write(b"enough");
                transport.close();
            })
    });
    let talking = talker(&stage, client(address));
    assert_eq!(stage.join(talking).expect("it is not reset"), b"enough");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "timer 1", "close closed"]);
}

#[test]
fn after_a_close_no_callback_comes_but_the_last() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.set_timer(TimerKey(1), Duration::ZERO);
            transport.close();
            transport.close();
        })
    });
    let mut caller = client(address);
    caller.write_all(b"hello").unwrap();
    stage.until(|log| log.has("server", "data 5"));
    caller.write_all(b"anybody there?").unwrap();
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0, "the server said goodbye");
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().timers_fired == 1);
    stage.until_quiet();
    drop(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 5", "close closed"]);
}
