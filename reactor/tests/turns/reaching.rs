//! One connection reaches another by its id: its protocol, its transport, and what blocking work has
//! brought for it.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use crate::support;
use reactor::{
    Closed, ConnectionId, Input, Limits, OffloadError, PostError, Protocol, ReachError, Reactor,
    Registry, Stale, StreamLimits, Transport,
};
use support::*;

/// What happened, in order; and whom to reach.
#[derive(Debug, Default)]
struct Told {
    lines: Vec<String>,
    ids: Vec<ConnectionId>,
}

impl Told {
    fn note(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

/// Keeps a sum, which nobody else has.
#[derive(Default)]
struct Sum(u32);

impl Protocol<Told> for Sum {
    fn on_open(&mut self, transport: &mut Transport<'_, Told>, told: &mut Told) {
        told.ids.push(transport.id());
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Told>,
        input: &mut Input<'_>,
        told: &mut Told,
    ) {
        told.note(String::from_utf8_lossy(input.take_all()));
        let id = transport.id();
        transport.write(b"in ");
        // It is on the stack, so this comes when it has returned.
        let reached =
            transport.registry().with(id, |sum: &mut Self, transport, told: &mut Told| {
                sum.0 += 1;
                told.note(format!("sum {}", sum.0));
                transport.write(b"after");
            });
        assert_eq!(reached, Ok(()));
        transport.write(b"before ");
        told.note("returned");
    }

    fn on_close(&mut self, _: &mut Registry<Told>, closed: &Closed, told: &mut Told) {
        told.note(closed.reason.to_string());
    }
}

struct Other;

impl Protocol<Told> for Other {
    fn on_data(&mut self, _: &mut Transport<'_, Told>, _: &mut Input<'_>, _: &mut Told) {}
}

/// A loop with one connection that runs a [`Sum`], and the other end of it.
struct Scene {
    reactor: Reactor<Told>,
    told: Told,
    id: ConnectionId,
    peer: std::net::TcpStream,
    leaks: Leaks,
}

impl Scene {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let leaks = Leaks::watch();
        let mut reactor = Reactor::with_limits(limits).expect("there are descriptors for a loop");
        let (server, address) = server();
        let id = reactor.registry().connect(address.into(), Sum::default());
        let id = id.expect("it begins to connect");
        let (peer, _) = server.accept().expect("it connects");
        let mut told = Told::default();
        until(&mut reactor, &mut told, |told, _| told.ids == [id]);
        Self { reactor, told, id, peer, leaks }
    }

    fn registry(&mut self) -> &mut Registry<Told> {
        self.reactor.registry()
    }

    #[track_caller]
    fn until(&mut self, condition: impl Fn(&Told) -> bool) {
        until(&mut self.reactor, &mut self.told, |told, _| condition(told));
    }

    #[track_caller]
    fn heard(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        std::io::Read::read_exact(&mut self.peer, &mut heard).expect("it arrives");
        assert_eq!(heard, expected);
    }

    #[track_caller]
    fn finish(mut self) {
        let _ = self.reactor.registry().abort(self.id);
        until(&mut self.reactor, &mut self.told, |_, registry| {
            registry.snapshot().sockets.is_empty()
        });
        drop(self.peer);
        self.leaks.check(self.reactor);
    }
}

fn server() -> (TcpListener, SocketAddr) {
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = server.local_addr().expect("it is bound");
    (server, address)
}

#[test]
fn a_protocol_is_reached_with_its_state_and_its_transport_in_the_order_of_asking() {
    let mut scene = Scene::new();
    let id = scene.id;
    for number in [3, 4] {
        let reached =
            scene.registry().with(id, move |sum: &mut Sum, transport, told: &mut Told| {
                sum.0 += number;
                told.note(format!("sum {}", sum.0));
                transport.write(format!("{} ", sum.0).as_bytes());
            });
        assert_eq!(reached, Ok(()));
    }
    assert!(scene.told.lines.is_empty(), "it runs when the loop comes to it");
    scene.until(|told| told.lines == ["sum 3", "sum 7"]);
    scene.heard(b"3 7 ");
    scene.finish();
}

#[test]
fn who_reaches_itself_is_reached_when_its_callback_has_returned() {
    let mut scene = Scene::new();
    std::io::Write::write_all(&mut scene.peer, b"hello").expect("it has room");
    scene.until(|told| told.lines == ["hello", "returned", "sum 1"]);
    scene.heard(b"in before after");
    scene.finish();
}

#[test]
fn another_type_or_a_stale_id_is_refused_and_nothing_runs() {
    let mut scene = Scene::new();
    let id = scene.id;
    let never = |_: &mut Other, _: &mut Transport<'_, Told>, told: &mut Told| told.note("other");
    assert_eq!(scene.registry().with(id, never), Err(ReachError::OtherProtocol));
    // Refused later: it is another by then, or has ended.
    let late = |_: &mut Sum, _: &mut Transport<'_, Told>, told: &mut Told| told.note("late");
    scene
        .registry()
        .with_transport(id, |transport, _| transport.replace(Other))
        .expect("it is open");
    assert_eq!(scene.registry().with(id, late), Ok(()));
    let turn = |scene: &mut Scene| {
        let turn = scene.reactor.turn(Some(Duration::ZERO), &mut scene.told);
        assert!(turn.expect("the loop goes on").is_running());
    };
    turn(&mut scene);
    assert_eq!(scene.registry().with(id, late), Err(ReachError::OtherProtocol));
    assert_eq!(scene.registry().with(id, never), Ok(()));
    scene.registry().abort(id).expect("it is open");
    assert_eq!(scene.registry().with(id, never), Err(ReachError::Stale));
    assert_eq!(scene.registry().with_transport(id, |_, _| unreachable!()), Err(Stale));
    turn(&mut scene);
    assert!(scene.told.lines.is_empty(), "{:?}", scene.told);
    scene.finish();
}

#[test]
fn a_transport_that_is_reached_has_every_verb() {
    let mut scene = Scene::new();
    let id = scene.id;
    let reached = scene.registry().with_transport(id, |transport, told| {
        transport.set_limits(StreamLimits { inbox: 7, ..transport.limits().clone() });
        transport.set_timer(reactor::TimerKey(1), Duration::MAX);
        assert!(transport.cancel_timer(reactor::TimerKey(1)));
        transport.write(b"good");
        transport.write(b"bye");
        transport.close();
        told.note(format!("{}", transport.limits().inbox));
    });
    assert_eq!(reached, Ok(()));
    scene.until(|told| told.lines == ["7"]);
    scene.heard(b"goodbye");
    let after = |_: &mut Sum, _: &mut Transport<'_, Told>, told: &mut Told| told.note("closing");
    // It is there still, and is not called any more.
    assert_eq!(scene.registry().with(id, after), Ok(()));
    scene.peer.shutdown(std::net::Shutdown::Write).expect("it is open");
    scene.until(|told| told.lines.len() == 2);
    assert_eq!(scene.told.lines[1], "closed");
    scene.finish();
}

#[test]
fn a_panic_in_what_reaches_it_ends_that_connection_and_no_other() {
    let mut scene = Scene::new();
    let id = scene.id;
    let reached = scene.registry().with(id, |_: &mut Sum, _, _: &mut Told| panic!("on purpose"));
    assert_eq!(reached, Ok(()));
    scene.until(|told| !told.lines.is_empty());
    assert_eq!(scene.told.lines, ["its handler panicked: on purpose"]);
    scene.finish();
}

// ── blocking work ───────────────────────────────────────────────────────────────────────────

/// Has a connection do some work elsewhere.
fn offload(
    scene: &mut Scene,
    work: impl FnOnce() -> u32 + Send + 'static,
) -> mpsc::Receiver<Result<(), PostError<()>>> {
    let (send, asked) = mpsc::channel();
    let id = scene.id;
    let reached = scene.registry().with_transport(id, move |transport, _| {
        let done = |sum: &mut Sum,
                    transport: &mut Transport<'_, Told>,
                    told: &mut Told,
                    result: Result<u32, OffloadError>| {
            match result {
                Ok(number) => sum.0 += number,
                Err(error) => told.note(error.to_string()),
            }
            told.note(format!("sum {}", sum.0));
            transport.write(b"done");
        };
        let _ = send.send(transport.offload(work, done));
    });
    assert_eq!(reached, Ok(()));
    asked
}

#[test]
fn work_that_is_done_elsewhere_finds_its_connection_again() {
    let mut scene = Scene::new();
    let _ = offload(&mut scene, || 5);
    scene.until(|told| told.lines == ["sum 5"]);
    scene.heard(b"done");
    let _ = offload(&mut scene, || panic!("on purpose"));
    scene.until(|told| told.lines.len() == 3);
    assert_eq!(scene.told.lines[1..], ["offloaded work panicked: on purpose", "sum 5"]);
    scene.finish();
}

#[test]
fn work_whose_connection_has_gone_is_dropped() {
    let mut scene = Scene::new();
    let (go, gate) = mpsc::channel::<()>();
    let (dropped, was_dropped) = mpsc::channel::<()>();
    let asked = offload(&mut scene, move || {
        let _ = gate.recv();
        drop(dropped);
        5
    });
    until(&mut scene.reactor, &mut scene.told, |_, _| asked.try_recv() == Ok(Ok(())));
    let id = scene.id;
    scene.registry().abort(id).expect("it is open");
    scene.until(|told| told.lines.len() == 1);
    drop(go);
    assert!(was_dropped.recv().is_err(), "it has run to its end");
    let handle = scene.reactor.handle();
    handle.run(|_, told: &mut Told| told.note("behind it")).map_err(drop).expect("there is room");
    scene.until(|told| told.lines.last().is_some_and(|line| line == "behind it"));
    let summed = scene.told.lines.iter().any(|line| line.starts_with("sum"));
    assert!(!summed, "{:?}", scene.told);
    scene.finish();
}

#[test]
fn more_work_than_the_loop_takes_is_refused() {
    let mut scene = Scene::with_limits(Limits { offloads: 1, ..Limits::default() });
    let (go, gate) = mpsc::channel::<()>();
    let asked =
        [offload(&mut scene, move || gate.recv().map_or(1, |()| 2)), offload(&mut scene, || 3)];
    let mut answers = Vec::new();
    until(&mut scene.reactor, &mut scene.told, |_, _| {
        answers.extend(asked.iter().filter_map(|asked| asked.try_recv().ok()));
        answers.len() == 2
    });
    assert_eq!(answers, [Ok(()), Err(PostError::Full(()))]);
    drop(go);
    scene.until(|told| told.lines == ["sum 1"]);
    scene.finish();
}
