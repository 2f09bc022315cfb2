//! A trace tells what the loop did, in order, and opens in Perfetto.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::support;
use reactor::trace::{Callback, Record, Refusal, Subject, Trace, What};
use reactor::{ConnectionId, ListenOptions, Reactor, StreamLimits, TimerKey};
use serde_json::Value;
use support::*;

/// A client says hello to an echo, hears it, and leaves; all of it is traced.
fn an_exchange() -> (Stage, Trace) {
    let mut stage = Stage::new();
    stage.reactor.trace(1_000);
    let address = stage.listen(echo);
    let mut theirs = client(address);
    theirs.write_all(b"hello").expect("it has room");
    stage.until(|log| log.bytes("server") == b"hello");
    theirs.read_exact(&mut [0; 5]).expect("it answers");
    theirs.shutdown(Shutdown::Write).expect("it is open");
    stage.until(|log| log.ends.len() == 1);
    let trace = stage.reactor.take_trace();
    (stage, trace)
}

/// What a trace says of those it is asked for, without what depends on when the kernel had it to tell.
fn transcript(trace: &Trace, of: impl Fn(Subject) -> bool) -> Vec<String> {
    trace
        .iter()
        .filter(|record| record.subject().is_some_and(&of))
        .map(Record::what)
        .filter(|what| !matches!(what, What::Event { .. } | What::Visited | What::ReadBlocked))
        .map(|what| what.to_string())
        .collect()
}

fn is_connection(subject: Subject) -> bool {
    matches!(subject, Subject::Connection(_))
}

// ── what is in it ───────────────────────────────────────────────────────────────────────────

#[test]
fn an_echo_leaves_a_transcript() {
    let (_stage, trace) = an_exchange();
    assert_eq!(
        transcript(&trace, is_connection),
        [
            "on_open begins",
            "on_open returns",
            "read: 5 bytes",
            "on_data begins",
            "on_data returns",
            "wrote: 5 bytes",
            "read FIN",
            "on_end begins",
            "on_end returns",
            "closed: peer closed",
            "on_close begins",
            "on_close returns",
        ],
        "{trace}"
    );
}

#[test]
fn a_listener_tells_whom_it_let_in() {
    let (stage, trace) = an_exchange();
    let id = stage.log.ends[0].id;
    let accepted = format!("accepted: {id}");
    assert_eq!(
        transcript(&trace, |subject| matches!(subject, Subject::Listener(_))),
        ["factory begins", "factory returns", &accepted],
        "{trace}"
    );
}

#[test]
fn every_turn_has_a_beginning_and_an_end() {
    let (_stage, trace) = an_exchange();
    let mut depth = 0;
    for record in &trace {
        match record.what() {
            What::TurnBegan { .. } => depth += 1,
            What::TurnEnded { .. } => depth -= 1,
            // Whatever else there is to tell is told of a turn.
            what => assert_eq!(depth, 1, "{what} stands outside of a turn\n{trace}"),
        }
        assert!((0..=1).contains(&depth), "{trace}");
    }
    assert!(trace.iter().map(Record::at).is_sorted(), "{trace}");
}

#[test]
fn what_others_do_to_a_connection_is_told_of_it_and_not_of_them() {
    let mut stage = Stage::new();
    stage.reactor.trace(1_000);
    let limits = StreamLimits { outbox_high: 3, outbox_low: 0, ..StreamLimits::default() };
    let address = stage.listen_with(&ListenOptions { limits, ..Default::default() }, echo);
    let theirs = [client(address), client(address)];
    stage.until(|log| log.opened.len() == 2);
    let (one, other) = (stage.log.opened[0].1, stage.log.opened[1].1);
    stage.registry().defer(move |registry, _| {
        registry.pause(other).expect("it is open");
        registry.resume(other).expect("it is open");
        let _ = registry.send(one, "news".into()).expect("it has room");
    });
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().writes == 1);
    let trace = stage.reactor.take_trace();
    let told_of = |id: ConnectionId| {
        let all = transcript(&trace, |subject| subject == id.into());
        let opened = all.iter().position(|line| line == "on_open returns").expect("it was opened");
        all[opened + 1..].to_vec()
    };
    assert_eq!(told_of(other), ["paused", "resumed"], "{trace}");
    assert_eq!(
        told_of(one),
        [
            "queued: 4 bytes",
            "held",
            "touched",
            "wrote: 4 bytes",
            "released",
            "on_drain begins",
            "on_drain returns"
        ],
        "{trace}"
    );
    drop(theirs);
    stage.until(|log| log.ends.len() == 2);
}

#[test]
fn a_panic_and_a_refusal_are_told_apart_from_a_return() {
    let mut stage = Stage::new();
    stage.reactor.trace(1_000);
    let listener = stage
        .registry()
        .listen_with("127.0.0.1:0".parse().expect("an address"), &Default::default(), |_, _| None)
        .expect("loopback has a free port");
    let address = stage.registry().listener_address(listener).expect("it was just opened");
    let _theirs = client(address.socket_addr().expect("it is an IP address"));
    stage.registry().defer(|_, _| panic!("as it was asked to"));
    until(&mut stage.reactor, &mut stage.log, |_, registry| {
        registry.stats().refused_by_factory == 1
    });
    let trace = stage.reactor.take_trace();
    let has = |wanted: What| trace.iter().any(|record| record.what() == wanted);
    assert!(has(What::Panicked(Callback::Task)), "{trace}");
    assert!(!has(What::Returned(Callback::Task)), "{trace}");
    assert!(has(What::Refused(Refusal::Factory)), "{trace}");
    stage.registry().close_listener(listener).expect("it is open");
}

/// The simulator holds every run against that: nothing nests.
#[test]
fn what_reaches_a_connection_is_called_for_it_and_not_inside_another_call() {
    let mut stage = Stage::new();
    stage.reactor.trace(1_000);
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            let id = transport.id();
            let reached = transport.registry().with_transport(id, |transport, _| transport.abort());
            assert_eq!(reached, Ok(()));
        })
    });
    let _theirs = client(address);
    stage.until(|log| log.ends.len() == 1);
    let trace = stage.reactor.take_trace();
    let mut tasks = trace.iter().filter(|record| {
        matches!(record.what(), What::Called(Callback::Task) | What::Returned(Callback::Task))
    });
    let (called, returned) = (tasks.next(), tasks.next());
    assert!(called.is_some_and(|it| it.what() == What::Called(Callback::Task)), "{trace}");
    assert!(returned.is_some_and(|it| it.what() == What::Returned(Callback::Task)), "{trace}");
    assert!(called.and_then(Record::subject).is_some_and(is_connection), "{trace}");
    assert!(tasks.next().is_none(), "{trace}");
}

#[test]
fn a_timer_of_a_connection_is_told_by_its_key() {
    let mut stage = Stage::new();
    stage.reactor.trace(1_000);
    let address = stage.listen(|| {
        Probe::new("server")
            .on_open(|transport, _| transport.set_timer(TimerKey(7), Duration::ZERO))
            .on_timer(|transport, _, _| transport.close())
    });
    let theirs = client(address);
    stage.until(|log| !log.opened.is_empty());
    drop(theirs);
    stage.until(|log| !log.ends.is_empty());
    let trace = stage.reactor.take_trace();
    let lines = transcript(&trace, is_connection);
    let fired = lines.iter().position(|line| line == "timer fired: 7").expect("it is told");
    assert_eq!(lines[fired + 1..fired + 3], ["on_timer begins", "on_timer returns"], "{trace}");
    assert!(lines.contains(&"sent FIN".to_owned()), "{trace}");
}

// ── what it is for ──────────────────────────────────────────────────────────────────────────

#[test]
fn it_prints_a_line_a_record() {
    let (stage, trace) = an_exchange();
    let text = trace.to_string();
    assert_eq!(text.lines().count(), trace.len());
    let id = stage.log.ends[0].id;
    assert!(text.contains(&format!(" ms  loop  {id}")), "{text}");
}

#[test]
fn the_oldest_records_go_and_the_hash_is_of_all() {
    let mut reactor = Reactor::<()>::new().expect("there are descriptors for a loop");
    reactor.trace(3);
    for _ in 0..5 {
        let turn = reactor.turn(Some(Duration::ZERO), &mut ()).expect("the loop goes on");
        assert!(turn.is_running());
    }
    let trace = reactor.take_trace();
    assert_eq!((trace.len(), trace.dropped()), (3, 7));
    assert!(trace.to_string().starts_with("(7 older records were dropped)\n"));
    assert_ne!(trace.hash(), reactor.take_trace().hash());
}

#[test]
fn without_a_trace_there_are_no_records() {
    let mut reactor = Reactor::<()>::new().expect("there are descriptors for a loop");
    let turn = reactor.turn(Some(Duration::ZERO), &mut ()).expect("the loop goes on");
    assert!(turn.is_running());
    assert!(reactor.take_trace().is_empty());
    reactor.trace(10);
    assert!(reactor.take_trace().is_empty());
    let turn = reactor.turn(Some(Duration::ZERO), &mut ()).expect("the loop goes on");
    assert!(turn.is_running());
    assert!(reactor.take_trace().is_empty(), "it was ended");
}

// ── Chrome's format ─────────────────────────────────────────────────────────────────────────

fn chrome(trace: &Trace) -> Vec<Value> {
    let mut json = Vec::new();
    trace.write_chrome(&mut json).expect("memory takes everything");
    let whole: Value = serde_json::from_slice(&json).expect("it is JSON");
    whole["traceEvents"].as_array().expect("it is a list").clone()
}

#[test]
fn perfetto_is_told_what_the_rows_are_called() {
    let (_stage, trace) = an_exchange();
    let names: Vec<(String, String)> = chrome(&trace)
        .iter()
        .filter(|event| event["ph"] == "M" && event["args"]["name"].is_string())
        .map(|event| (event["name"].to_string(), event["args"]["name"].to_string()))
        .collect();
    let has = |name: &str, value: &str| {
        names.iter().any(|(its, args)| its.contains(name) && args.contains(value))
    };
    assert!(has("process_name", "loop") && has("thread_name", "loop"), "{names:?}");
    assert!(has("thread_name", "slot 0") && has("thread_name", "slot 1"), "{names:?}");
}

#[test]
fn perfetto_is_given_the_callbacks_as_slices_in_time() {
    let (_stage, trace) = an_exchange();
    let events = chrome(&trace);
    let slices = events.iter().filter(|event| event["ph"] == "B");
    let names: Vec<&str> = slices.filter_map(|event| event["name"].as_str()).collect();
    for callback in ["turn", "factory", "on_open", "on_data", "on_end", "on_close"] {
        assert!(names.contains(&callback), "{callback} is missing in {names:?}");
    }
    let mut open = BTreeMap::new();
    for event in &events {
        let depth = open.entry(event["tid"].to_string()).or_insert(0);
        *depth += i32::from(event["ph"] == "B") - i32::from(event["ph"] == "E");
        assert!((0..=1).contains(depth), "a row's slices do not overlap: {event}");
    }
    let times = events.iter().filter_map(|event| event["ts"].as_f64());
    assert!(times.is_sorted_by(|one, next| one < next));
}
