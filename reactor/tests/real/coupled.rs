//! Two connections coupled: bytes both ways, half-closes, one end, and what becomes of it when one side
//! stalls, resets or never opens.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::support;
use reactor::{
    Address, ConnectOptions, ConnectionId, CoupleError, Limits, NotCoupled, StdStream,
    StreamLimits, Uncoupled,
};
use socket2::SockRef;
use support::{
    Log, NobodysPort, Peer, Probe, Stage, assert_same_bytes, client, pair, pattern, until,
};

const MUCH: usize = 4 << 20;

/// What was told of the end of a couple.
type Told = Rc<RefCell<Vec<Uncoupled>>>;

fn adopt(stage: &mut Stage, name: &'static str, stream: impl Into<StdStream>) -> ConnectionId {
    stage.adopt(stream, &StreamLimits::default(), Probe::new(name))
}

fn couple(stage: &mut Stage, first: ConnectionId, second: ConnectionId) -> Told {
    let told = Told::default();
    let note = Rc::clone(&told);
    let coupled = stage.registry().couple(first, second, move |_, log: &mut Log, ended| {
        log.note("couple", "ended");
        note.borrow_mut().push(ended);
    });
    coupled.expect("both are open");
    told
}

/// Turns until the end of a couple was told, which is once.
fn until_told(stage: &mut Stage, told: &Told) -> Uncoupled {
    until(&mut stage.reactor, &mut stage.log, |_, _| !told.borrow().is_empty());
    stage.until_quiet();
    assert_eq!(told.borrow().len(), 1, "{told:?}");
    told.borrow()[0].clone()
}

/// Says much and FIN behind it, and hears the other out; what was heard.
fn talk<S: Send + Sync + 'static>(
    stage: &Stage,
    stream: S,
    say: usize,
    fin: impl FnOnce(&S) + Send + 'static,
) -> Peer<Vec<u8>>
where
    for<'a> &'a S: Read + Write,
{
    let stream = Arc::new(stream);
    let speaker = Arc::clone(&stream);
    stage.peer(move || {
        let saying = std::thread::spawn(move || {
            (&*speaker).write_all(&pattern(say)).expect("it is taken");
            fin(&speaker);
        });
        let mut all = Vec::new();
        (&*stream).read_to_end(&mut all).expect("it says goodbye");
        saying.join().expect("it was said");
        all
    })
}

fn fin(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).expect("it is connected");
}

#[test]
fn much_passes_both_ways_at_once_and_each_ends_when_it_has_said_all() {
    let mut stage = Stage::new();
    let ((near, source), (far, sink)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    let source = talk(&stage, source, MUCH, fin);
    let sink = talk(&stage, sink, MUCH / 2, fin);
    assert_same_bytes(&stage.join(sink), &pattern(MUCH));
    assert_same_bytes(&stage.join(source), &pattern(MUCH / 2));
    let ended = until_told(&mut stage, &told);
    assert!(ended.is_clean(), "{ended:?}");
    assert_eq!((ended.first.id, ended.second.id), (first, second));
    assert_eq!(ended.first_to_second, MUCH as u64);
    assert_eq!(ended.second_to_first, MUCH as u64 / 2);
    assert!(stage.log.of("near").is_empty(), "its protocol heard nothing: {:?}", stage.log);
}

#[cfg(unix)]
#[test]
fn unix_and_tcp_are_coupled_as_well() {
    use std::os::unix::net::UnixStream;

    let mut stage = Stage::new();
    let ((near, source), (far, sink)) = (UnixStream::pair().expect("it is made"), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    let source = talk(&stage, source, MUCH, |stream: &UnixStream| {
        stream.shutdown(Shutdown::Write).expect("it is connected");
    });
    let sink = talk(&stage, sink, MUCH, fin);
    assert_same_bytes(&stage.join(sink), &pattern(MUCH));
    assert_same_bytes(&stage.join(source), &pattern(MUCH));
    assert!(until_told(&mut stage, &told).is_clean());
}

#[test]
fn the_other_side_goes_on_after_one_has_finished() {
    let mut stage = Stage::new();
    let ((near, mut source), (far, mut sink)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    source.write_all(b"a question").expect("it is taken");
    fin(&source);
    let answered = stage.peer(move || {
        let mut question = String::new();
        sink.read_to_string(&mut question).expect("it says goodbye");
        sink.write_all(b"an answer to ").expect("it is taken");
        sink.write_all(question.as_bytes()).expect("it is taken");
    });
    stage.join(answered);
    let heard = stage.peer(move || {
        let mut answer = String::new();
        source.read_to_string(&mut answer).expect("it says goodbye");
        answer
    });
    assert_eq!(stage.join(heard), "an answer to a question");
    assert!(until_told(&mut stage, &told).is_clean());
}

#[test]
fn a_protocol_looks_at_the_first_bytes_and_what_it_leaves_goes_along() {
    let mut stage = Stage::new();
    let (far, mut sink) = pair();
    let second = adopt(&mut stage, "far", far);
    let address = stage.listen(move || {
        Probe::new("near").on_data(move |transport, input, _| {
            // It comes in two pieces, and is coupled with one of them still unread.
            if input.len() < 8 {
                return;
            }
            assert_eq!(input.take_front(4), b"far ");
            let coupled = transport.couple(second, |_, log: &mut Log, ended| {
                log.note("couple", format!("{} bytes", ended.first_to_second));
            });
            coupled.expect("both are open");
        })
    });
    let mut source = client(address);
    source.write_all(b"far y").expect("it is taken");
    stage.until(|log| !log.of("near").is_empty());
    stage.until_quiet();
    source.write_all(b"ou are").expect("it is taken");
    fin(&source);
    let heard = stage.peer(move || {
        let mut all = String::new();
        sink.read_to_string(&mut all).expect("it says goodbye");
        all
    });
    assert_eq!(stage.join(heard), "you are");
    stage.until(|log| log.of("couple") == ["7 bytes"]);
}

/// A connection whose peer had finished before it was coupled brings what is unread, and its end.
#[test]
fn who_has_finished_before_is_coupled_with_what_is_left_of_it() {
    let mut stage = Stage::new();
    let ((near, mut source), (far, mut sink)) = (pair(), pair());
    let limits = StreamLimits::default();
    let leaves = Probe::new("near").on_data(|_, _, _| {}).outlives_its_peer();
    let first = stage.adopt(near, &limits, leaves);
    let second = adopt(&mut stage, "far", far);
    source.write_all(b"all of it").expect("it is taken");
    fin(&source);
    stage.until(|log| log.has("near", "end"));
    let told = couple(&mut stage, first, second);
    let heard = stage.peer(move || {
        let mut all = String::new();
        sink.read_to_string(&mut all).expect("it says goodbye");
        all
    });
    assert_eq!(stage.join(heard), "all of it");
    assert!(until_told(&mut stage, &told).is_clean());
}

#[test]
fn a_reader_that_stalls_holds_its_source_and_little_is_kept() {
    let mut stage = Stage::new();
    let ((near, mut source), (far, sink)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    let resting = support::open_descriptors();
    // Until nothing moves any more: more than every kernel buffer on the way.
    stage.fill(&mut source);
    let stats = stage.reactor.stats();
    let most = StreamLimits::default().outbox_high as u64 + 128 * 1024;
    assert!(stats.queued_bytes <= most, "{stats}");
    if cfg!(target_os = "linux") {
        assert!(stats.queued_bytes <= 64, "it is in a pipe, all but its bookkeeping: {stats}");
        let open = support::open_descriptors().zip(resting).map(|(now, then)| now - then);
        assert_eq!(open, Some(2), "one pipe");
    }
    let written = stats.read_bytes;
    fin(&source);
    let heard = talk(&stage, sink, 0, fin);
    let all = stage.join(heard);
    assert!(all.len() as u64 >= written && all.iter().all(|byte| *byte == b'x'));
    let ended = until_told(&mut stage, &told);
    assert!(ended.is_clean() && ended.first_to_second == all.len() as u64, "{ended:?}");
    if cfg!(target_os = "linux") {
        assert!(support::open_descriptors() < resting, "no pipe is kept for nobody");
    }
}

#[test]
fn with_no_pipes_allowed_everything_is_copied() {
    let mut stage = Stage::with_limits(Limits { pipes: 0, ..Limits::default() });
    let ((near, source), (far, sink)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    let source = talk(&stage, source, MUCH, fin);
    let sink = talk(&stage, sink, MUCH, fin);
    let mut peak = 0;
    while !(source.is_done() && sink.is_done()) {
        let turn = stage.reactor.turn(Some(support::PATIENCE), &mut stage.log);
        assert!(turn.expect("the loop goes on").is_running());
        peak = peak.max(stage.reactor.stats().queued_bytes);
    }
    assert_same_bytes(&sink.join(), &pattern(MUCH));
    assert_same_bytes(&source.join(), &pattern(MUCH));
    assert!(peak < 512 * 1024, "{peak} bytes were queued");
    assert!(until_told(&mut stage, &told).is_clean());
}

#[test]
fn a_reset_of_one_side_resets_the_other_and_both_reasons_are_told() {
    let mut stage = Stage::new();
    let ((near, source), (far, mut sink)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    stage.until_quiet();
    SockRef::from(&source).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    drop(source);
    let ended = until_told(&mut stage, &told);
    assert_eq!(ended.first.reason.to_string(), "the peer reset the connection");
    assert_eq!(ended.second.reason.to_string(), "aborted");
    let (first, second) = (&ended.first.peer, &ended.second.peer);
    let told =
        format!("{first}: the peer reset the connection, 0 bytes; {second}: aborted, 0 bytes");
    assert_eq!(ended.to_string(), told);
    let heard = sink.read(&mut [0; 1]).expect_err("it was reset");
    assert_eq!(heard.kind(), std::io::ErrorKind::ConnectionReset);
    drop(sink);
}

#[test]
fn a_side_that_never_opens_resets_the_other() {
    let mut stage = Stage::new();
    let (near, mut source) = pair();
    let first = adopt(&mut stage, "near", near);
    let nobody = NobodysPort::new();
    let second =
        stage.registry().connect(nobody.address().into(), Probe::new("far")).expect("it begins");
    let told = couple(&mut stage, first, second);
    source.write_all(b"hello?").expect("it is taken");
    let ended = until_told(&mut stage, &told);
    assert!(ended.second.reason.to_string().starts_with("could not connect"), "{ended:?}");
    assert!(!ended.second.opened && ended.first.opened);
    assert_eq!(ended.first.reason.to_string(), "aborted");
}

#[test]
fn who_cannot_be_coupled_is_named_and_left_as_it_was() {
    let mut stage = Stage::new();
    let ((near, theirs), (far, others)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    stage.until(|log| log.opened.len() == 2);
    let try_it = |stage: &mut Stage, first, second| {
        stage.registry().couple(first, second, |_, _, _| unreachable!("it was refused"))
    };
    assert_eq!(try_it(&mut stage, first, first), Err(CoupleError::Itself(first)));
    stage.registry().end(second).expect("it is open");
    assert_eq!(try_it(&mut stage, first, second), Err(CoupleError::Closing(second)));
    drop(others);
    stage.until_closed("far");
    assert_eq!(try_it(&mut stage, first, second), Err(CoupleError::Stale(second)));
    assert_eq!(stage.log.of("near"), ["open"], "nobody has touched it");

    let (far, others) = pair();
    let second = adopt(&mut stage, "far", far);
    let told = couple(&mut stage, first, second);
    assert_eq!(try_it(&mut stage, second, first), Err(CoupleError::Coupled(second)));
    drop((theirs, others));
    assert!(until_told(&mut stage, &told).is_clean());
}

#[test]
fn a_shutdown_lets_a_couple_finish() {
    let mut stage = Stage::new();
    let ((near, source), (far, sink)) = (pair(), pair());
    let (first, second) = (adopt(&mut stage, "near", near), adopt(&mut stage, "far", far));
    let told = couple(&mut stage, first, second);
    stage.until_quiet();
    stage.registry().shutdown(support::PATIENCE);
    let source = talk(&stage, source, MUCH, fin);
    let sink = talk(&stage, sink, 1, fin);
    let report = support::until_shut_down(&mut stage.reactor, &mut stage.log);
    assert_eq!((report.finished, report.cut_off.len()), (2, 0), "{report}");
    assert_same_bytes(&sink.join(), &pattern(MUCH));
    assert_same_bytes(&source.join(), &pattern(1));
    assert_eq!(told.borrow().len(), 1);
}

// ── with the first that is reached ──────────────────────────────────────────────────────────

type Searched = Rc<RefCell<Vec<Result<Uncoupled, NotCoupled>>>>;

/// A client that says "hello" early, and is coupled to one of these.
fn couple_to(stage: &mut Stage, addresses: Vec<Address>) -> (TcpStream, Searched) {
    let (near, mut source) = pair();
    source.write_all(b"hello").expect("it is taken");
    let told = Searched::default();
    let note = Rc::clone(&told);
    let mut addresses = Some(addresses);
    let front = Probe::new("near").on_open(move |client, _| {
        let (note, addresses) = (Rc::clone(&note), addresses.take().expect("it opens once"));
        client.couple_to(addresses, &ConnectOptions::default(), move |_, log: &mut Log, ended| {
            log.note("couple", "ended");
            note.borrow_mut().push(ended);
        });
    });
    stage.adopt(near, &StreamLimits::default(), front);
    (source, told)
}

/// Turns until it was told what came of it, which is once.
fn until_searched(stage: &mut Stage, told: &Searched) -> Result<Uncoupled, NotCoupled> {
    until(&mut stage.reactor, &mut stage.log, |_, _| !told.borrow().is_empty());
    stage.until_quiet();
    assert_eq!(told.borrow().len(), 1, "{told:?}");
    told.borrow_mut().remove(0)
}

#[test]
fn the_first_address_that_is_reached_is_coupled_with() {
    let mut stage = Stage::new();
    let backend = stage.listen(|| {
        Probe::new("backend").on_data(|backend, input, _| backend.write(input.take_all()))
    });
    let nobody = NobodysPort::new();
    let addresses = vec![nobody.address().into(), backend.into(), nobody.address().into()];
    let (source, told) = couple_to(&mut stage, addresses);
    let heard = talk(&stage, source, MUCH, fin);
    let heard = stage.join(heard);
    assert_eq!(&heard[..5], b"hello");
    assert_same_bytes(&heard[5..], &pattern(MUCH));
    let ended = until_searched(&mut stage, &told).expect("one was reached");
    assert!(ended.is_clean(), "{ended:?}");
    assert_eq!(ended.second.peer, backend.into());
    assert_eq!(ended.first_to_second, 5 + MUCH as u64);
    assert_eq!(stage.log.of("near"), ["open"]);
}

#[test]
fn a_client_for_whom_nobody_is_reached_is_reset_and_the_last_is_told() {
    let mut stage = Stage::new();
    let nobody = NobodysPort::new();
    let (mut source, told) = couple_to(&mut stage, vec![nobody.address().into(); 3]);
    let why = until_searched(&mut stage, &told).expect_err("nobody is there");
    let begins = format!("{}: could not connect", nobody.address());
    assert!(why.to_string().starts_with(&begins), "{why}");
    assert!(matches!(&why, NotCoupled::Unreached(closed) if !closed.opened), "{why:?}");
    assert_eq!(stage.log.of("near"), ["open", "close aborted"]);
    source.read_exact(&mut [0]).expect_err("it is no end");

    let (_source, told) = couple_to(&mut stage, Vec::new());
    let why = until_searched(&mut stage, &told).expect_err("there is nobody to ask");
    assert!(matches!(why, NotCoupled::NoAddress), "{why:?}");
}

#[test]
fn a_client_that_leaves_while_a_backend_is_looked_for_is_not_coupled() {
    let mut stage = Stage::new();
    let backend = stage.listen(|| Probe::new("backend"));
    let (_source, told) = couple_to(&mut stage, vec![backend.into()]);
    stage.until(|log| log.has("near", "open"));
    let near = stage.log.id("near");
    let _ = stage.registry().abort(near);
    let why = until_searched(&mut stage, &told).expect_err("it has left");
    assert!(matches!(why, NotCoupled::Gone(_)), "{why:?}");
}
