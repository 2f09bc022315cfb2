//! Bytes in both directions: what is left is offered again, what is written keeps its order, and
//! nobody has to take more than it can.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use proptest::prelude::*;
use reactor::{
    ConnectionId, Limits, ListenOptions, SendError, StreamLimits, StreamOptions, TimerKey,
    Transport,
};
use socket2::SockRef;
use support::*;

/// A listener's options for connections whose kernel buffers hold little, so that queues grow here.
fn tight(limits: StreamLimits) -> ListenOptions {
    let stream = StreamOptions { send_buffer: Some(128 * 1024), ..StreamOptions::default() };
    ListenOptions { stream, limits, ..ListenOptions::default() }
}

/// Both ends of a TCP connection; the second is the test's, and blocks.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let theirs = client(listener.local_addr().expect("it is bound"));
    (listener.accept().expect("the client is there").0, theirs)
}

/// What a connection of the stage looks like to netstat: what it has to read, and to send; its state.
fn row(stage: &Stage, theirs: &TcpStream) -> (usize, usize, &'static str) {
    let peer = theirs.local_addr().expect("it is connected").into();
    let snapshot = stage.reactor.snapshot();
    let mut rows = snapshot.sockets.iter();
    let row = rows.find(|row| row.peer.as_ref() == Some(&peer)).expect("it is open");
    (row.receive_queue, row.send_queue, row.state)
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────

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
    stage.finish();
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
    stage.finish();
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
    drop(theirs);
    stage.finish();
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
    drop(theirs);
    stage.finish();
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
    stage.finish();
}

/// By its id a connection is told from anywhere, its own callback included; it obeys when that
/// returns, and in order with what it writes.
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
    assert_eq!(stage.join(peer), b"before after ".repeat(3));
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 26", "close closed"]);

    let mut theirs = client(address);
    theirs.write_all(b"abort").expect("it has room");
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("server").last(), Some(&"close aborted"));
    drop(theirs);
    stage.finish();
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────

/// Small writes wait for the end of the callback, large ones do not, shared bytes are not copied, and
/// what comes by way of the registry joins the rest: the peer must not notice.
#[test]
fn order_is_kept_among_all_the_ways_to_write() {
    let expected: Vec<Vec<u8>> =
        [3, 5_000, 2, 40_000, 4, 70_000, 1, 100_000, 6].into_iter().map(pattern).collect();
    for options in [ListenOptions::default(), tight(StreamLimits::default())] {
        let mut stage = Stage::new();
        let pieces = expected.clone();
        let address = stage.listen_with(&options, move || {
            let pieces = pieces.clone();
            Probe::new("server").on_data(move |transport, input, _| {
                input.take_all();
                let id = transport.id();
                for (at, piece) in pieces.iter().enumerate() {
                    let shared = Bytes::copy_from_slice(piece);
                    match at % 3 {
                        0 => transport.write(piece),
                        1 => transport.send(shared),
                        _ => transport.registry().send(id, shared).expect("it is open"),
                    }
                }
                transport.close();
            })
        });
        let peer = stage.peer(move || {
            let mut theirs = client(address);
            theirs.write_all(b"go").expect("it has room");
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).expect("it says goodbye");
            all
        });
        assert_same_bytes(&stage.join(peer), &expected.concat());
        stage.until_closed("server");
        stage.finish();
    }
}

#[test]
fn small_writes_of_one_callback_leave_in_one_write_and_large_ones_at_once() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| {
            let writes = |transport: &mut Transport<'_, Log>| transport.registry().stats().writes;
            let before = writes(transport);
            if input.take_all() == b"small" {
                for _ in 0..100 {
                    transport.write(b"0123456789");
                }
                assert_eq!(writes(transport), before, "they wait for the callback to return");
                assert_eq!(transport.queued_bytes(), 1_000);
            } else {
                transport.write(b"head");
                transport.send(Bytes::from(pattern(20_000)));
                assert_eq!(writes(transport), before + 1, "it has left, its head with it");
            }
        })
    });
    let mut theirs = client(address);
    let before = stage.reactor.stats().writes;
    theirs.write_all(b"small").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 5);
    assert_eq!(stage.reactor.stats().writes, before + 1);
    theirs.write_all(b"large").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 10);
    assert_eq!(stage.reactor.stats().writes, before + 2);
    let mut all = vec![0; 1_000 + 4 + 20_000];
    theirs.read_exact(&mut all).expect("it has all left");
    assert_same_bytes(&all[1_004..], &pattern(20_000));
    drop(theirs);
    stage.until_closed("server");
    assert!(stage.log.has("server", "close the peer closed the connection"), "{:?}", stage.log);
    stage.finish();
}

/// Many messages to many connections: between turns one call each; from the callback that is all there
/// is in a turn one for the first, which does not wait, and one for the rest.
#[test]
fn what_others_write_to_a_connection_in_a_turn_is_gathered() {
    const MEMBERS: usize = 5;
    const MESSAGES: usize = 50;
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("member").on_data(|transport, input, log| {
            let said = Bytes::copy_from_slice(input.take_all());
            let own = transport.id();
            for &(_, id) in &log.opened {
                for _ in 0..MESSAGES {
                    if id != own {
                        transport.registry().send(id, said.clone()).expect("it is open");
                    }
                }
            }
        })
    });
    let mut members: Vec<TcpStream> = (0..MEMBERS).map(|_| client(address)).collect();
    stage.until(|log| log.opened.len() == MEMBERS);

    let before = stage.reactor.stats();
    for _ in 0..MESSAGES {
        for (_, id) in stage.log.opened.clone() {
            stage.registry().send(id, Bytes::from_static(b"outside ")).expect("it is open");
        }
    }
    assert_eq!(stage.reactor.stats().writes, before.writes, "they wait for the end of the turn");
    stage.until_quiet();
    let after = stage.reactor.stats();
    assert_eq!(after.writes - before.writes, MEMBERS as u64, "{after}");

    members[0].write_all(b"inside ").expect("it has room");
    stage.until(|log| log.bytes("member").len() == 7);
    stage.until_quiet();
    let others = MEMBERS as u64 - 1;
    assert_eq!(stage.reactor.stats().writes - after.writes, 2 * others);

    for (at, member) in members.iter_mut().enumerate() {
        let mut expected = b"outside ".repeat(MESSAGES);
        if at > 0 {
            expected.extend(b"inside ".repeat(MESSAGES));
        }
        let mut seen = vec![0; expected.len()];
        member.read_exact(&mut seen).expect("it has left");
        assert_same_bytes(&seen, &expected);
    }
    drop(members);
    stage.until(|log| log.ends.len() == MEMBERS);
    stage.finish();
}

#[test]
fn what_is_sent_by_id_after_the_end_is_handed_back() {
    let mut stage = Stage::new();
    let answers: Rc<RefCell<Vec<SendError>>> = Rc::default();
    let handed_back = Rc::clone(&answers);
    let address = stage.listen(move || {
        let answers = Rc::clone(&handed_back);
        let mut has_ended = false;
        Probe::new("server").on_data(move |transport, input, _| {
            input.take_all();
            let id = transport.id();
            if !std::mem::replace(&mut has_ended, true) {
                transport.write(b"last");
                transport.end();
            }
            // In the callback that ended it, and in one long after.
            let late = Bytes::from_static(b"too late");
            let answer = transport.registry().send(id, late).expect_err("it sends no more");
            answers.borrow_mut().push(answer);
            transport.write(b"too late");
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"1").expect("it has room");
    let mut all = Vec::new();
    let peer = stage.peer(move || {
        theirs.read_to_end(&mut all).expect("it ends its side");
        theirs.write_all(b"2").expect("it is read");
        (theirs, all)
    });
    let (theirs, all) = stage.join(peer);
    assert_eq!(all, b"last");
    stage.until(|_| answers.borrow().len() == 2);
    let late = Bytes::from_static(b"too late");
    assert_eq!(*answers.borrow(), [SendError::Closing(late.clone()), SendError::Closing(late)]);
    assert_eq!(stage.reactor.stats().discarded_bytes, 16);

    let id = stage.log.id("server");
    drop(theirs);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 2", "end", "close closed"]);
    let late = Bytes::from_static(b"much too late");
    assert_eq!(stage.registry().send(id, late.clone()), Err(SendError::Stale(late)));
    stage.finish();
}

/// A write that fails leaves nothing behind for whoever is called next.
#[test]
#[cfg(unix)]
fn what_a_connection_could_not_send_and_was_told_never_reaches_another() {
    use std::os::unix::net::UnixStream;
    let mut stage = Stage::new();
    let secret = Probe::new("failing").on_data(|transport, input, _| {
        input.take_all();
        transport.write(b"a secret of the first");
        let id = transport.id();
        transport.registry().close(id).expect("it is open");
    });
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    stage.adopt(ours, &StreamLimits::default(), secret);
    let (ours, mut other) = UnixStream::pair().expect("a pair of sockets");
    // It tells itself something, so what the first was told and did not do would be done with it.
    let probe = Probe::new("other").on_data(|transport, input, _| {
        input.take_all();
        let id = transport.id();
        transport.registry().resume(id).expect("it is open");
    });
    stage.adopt(ours, &StreamLimits::default(), probe);
    stage.until_quiet();

    theirs.write_all(b"?").expect("it has room");
    drop(theirs);
    other.write_all(b"?").expect("it has room");
    stage.until_closed("failing");
    assert!(stage.log.has("failing", "close the peer reset the connection"), "{:?}", stage.log);
    stage.until(|log| log.bytes("other") == b"?");
    for count in [2, 3] {
        other.write_all(b"?").expect("it has room");
        stage.until(|log| log.bytes("other").len() == count);
    }
    assert_eq!(stage.log.of("other"), ["open", "data 3"]);

    other.shutdown(Shutdown::Write).expect("it is connected");
    stage.until_closed("other");
    let mut heard = Vec::new();
    other.read_to_end(&mut heard).expect("it says goodbye");
    assert_eq!(String::from_utf8_lossy(&heard), "");
    drop(other);
    stage.finish();
}

/// One step of a protocol that writes in every way there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(usize),
    Send(usize),
    /// By its own id, in its own callback.
    SendSelf(usize),
    /// By its id, from a closure that runs later.
    SendLater(usize),
    /// As one of many who are told the same.
    ShareLater(usize),
    File(usize),
    /// The callback returns; the next step is of another.
    Return,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![
        4 => 0_usize..64,
        2 => 4_000_usize..5_000,
        2 => 16_000_usize..17_000,
        1 => 60_000_usize..140_000,
    ];
    let step = prop_oneof![
        3 => length.clone().prop_map(Step::Write),
        3 => length.clone().prop_map(Step::Send),
        1 => length.clone().prop_map(Step::SendSelf),
        2 => length.clone().prop_map(Step::SendLater),
        2 => length.clone().prop_map(Step::ShareLater),
        1 => length.prop_map(Step::File),
        2 => Just(Step::Return),
    ];
    prop::collection::vec(step, 0..40)
}

/// Does steps, and writes down what the peer has to see, in the order in which it was said.
struct Writer {
    steps: VecDeque<Step>,
    said: Rc<RefCell<Vec<u8>>>,
}

impl Writer {
    /// The next bytes to be said, which no others are like.
    fn say(said: &RefCell<Vec<u8>>, length: usize) -> Vec<u8> {
        let mut said = said.borrow_mut();
        let begin = said.len();
        let bytes: Vec<u8> = (begin..begin + length).map(|at| (at / 7 + at) as u8).collect();
        said.extend_from_slice(&bytes);
        bytes
    }

    fn callback(&mut self, transport: &mut Transport<'_, Log>) {
        let id = transport.id();
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Write(length) => transport.write(&Self::say(&self.said, length)),
                Step::Send(length) => transport.send(Self::say(&self.said, length).into()),
                Step::SendSelf(length) => {
                    let bytes = Self::say(&self.said, length).into();
                    transport.registry().send(id, bytes).expect("it is open");
                }
                Step::SendLater(length) => {
                    let said = Rc::clone(&self.said);
                    transport.registry().defer(move |registry, _| {
                        let bytes = Self::say(&said, length).into();
                        registry.send(id, bytes).expect("it is open");
                    });
                }
                Step::ShareLater(length) => {
                    let said = Rc::clone(&self.said);
                    transport.registry().defer(move |registry, _| {
                        let bytes = Self::say(&said, length);
                        let queued = registry.broadcast([id], bytes.into());
                        assert_eq!(queued, usize::from(length > 0));
                    });
                }
                Step::File(length) => {
                    let mut file = tempfile::tempfile().expect("a temporary file");
                    file.write_all(&Self::say(&self.said, length)).expect("the disk has room");
                    transport.send_file(file, 0, length as u64);
                }
                Step::Return => return transport.set_timer(TimerKey(0), Duration::ZERO),
            }
        }
        // Behind what was deferred.
        transport.registry().defer(move |registry, _| registry.close(id).expect("it is open"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However a protocol writes, and however slowly it is read, the peer sees the same bytes in the
    /// same order.
    #[test]
    fn the_peer_sees_what_was_said(steps in steps(), is_tight in any::<bool>()) {
        let mut stage = Stage::new();
        let limits = StreamLimits { outbox: 16 << 20, ..StreamLimits::default() };
        let options = if is_tight {
            tight(limits)
        } else {
            ListenOptions { limits, ..ListenOptions::default() }
        };
        let said: Rc<RefCell<Vec<u8>>> = Rc::default();
        let writer = Writer { steps: steps.into(), said: Rc::clone(&said) };
        let mut writer = Some(writer);
        let address = stage.listen_with(&options, move || {
            let writer = Rc::new(RefCell::new(writer.take().expect("there is one client")));
            let next = Rc::clone(&writer);
            Probe::new("writer")
                .on_open(move |transport, _| writer.borrow_mut().callback(transport))
                .on_timer(move |transport, _, _| next.borrow_mut().callback(transport))
        });
        let peer = stage.peer(move || {
            let mut all = Vec::new();
            client(address).read_to_end(&mut all).expect("it says goodbye");
            all
        });
        let seen = stage.join(peer);
        stage.until_closed("writer");
        assert_same_bytes(&seen, &said.borrow());
        stage.finish();
    }
}

// ── flow control ────────────────────────────────────────────────────────────────────────────

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
    stage.finish();
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
    stage.finish();
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
    stage.finish();
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
            registry.send(other, bytes).expect("the other side is open");
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
    stage.finish();
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
    assert_eq!(end.reason, "its outbox is full: the peer reads too slowly");
    assert_eq!(end.peer, stranger.local_addr().expect("it is connected").into());
    assert_eq!(stage.reactor.stats().connections, 1);

    let peer = stage.peer(move || {
        let mut all = vec![0; ANSWER];
        member.read_exact(&mut all).expect("it is answered");
        assert_same_bytes(&all, &pattern(ANSWER));
    });
    stage.join(peer);
    stage.until(|log| log.ends.len() == 2);
    drop(stranger);
    stage.finish();
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
    stage.finish();
}
