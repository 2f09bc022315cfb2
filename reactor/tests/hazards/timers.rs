//! 11: timers.

use super::*;

/// What a connection that is flooded with data knows of its timer.
#[derive(Debug, Default)]
struct Beats {
    ids: Vec<ConnectionId>,
    /// When the present turn began.
    now: Option<Instant>,
    due: Option<Instant>,
    fired: usize,
}

struct Flooded;

impl Flooded {
    fn set_timer(transport: &mut Transport<'_, Beats>, beats: &mut Beats) {
        let delay = Duration::from_millis(10);
        transport.set_timer(TimerKey(1), delay);
        // A tick is a millisecond, and deadlines are rounded up to one.
        beats.due = Some(transport.registry().now() + delay + Duration::from_millis(1));
    }
}

impl Protocol<Beats> for Flooded {
    fn on_open(&mut self, transport: &mut Transport<'_, Beats>, beats: &mut Beats) {
        beats.ids.push(transport.id());
        if beats.ids.len() == 1 {
            Self::set_timer(transport, beats);
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Beats>,
        input: &mut Input<'_>,
        beats: &mut Beats,
    ) {
        input.take_all();
        beats.now = Some(transport.registry().now());
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Beats>, _: TimerKey, beats: &mut Beats) {
        beats.fired += 1;
        Self::set_timer(transport, beats);
    }
}

/// Hazard 11: a loop that reads for as long as there is something to read never comes to its timers.
#[test]
fn a_timer_fires_in_the_turn_it_is_due_while_every_socket_is_saturated() {
    const BEATS: usize = 20;
    let leaks = Leaks::watch();
    let mut reactor = Reactor::new().expect("there are descriptors");
    let mut beats = Beats::default();
    let registry = reactor.registry();
    let listener = registry.listen(any_port(), |_, _| Flooded).expect("loopback has a free port");
    let address = registry.listener_address(listener).expect("it is listening");
    let address = address.socket_addr().expect("it is an IP address");
    let flood = move || {
        let mut theirs = client(address);
        while theirs.write_all(&[0; 64 * 1024]).is_ok() {}
    };
    let peers = [(); 2].map(|()| Peer::new(reactor.handle(), flood));
    while beats.fired < BEATS || beats.ids.len() < peers.len() {
        let (due, fired) = (beats.due, beats.fired);
        let _ = reactor.turn(Some(PATIENCE), &mut beats).expect("the loop goes on");
        if due.is_some_and(|due| beats.now >= Some(due)) {
            assert!(beats.fired > fired, "it was due when the turn began, and did not fire");
        }
    }
    for id in std::mem::take(&mut beats.ids) {
        reactor.registry().abort(id).expect("it is open");
    }
    reactor.registry().close_listener(listener).expect("it is open");
    until(&mut reactor, &mut beats, |_, registry| registry.snapshot().sockets.is_empty());
    for peer in peers {
        peer.join();
    }
    until(&mut reactor, &mut beats, |_, registry| registry.stats().tasks == 2);
    leaks.check(reactor);
}

/// Hazard 11: a timer that sets itself again with no delay at all.
#[test]
fn a_zero_timer_that_sets_itself_again_fires_once_a_turn_and_starves_nobody() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server")
            .on_open(|transport, _| transport.set_timer(TimerKey(0), Duration::ZERO))
            .on_timer(|transport, key, _| transport.set_timer(key, Duration::ZERO))
            .on_data(|transport, input, _| transport.write(input.take_all()))
    });
    let mut theirs = client(address);
    let peer = stage.peer(move || {
        for _ in 0..10 {
            theirs.write_all(b"still there?").expect("it has room");
            theirs.read_exact(&mut [0; 12]).expect("it answers");
        }
    });
    stage.join(peer);
    stage.until_closed("server");
    let stats = stage.reactor.stats();
    assert!(stats.timers_fired > 0, "{stats}");
    assert!(stats.timers_fired <= stats.turns, "{stats}");
    assert_eq!(stats.timers, 0, "its timer has ended with it: {stats}");
}
