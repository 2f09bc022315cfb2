//! Reading: what a protocol leaves is offered again, and pauses hold.

use super::*;

/// Consumes whole lines.
fn lines(who: &'static str, offered: &Rc<RefCell<Vec<String>>>) -> Probe {
    let offered = Rc::clone(offered);
    Probe::new(who).on_data(move |_, input, _| {
        offered.borrow_mut().push(String::from_utf8_lossy(input).into_owned());
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            input.advance(end + 1);
        }
    })
}

#[test]
fn what_a_protocol_leaves_is_offered_again_in_front_of_what_comes_next() {
    let mut stage = Stage::new();
    let offered = Rc::default();
    let seen = Rc::clone(&offered);
    let address = stage.listen(move || lines("server", &seen));
    let mut theirs = client(address);

    theirs.write_all(b"one\ntw").expect("it has room");
    stage.until(|_| offered.borrow().len() == 1);
    stage.until_quiet();
    assert_eq!(*offered.borrow(), ["one\ntw"]);
    assert_eq!(row(&stage, &theirs).0, 2, "the rest waits in the inbox");

    theirs.write_all(b"o").expect("it has room");
    stage.until(|_| offered.borrow().len() == 2);
    theirs.write_all(b"\n").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 8);
    assert_eq!(*offered.borrow(), ["one\ntw", "two", "two\n"]);
    assert_eq!(row(&stage, &theirs).0, 0, "an inbox that is empty is no inbox");

    theirs.write_all(b"half").expect("it has room");
    drop(theirs);
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 8", "end", "close the peer closed the connection"]
    );
}

#[test]
fn what_was_left_is_offered_again_after_a_pause_though_nothing_came() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        let mut is_first = true;
        Probe::new("server").on_data(move |transport, input, _| {
            if std::mem::take(&mut is_first) {
                input.advance(1);
                transport.pause();
            } else {
                input.take_all();
            }
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"abc").expect("it has room");
    stage.until(|log| log.bytes("server") == b"a");
    stage.until_quiet();
    assert_eq!(row(&stage, &theirs), (2, 0, "open, held"));

    let id = stage.log.id("server");
    stage.registry().resume(id).expect("it is open");
    stage.until(|log| log.bytes("server") == b"abc");
    assert_eq!(row(&stage, &theirs), (0, 0, "open"));
    drop(theirs);
    stage.until_closed("server");
}

/// An HTTP server that upgrades a connection knows this: the client may have sent its first frames,
/// and its end, together with the request.
#[test]
fn who_takes_over_is_offered_what_was_left_and_then_the_end() {
    let mut stage = Stage::new();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"upgrade\nfirst frame").expect("it has room");
    theirs.shutdown(Shutdown::Write).expect("it is connected");
    let probe = Probe::new("http").on_data(|transport, input, _| {
        input.advance(8);
        transport.replace(Probe::new("websocket"));
    });
    stage.adopt(ours, &StreamLimits::default(), probe);
    stage.until_closed("websocket");
    assert_eq!(stage.log.of("http"), ["open", "data 8"]);
    assert_eq!(stage.log.bytes("websocket"), b"first frame");
    let told = ["open", "data 11", "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("websocket"), told);
}

/// Whoever resumes what it has just paused asks for what it left, and gets it, but not for ever.
#[test]
fn a_protocol_that_always_asks_for_what_it_leaves_does_not_hold_up_the_loop() {
    let mut stage = Stage::new();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let (ours, mut theirs) = pair();
    let probe = Probe::new("greedy").on_data(move |transport, _, _| {
        count.set(count.get() + 1);
        assert!(count.get() < 1_000, "it is offered the same again and again within a turn");
        transport.pause();
        transport.resume();
    });
    let id = stage.adopt(ours, &StreamLimits::default(), probe);
    theirs.write_all(b"never consumed").expect("it has room");
    stage.until(|_| calls.get() > 0);
    for _ in 0..10 {
        calls.set(0);
        let turn = stage.reactor.turn(Some(Duration::ZERO), &mut stage.log);
        assert!(turn.expect("the loop goes on").is_running());
        assert!((1..=2).contains(&calls.get()), "{} calls", calls.get());
    }
    stage.registry().abort(id).expect("it is open");
    stage.until_closed("greedy");
}

#[test]
fn nothing_is_read_between_a_pause_and_the_next_resumption() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut theirs = client(address);
    theirs.write_all(b"one").expect("it has room");
    stage.until(|log| log.bytes("server") == b"one");

    let id = stage.log.id("server");
    stage.registry().pause(id).expect("it is open");
    theirs.write_all(b"two").expect("it has room");
    let reads = stage.reactor.stats().reads;
    let events = stage.reactor.stats().events;
    while stage.reactor.stats().events == events {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
    }
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().reads, reads);
    assert_eq!(stage.log.bytes("server"), b"one");

    // Twice is once.
    stage.registry().resume(id).expect("it is open");
    stage.registry().resume(id).expect("it is open");
    stage.until(|log| log.bytes("server") == b"onetwo");
    drop(theirs);
    stage.until_closed("server");
    assert!(stage.registry().pause(id).is_err(), "the id is stale");
    assert!(stage.registry().resume(id).is_err(), "the id is stale");
}

/// By its id a connection is told from anywhere, its own callback included, and it is as if its transport had been
/// told: what is written in front of it is sent, and what is written behind a goodbye is not.
#[test]
fn a_connection_obeys_what_it_is_told_by_its_id_in_its_own_callback() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| {
            let id = transport.id();
            transport.write(b"before ");
            let said = input.take_all();
            let registry = transport.registry();
            let told = match said {
                b"pause" => registry.pause(id),
                b"close" => registry.close(id),
                b"abort" => registry.abort(id),
                _ => registry.pause(id).and_then(|()| registry.resume(id)),
            };
            told.expect("it is open");
            transport.write(b"after ");
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"pause and resume").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 16);
    theirs.write_all(b"pause").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 21);
    stage.until_quiet();
    assert_eq!(row(&stage, &theirs).2, "open, held");
    let id = stage.log.id("server");
    stage.registry().resume(id).expect("it is open");
    theirs.write_all(b"close").expect("it has room");
    let mut heard = Vec::new();
    let peer = stage.peer(move || {
        theirs.read_to_end(&mut heard).expect("it says goodbye");
        heard
    });
    assert_eq!(stage.join(peer), b"before after before after before ");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 26", "close closed"]);

    let mut theirs = client(address);
    theirs.write_all(b"abort").expect("it has room");
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("server").last(), Some(&"close aborted"));
}
