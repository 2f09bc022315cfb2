//! Flow control: marks, drains, and the caps of one connection and of the loop.

use super::*;

/// Who does not take its answers cannot ask for more: with no code in the protocol. A Unix socket
/// with a small buffer lets a test take them a little at a time.
#[test]
#[cfg(unix)]
fn above_its_high_mark_a_connection_is_not_read_until_it_has_drained_to_its_low_one() {
    use std::os::unix::net::UnixStream;
    const ANSWER: usize = 10_000;
    const HIGH: usize = 50_000;
    const LOW: usize = 20_000;
    let mut stage = Stage::new();
    let limits = StreamLimits { outbox_high: HIGH, outbox_low: LOW, ..StreamLimits::default() };
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    SockRef::from(&ours).set_send_buffer_size(4 * 1024).expect("it is a socket");
    let at_drain = Rc::new(Cell::new(None));
    let queued = Rc::clone(&at_drain);
    let probe = Probe::new("server")
        .on_data(|transport, input, _| {
            input.take_all();
            transport.write(&pattern(ANSWER));
        })
        .on_drain(move |transport, _| queued.set(Some(transport.queued_bytes())));
    stage.adopt(ours, &limits, probe);
    let row = |stage: &Stage| {
        let row = stage.reactor.snapshot().sockets.remove(0);
        (row.send_queue, row.state)
    };
    let mut asked = 0;
    while stage.log.opened.is_empty() || row(&stage).1 == "open" {
        theirs.write_all(b"?").expect("it has room");
        asked += 1;
        stage.until(|log| log.bytes("server").len() == asked);
        stage.until_quiet();
    }
    let (queue, state) = row(&stage);
    assert_eq!(state, "open, held");
    assert!((HIGH + 1..=HIGH + ANSWER).contains(&queue), "{queue} bytes are queued");

    // It asks on, and is not heard while it takes its answers, until few are left.
    theirs.write_all(b"?").expect("it has room");
    stage.until_quiet();
    let mut taken = 0;
    while at_drain.get().is_none() {
        assert_eq!(stage.log.bytes("server").len(), asked);
        assert!(row(&stage).0 > LOW, "it has drained, and was not told");
        taken += retry(|| theirs.read(&mut [0; 1_000])).expect("there is more");
        stage.until_quiet();
    }
    assert!(at_drain.get() <= Some(LOW), "{at_drain:?}");
    stage.until(|log| log.bytes("server").len() == asked + 1);
    let told = ["open", &format!("data {asked}"), "drain", "data 1"];
    assert_eq!(stage.log.of("server"), told);

    let peer = stage.peer(move || {
        let mut rest = vec![0; (asked + 1) * ANSWER - taken];
        theirs.read_exact(&mut rest).expect("it is answered");
        rest
    });
    let rest = stage.join(peer);
    assert_same_bytes(&rest, &pattern(ANSWER).repeat(asked + 1)[taken..]);
    stage.until_closed("server");
    assert_eq!(stage.log.count("server", "drain"), 1);
}

#[test]
fn a_queue_that_was_never_above_its_high_mark_does_not_drain() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(StreamLimits::default()), || {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.write(&pattern(40_000));
        })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        for _ in 0..5 {
            theirs.write_all(b"?").expect("it has room");
            theirs.read_exact(&mut [0; 40_000]).expect("it is answered");
        }
    });
    stage.join(peer);
    stage.until_closed("server");
    let told = ["open", "data 5", "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("server"), told);
}

/// Writes the whole of something large, a piece whenever there is room: what `on_drain` is for.
#[test]
fn a_producer_that_waits_for_the_drain_never_queues_more_than_a_piece_above_the_high_mark() {
    const PIECE: usize = 30_000;
    const PIECES: usize = 100;
    let mut stage = Stage::new();
    let peak = Rc::new(Cell::new(0));
    let highest = Rc::clone(&peak);
    let address = stage.listen_with(&tight(StreamLimits::default()), move || {
        let produced = Rc::new(Cell::new(0));
        let highest = Rc::clone(&highest);
        let produce = move |transport: &mut Transport<'_, Log>| {
            while produced.get() < PIECES && transport.queued_bytes() <= 64 * 1024 {
                transport.send(Bytes::from(pattern(PIECE)));
                produced.set(produced.get() + 1);
            }
            highest.set(highest.get().max(transport.queued_bytes()));
            if produced.get() == PIECES {
                transport.close();
            }
        };
        let more = produce.clone();
        Probe::new("producer")
            .on_open(move |transport, _| produce(transport))
            .on_drain(move |transport, _| more(transport))
    });
    let mut theirs = client(address);
    stage.until(|log| log.has("producer", "open"));
    stage.until_quiet();
    assert_eq!(row(&stage, &theirs), (0, peak.get(), "open, held"));
    let peer = stage.peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    let all = stage.join(peer);
    assert_eq!(all.len(), PIECE * PIECES);
    all.chunks(PIECE).for_each(|piece| assert_same_bytes(piece, &pattern(PIECE)));
    stage.until_closed("producer");
    assert!((64 * 1024 + 1..=64 * 1024 + PIECE).contains(&peak.get()), "{} queued", peak.get());
    assert!(stage.log.has("producer", "drain"));
}

/// Passes on what one side says to the other, and reads it only as fast as the other takes it.
fn relay(who: &'static str, other: &Rc<Cell<Option<ConnectionId>>>) -> Probe {
    let others: [_; 3] = std::array::from_fn(|_| Rc::clone(other));
    let [to_send, to_resume, to_close] =
        others.map(|other| move || other.get().expect("both sides were opened"));
    Probe::new(who)
        .on_data(move |transport, input, _| {
            let (other, bytes) = (to_send(), Bytes::copy_from_slice(input.take_all()));
            let registry = transport.registry();
            let _ = registry.send(other, bytes).expect("the other side is open");
            let queued = registry.queued_bytes(other).expect("the other side is open");
            if queued > StreamLimits::default().outbox_high {
                transport.pause();
            }
        })
        .on_drain(move |transport, _| {
            transport.registry().resume(to_resume()).expect("the other side is open");
        })
        .on_end(move |transport, _| {
            transport.registry().close(to_close()).expect("the other side is open");
            transport.close();
        })
}

#[test]
fn a_proxy_reads_one_side_as_fast_as_the_other_takes_it() {
    const LENGTH: usize = 4 << 20;
    let mut stage = Stage::new();
    let (near, mut source) = pair();
    let (far, mut sink) = pair();
    SockRef::from(&far).set_send_buffer_size(128 * 1024).expect("it is a socket");
    let (near_id, far_id): (Rc<Cell<_>>, Rc<Cell<_>>) = Default::default();
    let limits = StreamLimits::default();
    near_id.set(Some(stage.adopt(near, &limits, relay("near", &far_id))));
    far_id.set(Some(stage.adopt(far, &limits, relay("far", &near_id))));
    stage.until(|log| log.opened.len() == 2);

    // Nobody reads at first, and the proxy comes to a rest far below all that is sent.
    let sent = stage.peer(move || {
        source.write_all(&pattern(LENGTH)).expect("it is read");
        source.shutdown(Shutdown::Write).expect("it is connected");
        source.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    until(&mut stage.reactor, &mut stage.log, |_, registry| {
        registry.snapshot().sockets.iter().all(|row| row.state == "open, held")
    });
    assert!(!stage.log.has("near", "end"));

    let received = stage.peer(move || {
        let mut all = Vec::new();
        sink.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    let mut peak = stage.reactor.stats().queued_bytes;
    while !received.is_done() {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
        peak = peak.max(stage.reactor.stats().queued_bytes);
    }
    assert!(peak < 512 * 1024, "{peak} bytes were queued");
    assert_same_bytes(&received.join(), &pattern(LENGTH));
    stage.join(sent);
    stage.until(|log| log.ends.len() == 2);
    assert!(stage.log.has("far", "drain"));
}

/// As [`relay`], but it stops at a height of its own, where the receiver sees no reason to say a word.
fn cautious(who: &'static str, other: &Rc<Cell<Option<ConnectionId>>>) -> Probe {
    let others: [_; 2] = std::array::from_fn(|_| Rc::clone(other));
    let [to_send, to_close] =
        others.map(|other| move || other.get().expect("both sides were opened"));
    Probe::new(who)
        .on_data(move |transport, input, _| {
            let (other, id) = (to_send(), transport.id());
            let bytes = Bytes::copy_from_slice(input.take_all());
            let registry = transport.registry();
            let pressure = registry.send(other, bytes).expect("the other side is open");
            let queued = registry.queued_bytes(other).expect("the other side is open");
            let limits = registry.limits(other).expect("the other side is open");
            assert_eq!(pressure.is_high(), queued > limits.outbox_high);
            assert_eq!(registry.pressure(other), Ok(pressure));
            if queued > 0 {
                let again = registry.when_drained(other, move |registry, log, result| {
                    log.note("cautious", format!("drained: {result:?}"));
                    let _ = registry.resume(id);
                });
                again.expect("the other side is open");
                transport.pause();
            }
        })
        .on_end(move |transport, _| {
            transport.registry().close(to_close()).expect("the other side is open");
            transport.close();
        })
}

#[test]
fn a_proxy_that_stops_below_the_receivers_mark_is_told_when_to_go_on() {
    const LENGTH: usize = 4 << 20;
    let mut stage = Stage::new();
    let (near, mut source) = pair();
    let (far, mut sink) = pair();
    SockRef::from(&far).set_send_buffer_size(64 * 1024).expect("it is a socket");
    let (near_id, far_id): (Rc<Cell<_>>, Rc<Cell<_>>) = Default::default();
    // No write of the proxy's comes near it.
    let limits = StreamLimits { outbox_high: 1 << 20, ..StreamLimits::default() };
    near_id.set(Some(stage.adopt(near, &limits, cautious("near", &far_id))));
    far_id.set(Some(stage.adopt(far, &limits, cautious("far", &near_id))));
    stage.until(|log| log.opened.len() == 2);
    let sent = stage.peer(move || {
        source.write_all(&pattern(LENGTH)).expect("it is read");
        source.shutdown(Shutdown::Write).expect("it is connected");
        source.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    let received = stage.peer(move || {
        let mut all = Vec::new();
        sink.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    assert_same_bytes(&stage.join(received), &pattern(LENGTH));
    stage.join(sent);
    stage.until(|log| log.ends.len() == 2);
    assert!(!stage.log.has("far", "drain"), "it was never above its own mark");
    assert!(stage.log.has("cautious", "drained: Ok(())"));
}

#[test]
fn whoever_waits_for_an_outbox_is_told_once_however_it_ends() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(StreamLimits::default()), || Probe::new("server"));
    let _theirs = client(address);
    stage.until(|log| log.opened.len() == 1);
    let id = stage.log.opened[0].1;
    let ask = |stage: &mut Stage, name: &'static str| {
        stage.registry().when_drained(id, move |_, log, result| {
            log.note(name, format!("{result:?}"));
        })
    };
    ask(&mut stage, "at once").expect("it is open");
    stage.until(|log| log.of("at once") == ["Ok(())"]);

    let much = Bytes::from(pattern(4 << 20));
    assert_eq!(stage.registry().send(id, much), Ok(Pressure::High));
    ask(&mut stage, "later").expect("it is open");
    ask(&mut stage, "later too").expect("it is open");
    stage.until_quiet();
    assert!(stage.log.of("later").is_empty(), "nobody has read");
    stage.registry().abort(id).expect("it is open");
    stage.until(|log| {
        log.has("later", "Err(it has ended)") && log.has("later too", "Err(it has ended)")
    });
    assert_eq!(ask(&mut stage, "too late"), Err(Stale));
    assert_eq!(stage.log.of("at once").len() + stage.log.of("later").len(), 2);
}

#[test]
fn a_connection_that_sends_to_itself_by_id_is_told_when_it_has_drained() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(StreamLimits::default()), || {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            let id = transport.id();
            let much = Bytes::from(pattern(1 << 20));
            let registry = transport.registry();
            assert_eq!(registry.send(id, much), Ok(Pressure::High));
            let asked = registry.when_drained(id, move |registry, log, result| {
                log.note("asker", format!("{result:?}"));
                registry.close(id).expect("it is open");
            });
            asked.expect("it is open");
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"?").expect("it is read");
    let received = stage.peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    assert_same_bytes(&stage.join(received), &pattern(1 << 20));
    stage.until_closed("server");
    assert_eq!(stage.log.of("asker"), ["Ok(())"]);
}

#[test]
fn limits_changed_on_a_connection_hold_for_it_alone() {
    const ANSWER: usize = 2 << 20;
    let for_strangers = StreamLimits { outbox: 1 << 20, ..StreamLimits::default() };
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(for_strangers.clone()), move || {
        let for_strangers = for_strangers.clone();
        Probe::new("server").on_data(move |transport, input, _| {
            if input.take_all() == b"login" {
                assert_eq!(*transport.limits(), for_strangers);
                transport.set_limits(StreamLimits { outbox: 4 << 20, ..for_strangers.clone() });
            }
            transport.write(&pattern(ANSWER));
        })
    });
    let mut member = client(address);
    let mut stranger = client(address);
    member.write_all(b"login").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 5);
    stranger.write_all(b"hello").expect("it has room");
    stage.until_closed("server");
    let end = stage.log.end("server").expect("it has ended");
    assert_eq!(end.reason, "its outbox is full: more was written than the peer has taken");
    assert_eq!(end.peer, stranger.local_addr().expect("it is connected").into());
    assert_eq!(stage.reactor.stats().connections, 1);

    let peer = stage.peer(move || {
        let mut all = vec![0; ANSWER];
        member.read_exact(&mut all).expect("it is answered");
        assert_same_bytes(&all, &pattern(ANSWER));
    });
    stage.join(peer);
    stage.until(|log| log.ends.len() == 2);
}

/// The caps of the whole loop hold for what is queued, not for what was ever sent.
#[test]
fn what_has_left_is_no_longer_held_against_the_loop() {
    let limits = Limits { outboxes: 1 << 20, ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let address = stage.listen_with(&tight(StreamLimits::default()), || {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.write(&pattern(700_000));
        })
    });
    let peer = stage.peer(move || {
        for _ in 0..3 {
            let mut theirs = client(address);
            for _ in 0..3 {
                theirs.write_all(b"?").expect("it has room");
                theirs.read_exact(&mut vec![0; 700_000]).expect("it is answered");
            }
        }
    });
    stage.join(peer);
    stage.until(|log| log.ends.len() == 3);
    assert_eq!(stage.reactor.stats().queued_bytes, 0);
    assert_eq!(stage.log.count("server", "close the peer closed the connection"), 3);
}
