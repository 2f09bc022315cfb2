//! Rows 11, 12 and 15: what a turn is for, and for whom.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::sim::{Fault, Host};
use reactor::{
    Address, ConnectOptions, Limits, ListenOptions, Registry, StreamLimits, TimerId, TimerKey,
};

use super::scene::{HALF, MS, PORT, SECOND, Scene, echo, with_seeds};
use crate::support::{DatagramProbe, Echo, Log, Probe};

fn path(name: &str) -> Address {
    format!("unix:/run/{name}").parse().expect("it is an address")
}

// ── 11: timers ──────────────────────────────────────────────────────────────────────────────

/// Two connections of one loop that never stop talking to each other: every turn has its event.
fn saturate(scene: &mut Scene, host: Host<Log>) {
    let registry = scene.registry(host);
    registry.listen(path("chatter"), |_, _| Echo).expect("the path is free");
    let id = registry.connect(path("chatter"), Echo).expect("it begins to connect");
    let _ = registry.send(id, b"ping"[..].into()).expect("it is queued");
}

#[test]
fn a_timer_fires_when_it_is_due_while_every_turn_is_full_of_events() {
    const BEATS: usize = 3;
    let mut scene = Scene::new(1);
    let host = scene.host("host");
    saturate(&mut scene, host);
    let beats: Rc<RefCell<Vec<Instant>>> = Rc::default();
    let beaten = Rc::clone(&beats);
    let registry = scene.registry(host);
    beats.borrow_mut().push(registry.now());
    let beat = registry.every(10 * MS, move |registry, _| beaten.borrow_mut().push(registry.now()));
    let beat = beat.expect("there are timers");
    scene.run(10 * BEATS as u32 * MS + MS);
    let stats = scene.stats(host);
    assert!(stats.events + 10 > stats.turns && stats.turns > 10_000, "{stats}");
    assert_eq!(beats.borrow().len(), BEATS + 1);
    for pair in beats.borrow().windows(2) {
        let period = pair[1] - pair[0];
        // Rounded up to a millisecond, and then the turn that runs has to end.
        assert!(period >= 9 * MS && period <= 11 * MS + MS / 10, "{period:?}");
    }
    assert!(scene.registry(host).cancel(beat));
    scene.finish();
}

#[test]
fn a_timer_of_no_delay_that_sets_itself_again_fires_once_a_turn_and_starves_nobody() {
    let mut scene = Scene::new(1);
    let server = scene.server(|| {
        Probe::new("server")
            .on_open(|transport, _| transport.set_timer(TimerKey(0), Duration::ZERO))
            .on_timer(|transport, key, _| transport.set_timer(key, Duration::ZERO))
            .on_data(|transport, input, _| transport.write(input.take_all()))
    });
    let client = scene.host("client");
    let caller = Probe::new("client").on_open(|transport, _| transport.write(b"still there?"));
    scene.connect(client, server, caller);
    scene.run(15 * MS);
    assert_eq!(scene.log(client).bytes("client"), b"still there?");
    let stats = scene.stats(server);
    assert!(stats.timers_fired > 1_000, "{stats}");
    assert!(stats.timers_fired <= stats.turns, "{stats}");
    scene.finish();
}

#[test]
fn the_longest_delay_is_never_and_holds_up_nobody() {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let mut scene = Scene::new(1);
    let limits = StreamLimits {
        connect_timeout: Some(Duration::MAX),
        close_timeout: Duration::MAX,
        idle_timeout: Some(Duration::MAX),
        read_timeout: Some(Duration::MAX),
        ..StreamLimits::default()
    };
    let options = ListenOptions { limits: limits.clone(), ..ListenOptions::default() };
    let server = scene.server_with(Limits::default(), options, || {
        Probe::new("server").on_open(|transport, _| transport.set_timer(TimerKey(1), Duration::MAX))
    });
    let client = scene.host("client");
    let address = scene.network.address(server, PORT);
    let options = ConnectOptions { limits, ..ConnectOptions::default() };
    let registry = scene.registry(client);
    registry.connect_with(address, &options, Probe::new("client")).expect("it begins to connect");
    let never = registry.after(Duration::MAX, |_, log| log.note("client", "never"));
    registry.after(YEAR, |_, log| log.note("client", "a year")).expect("there are timers");
    scene.run(100 * YEAR);
    assert_eq!(scene.log(server).of("server"), ["open"]);
    assert_eq!(scene.log(client).of("client"), ["open", "a year"]);
    assert!(scene.registry(client).cancel(never.expect("there are timers")), "it is still to come");
    assert!(scene.stats(client).turns < 10_000, "{}", scene.stats(client));
    let id = scene.log(client).id("client");
    scene.registry(client).close(id).expect("it is open");
    scene.until_ended(server, 1);
    scene.finish();
}

// ── 12: fairness ────────────────────────────────────────────────────────────────────────────

/// How often something may go on that feeds itself; and how often it did in the present turn, which
/// has one time.
#[derive(Debug, Default)]
struct Feeding {
    left: Cell<u32>,
    now: Cell<Option<Instant>>,
    in_turn: Cell<u32>,
    most: Cell<u32>,
}

impl Feeding {
    fn new() -> Rc<Self> {
        let feeding = Self::default();
        feeding.left.set(300_000);
        Rc::new(feeding)
    }

    /// Whether it goes on, as it does for longer than any turn should last.
    fn goes_on(&self, now: Instant) -> bool {
        let is_same = self.now.replace(Some(now)) == Some(now);
        self.in_turn.set(if is_same { self.in_turn.get() + 1 } else { 1 });
        self.most.set(self.most.get().max(self.in_turn.get()));
        self.left.set(self.left.get().saturating_sub(1));
        self.left.get() > 0
    }
}

/// A datagram socket that answers itself at once.
fn talk_to_itself(registry: &mut Registry<Log>, feeding: &Rc<Feeding>) {
    let feeding = Rc::clone(feeding);
    let probe = DatagramProbe::new("itself").on_datagram(move |socket, _, log| {
        log.datagrams.clear();
        if feeding.goes_on(socket.registry().now()) {
            socket.send_to(b"!", &path("itself")).expect("it has room");
        }
    });
    let id = registry.bind_datagram(path("itself"), probe).expect("the path is free");
    registry.send_to(id, b"!", Some(&path("itself"))).expect("it leaves");
}

/// A closure that defers itself.
fn defer_again(registry: &mut Registry<Log>, feeding: Rc<Feeding>) {
    if feeding.goes_on(registry.now()) {
        registry.defer(|registry, _| defer_again(registry, feeding));
    }
}

/// Guests who are turned away, and come again in every turn.
fn turn_away(registry: &mut Registry<Log>) -> TimerId {
    let options = ListenOptions::default();
    registry.listen_with(path("guests"), &options, |_, _| None).expect("the path is free");
    let come = |registry: &mut Registry<Log>, _: &mut Log| {
        for _ in 0..2 {
            registry.connect(path("guests"), Echo).expect("there is room in the queue");
        }
    };
    registry.every(Duration::ZERO, come).expect("there are timers")
}

/// Asks again and again, and notes how long its longest answer took.
fn asks_on(longest: &Rc<Cell<Duration>>) -> Probe {
    let longest = Rc::clone(longest);
    let asked = Rc::new(Cell::new(None));
    let first = Rc::clone(&asked);
    Probe::new("client")
        .on_open(move |transport, _| {
            first.set(Some(transport.registry().now()));
            transport.write(b"?");
        })
        .on_data(move |transport, input, log| {
            input.take_all();
            let now = transport.registry().now();
            let before = asked.replace(Some(now)).expect("it has asked");
            longest.set(longest.get().max(now - before));
            log.note("answers", "answer");
            transport.write(b"?");
        })
}

/// A hundred ask, each one thing after the other, while others on the server's own host would fill any
/// turn: whatever they do brings them more to do.
#[test]
fn who_feeds_itself_for_ever_delays_a_hundred_who_ask_by_no_more_than_a_few_turns() {
    const BUDGET: usize = 2;
    let mut scene = Scene::new(1);
    let limits = Limits {
        read_budget: 1,
        accept_budget: BUDGET,
        datagram_budget: BUDGET,
        task_budget: BUDGET,
        timer_budget: BUDGET,
        ..Limits::default()
    };
    let server = scene.server_with(limits, ListenOptions::default(), echo);
    let client = scene.host("client");
    let [datagrams, tasks] = [(); 2].map(|()| Feeding::new());
    saturate(&mut scene, server);
    let registry = scene.registry(server);
    talk_to_itself(registry, &datagrams);
    defer_again(registry, Rc::clone(&tasks));
    let guests = turn_away(registry);
    let longest = Rc::new(Cell::new(Duration::ZERO));
    for _ in 0..100 {
        scene.connect(client, server, asks_on(&longest));
    }
    scene.run(13 * MS);

    assert!(scene.log(client).count("answers", "answer") >= 500, "five each");
    // A millisecond there, and one back.
    assert!(longest.get() < 2 * MS + MS / 10, "{longest:?}");
    for feeding in [&datagrams, &tasks] {
        // For an event, and once more at the end of the turn.
        assert!(feeding.most.get() <= 2 * BUDGET as u32, "{feeding:?}");
        assert!((1..295_000).contains(&feeding.left.get()), "it goes on all the time: {feeding:?}");
        feeding.left.set(0);
    }
    assert!(scene.stats(server).refused_by_factory > 1_000, "{}", scene.stats(server));
    assert!(scene.registry(server).cancel(guests));
    scene.finish();
}

// ── 15: wake-ups ────────────────────────────────────────────────────────────────────────────

#[test]
fn nothing_that_others_leave_for_a_loop_is_lost_and_each_keeps_its_order() {
    const SENDERS: u64 = 4;
    const MESSAGES: u64 = 100;
    let faults = [Fault::Interrupted, Fault::Late, Fault::SlowHandler, Fault::SlowWork];
    with_seeds(4, &faults, |mut scene| {
        let limits = Limits { task_budget: 2, ..Limits::default() };
        let server = scene.server_with(limits, ListenOptions::default(), echo);
        let handle = scene.registry(server).handle();
        scene.faults(&faults, HALF);
        let work = scene.registry(server);
        for _ in 0..50 {
            let done = |_: &mut _, log: &mut Log, result: Result<u8, _>| {
                log.note("work", result.expect("it did not panic").to_string());
            };
            work.offload(|| 7, done).expect("there is room");
        }
        for sender in 0..SENDERS {
            let host = scene.host("sender");
            let (handle, mut next) = (handle.clone(), 0);
            let send = move |_: &mut _, _: &mut Log| {
                if next < MESSAGES {
                    let text = format!("{sender} {next}");
                    next += 1;
                    handle.run(move |_, log| log.note("mail", text)).expect("it is up");
                }
            };
            scene.registry(host).every((1 + sender as u32) * MS, send).expect("there are timers");
        }
        // Something else happens all the while.
        let client = scene.host("client");
        scene.connect(
            client,
            server,
            Probe::new("client").on_open(|transport, _| transport.write(b"!")),
        );
        scene.until(|network| {
            network.app(server).is_some_and(|log| log.of("mail").len() as u64 == SENDERS * MESSAGES)
        });
        scene.run(SECOND);
        let log = scene.log(server);
        for sender in 0..SENDERS {
            let own = format!("{sender} ");
            let mail: Vec<&str> =
                log.of("mail").into_iter().filter(|text| text.starts_with(&own)).collect();
            let sent: Vec<String> = (0..MESSAGES).map(|next| format!("{sender} {next}")).collect();
            assert_eq!(mail, sent);
        }
        assert_eq!(log.count("work", "7"), 50);
        let stats = scene.stats(server);
        assert!(stats.wakeups <= stats.tasks, "{stats}");
        scene.finish()
    });
}

#[test]
fn a_thousand_messages_for_a_loop_that_stands_still_wake_it_once() {
    let mut scene = Scene::new(1);
    let host = scene.host("host");
    scene.run(SECOND);
    scene.network.pause(host, SECOND);
    let handle = scene.registry(host).handle();
    for _ in 0..1_000 {
        handle.run(|_, log: &mut Log| log.note("mail", "one")).expect("it is up");
    }
    scene.run(2 * SECOND);
    assert_eq!(scene.log(host).count("mail", "one"), 1_000);
    assert_eq!(scene.stats(host).wakeups, 1);
    scene.finish();
}
