//! One protocol, tested with bytes; and what only such a test shows of it on one line.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::Once;
use std::time::Duration;

use crate::support::silence_panics;
use reactor::framing::{Line, Lines};
use reactor::sim::Harness;
use reactor::{
    ByLine, CloseReason, Closed, ConnectionId, Idle, Input, LineProtocol, MinRate, Protocol,
    ReachError, Registry, StreamLimits, TimerKey, Transport,
};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const BUG_LATER: TimerKey = TimerKey(2);
const A_MILLISECOND: Duration = Duration::from_millis(1);

/// Answers each line as it is told to; notes how it was read, and how it ended.
struct Talker {
    lines: Lines,
    on_idle: fn(&mut Transport<'_, Vec<String>>) -> Idle,
}

impl Talker {
    fn new() -> Self {
        Self { lines: Lines::new(80), on_idle: |_| Idle::End }
    }
}

impl Protocol<Vec<String>> for Talker {
    fn on_open(&mut self, transport: &mut Transport<'_, Vec<String>>, notes: &mut Vec<String>) {
        notes.push("open".to_owned());
        transport.write(b"220 hello\r\n");
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Vec<String>>,
        input: &mut Input<'_>,
        notes: &mut Vec<String>,
    ) {
        notes.push(format!("offered {}", input.len()));
        while let Line::Whole(line) = self.lines.next(input) {
            match line {
                b"QUIT" => {
                    transport.write(b"221 goodbye\r\n");
                    transport.close();
                }
                b"LATER" => transport.set_timer(TimerKey(1), HALF_A_MINUTE),
                b"MUCH" => transport.write(&[b'x'; 1 << 20]),
                b"BUG" => panic!("a bug"),
                b"OTHER" => {
                    transport.replace(Talker::new());
                    transport.close();
                }
                b"ABORT" => transport.abort(),
                _ => transport.write(b"250 ok\r\n"),
            }
        }
    }

    fn on_drain(&mut self, _: &mut Transport<'_, Vec<String>>, notes: &mut Vec<String>) {
        notes.push("drain".to_owned());
    }

    fn on_timer(
        &mut self,
        transport: &mut Transport<'_, Vec<String>>,
        key: TimerKey,
        _: &mut Vec<String>,
    ) {
        assert_ne!(key, BUG_LATER, "a bug");
        transport.write(b"251 it is later\r\n");
    }

    fn on_idle(
        &mut self,
        transport: &mut Transport<'_, Vec<String>>,
        notes: &mut Vec<String>,
    ) -> Idle {
        notes.push("idle".to_owned());
        (self.on_idle)(transport)
    }

    fn on_close(
        &mut self,
        _: &mut Registry<Vec<String>>,
        closed: &Closed,
        notes: &mut Vec<String>,
    ) {
        notes.push(closed.reason.to_string());
    }
}

fn talk() -> Harness<Vec<String>> {
    let mut harness = Harness::open(Talker::new(), Vec::new());
    assert_eq!(harness.sent_text(), "220 hello\r\n");
    harness
}

fn idle_after(
    limits: StreamLimits,
    on_idle: fn(&mut Transport<'_, Vec<String>>) -> Idle,
) -> Harness<Vec<String>> {
    let talker = Talker { on_idle, ..Talker::new() };
    let mut harness = Harness::open_with(talker, Vec::new(), limits);
    assert_eq!(harness.sent(), b"220 hello\r\n");
    harness
}

fn idle_timeout() -> StreamLimits {
    StreamLimits { idle_timeout: Some(HALF_A_MINUTE), ..StreamLimits::default() }
}

// ── the harness ─────────────────────────────────────────────────────────────────────────────

#[test]
fn pieces_are_read_as_they_were_sent() {
    let mut talker = talk();
    talker.receive_pieces([&b"NO"[..], b"OP\r\nNOO", b"P\r\n"]);
    assert_eq!(talker.sent(), b"250 ok\r\n250 ok\r\n");
    assert_eq!(talker.app().as_slice(), ["open", "offered 2", "offered 9", "offered 6"]);
    assert!(!talker.is_closed() && !talker.has_sent_fin());
}

#[test]
fn a_goodbye_is_fin_and_the_end_comes_with_the_peers() {
    let mut talker = talk();
    talker.receive(b"QUIT\r\nNOOP\r\n");
    assert_eq!(talker.sent(), b"221 goodbye\r\n");
    assert!(talker.has_sent_fin() && !talker.is_closed());
    talker.peer_ends();
    assert!(matches!(talker.reason(), Some(CloseReason::Closed)));
    assert_eq!(talker.closed().map(|closed| (closed.opened, closed.unsent)), Some((true, 0)));
    assert!(talker.id().is_none());
    assert!(!talker.has_sent_reset());
}

#[test]
fn the_peer_may_end_first_or_reset() {
    let mut talker = talk();
    talker.peer_ends();
    assert!(matches!(talker.reason(), Some(CloseReason::PeerClosed)));
    assert!(talker.has_sent_fin());
    let mut talker = talk();
    talker.peer_resets();
    assert!(matches!(talker.reason(), Some(CloseReason::Reset)));
    talker.receive(b"to nobody");
}

#[test]
fn an_abort_is_a_reset() {
    let mut talker = talk();
    talker.receive(b"ABORT\r\n");
    assert!(talker.has_sent_reset() && !talker.has_sent_fin());
    assert!(matches!(talker.reason(), Some(CloseReason::Aborted)));
}

#[test]
fn time_passes_only_when_it_is_told_to() {
    let mut talker = talk();
    talker.receive(b"LATER\r\n");
    for _ in 0..100 {
        talker.receive(b"NOOP\r\n");
    }
    assert_eq!(talker.sent(), b"250 ok\r\n".repeat(100));
    talker.wait(HALF_A_MINUTE - Duration::from_millis(50));
    assert_eq!(talker.sent(), b"");
    talker.wait(Duration::from_millis(51));
    assert_eq!(talker.sent(), b"251 it is later\r\n");
}

#[test]
fn a_peer_that_does_not_read_fills_the_outbox() {
    let mut talker = talk();
    talker.peer_stops_reading();
    talker.receive(b"MUCH\r\n");
    assert!(talker.with(|_: &mut Talker, transport, _| transport.queued_bytes()) > 0);
    assert_eq!(talker.sent(), b"");
    talker.peer_reads();
    assert_eq!(talker.sent().len(), 1 << 20);
    assert!(talker.app().iter().any(|note| note == "drain"));
}

#[test]
fn a_panic_of_the_protocol_is_one_of_the_test_unless_it_is_part_of_it() {
    let mut talker = talk();
    talker.allow_panics();
    talker.receive(b"BUG\r\n");
    assert!(matches!(talker.reason(), Some(CloseReason::Panicked(text)) if text == "a bug"));
    let mut talker = talk();
    let heard = panic::catch_unwind(AssertUnwindSafe(|| talker.receive(b"BUG\r\n")));
    assert!(heard.is_err());
}

// ── silence ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_silent_peer_is_reset_where_the_protocol_has_no_word_for_it() {
    let mut talker = idle_after(idle_timeout(), |_| Idle::End);
    talker.wait(HALF_A_MINUTE - A_MILLISECOND);
    assert!(!talker.is_closed());
    talker.wait(2 * A_MILLISECOND);
    assert!(talker.has_sent_reset() && !talker.has_sent_fin());
    assert_eq!(talker.app().as_slice(), ["open", "idle", &CloseReason::IdleTimeout.to_string()]);
}

#[test]
fn a_silent_peer_is_told_so_and_sees_fin() {
    let goodbye = |transport: &mut Transport<'_, _>| {
        transport.write(b"421 timeout\r\n");
        transport.close();
        Idle::End
    };
    ends_with_a_goodbye(goodbye);
}

#[test]
fn the_answer_may_be_the_goodbye() {
    ends_with_a_goodbye(|_| Idle::EndWith(b"421 timeout\r\n"));
}

#[track_caller]
fn ends_with_a_goodbye(on_idle: fn(&mut Transport<'_, Vec<String>>) -> Idle) {
    let mut talker = idle_after(idle_timeout(), on_idle);
    talker.wait(HALF_A_MINUTE + A_MILLISECOND);
    assert_eq!(talker.sent(), b"421 timeout\r\n");
    assert!(talker.has_sent_fin() && !talker.has_sent_reset());
    talker.peer_ends();
    assert!(matches!(talker.reason(), Some(CloseReason::Closed)));
}

#[test]
fn who_has_not_taken_what_it_was_sent_is_not_told_goodbye() {
    let mut talker = idle_after(idle_timeout(), |_| Idle::EndWith(b"421 timeout\r\n"));
    talker.peer_stops_reading();
    talker.receive(b"MUCH\r\n");
    talker.wait(HALF_A_MINUTE + A_MILLISECOND);
    assert!(matches!(talker.reason(), Some(CloseReason::IdleTimeout)));
    assert!(!talker.has_sent_fin());
}

#[test]
fn new_limits_leave_an_end_its_deadline() {
    let goodbye = |transport: &mut Transport<'_, _>| {
        transport.close();
        let limits = transport.limits().clone();
        transport.set_limits(limits);
        Idle::Stay
    };
    let mut talker = idle_after(idle_timeout(), goodbye);
    talker.wait(HALF_A_MINUTE + StreamLimits::default().close_timeout + 2 * A_MILLISECOND);
    assert!(matches!(talker.reason(), Some(CloseReason::CloseTimeout)));
}

#[test]
fn an_end_has_its_deadline_though_another_protocol_takes_over() {
    for limits in [StreamLimits::default(), idle_timeout()] {
        let mut talker = idle_after(limits, |_| Idle::End);
        talker.receive(b"OTHER\r\n");
        assert!(talker.has_sent_fin());
        talker.wait(StreamLimits::default().close_timeout + A_MILLISECOND);
        assert!(matches!(talker.reason(), Some(CloseReason::CloseTimeout)));
    }
}

#[test]
fn a_goodbye_for_silence_has_a_deadline_too() {
    let goodbye = |transport: &mut Transport<'_, _>| {
        transport.close();
        Idle::Stay
    };
    let mut talker = idle_after(idle_timeout(), goodbye);
    talker.wait(HALF_A_MINUTE + StreamLimits::default().close_timeout + 2 * A_MILLISECOND);
    assert!(matches!(talker.reason(), Some(CloseReason::CloseTimeout)));
    assert_eq!(talker.app().iter().filter(|note| *note == "idle").count(), 1);
}

#[test]
fn silence_that_is_borne_counts_anew() {
    let ask = |transport: &mut Transport<'_, _>| {
        transport.write(b"PING\r\n");
        Idle::Stay
    };
    let limits = StreamLimits { read_timeout: Some(HALF_A_MINUTE), ..StreamLimits::default() };
    let mut talker = idle_after(limits, ask);
    for _ in 0..3 {
        talker.wait(HALF_A_MINUTE - 10 * A_MILLISECOND);
        assert_eq!(talker.sent(), b"");
        talker.wait(11 * A_MILLISECOND);
        assert_eq!(talker.sent(), b"PING\r\n");
    }
    assert!(!talker.is_closed());
}

#[test]
fn limits_that_silence_has_outlasted_already_are_asked_about_after_the_callback() {
    let mut talker = idle_after(StreamLimits::default(), |_| Idle::End);
    talker.wait(HALF_A_MINUTE);
    talker.with(|_: &mut Talker, transport, notes| {
        let idle_timeout = Some(Duration::from_secs(1));
        transport.set_limits(StreamLimits { idle_timeout, ..transport.limits().clone() });
        notes.push("shorter".to_owned());
    });
    talker.wait(Duration::from_secs(1) + A_MILLISECOND);
    assert_eq!(talker.app()[1..3], ["shorter", "idle"]);
    assert!(matches!(talker.reason(), Some(CloseReason::IdleTimeout)));
}

/// Whatever way its bytes take, a connection that is written to is not silent; and it is once they no more come.
#[test]
fn whoever_is_written_to_in_any_way_is_not_silent() {
    type Write = fn(&mut Harness<Vec<String>>, ConnectionId);
    let ways: [(&str, Write); 8] = [
        ("its own few bytes", |talker, _| talker.with(|_: &mut Talker, it, _| it.write(b"few"))),
        ("its own many bytes", |talker, _| {
            talker.with(|_: &mut Talker, it, _| it.write(&[b'x'; 5_000]));
        }),
        ("its own in pieces", |talker, _| {
            talker.with(|_: &mut Talker, it, _| {
                [10, 20_000, 10].iter().for_each(|length| it.write(&vec![b'x'; *length]));
            });
        }),
        ("its own shared ones", |talker, _| {
            talker.with(|_: &mut Talker, it, _| it.send(vec![b'x'; 5_000].into()));
        }),
        ("others', between turns", |talker, id| {
            let _ = talker.registry().send(id, b"few"[..].into()).expect("it is open");
        }),
        ("others', in a turn", |talker, id| {
            talker.registry().defer(move |registry, _| {
                let _ = registry.send(id, b"few"[..].into()).expect("it is open");
            });
        }),
        ("a broadcast, and more behind it", |talker, id| {
            talker.registry().defer(move |registry, _| {
                assert_eq!(registry.broadcast([id], b"few"[..].into()), 1);
                assert_eq!(registry.broadcast([id], b"more"[..].into()), 1);
            });
        }),
        ("a file", |talker, id| {
            let file = tempfile::tempfile().expect("a temporary file");
            file.set_len(1_000).expect("it grows");
            talker.registry().send_file(id, file, 0, 1_000).expect("it is open");
        }),
    ];
    let half = Duration::from_secs(15);
    for (way, write) in ways {
        let mut talker = idle_after(StreamLimits::default(), |_| Idle::End);
        talker.wait(HALF_A_MINUTE);
        // Its first deadline, in a callback.
        talker.with(|_: &mut Talker, transport, _| transport.set_limits(idle_timeout()));
        let id = talker.id().expect("it is there");
        for _ in 0..4 {
            write(&mut talker, id);
            talker.settle();
            assert!(!talker.sent().is_empty(), "{way}");
            talker.wait(half + 1_000 * A_MILLISECOND);
            assert!(!talker.is_closed(), "{way}");
        }
        talker.wait(half);
        assert!(matches!(talker.reason(), Some(CloseReason::IdleTimeout)), "{way}");
    }
}

/// What is too slow is what is owed: from when bytes queue until they have left.
#[test]
fn a_peer_is_too_slow_only_while_something_waits_for_it() {
    let second = Duration::from_secs(1);
    let min_rate = Some(MinRate { bytes_per_second: 1_000, window: second });
    let limits = StreamLimits { min_rate, ..StreamLimits::default() };
    let mut talker = idle_after(StreamLimits::default(), |_| Idle::End);
    talker.wait(3 * second);
    talker.peer_stops_reading();
    // Its first deadline comes with what does not go straight.
    talker.with(move |_: &mut Talker, transport, _| {
        transport.set_limits(limits);
        transport.write(&[b'x'; 1 << 20]);
        assert!(transport.queued_bytes() > 0);
    });
    talker.wait(second / 2);
    talker.peer_reads();
    // Nothing is owed from here on.
    talker.wait(10 * second);
    assert!(!talker.is_closed() && talker.sent().len() == 1 << 20);
    talker.peer_stops_reading();
    talker.receive(b"MUCH\r\nMUCH\r\n");
    talker.wait(3 * second);
    assert!(matches!(talker.reason(), Some(CloseReason::TooSlow)));
}

/// A program's code that panics where nobody calls it.
struct Bomb;

impl Protocol<Vec<String>> for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// What is to be done with a connection that is not called any more is dropped, when it is back in its place.
#[test]
fn a_closure_that_panics_when_it_is_dropped_uncalled_takes_its_connection_not_with_it() {
    silence_panics();
    let mut talker = talk();
    talker.allow_panics();
    talker.receive(b"QUIT\r\n");
    let (id, bomb) = (talker.id().expect("it is there"), Bomb);
    let told = talker.registry().with_transport(id, move |_, _| drop(bomb));
    told.expect("it has not ended");
    talker.settle();
    talker.peer_ends();
    assert!(matches!(talker.reason(), Some(CloseReason::Closed)), "{:?}", talker.reason());
}

/// So is what was to be done with the result of work whose connection is closing when it comes back.
#[test]
fn an_answer_that_panics_when_it_is_dropped_uncalled_takes_nobody_with_it() {
    silence_panics();
    let mut talker = talk();
    talker.allow_panics();
    let (id, bomb) = (talker.id().expect("it is there"), Bomb);
    let told = talker.registry().with_transport(id, move |transport, _| {
        let begun = transport.offload(|| (), move |_: &mut Talker, _, _, _| drop(bomb));
        begun.expect("there is room for it");
        transport.close();
    });
    told.expect("it is open");
    talker.settle();
    assert_eq!(talker.registry().stats().panics, 1);
    talker.peer_ends();
    assert!(matches!(talker.reason(), Some(CloseReason::Closed)), "{:?}", talker.reason());
}

/// Dropping a protocol is a program's code too, also where it never came to run.
#[test]
fn a_successor_that_panics_when_it_is_dropped_takes_nobody_with_it() {
    silence_panics();
    let reason = |act: fn(&mut Transport<'_, Vec<String>>)| {
        let mut talker = talk();
        talker.allow_panics();
        let id = talker.id().expect("it is there");
        let told = talker.registry().with_transport(id, move |transport, _| act(transport));
        told.expect("it is open");
        talker.settle();
        talker.reason().cloned().expect("it has ended")
    };
    let panicked = reason(|transport| {
        transport.replace(Bomb);
        panic!("a bug");
    });
    assert!(matches!(panicked, CloseReason::Panicked(why) if why == "a bug"));
    let aborted = reason(|transport| {
        let id = transport.id();
        transport.registry().abort(id).expect("it is running");
        transport.replace(Bomb);
    });
    assert!(matches!(aborted, CloseReason::Aborted));
}

/// It only writes: what it is told is nothing to it, however much that is.
struct Clock;

impl Protocol<()> for Clock {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        transport.write(b"12:00\r\n");
    }
}

#[test]
fn what_comes_to_a_protocol_that_does_not_read_is_dropped() {
    let mut session = Harness::open(Clock, ());
    for _ in 0..100 {
        session.receive(&[b'x'; 64 * 1024]);
    }
    assert_eq!(session.sent(), b"12:00\r\n");
    session.peer_ends();
    assert!(matches!(session.closed().map(|end| &end.reason), Some(CloseReason::PeerClosed)));
}

// ── where it fails ──────────────────────────────────────────────────────────────────────────

thread_local! {
    static PANICKED_AT: Cell<u32> = const { Cell::new(0) };
}

/// The line of this file in which something panics.
fn line_of_panic(act: impl FnOnce()) -> u32 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let here = info.location().filter(|location| location.file() == file!());
            PANICKED_AT.set(here.map_or(0, Location::line));
            before(info);
        }));
    });
    panic::catch_unwind(AssertUnwindSafe(act)).expect_err("it panics");
    PANICKED_AT.get()
}

/// It was not read while its answer was made, however long that took: the time for its next word begins behind it.
#[test]
fn who_is_read_again_has_all_the_time_for_the_next_word() {
    let limits = StreamLimits { read_timeout: Some(HALF_A_MINUTE), ..StreamLimits::default() };
    let mut talker = Harness::open_with(Talker::new(), Vec::new(), limits);
    let pause =
        |_: &mut Talker, transport: &mut Transport<'_, Vec<String>>, _: &mut Vec<String>| {
            transport.pause();
        };
    talker.with(pause);
    talker.wait(2 * HALF_A_MINUTE - A_MILLISECOND);
    let resume =
        |_: &mut Talker, transport: &mut Transport<'_, Vec<String>>, _: &mut Vec<String>| {
            transport.resume();
        };
    talker.with(resume);
    talker.wait(HALF_A_MINUTE - A_MILLISECOND);
    assert!(!talker.is_closed(), "{:?}", talker.reason());
    talker.wait(2 * A_MILLISECOND);
    assert!(matches!(talker.reason(), Some(CloseReason::ReadTimeout)), "{:?}", talker.reason());
}

/// Whoever has many verbs in a test wants to know which of them it was.
#[test]
fn what_a_verb_brings_about_fails_at_the_line_of_the_verb() {
    let mut talker = Harness::open(Talker::new(), Vec::new());
    let (at, line) = (line_of_panic(|| talker.receive(b"BUG\r\n")), line!());
    assert_eq!(at, line);
    let mut talker = Harness::open(Talker::new(), Vec::new());
    let late = |_: &mut Talker, transport: &mut Transport<'_, Vec<String>>, _: &mut Vec<String>| {
        transport.set_timer(BUG_LATER, HALF_A_MINUTE);
    };
    talker.with(late);
    let (at, line) = (line_of_panic(|| talker.wait(2 * HALF_A_MINUTE)), line!());
    assert_eq!(at, line);
    let mut talker = Harness::open(Talker::new(), Vec::new());
    let wrong = |_: &mut Peer, _: &mut Transport<'_, Vec<String>>, _: &mut Vec<String>| {};
    let (at, line) = (line_of_panic(|| talker.with(wrong)), line!());
    assert_eq!(at, line);
}

/// A protocol that nobody runs here.
struct Peer;

impl Protocol<Vec<String>> for Peer {}

// ── lines ───────────────────────────────────────────────────────────────────────────────────

/// Answers each line; how it does so, the line says.
#[derive(Default)]
struct Clerk {
    lines: usize,
    /// Whether it goes on behind the peer's FIN.
    stays: bool,
}

impl Protocol<Vec<String>> for Clerk {
    fn on_end(&mut self, transport: &mut Transport<'_, Vec<String>>, _: &mut Vec<String>) {
        if !self.stays {
            transport.close();
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, Vec<String>>, _: &mut Vec<String>) {
        transport.write(b"421 the end\n");
        transport.close();
    }
}

impl LineProtocol<Vec<String>> for Clerk {
    fn on_line(
        &mut self,
        transport: &mut Transport<'_, Vec<String>>,
        line: &[u8],
        _: &mut Vec<String>,
    ) {
        self.lines += 1;
        match line {
            b"QUIT" => transport.close(),
            b"QUIT BY ID" => {
                let id = transport.id();
                transport.registry().close(id).expect("it is open");
            }
            b"WAIT" => transport.pause(),
            b"WORK" => {
                transport.pause();
                let begun = transport.offload(
                    || (),
                    |_: &mut Self, transport, _, _| {
                        transport.write(b"done\n");
                        transport.resume();
                    },
                );
                begun.expect("there is room for it");
            }
            b"OTHER" => transport.replace(ByLine::new(80, Clerk { lines: 100, ..Self::default() })),
            b"MUCH" => transport.write(&[b'x'; 10_000]),
            // It is not gathered, but leaves, or does not, at once.
            b"MORE" => transport.write(&[b'x'; 200_000]),
            _ => transport.write(format!("{}\n", self.lines).as_bytes()),
        }
    }
}

fn clerk() -> Harness<Vec<String>> {
    Harness::open(ByLine::new(80, Clerk::default()), Vec::new())
}

#[test]
fn what_one_line_decides_holds_for_the_lines_behind_it() {
    for goodbye in ["QUIT", "QUIT BY ID"] {
        let mut clerk = clerk();
        clerk.receive(format!("a\r\nb\n{goodbye}\nc\n").as_bytes());
        assert_eq!(clerk.sent_text(), "1\n2\n", "{goodbye}");
        assert!(clerk.has_sent_fin() && clerk.registry().stats().discarded_bytes == 0);
    }
    let mut clerk = clerk();
    clerk.receive(b"a\nWAIT\nb\n");
    assert_eq!(clerk.sent_text(), "1\n");
    clerk.with(|clerk: &mut ByLine<Clerk>, transport, _| {
        assert_eq!(clerk.lines, 2, "it stands for the protocol in it");
        transport.resume();
    });
    assert_eq!(clerk.sent_text(), "3\n");
    clerk.receive(b"OTHER\na\n");
    assert_eq!(clerk.sent_text(), "101\n", "it is for the next protocol");
}

#[test]
fn a_protocol_of_lines_is_found_by_its_own_type() {
    let mut clerk = clerk();
    clerk.receive(b"WORK\nWORK\n");
    assert_eq!(clerk.sent_text(), "done\ndone\n", "what it has offloaded is back");
    let (lines, whole) = (
        clerk.with(|clerk: &mut Clerk, _, _| clerk.lines),
        clerk.with(|clerk: &mut ByLine<Clerk>, _, _| clerk.lines),
    );
    assert_eq!((lines, whole), (2, 2));
    let id = clerk.id().expect("it is open");
    let other = clerk.registry().with(id, |_: &mut Talker, _, _| ());
    assert_eq!(other, Err(ReachError::OtherProtocol));
}

#[test]
fn a_line_that_is_too_long_ends_a_connection_that_has_no_answer_to_it() {
    let mut clerk = clerk();
    clerk.receive(b"a\n");
    clerk.receive(&[b'x'; 100]);
    assert_eq!(clerk.sent_text(), "1\n");
    assert!(clerk.has_sent_reset());
}

#[test]
fn a_pause_that_the_protocol_has_made_is_not_ended_by_the_shutdown() {
    let mut clerk = clerk();
    clerk.receive(b"WAIT\na\n");
    clerk.registry().shutdown(HALF_A_MINUTE);
    clerk.settle();
    assert_eq!(clerk.sent_text(), "", "it has its reasons");
    clerk.with(|_: &mut ByLine<Clerk>, transport, _| transport.resume());
    assert_eq!(clerk.sent_text(), "2\n421 the end\n", "and owes the rest");
    assert!(clerk.has_sent_fin());
}

/// Resumed as often as its lines pause it.
#[test]
fn the_end_is_told_behind_the_last_line_whatever_that_does_with_the_connection() {
    for (lines, told) in [
        ("WAIT\nWAIT\n", "421 the end\n"),
        ("WAIT\nWORK\nWORK\n", "done\ndone\n421 the end\n"),
        ("WAIT\nOTHER\n", "421 the end\n"),
        ("WAIT\nOTHER\na\nOTHER\nb\nc", "101\n101\n421 the end\n"),
        ("WAIT\nQUIT\n", ""),
        ("WAIT\nQUIT BY ID\n", ""),
    ] {
        let mut clerk = clerk();
        clerk.receive(lines.as_bytes());
        clerk.registry().shutdown(HALF_A_MINUTE);
        clerk.settle();
        assert_eq!(clerk.sent_text(), "", "{lines}");
        clerk.with(|_: &mut ByLine<Clerk>, transport, _| transport.resume());
        assert_eq!(clerk.sent_text(), told, "{lines}");
        assert!(clerk.has_sent_fin(), "{lines}");
        assert_eq!(clerk.registry().stats().discarded_bytes, 0, "{lines}");
    }
}

/// So that a test which waits after it has asked for something need not know what it would have to settle first.
#[test]
fn what_the_registry_was_asked_for_has_happened_when_no_time_has_passed() {
    let mut clerk = clerk();
    clerk.registry().shutdown(HALF_A_MINUTE);
    clerk.wait(Duration::ZERO);
    assert_eq!(clerk.sent_text(), "421 the end\n");
    assert!(clerk.has_sent_fin());
}

#[test]
fn the_end_is_told_behind_a_last_answer_that_is_longer_than_the_peer_takes() {
    let limits = StreamLimits { outbox_high: 5_000, outbox_low: 1_000, ..StreamLimits::default() };
    let mut clerk = Harness::open_with(ByLine::new(80, Clerk::default()), Vec::new(), limits);
    clerk.peer_stops_reading();
    clerk.receive("MORE\n".repeat(5).as_bytes());
    clerk.registry().shutdown(HALF_A_MINUTE);
    clerk.settle();
    clerk.peer_reads();
    clerk.wait(A_MILLISECOND);
    let sent = clerk.sent();
    assert!(sent.len() == 1_000_012 && sent.ends_with(b"x421 the end\n"), "{}", sent.len());
    assert!(clerk.has_sent_fin());
}

#[test]
fn no_line_is_waited_for_that_cannot_come() {
    for stays in [true, false] {
        let session = ByLine::new(80, Clerk { stays, ..Clerk::default() });
        let mut clerk = Harness::open(session, Vec::new());
        clerk.receive(b"abc");
        if stays {
            clerk.peer_ends();
        }
        clerk.registry().shutdown(HALF_A_MINUTE);
        clerk.settle();
        assert_eq!(clerk.sent_text(), "421 the end\n");
        assert!(clerk.has_sent_fin());
    }
}

#[test]
fn a_pause_of_the_protocols_own_is_not_ended_by_a_peer_that_reads_again() {
    let mut clerk = clerk();
    clerk.peer_stops_reading();
    clerk.receive("MUCH\n".repeat(100).as_bytes());
    let before = clerk.with(|clerk: &mut ByLine<Clerk>, transport, _| {
        transport.pause();
        clerk.lines
    });
    clerk.peer_reads();
    clerk.wait(A_MILLISECOND);
    assert_eq!(clerk.sent().len(), before * 10_000);
    let after = clerk.with(|clerk: &mut ByLine<Clerk>, transport, _| {
        transport.resume();
        clerk.lines
    });
    assert_eq!(before, after);
    clerk.wait(A_MILLISECOND);
    assert_eq!(clerk.sent().len(), (100 - before) * 10_000, "and all of it when it goes on");
}

/// A client must not be held up by a server that does not read while it speaks.
#[test]
fn lines_wait_for_a_reader_only_where_the_limits_say_so() {
    for outbox_holds_reading in [true, false] {
        let limits = StreamLimits { outbox_holds_reading, ..StreamLimits::default() };
        let clerk = ByLine::new(80, Clerk::default());
        let mut clerk = Harness::open_with(clerk, Vec::new(), limits);
        clerk.peer_stops_reading();
        clerk.receive("MUCH\n".repeat(100).as_bytes());
        let lines = clerk.with(|clerk: &mut ByLine<Clerk>, _, _| clerk.lines);
        assert_eq!(lines < 50, outbox_holds_reading, "{lines}");
        clerk.peer_reads();
        clerk.wait(HALF_A_MINUTE);
        assert_eq!(clerk.sent().len(), 1_000_000);
    }
}
