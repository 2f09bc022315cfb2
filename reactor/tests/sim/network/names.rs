//! Connecting to a host by its name, held against RFC 8305: the look-up, the order, the race, and its end.

use std::net::{IpAddr, SocketAddr};

use super::*;
use reactor::{
    CloseReason, Finish, HostFailure, Limits, LookupError, RaceOptions, Reach, Registry,
};

const NAME: &str = "www.example";
const DELAY: Duration = Duration::from_millis(250);
/// A connection is there when its first packet and the answer to it have crossed.
const ROUND_TRIP: Duration = Duration::from_millis(2);

/// A client, a host that answers, and one that nothing gets through to.
struct World {
    network: Network,
    client: Host<Log>,
    living: Host<Log>,
    dead: Host<Log>,
}

impl World {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let mut network = Network::from_seed(1);
        let client = network.host_with("client", limits, |_| Ok(Log::default()));
        let listen = |registry: &mut Registry<Log>| {
            registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
            registry.listen("[::]:7".parse()?, |_, _| echo())?;
            Ok(Log::default())
        };
        let (living, dead) = (network.host("living", listen), network.host("dead", listen));
        network.partition(client, dead, Duration::MAX);
        Self { network, client, living, dead }
    }

    fn v4(&self, host: Host<Log>) -> IpAddr {
        self.network.address(host, 0).ip().expect("it is an IP address")
    }

    fn v6(&self, host: Host<Log>) -> IpAddr {
        self.network.address_v6(host, 0).ip().expect("it is an IP address")
    }

    /// Has the client connect by name.
    fn connect(&mut self, name: &str, who: &'static str) -> ConnectionId {
        self.connect_with(name, who, &ConnectOptions::default())
    }

    fn connect_with(
        &mut self,
        name: &str,
        who: &'static str,
        options: &ConnectOptions,
    ) -> ConnectionId {
        let (registry, _) = self.network.parts(self.client).expect("it is up");
        let address = Address::to_host(name, 7).expect("it is a name");
        registry.connect_with(address, options, Probe::new(who)).expect("it begins to connect")
    }

    #[track_caller]
    fn until(&mut self, who: &str, text: &str) -> Duration {
        let client = self.client;
        elapsed(&mut self.network, |network| {
            network.app(client).is_some_and(|log| log.has(who, text))
        })
    }

    #[track_caller]
    fn until_closed(&mut self, who: &str) -> Duration {
        let client = self.client;
        elapsed(&mut self.network, |network| {
            network.app(client).is_some_and(|log| log.end(who).is_some())
        })
    }

    fn log(&self) -> &Log {
        self.network.app(self.client).expect("it is up")
    }

    /// Why it has ended, for one that was being connected to a host.
    fn failure(&self, who: &str) -> &HostFailure {
        let end = self.log().end(who).expect("it has ended");
        end.host.as_ref().unwrap_or_else(|| panic!("it has ended otherwise: {end:?}"))
    }

    /// Nothing is left of it: no attempt, no timer.
    #[track_caller]
    fn check_is_over(&mut self) {
        run(&mut self.network, SECOND);
        let stats = self.network.stats(self.client).expect("it is up");
        let sockets = self.network.snapshot(self.client).expect("it is up").sockets;
        assert!(sockets.is_empty(), "{sockets:#?}");
        assert_eq!((stats.connections, stats.timers), (0, 0));
    }

    #[track_caller]
    fn close(&mut self, id: ConnectionId) {
        let (registry, _) = self.network.parts(self.client).expect("it is up");
        registry.abort(id).expect("it is there");
        self.check_is_over();
    }
}

/// A turn takes a microsecond, and timers come at whole milliseconds.
#[track_caller]
fn assert_took(took: Duration, expected: Duration) {
    assert!(took >= expected && took <= expected + 2 * MS, "{took:?} instead of {expected:?}");
}

// ── the race (RFC 8305, 4 and 5) ────────────────────────────────────────────────────────────

#[test]
fn a_dead_first_address_costs_one_delay_and_not_a_timeout() {
    let mut world = World::new();
    let addresses = [world.v6(world.dead), world.v4(world.living)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    let id = world.connect(NAME, "client");
    assert_took(world.until("client", "open"), DELAY + ROUND_TRIP);
    let sockets = world.network.snapshot(world.client).expect("it is up").sockets;
    assert_eq!(sockets.len(), 1, "the attempt that lost is gone: {sockets:#?}");
    assert_eq!(sockets[0].peer, Some(Address::Ip((world.v4(world.living), 7).into())));
    world.close(id);
    assert_eq!(world.log().of("client"), ["open", "close aborted"]);
}

#[test]
fn a_living_first_address_is_the_only_one_that_is_tried() {
    let mut world = World::new();
    let addresses = [world.v6(world.living), world.v4(world.dead)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    let id = world.connect(NAME, "client");
    assert_took(world.until("client", "open"), ROUND_TRIP);
    run(&mut world.network, SECOND);
    assert_eq!(world.network.stats(world.client).expect("it is up").connects, 1);
    world.close(id);
}

#[test]
fn an_address_that_refuses_hands_over_at_once() {
    let mut world = World::new();
    let nobody = idle(&mut world.network, "nobody");
    let addresses = [world.v6(nobody), world.v4(nobody), world.v4(world.living)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    let id = world.connect(NAME, "client");
    assert_took(world.until("client", "open"), 3 * ROUND_TRIP);
    world.close(id);
}

#[test]
fn a_family_that_leads_nowhere_costs_one_delay_however_many_addresses_it_has() {
    let mut world = World::new();
    let dead: Vec<Host<Log>> = ["b", "c", "d"].map(|name| idle(&mut world.network, name)).into();
    for &host in &dead {
        world.network.partition(world.client, host, Duration::MAX);
    }
    let v6: Vec<IpAddr> = dead.iter().map(|&host| world.v6(host)).collect();
    let addresses = v6.into_iter().chain([world.v4(world.living)]);
    world.network.set_name(NAME, addresses.collect::<Vec<_>>(), Duration::ZERO);
    let id = world.connect(NAME, "client");
    assert_took(world.until("client", "open"), DELAY + ROUND_TRIP);
    world.close(id);
}

#[test]
fn the_first_address_may_still_win_after_the_second_was_tried() {
    let mut world = World::new();
    let far = Duration::from_millis(200);
    world.network.set_latency(world.client, world.living, far);
    world.network.set_latency(world.living, world.client, far);
    let addresses = [world.v6(world.living), world.v4(world.dead)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    let id = world.connect(NAME, "client");
    assert_took(world.until("client", "open"), 2 * far);
    assert_eq!(world.network.stats(world.client).expect("it is up").connects, 2);
    world.close(id);
    assert_eq!(world.log().of("client"), ["open", "close aborted"]);
}

#[test]
fn the_delay_is_what_the_options_say_and_never_next_to_nothing() {
    for (delay, taken) in [(50, 50), (0, 10)] {
        let mut world = World::new();
        let addresses = [world.v6(world.dead), world.v4(world.living)];
        world.network.set_name(NAME, addresses, Duration::ZERO);
        let race = RaceOptions { delay: delay * MS, ..RaceOptions::default() };
        let options = ConnectOptions { race, ..ConnectOptions::default() };
        let id = world.connect_with(NAME, "client", &options);
        assert_took(world.until("client", "open"), taken * MS + ROUND_TRIP);
        world.close(id);
    }
}

#[test]
fn where_every_attempt_fails_the_reason_tells_of_each() {
    let mut world = World::new();
    let nobody = idle(&mut world.network, "nobody");
    let addresses = [world.v6(nobody), world.v4(nobody)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    world.connect(NAME, "client");
    assert_took(world.until_closed("client"), 2 * ROUND_TRIP);
    let told: Vec<_> =
        world.failure("client").attempts().iter().map(|it| it.address.ip()).collect();
    assert_eq!(told, addresses.map(Some));
    let text = format!(
        "close could not connect: [{}]:7: {refused}; {}:7: {refused}",
        addresses[0],
        addresses[1],
        refused = "Connection refused (os error 111)"
    );
    assert_eq!(world.log().of("client"), [text]);
    world.check_is_over();
}

#[test]
fn no_more_addresses_are_tried_than_the_limit_says() {
    let limits = Limits { addresses: 2, ..Limits::default() };
    let mut world = World::with_limits(limits);
    let nobody = idle(&mut world.network, "nobody");
    let addresses = [world.v6(nobody), world.v4(nobody), world.v4(world.living)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    world.connect(NAME, "client");
    world.until_closed("client");
    assert_eq!(world.failure("client").attempts().len(), 2);
    world.check_is_over();
}

#[test]
fn the_time_for_connecting_is_for_all_of_it() {
    let mut world = World::new();
    let addresses = [world.v6(world.dead), world.v4(world.dead)];
    world.network.set_name(NAME, addresses, SECOND);
    let limits = StreamLimits { connect_timeout: Some(3 * SECOND), ..StreamLimits::default() };
    let options = ConnectOptions { limits, ..ConnectOptions::default() };
    world.connect_with(NAME, "client", &options);
    assert_took(world.until_closed("client"), 3 * SECOND);
    let failure = world.failure("client");
    let is_late = |it: &reactor::Attempt| matches!(it.reason, CloseReason::ConnectTimeout);
    assert_eq!(failure.attempts().len(), 2);
    assert!(failure.attempts().iter().all(is_late), "{failure}");
    world.check_is_over();
}

// ── what belongs to the connection from the beginning ───────────────────────────────────────

#[test]
fn what_is_sent_before_a_host_is_known_arrives_first_and_in_order() {
    let mut world = World::new();
    let addresses = [world.v6(world.dead), world.v4(world.living)];
    world.network.set_name(NAME, addresses, SECOND);
    let id = world.connect(NAME, "client");
    let client = world.client;
    for word in ["one ", "two "] {
        let (registry, _) = world.network.parts(client).expect("it is up");
        let _ = registry.send(id, Bytes::from_static(word.as_bytes())).expect("it is queued");
        run(&mut world.network, 600 * MS);
    }
    let echoed =
        |network: &Network| network.app(client).is_some_and(|log| log.bytes("client").len() == 8);
    elapsed(&mut world.network, echoed);
    assert_eq!(world.log().bytes("client"), b"one two ");
    assert!(world.log().has("client", "open"));
    world.close(id);
}

#[test]
fn a_connection_that_is_aborted_while_its_host_is_looked_up_hears_of_one_end() {
    let mut world = World::new();
    world.network.set_name(NAME, [world.v4(world.living)], SECOND);
    let id = world.connect(NAME, "client");
    run(&mut world.network, 10 * MS);
    world.close(id);
    run(&mut world.network, 10 * SECOND);
    assert_eq!(world.log().of("client"), ["close aborted"]);
    assert_eq!(world.network.stats(world.client).expect("it is up").connects, 0);
}

#[test]
fn a_connection_that_is_aborted_while_its_addresses_race_leaves_none_of_them() {
    let mut world = World::new();
    let addresses = [world.v6(world.dead), world.v4(world.dead)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    let id = world.connect(NAME, "client");
    run(&mut world.network, 300 * MS);
    assert_eq!(world.network.stats(world.client).expect("it is up").connects, 2);
    world.close(id);
    assert_eq!(world.log().of("client"), ["close aborted"]);
}

#[test]
fn one_that_is_closed_early_sends_what_it_has_and_ends() {
    let mut world = World::new();
    let addresses = [world.v6(world.dead), world.v4(world.living)];
    world.network.set_name(NAME, addresses, SECOND);
    let id = world.connect(NAME, "client");
    let (registry, _) = world.network.parts(world.client).expect("it is up");
    let _ = registry.send(id, Bytes::from_static(b"farewell")).expect("it is queued");
    registry.close(id).expect("it is there");
    world.until_closed("client");
    run(&mut world.network, SECOND);
    assert_eq!(world.log().of("client"), ["close closed"]);
    let heard = world.network.app(world.living).expect("it is up");
    assert_eq!(heard.bytes("server"), b"farewell");
    world.check_is_over();
}

#[test]
fn a_loop_that_shuts_down_gives_up_what_it_cannot_reach() {
    let mut world = World::new();
    world.network.set_name(NAME, [world.v4(world.dead)], Duration::ZERO);
    world.connect(NAME, "racing");
    world.network.set_name("slow.example", [world.v4(world.living)], 600 * SECOND);
    world.connect("slow.example", "looking up");
    run(&mut world.network, 10 * MS);
    let (registry, _) = world.network.parts(world.client).expect("it is up");
    registry.shutdown(SECOND);
    run(&mut world.network, 2 * SECOND);
    let report = world.network.report(world.client).expect("it has ended");
    assert_eq!(report.cut_off.len(), 2, "an attempt is no connection of its own: {report:?}");
}

// ── the look-up ─────────────────────────────────────────────────────────────────────────────

#[test]
fn a_name_that_nobody_has_ends_the_connection_and_not_the_call() {
    let mut world = World::new();
    world.connect("nobody.example", "client");
    world.until_closed("client");
    let text = "close could not be found: nobody has this name";
    assert_eq!(world.log().of("client"), [text]);
    world.network.set_name("empty.example", [], Duration::ZERO);
    world.connect("empty.example", "other");
    world.until_closed("other");
    assert!(matches!(
        world.failure("other"),
        HostFailure::Lookup { error: LookupError::NoAddress, .. }
    ));
    world.check_is_over();
}

/// Its addresses are those of a network of one's own, and another one is of the Internet.
#[test]
fn a_name_that_may_not_lead_inside_leads_to_its_other_addresses_or_nowhere() {
    let mut world = World::new();
    let outside = ConnectOptions { reach: Reach::Outside, ..ConnectOptions::default() };
    let inside = [world.v6(world.living), world.v4(world.living)];
    world.network.set_name(NAME, inside, Duration::ZERO);
    world.connect_with(NAME, "client", &outside);
    world.until_closed("client");
    let failure = world.failure("client");
    assert!(matches!(failure, HostFailure::Lookup { error: LookupError::Inside, .. }));
    let there = "192.0.2.1".parse().expect("an address");
    world.network.set_name(NAME, [inside[0], there, inside[1]], Duration::ZERO);
    world.connect_with(NAME, "other", &outside);
    world.until_closed("other");
    let tried = world.failure("other").attempts().iter().map(|attempt| attempt.address.ip());
    assert_eq!(tried.collect::<Vec<_>>(), [Some(there)]);
    // What the program names itself it is connected to.
    let (registry, _) = world.network.parts(world.client).expect("it is up");
    let at = Address::Ip((inside[1], 7).into());
    registry.connect_with(at, &outside, Probe::new("itself")).expect("it begins to connect");
    world.until("itself", "open");
}

#[test]
fn a_look_up_has_a_deadline_and_its_late_answer_is_dropped() {
    let mut world = World::new();
    world.network.set_name(NAME, [world.v4(world.living)], 60 * SECOND);
    world.connect(NAME, "client");
    assert_took(world.until_closed("client"), Limits::default().lookup_timeout);
    assert!(matches!(
        world.failure("client"),
        HostFailure::Lookup { error: LookupError::TimedOut, .. }
    ));
    run(&mut world.network, 120 * SECOND);
    assert_eq!(world.log().of("client").len(), 1);
    assert_eq!(world.network.stats(world.client).expect("it is up").connects, 0);
    world.check_is_over();
}

#[test]
fn ten_names_do_not_wait_for_a_slow_one_and_four_slow_ones_hold_up_the_fifth() {
    const SLOW: [&str; 4] = ["a.slow", "b.slow", "c.slow", "d.slow"];
    const QUICK: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let mut world = World::new();
    for name in SLOW {
        world.network.set_name(name, [world.v4(world.living)], 5 * SECOND);
    }
    for name in QUICK {
        world.network.set_name(name, [world.v4(world.living)], 20 * MS);
    }
    world.connect(SLOW[0], SLOW[0]);
    for name in QUICK {
        world.connect(name, name);
    }
    // Three at a time, beside the slow one.
    assert_took(world.until(QUICK[8], "open"), 3 * 20 * MS + ROUND_TRIP);
    assert!(!world.log().has(SLOW[0], "open"));
    world.until(SLOW[0], "open");

    for name in SLOW {
        world.connect(name, name);
    }
    world.connect(QUICK[0], "fifth");
    assert_took(world.until("fifth", "open"), 5 * SECOND + 20 * MS + ROUND_TRIP);
}

#[test]
fn one_that_waits_for_its_look_up_may_leave_the_queue() {
    let limits = Limits { lookups: 1, ..Limits::default() };
    let mut world = World::with_limits(limits);
    for (name, delay) in [("slow", 5 * SECOND), ("b", 3 * SECOND), ("c", MS)] {
        world.network.set_name(name, [world.v4(world.living)], delay);
    }
    world.connect("slow", "first");
    let id = world.connect("b", "second");
    world.connect("c", "third");
    run(&mut world.network, SECOND);
    let (registry, _) = world.network.parts(world.client).expect("it is up");
    registry.abort(id).expect("it is there");
    assert_took(world.until("third", "open"), 4 * SECOND + MS + ROUND_TRIP);
    assert_eq!(world.log().of("second"), ["close aborted"]);
}

#[test]
fn whoever_connects_anew_looks_up_anew() {
    let mut world = World::new();
    world.network.set_name(NAME, [world.v4(world.dead)], Duration::ZERO);
    world.connect(NAME, "before");
    run(&mut world.network, SECOND);
    world.network.set_name(NAME, [world.v4(world.living)], Duration::ZERO);
    world.connect(NAME, "after");
    assert_took(world.until("after", "open"), ROUND_TRIP);
}

// ── a resolver of one's own ─────────────────────────────────────────────────────────────────

#[test]
fn a_resolver_of_ones_own_answers_when_it_likes_or_leaves_it_to_the_system() {
    let mut world = World::new();
    let there = SocketAddr::new(world.v4(world.living), 7);
    world.network.set_name("elsewhere", [world.v4(world.living)], 30 * MS);
    let (registry, _) = world.network.parts(world.client).expect("it is up");
    registry.set_resolver(move |lookup, registry| match lookup.host().name() {
        "at-once" => registry.resolved(lookup, Ok(vec![there])),
        "later" => {
            let again = lookup.clone();
            let answer = move |registry: &mut Registry<Log>, _: &mut Log| {
                registry.resolved(lookup, Ok(vec![there]));
                // The second answer changes nothing.
                registry.resolved(again, Err(LookupError::NoAddress));
            };
            registry.after(50 * MS, answer).expect("there is a timer");
        }
        "never" => {}
        "panics" => panic!("on purpose"),
        _ => registry.resolve_by_system(lookup),
    });
    world.network.allow_panics();
    support::silence_panics();
    for name in ["at-once", "later", "never", "panics", "elsewhere"] {
        world.connect(name, name);
    }
    assert_took(world.until("at-once", "open"), ROUND_TRIP);
    assert_took(world.until("elsewhere", "open"), 30 * MS);
    assert_took(world.until("later", "open"), 20 * MS);
    assert_eq!(world.log().of("panics"), ["close could not be found: the resolver panicked"]);
    world.until_closed("never");
    assert_eq!(world.log().of("never"), ["close could not be found: looking it up took too long"]);
}

#[test]
fn nobody_listens_on_a_name() {
    let mut world = World::new();
    let (registry, _) = world.network.parts(world.client).expect("it is up");
    let refused = registry.listen("localhost:7".parse().expect("a name"), |_, _| echo());
    assert!(matches!(refused, Err(OpenError::Unsupported(..))), "{refused:?}");
}

#[test]
fn without_tls_the_first_that_is_secured_is_the_first_that_is_connected() {
    let mut world = World::new();
    let addresses = [world.v6(world.dead), world.v4(world.living)];
    world.network.set_name(NAME, addresses, Duration::ZERO);
    let race = RaceOptions { finish: Finish::Secured, ..RaceOptions::default() };
    let id = world.connect_with(NAME, "client", &ConnectOptions { race, ..Default::default() });
    assert_took(world.until("client", "open"), DELAY + ROUND_TRIP);
    world.close(id);
}
