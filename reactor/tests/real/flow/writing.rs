//! Writing: order, gathering, and what cannot be sent.

use super::*;

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
                        _ => {
                            let _ = transport.registry().send(id, shared).expect("it is open");
                        }
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
                        let _ = transport.registry().send(id, said.clone()).expect("it is open");
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
            let _ = stage.registry().send(id, Bytes::from_static(b"outside ")).expect("it is open");
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
    let writes = stage.reactor.stats().writes - after.writes;
    assert!((others..=2 * others).contains(&writes), "{writes} to {others}");

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
                    let _ = transport.registry().send(id, bytes).expect("it is open");
                }
                Step::SendLater(length) => {
                    let said = Rc::clone(&self.said);
                    transport.registry().defer(move |registry, _| {
                        let bytes = Self::say(&said, length).into();
                        let _ = registry.send(id, bytes).expect("it is open");
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
    }
}
