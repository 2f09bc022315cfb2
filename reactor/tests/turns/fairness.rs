//! Nobody owns the loop: whatever one connection, listener, socket or thread has for it, a turn is
//! over soon, and everybody who had something got something.
//!
//! Unix sockets deliver within the call that sends, so these tests know what lies in front of the
//! loop when a turn begins, and can count what it did when it ends: in bytes and turns, not in time.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support;
use reactor::{
    Address, Closed, ConnectionId, Input, Limits, Protocol, Reactor, Registry, StreamLimits,
    Transport,
};
use socket2::SockRef;
use support::*;

/// One read.
const READ: usize = 128 * 1024;

/// What the loop has done for whom.
#[derive(Debug, Default)]
struct Served {
    /// Bytes of those who never stop.
    flood: Vec<usize>,
    pings: usize,
    opened: usize,
    told: usize,
    closed: usize,
}

/// Takes whatever comes, and counts it.
struct Flooded(usize);

impl Protocol<Served> for Flooded {
    fn on_data(
        &mut self,
        _: &mut Transport<'_, Served>,
        input: &mut Input<'_>,
        served: &mut Served,
    ) {
        served.flood[self.0] += input.take_all().len();
    }
}

/// Answers, and stays when the loop is shut down.
struct Pinged;

impl Protocol<Served> for Pinged {
    fn on_open(&mut self, _: &mut Transport<'_, Served>, served: &mut Served) {
        served.opened += 1;
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Served>,
        input: &mut Input<'_>,
        served: &mut Served,
    ) {
        served.pings += input.len();
        transport.write(input.take_all());
    }

    fn on_shutdown(&mut self, _: &mut Transport<'_, Served>, served: &mut Served) {
        served.told += 1;
    }

    fn on_close(&mut self, _: &mut Registry<Served>, _: &Closed, served: &mut Served) {
        served.closed += 1;
    }
}

/// How many come at once, and how many of them a turn is for.
const CROWD: usize = 100;
const BUDGET: usize = 10;

struct Scene {
    reactor: Reactor<Served>,
    served: Served,
    floods: Vec<UnixStream>,
    sent: Vec<usize>,
    clients: Vec<UnixStream>,
    ids: Vec<ConnectionId>,
    leaks: Leaks,
}

impl Scene {
    /// A loop with some who never stop, and some who ask and wait.
    fn new(limits: Limits, floods: usize, clients: usize) -> Self {
        let leaks = Leaks::watch();
        let reactor = Reactor::with_limits(limits).expect("there are descriptors for a loop");
        let served = Served { flood: vec![0; floods], ..Served::default() };
        let mut scene = Self {
            reactor,
            served,
            floods: Vec::new(),
            sent: vec![0; floods],
            clients: Vec::new(),
            ids: Vec::new(),
            leaks,
        };
        for flood in 0..floods {
            let theirs = scene.adopt(Flooded(flood));
            theirs.set_nonblocking(true).expect("it is a socket");
            // More than a turn may take.
            SockRef::from(&theirs).set_send_buffer_size(1 << 20).expect("it is a socket");
            scene.floods.push(theirs);
        }
        for _ in 0..clients {
            let theirs = scene.adopt(Pinged);
            scene.clients.push(theirs);
        }
        scene.rest();
        scene
    }

    fn adopt(&mut self, protocol: impl Protocol<Served> + 'static) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        let (options, limits) = (Default::default(), StreamLimits::default());
        let registry = self.reactor.registry();
        self.ids.push(registry.adopt(ours, &options, &limits, protocol).expect("it is taken"));
        theirs
    }

    /// Fills whatever the system will hold for those who never stop.
    fn flood(&mut self) {
        for (theirs, sent) in self.floods.iter_mut().zip(&mut self.sent) {
            while let Ok(length) = theirs.write(&[0; 32 * 1024]) {
                *sent += length;
            }
        }
    }

    /// What one who never stops has sent and the loop has not read.
    fn waiting(&self, flood: usize) -> usize {
        self.sent[flood] - self.served.flood[flood]
    }

    fn ask(&mut self) {
        self.clients.iter_mut().for_each(|client| client.write_all(b"?").expect("it has room"));
    }

    /// One turn, which does not wait; how many events it had.
    fn turn(&mut self) -> u64 {
        let before = self.reactor.stats().events;
        let turn = self.reactor.turn(Some(Duration::ZERO), &mut self.served);
        assert!(turn.expect("the loop goes on").is_running());
        self.reactor.stats().events - before
    }

    /// A turn in which the first who never stops has sent what fits, and everybody else has asked: how much of it waited,
    /// and was read. Everybody was answered in the one turn, whatever else it brought.
    #[track_caller]
    fn turn_under_fire(&mut self) -> (usize, usize) {
        self.flood();
        self.ask();
        let before = self.waiting(0);
        self.turn();
        self.assert_answered();
        (before, before - self.waiting(0))
    }

    /// Turns until there is nothing to do.
    fn rest(&mut self) {
        while self.turn() > 0 || self.reactor.next_deadline().is_some() {}
    }

    /// Everybody who asked has been answered by now.
    #[track_caller]
    fn assert_answered(&mut self) {
        assert_eq!(std::mem::take(&mut self.served.pings), self.clients.len());
        for client in &mut self.clients {
            client.set_nonblocking(true).expect("it is a socket");
            client.read_exact(&mut [0]).expect("it is answered already");
            client.set_nonblocking(false).expect("it is a socket");
        }
    }

    fn finish(mut self) {
        for id in self.ids {
            self.reactor.registry().abort(id).expect("it is open");
        }
        let served = &mut self.served;
        until(&mut self.reactor, served, |_, registry| registry.stats().connections == 0);
        drop((self.floods, self.clients));
        self.leaks.check(self.reactor);
    }
}

/// Hazard 12: a sender that is faster than the loop keeps it for itself, if reading goes on until
/// there is nothing more.
#[test]
fn one_fire_hose_does_not_delay_a_hundred_who_ask() {
    let limits = Limits { read_budget: READ, ..Limits::default() };
    let mut scene = Scene::new(limits, 1, 100);
    for _ in 0..20 {
        let (before, read) = scene.turn_under_fire();
        assert!(read > 0, "and it is not starved either");
        // It is visited when it is reported, and once more when all others were.
        assert!(read <= 3 * READ, "{read} of {before} bytes in a turn");
        assert!(before > 3 * READ, "{before} are not enough to tell");
    }
    scene.finish();
}

/// Hazard 12, where the one who is flooded has said all it has to say: its share is as large as before.
#[test]
fn a_fire_hose_into_a_half_closed_connection_has_one_share_a_turn() {
    let limits = Limits { read_budget: READ, ..Limits::default() };
    let mut scene = Scene::new(limits, 1, 100);
    scene.reactor.registry().end(scene.ids[0]).expect("it is open");
    scene.rest();
    // From the second turn on it stands on the ready list.
    scene.flood();
    scene.turn();
    for _ in 0..20 {
        let (before, read) = scene.turn_under_fire();
        assert!(before > READ, "{before} are not enough to tell");
        assert!((1..=READ).contains(&read), "{read} of {before} bytes in a turn");
    }
    scene.finish();
}

/// Hazard 12, with a crowd that never stops: each of them gets as much as the others.
#[test]
fn many_fire_hoses_share_the_loop() {
    const FLOODS: usize = 20;
    let limits = Limits { read_budget: 1, ..Limits::default() };
    let mut scene = Scene::new(limits, FLOODS, 10);
    for _ in 0..20 {
        scene.flood();
        scene.ask();
        let before: Vec<usize> = (0..FLOODS).map(|flood| scene.waiting(flood)).collect();
        scene.turn();
        scene.assert_answered();
        for (flood, before) in before.into_iter().enumerate() {
            let read = before - scene.waiting(flood);
            assert!((1..=3 * READ).contains(&read), "{read} of {before} bytes in a turn");
        }
    }
    scene.finish();
}

/// Who is left over from the last turn comes in the next one, with nothing new to report it.
#[test]
fn a_fire_hose_that_ran_dry_is_read_to_its_end_though_nothing_more_is_reported() {
    let limits = Limits { read_budget: 1, ..Limits::default() };
    let mut scene = Scene::new(limits, 1, 0);
    scene.flood();
    let mut events = 0;
    while scene.waiting(0) > 0 {
        assert!(events == 0 || scene.reactor.next_deadline().is_some(), "it would sleep");
        events += scene.turn();
    }
    assert_eq!(events, 1);
    scene.finish();
}

/// A crowd at the door does not keep those waiting who are inside.
#[test]
fn a_flood_of_connections_is_accepted_in_portions() {
    let limits = Limits { accept_budget: BUDGET, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, 5);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("socket");
    let listener = scene.reactor.registry().listen(Address::from(path.clone()), |_, _| Pinged);
    let listener = listener.expect("the path is free");
    let inside = scene.served.opened;
    let crowd: Vec<UnixStream> = (0..CROWD)
        .map(|_| UnixStream::connect(&path).expect("the backlog is long enough"))
        .collect();
    let mut turns = 0;
    while scene.served.opened - inside < CROWD {
        let before = scene.reactor.stats().accepted;
        scene.ask();
        scene.turn();
        scene.assert_answered();
        let accepted = scene.reactor.stats().accepted - before;
        assert!(accepted <= 2 * BUDGET as u64, "{accepted} in a turn");
        turns += 1;
    }
    assert!(turns >= CROWD / (2 * BUDGET));
    drop(crowd);
    let registry = scene.reactor.registry();
    registry.close_listener(listener).expect("it is open");
    let stay = scene.clients.len() as u64;
    until(&mut scene.reactor, &mut scene.served, |_, registry| {
        registry.stats().connections == stay
    });
    scene.finish();
}

/// A loop that visits so few in a turn, with a crowd beside those who ask.
fn crowded() -> (Scene, Vec<UnixStream>) {
    let limits = Limits { visit_budget: BUDGET, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, 5);
    let crowd = (0..CROWD).map(|_| scene.adopt(Pinged)).collect();
    scene.rest();
    (scene, crowd)
}

/// Hazard 35: a crowd that leaves at once is one long turn, if all of it is read, told and closed in one.
#[test]
fn a_crowd_that_leaves_at_once_is_told_in_portions() {
    let (mut scene, crowd) = crowded();
    drop(crowd);
    while scene.served.closed < CROWD {
        let before = scene.served.closed;
        let reported = scene.turn();
        // mio's poll(2) backend reports all there is.
        let is_bounded = cfg!(not(mio_unsupported_force_poll_poll));
        assert!(!is_bounded || reported <= BUDGET as u64, "{reported} were reported in a turn");
        let closed = scene.served.closed - before;
        assert!(closed <= BUDGET, "{closed} were told in a turn");
        assert!(!is_bounded || closed > 0, "a turn went by in which nobody was told");
    }
    scene.ask();
    scene.turn();
    scene.assert_answered();
    scene.ids.truncate(scene.clients.len());
    scene.finish();
}

/// Hazard 35, where a crowd is written to, or told to close: that is a call of the system for each.
#[test]
fn a_crowd_that_is_written_to_at_once_is_flushed_in_portions() {
    let (mut scene, crowd) = crowded();
    let (all, before) = (scene.ids.split_off(5), scene.reactor.stats().writes);
    let registry = scene.reactor.registry();
    assert_eq!(
        registry.broadcast(all.iter().copied(), bytes::Bytes::from_static(b"to all")),
        CROWD
    );
    all.iter().for_each(|id| registry.close(*id).expect("it is open"));
    loop {
        let written = scene.reactor.stats().writes - before;
        if written == CROWD as u64 {
            break;
        }
        scene.turn();
        let portion = scene.reactor.stats().writes - before - written;
        assert!(portion > 0 && portion <= BUDGET as u64, "{portion} were written to in a turn");
    }
    for mut stream in crowd {
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("it is said whole, and then FIN");
        assert_eq!(said, "to all");
    }
    scene.finish();
}

/// Hazard 35, where it is the program that ends them all.
#[test]
fn a_crowd_that_is_cut_off_at_once_is_told_in_portions() {
    let (mut scene, crowd) = crowded();
    for id in scene.ids.drain(5..) {
        scene.reactor.registry().abort(id).expect("it is open");
    }
    while scene.served.closed < CROWD {
        let before = scene.served.closed;
        scene.ask();
        scene.turn();
        scene.assert_answered();
        let closed = scene.served.closed - before;
        assert!(closed <= BUDGET, "{closed} were told in a turn");
    }
    drop(crowd);
    scene.finish();
}

/// Who has left something unread comes again without an event: not all of them in one turn.
#[test]
fn a_crowd_that_is_resumed_at_once_is_visited_in_portions() {
    let limits = Limits { visit_budget: BUDGET, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, CROWD);
    for id in scene.ids.clone() {
        scene.reactor.registry().pause(id).expect("it is open");
    }
    scene.ask();
    scene.rest();
    for id in scene.ids.clone() {
        scene.reactor.registry().resume(id).expect("it is open");
    }
    while scene.served.pings < CROWD {
        let before = scene.served.pings;
        scene.turn();
        let visited = scene.served.pings - before;
        assert!((1..=BUDGET).contains(&visited), "{visited} were visited in a turn");
    }
    scene.finish();
}

/// A shutdown that is told to all of a crowd in one turn is a pause for everybody.
#[test]
fn a_crowd_hears_of_a_shutdown_in_portions() {
    let limits = Limits { visit_budget: BUDGET, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, CROWD);
    scene.reactor.registry().shutdown(Duration::MAX);
    while scene.served.told < CROWD {
        let before = scene.served.told;
        scene.turn();
        let told = scene.served.told - before;
        assert!((1..=BUDGET).contains(&told), "{told} were told in a turn");
    }
    // Nobody waits any longer, and nobody is forgotten.
    scene.reactor.registry().shutdown(Duration::ZERO);
    let report = until_shut_down(&mut scene.reactor, &mut scene.served);
    assert_eq!(
        (report.cut_off.len(), scene.served.told, scene.served.closed),
        (CROWD, CROWD, CROWD)
    );
}

/// A grace that is over before all of a crowd has been told leaves nobody untold.
#[test]
fn a_crowd_that_has_no_grace_is_told_before_it_is_cut_off() {
    let limits = Limits { visit_budget: 10, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, CROWD);
    scene.reactor.registry().shutdown(Duration::ZERO);
    let report = until_shut_down(&mut scene.reactor, &mut scene.served);
    assert_eq!(
        (report.cut_off.len(), scene.served.told, scene.served.closed),
        (CROWD, CROWD, CROWD)
    );
}

/// A burst of datagrams does not keep streams waiting.
#[test]
fn a_flood_of_datagrams_is_received_in_portions() {
    const BURST: usize = 100;
    struct Counted;
    impl reactor::DatagramProtocol<Served> for Counted {
        fn on_datagram(
            &mut self,
            _: &mut reactor::DatagramTransport<'_, Served>,
            _: &reactor::Datagram<'_>,
            served: &mut Served,
        ) {
            served.flood[0] += 1;
        }
    }
    let limits = Limits { datagram_budget: BUDGET, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, 5);
    scene.served.flood.push(0);
    let registry = scene.reactor.registry();
    let id = registry.bind_datagram(any_port(), Counted).expect("it binds");
    let address = registry.socket_address(id).expect("it is bound");
    let address = address.socket_addr().expect("it is UDP");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    for _ in 0..BURST {
        peer.send_to(b"!", address).expect("it leaves");
    }
    while scene.served.flood[0] < BURST {
        let before = scene.served.flood[0];
        scene.ask();
        scene.turn();
        scene.assert_answered();
        let received = scene.served.flood[0] - before;
        assert!(received <= 2 * BUDGET, "{received} in a turn");
    }
    scene.reactor.registry().close_socket(id).expect("it is open");
    drop(peer);
    scene.finish();
}

/// Closures that beget closures, and threads that never stop writing: one portion of each a turn.
#[test]
fn a_flood_of_closures_and_messages_runs_in_portions() {
    let limits = Limits { task_budget: BUDGET, ..Limits::default() };
    let mut scene = Scene::new(limits, 0, 5);
    scene.served.flood = vec![0, 0];
    fn again(registry: &mut Registry<Served>, served: &mut Served) {
        served.flood[0] += 1;
        if served.flood[0] < 1_000 {
            registry.defer(again);
            registry.defer(again);
        }
    }
    scene.reactor.registry().defer(again);
    let handle = scene.reactor.handle();
    for _ in 0..200 {
        let message = |_: &mut Registry<Served>, served: &mut Served| served.flood[1] += 1;
        handle.run(message).map_err(drop).expect("there is room");
    }
    while scene.served.flood[1] < 200 {
        let before = scene.served.flood.clone();
        scene.ask();
        scene.turn();
        scene.assert_answered();
        for (before, after) in before.iter().zip(&scene.served.flood) {
            assert!(after - before <= BUDGET, "{} in a turn", after - before);
        }
        assert!(scene.served.flood[1] > before[1] || scene.served.flood[1] == 0);
    }
    scene.rest();
    assert!(scene.served.flood[0] >= 1_000);
    scene.finish();
}

/// Two connections of one loop that never stop talking to each other.
#[test]
fn a_conversation_of_the_loop_with_itself_leaves_time_for_others() {
    let mut scene = Scene::new(Limits::default(), 0, 5);
    struct Parrot;
    impl Protocol<Served> for Parrot {
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, Served>,
            input: &mut Input<'_>,
            served: &mut Served,
        ) {
            served.flood[0] += 1;
            transport.write(input.take_all());
        }
    }
    scene.served.flood.push(0);
    let (one, mut other) = UnixStream::pair().expect("there are descriptors");
    other.write_all(b"polly").expect("it has room");
    for end in [one, other] {
        let (options, limits) = (Default::default(), StreamLimits::default());
        let registry = scene.reactor.registry();
        scene.ids.push(registry.adopt(end, &options, &limits, Parrot).expect("it is taken"));
    }
    while scene.served.flood[0] < 100 {
        let before = scene.served.flood[0];
        scene.ask();
        scene.turn();
        scene.assert_answered();
        assert!(scene.served.flood[0] - before <= 4);
    }
    scene.finish();
}
