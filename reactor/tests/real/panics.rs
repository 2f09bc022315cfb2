//! A handler that panics (hazard 20: an error in one takes the rest of the batch with it): its own
//! connection ends and is told why, everybody else goes on, and it is counted.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use crate::support;
use reactor::{
    Closed, Input, ListenOptions, Protocol, Reactor, Registry, SocketId, StreamLimits, TimerKey,
    Transport,
};
use socket2::SockRef;
use support::*;

/// A stage with somebody on it who is not to blame, and must not notice.
struct Scene {
    stage: Stage,
    bystander: TcpStream,
}

impl Scene {
    fn new() -> Self {
        silence_panics();
        let mut stage = Stage::new();
        let (ours, bystander) = pair();
        let echo = Probe::new("bystander").on_data(|transport, input, _| {
            transport.write(input.take_all());
            // It tells itself something, so what another was told and has not done would be done now.
            let id = transport.id();
            transport.registry().resume(id).expect("it is open");
        });
        stage.adopt(ours, &StreamLimits::default(), echo);
        stage.until(|log| log.has("bystander", "open"));
        Self { stage, bystander }
    }

    /// The bystander says something just now: most often in the same batch as what panics.
    fn ask(&mut self) {
        self.bystander.write_all(b"?").expect("it has room");
    }

    /// It is answered, and so is whatever it asks from now on.
    #[track_caller]
    fn assert_the_others_go_on(&mut self, asked: usize) {
        self.stage.until(|log| log.bytes("bystander").len() == asked);
        // Twice, since it might be made to close after the first.
        for asked in [asked + 1, asked + 2] {
            self.ask();
            self.stage.until(|log| log.bytes("bystander").len() == asked);
        }
        let mut heard = vec![0; asked + 2];
        self.bystander.read_exact(&mut heard).expect("it is answered");
        assert_eq!(heard, b"?".repeat(asked + 2));
        assert_eq!(self.stage.log.of("bystander").len(), 2, "{:?}", self.stage.log);
    }

    #[track_caller]
    fn finish(mut self, panics: u64) {
        assert_eq!(self.stage.reactor.stats().panics, panics);
        drop(self.bystander);
        self.stage.until_closed("bystander");
    }
}

/// Runs a probe that panics, on a connection whose other end plays its part in a thread.
#[track_caller]
fn assert_ends_alone(probe: Probe, told: &[&str], play: impl FnOnce(TcpStream) + Send + 'static) {
    let limits = StreamLimits { outbox_high: 10_000, outbox_low: 1_000, ..StreamLimits::default() };
    let mut scene = Scene::new();
    let (ours, theirs) = pair();
    // The system takes little at once, so that much is queued.
    SockRef::from(&ours).set_send_buffer_size(64 * 1024).expect("it is a socket");
    scene.stage.adopt(ours, &limits, probe);
    let peer = scene.stage.peer(move || play(theirs));
    scene.ask();
    scene.stage.until_closed("culprit");
    scene.stage.join(peer);
    let mut all = told.to_vec();
    all.push("close its handler panicked: on purpose");
    assert_eq!(scene.stage.log.of("culprit"), all);
    assert_eq!(scene.stage.log.ends.len(), 1, "it is told once");
    let panicked = scene.stage.reactor.stats().closes().find(|(why, _)| *why == "panicked");
    assert_eq!(panicked, Some(("panicked", 1)));
    scene.assert_the_others_go_on(1);
    scene.finish(1);
}

/// The peer's part: it says this, and reads until it is reset.
fn say(words: &'static [u8]) -> impl FnOnce(TcpStream) + Send + 'static {
    move |mut theirs| {
        // It may be reset before it has said everything.
        let _ = theirs.write_all(words);
        while retry(|| theirs.read(&mut [0; 4_096])).is_ok_and(|length| length > 0) {}
    }
}

// ── the callbacks of a connection ───────────────────────────────────────────────────────────

#[test]
fn a_panic_in_on_open_ends_its_connection_alone() {
    let probe = Probe::new("culprit").on_open(|_, _| panic!("on purpose"));
    assert_ends_alone(probe, &["open"], say(b""));
}

#[test]
fn a_panic_in_on_data_ends_its_connection_alone() {
    let probe = Probe::new("culprit").on_data(|_, _, _| panic!("on purpose"));
    assert_ends_alone(probe, &["open"], say(b"hello"));
}

#[test]
fn a_panic_in_on_end_ends_its_connection_alone() {
    let probe = Probe::new("culprit").on_end(|_, _| panic!("on purpose"));
    assert_ends_alone(probe, &["open", "end"], drop);
}

#[test]
fn a_panic_in_on_timer_ends_its_connection_alone() {
    let probe = Probe::new("culprit")
        .on_open(|transport, _| transport.set_timer(TimerKey(7), Duration::ZERO))
        .on_timer(|_, _, _| panic!("on purpose"));
    assert_ends_alone(probe, &["open", "timer 7"], say(b""));
}

#[test]
fn a_panic_in_on_drain_ends_its_connection_alone() {
    let (written, is_written) = mpsc::channel();
    let probe = Probe::new("culprit")
        .on_open(move |transport, _| {
            transport.write(&pattern(6 << 20));
            written.send(()).expect("the peer waits for it");
        })
        .on_drain(|_, _| panic!("on purpose"));
    // A peer that reads while it is written to can take all of it, and nothing would have to drain.
    assert_ends_alone(probe, &["open", "drain"], move |theirs| {
        is_written.recv().expect("it opens");
        say(b"")(theirs);
    });
}

#[test]
fn a_panic_in_on_shutdown_ends_its_connection_alone() {
    let probe = Probe::new("culprit")
        .on_open(|transport, _| transport.set_timer(TimerKey(1), Duration::ZERO))
        .on_shutdown(|_, _| panic!("on purpose"));
    silence_panics();
    let mut stage = Stage::new();
    let (ours, _theirs) = pair();
    stage.adopt(ours, &StreamLimits::default(), probe);
    let (ours, mut other) = pair();
    stage.adopt(ours, &StreamLimits::default(), Probe::new("other"));
    stage.until(|log| log.opened.len() == 2);
    stage.registry().shutdown(PATIENCE);
    let peer = std::thread::spawn(move || other.read_to_end(&mut Vec::new()).expect("goodbye"));
    let report = stage.reactor.run(&mut stage.log).expect("the loop goes on");
    peer.join().expect("it does not panic");
    assert_eq!((report.finished, report.cut_off.len()), (1, 1), "{report}");
    assert_eq!(report.cut_off[0].reason, "its handler panicked: on purpose");
    assert_eq!(stage.log.of("other"), ["open", "shutdown", "close closed"]);
    assert_eq!(stage.reactor.stats().panics, 1);
}

/// Panics where a probe has nothing to say.
struct Culprit {
    in_file_sent: bool,
    in_drop: bool,
}

impl Protocol<Log> for Culprit {
    fn on_open(&mut self, transport: &mut Transport<'_, Log>, log: &mut Log) {
        log.note("culprit", "open");
        if self.in_file_sent {
            let file = tempfile::tempfile().expect("a temporary file");
            transport.send_file(file, 0, 0);
        }
    }

    fn on_data(&mut self, _: &mut Transport<'_, Log>, input: &mut Input<'_>, _: &mut Log) {
        input.take_all();
    }

    fn on_file_sent(&mut self, _: &mut Transport<'_, Log>, _: reactor::SentFile, _: &mut Log) {
        panic!("on purpose");
    }

    fn on_close(&mut self, _: &mut Registry<Log>, closed: &Closed, log: &mut Log) {
        log.note("culprit", format!("close {}", closed.reason));
    }
}

impl Drop for Culprit {
    fn drop(&mut self) {
        assert!(!self.in_drop, "on purpose");
    }
}

fn adopt_culprit(scene: &mut Scene, culprit: Culprit) -> TcpStream {
    let (ours, theirs) = pair();
    let (options, limits) = Default::default();
    let registry = scene.stage.registry();
    registry.adopt(ours, &options, &limits, culprit).expect("the loop takes it");
    theirs
}

#[test]
fn a_panic_in_on_file_sent_ends_its_connection_alone() {
    let mut scene = Scene::new();
    let theirs = adopt_culprit(&mut scene, Culprit { in_file_sent: true, in_drop: false });
    scene.ask();
    scene.stage.until(|log| log.of("culprit").len() == 2);
    let told = ["open", "close its handler panicked: on purpose"];
    assert_eq!(scene.stage.log.of("culprit"), told);
    drop(theirs);
    scene.assert_the_others_go_on(1);
    scene.finish(1);
}

/// The protocol is dropped by the loop, so that is the loop's to survive too.
#[test]
fn a_protocol_that_panics_when_it_is_dropped_takes_nobody_with_it() {
    let mut scene = Scene::new();
    let theirs = adopt_culprit(&mut scene, Culprit { in_file_sent: false, in_drop: true });
    scene.stage.until(|log| log.has("culprit", "open"));
    drop(theirs);
    scene.ask();
    scene.stage.until(|log| log.of("culprit").len() == 2);
    scene.assert_the_others_go_on(1);

    // The same, when another takes its place.
    let (ours, mut theirs) = pair();
    let (options, limits) = Default::default();
    struct Replaced(Culprit);
    impl Protocol<Log> for Replaced {
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, Log>,
            input: &mut Input<'_>,
            _: &mut Log,
        ) {
            input.take_all();
            assert!(self.0.in_drop);
            transport.replace(Probe::new("successor"));
        }
    }
    let replaced = Replaced(Culprit { in_file_sent: false, in_drop: true });
    let registry = scene.stage.registry();
    registry.adopt(ours, &options, &limits, replaced).expect("the loop takes it");
    theirs.write_all(b"!").expect("it has room");
    scene.stage.until(|log| log.has("successor", "open"));
    drop(theirs);
    scene.stage.until_closed("successor");
    scene.finish(2);
}

#[test]
fn a_panic_in_on_close_does_not_keep_others_from_hearing_of_their_end() {
    let mut scene = Scene::new();
    let mut ends = Vec::new();
    for name in ["first", "culprit", "last"] {
        let (ours, theirs) = pair();
        let probe = Probe::new(name).on_close(move |_, _, _| {
            assert_ne!(name, "culprit", "on purpose");
        });
        scene.stage.adopt(ours, &StreamLimits::default(), probe);
        ends.push(theirs);
    }
    scene.stage.until(|log| log.opened.len() == 4);
    for name in ["first", "culprit", "last"] {
        let id = scene.stage.log.id(name);
        scene.stage.registry().abort(id).expect("it is open");
    }
    scene.ask();
    scene.stage.until(|log| log.ends.len() == 3);
    for name in ["first", "culprit", "last"] {
        assert_eq!(scene.stage.log.of(name), ["open", "close aborted"]);
    }
    drop(ends);
    scene.assert_the_others_go_on(1);
    scene.finish(1);
}

/// The peer must not take half an answer for a whole one: it hears nothing of it, and a reset.
#[test]
fn what_a_callback_wrote_before_it_panicked_is_not_sent() {
    let mut scene = Scene::new();
    let address = scene.stage.listen(|| {
        Probe::new("culprit").on_data(|transport, _, _| {
            transport.write(b"half an answer");
            let id = transport.id();
            transport.registry().close(id).expect("it is open");
            transport.replace(Probe::new("successor"));
            panic!("on purpose");
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"?").expect("it has room");
    scene.ask();
    scene.stage.until_closed("culprit");
    let mut heard = Vec::new();
    let error = theirs.read_to_end(&mut heard).expect_err("it was reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(heard, b"");
    drop(theirs);
    // Nor has the next one to be called inherited anything.
    scene.assert_the_others_go_on(1);
    assert!(scene.stage.log.of("successor").is_empty());
    scene.finish(1);
}

#[test]
fn a_panic_with_any_message_or_none_is_told() {
    let mut scene = Scene::new();
    let address = scene.stage.listen(|| {
        let number = 7;
        Probe::new("culprit").on_data(move |_, input, _| match input.take_all() {
            b"text" => panic!("on purpose"),
            b"format" => panic!("on purpose: {number}"),
            _ => std::panic::resume_unwind(Box::new(number)),
        })
    });
    for (said, told) in [
        (&b"text"[..], "its handler panicked: on purpose"),
        (b"format", "its handler panicked: on purpose: 7"),
        (b"none", "its handler panicked: (no message)"),
    ] {
        let mut theirs = client(address);
        theirs.write_all(said).expect("it has room");
        let before = scene.stage.log.ends.len();
        scene.stage.until(|log| log.ends.len() > before);
        assert_eq!(scene.stage.log.ends.last().map(|end| &*end.reason), Some(told));
    }
    scene.assert_the_others_go_on(0);
    scene.finish(3);
}

/// Many at once, in one batch with as many who are not to blame.
#[test]
fn a_batch_in_which_every_other_handler_panics_serves_the_rest() {
    const PAIRS: usize = 50;
    let mut scene = Scene::new();
    let address = scene.stage.listen(|| {
        Probe::new("crowd").on_data(|transport, input, _| match input.take_all() {
            b"panic" => panic!("on purpose"),
            said => transport.write(said),
        })
    });
    let mut crowd: Vec<TcpStream> = (0..2 * PAIRS).map(|_| client(address)).collect();
    scene.stage.until(|log| log.opened.len() == 1 + 2 * PAIRS);
    for (at, theirs) in crowd.iter_mut().enumerate() {
        theirs.write_all(if at % 2 == 0 { b"panic" } else { b"hello" }).expect("it has room");
    }
    scene.stage.until(|log| log.ends.len() == PAIRS && log.bytes("crowd").len() == 5 * PAIRS);
    for theirs in crowd.iter_mut().skip(1).step_by(2) {
        theirs.read_exact(&mut [0; 5]).expect("it is answered");
    }
    drop(crowd);
    scene.stage.until(|log| log.ends.len() == 2 * PAIRS);
    scene.assert_the_others_go_on(0);
    scene.finish(PAIRS as u64);
}

// ── who has no connection ───────────────────────────────────────────────────────────────────

#[test]
fn a_factory_that_panics_refuses_its_peer_and_serves_the_next() {
    let mut scene = Scene::new();
    let mut calls = 0;
    let address = scene.stage.listen_with(&ListenOptions::default(), move || {
        calls += 1;
        assert_ne!(calls, 2, "on purpose");
        Probe::new("server")
    });
    let first = client(address);
    let mut refused = client(address);
    let third = client(address);
    scene.ask();
    scene.stage.until(|log| log.count("server", "open") == 2);
    let stats = scene.stage.reactor.stats();
    assert_eq!((stats.accepted, stats.refused_by_factory), (2, 1), "{stats}");
    // Closed, not left hanging.
    assert_eq!(retry(|| refused.read(&mut [0])).unwrap_or(0), 0);
    drop((first, refused, third));
    scene.stage.until(|log| log.ends.len() == 2);
    scene.assert_the_others_go_on(1);
    scene.finish(1);
}

#[test]
fn closures_that_panic_are_counted_and_the_rest_run() {
    let mut scene = Scene::new();
    let registry = scene.stage.registry();
    registry.defer(|_, _| panic!("on purpose"));
    registry.defer(|_, log| log.note("closure", "deferred"));
    registry.after(Duration::ZERO, |_, _| panic!("on purpose")).expect("there is room");
    registry.after(Duration::ZERO, |_, log| log.note("closure", "timer")).expect("there is room");
    let handle = scene.stage.handle();
    handle.run(|_, _| panic!("on purpose")).expect("the loop is running");
    handle.run(|_, log| log.note("closure", "message")).expect("the loop is running");
    let offloaded = scene.stage.registry().offload(|| (), |_, _, _| panic!("on purpose"));
    offloaded.expect("there is room");
    scene.ask();
    scene.stage.until(|log| log.of("closure").len() == 3);
    until(&mut scene.stage.reactor, &mut scene.stage.log, |_, registry| {
        registry.stats().panics == 4
    });
    scene.assert_the_others_go_on(1);
    scene.finish(4);
}

#[test]
fn a_periodic_closure_that_panics_does_not_beat_again() {
    let mut scene = Scene::new();
    let set = scene.stage.registry().every(Duration::from_millis(1), |_, log| {
        log.note("beat", "beat");
        assert!(log.of("beat").len() < 2, "on purpose");
    });
    let beat = set.expect("there is room");
    until(&mut scene.stage.reactor, &mut scene.stage.log, |_, registry| {
        registry.stats().panics == 1
    });
    assert_eq!(scene.stage.reactor.stats().timers, 0);
    assert!(!scene.stage.registry().cancel(beat));
    scene.assert_the_others_go_on(0);
    scene.finish(1);
}

#[test]
fn a_detached_socket_is_not_lost_on_the_loop_when_its_receiver_panics() {
    let mut scene = Scene::new();
    let (ours, mut theirs) = pair();
    let probe = Probe::new("leaving").on_open(|transport, _| {
        transport.detach(|_, _, _| panic!("on purpose"));
    });
    scene.stage.adopt(ours, &StreamLimits::default(), probe);
    scene.stage.until_closed("leaving");
    assert_eq!(retry(|| theirs.read(&mut [0])).unwrap_or(0), 0, "it was dropped with the receiver");
    drop(theirs);
    scene.assert_the_others_go_on(0);
    scene.finish(1);
}

// ── datagram sockets ────────────────────────────────────────────────────────────────────────

/// Has three datagrams sent to a socket of the loop.
fn bind(stage: &mut Stage, probe: DatagramProbe) -> SocketId {
    let registry = stage.registry();
    let id = registry.bind_datagram(any_port(), probe).expect("it binds");
    let address = registry.socket_address(id).expect("it is open");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    for _ in 0..3 {
        peer.send_to(b"hello", address.socket_addr().expect("it is UDP")).expect("it leaves");
    }
    id
}

#[test]
fn a_panic_in_a_callback_of_a_datagram_socket_ends_the_socket_alone() {
    let panics_in: [(DatagramProbe, &[&str]); 3] = [
        (DatagramProbe::new("culprit").on_open(|_, _| panic!("on purpose")), &["open"]),
        (
            DatagramProbe::new("culprit").on_datagram(|_, _, _| panic!("on purpose")),
            &["open", "datagram 5"],
        ),
        (
            DatagramProbe::new("culprit")
                .on_open(|socket, _| {
                    socket.set_timer(TimerKey(1), Duration::ZERO);
                })
                .on_timer(|_, _| panic!("on purpose")),
            &["open", "datagram 5", "datagram 5", "datagram 5", "timer 1"],
        ),
    ];
    for (probe, told) in panics_in {
        let mut scene = Scene::new();
        let id = bind(&mut scene.stage, probe);
        scene.ask();
        scene.stage.until(|log| log.has("culprit", "close its handler panicked: on purpose"));
        let mut all = told.to_vec();
        all.push("close its handler panicked: on purpose");
        assert_eq!(scene.stage.log.of("culprit"), all);
        assert!(scene.stage.registry().socket_address(id).is_err(), "the id is stale");
        scene.assert_the_others_go_on(1);
        scene.finish(1);
    }
}

#[test]
#[cfg(unix)]
fn a_panic_over_an_error_that_is_not_fatal_ends_the_socket_alone() {
    use reactor::DatagramOptions;
    let mut scene = Scene::new();
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let dead = nobody.local_addr().expect("it is bound");
    drop(nobody);
    let probe = DatagramProbe::new("culprit")
        .on_open(|socket, _| socket.send(b"anybody there?").expect("it leaves"))
        .on_error(|_, _| panic!("on purpose"));
    let options = DatagramOptions { peer: Some(dead.into()), ..DatagramOptions::default() };
    let registry = scene.stage.registry();
    registry.bind_datagram_with(any_port(), &options, probe).expect("it binds");
    scene.ask();
    scene.stage.until(|log| log.has("culprit", "close its handler panicked: on purpose"));
    assert_eq!(scene.stage.log.of("culprit")[..2], ["open", "error connection refused"]);
    scene.assert_the_others_go_on(1);
    scene.finish(1);
}

#[test]
fn a_datagram_socket_that_panics_when_it_is_told_of_the_shutdown_does_not_hold_it_up() {
    silence_panics();
    let mut stage = Stage::new();
    let probe = DatagramProbe::new("culprit").on_shutdown(|_, _| panic!("on purpose"));
    bind(&mut stage, probe);
    stage.until(|log| log.datagrams.len() == 3);
    stage.registry().shutdown(PATIENCE);
    stage.reactor.run(&mut stage.log).expect("the loop goes on");
    let told = ["shutdown", "close its handler panicked: on purpose"];
    assert_eq!(stage.log.of("culprit")[4..], told);
    assert_eq!(stage.reactor.stats().panics, 1);
}

/// The loop itself stays whole: a program that catches nothing else can still shut it down.
#[test]
fn a_loop_in_which_everything_panicked_still_shuts_down() {
    silence_panics();
    let leaks = Leaks::watch();
    let mut reactor = Reactor::<()>::new().expect("there are descriptors for a loop");
    struct Bomb;
    impl Protocol<()> for Bomb {
        fn on_data(&mut self, _: &mut Transport<'_, ()>, _: &mut Input<'_>, (): &mut ()) {
            panic!("on purpose");
        }
        fn on_close(&mut self, registry: &mut Registry<()>, _: &Closed, (): &mut ()) {
            registry.shutdown(Duration::ZERO);
            panic!("on purpose");
        }
    }
    let registry = reactor.registry();
    let id = registry.listen(any_port(), |_, ()| Bomb).expect("loopback has a free port");
    let address = registry.listener_address(id).expect("it is open");
    let mut theirs = client(address.socket_addr().expect("it is an IP address"));
    theirs.write_all(b"!").expect("it has room");
    reactor.run(&mut ()).expect("the loop goes on");
    assert_eq!(reactor.stats().panics, 2);
    drop(theirs);
    leaks.check(reactor);
}
