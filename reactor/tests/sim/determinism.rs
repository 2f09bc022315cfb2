//! The same seed is the same run, to the last record; and what spoils that is noticed, whatever it is
//! that a protocol should not have asked for.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use reactor::sim::{Divergence, Network, Outcome, Simulation};
use reactor::{Closed, ConnectionId, Input, Protocol, Registry, TimerKey, Transport};

const CLIENTS: u8 = 8;

/// Everybody who is there: a set with an order, or one without.
trait Guests: Default + 'static {
    fn add(&mut self, id: ConnectionId);
    fn remove(&mut self, id: ConnectionId);
    fn all(&self) -> Vec<ConnectionId>;
}

impl Guests for HashMap<ConnectionId, ()> {
    fn add(&mut self, id: ConnectionId) {
        self.insert(id, ());
    }

    fn remove(&mut self, id: ConnectionId) {
        HashMap::remove(self, &id);
    }

    fn all(&self) -> Vec<ConnectionId> {
        self.keys().copied().collect()
    }
}

impl Guests for BTreeMap<usize, ConnectionId> {
    fn add(&mut self, id: ConnectionId) {
        let next = self.last_key_value().map_or(0, |(last, _)| last + 1);
        self.insert(next, id);
    }

    fn remove(&mut self, id: ConnectionId) {
        self.retain(|_, guest| *guest != id);
    }

    fn all(&self) -> Vec<ConnectionId> {
        self.values().copied().collect()
    }
}

/// A server that passes on to everybody what somebody says, with a number that it gets from somewhere.
struct Party<G> {
    guests: G,
    number: fn(&mut Registry<Self>) -> u64,
}

struct Guest;

impl<G: Guests> Protocol<Party<G>> for Guest {
    fn on_open(&mut self, transport: &mut Transport<'_, Party<G>>, party: &mut Party<G>) {
        party.guests.add(transport.id());
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Party<G>>,
        input: &mut Input<'_>,
        party: &mut Party<G>,
    ) {
        let number = (party.number)(transport.registry());
        let said = [input.take_all(), &number.to_be_bytes()].concat();
        for guest in party.guests.all() {
            if guest == transport.id() {
                transport.write(&said);
            } else {
                // Somebody may be leaving; that is no matter.
                let _ = transport.registry().send(guest, said.clone().into());
            }
        }
    }

    fn on_close(&mut self, _: &mut Registry<Party<G>>, closed: &Closed, party: &mut Party<G>) {
        party.guests.remove(closed.id);
    }
}

/// Says something now and then.
struct Talking(u8);

impl Protocol<()> for Talking {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        transport.set_timer(TimerKey(0), Duration::from_millis(20));
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, ()>, key: TimerKey, (): &mut ()) {
        let length = transport.registry().random() % 50;
        transport.write(&vec![self.0; length as usize + 1]);
        transport.set_timer(key, Duration::from_millis(50));
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        input.take_all();
    }
}

fn party<G: Guests>(network: &mut Network, number: fn(&mut Registry<Party<G>>) -> u64) -> Outcome {
    network.swarm();
    let server = network.host("server", move |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| Guest)?;
        Ok(Party { guests: G::default(), number })
    });
    let address = network.address(server, 7);
    network.host("client", move |registry| {
        (0..CLIENTS)
            .try_for_each(|guest| registry.connect(address.clone(), Talking(guest)).map(drop))?;
        Ok(())
    });
    network.run_for(Duration::from_secs(1))?;
    network.calm();
    network.run_for(Duration::from_secs(1))?;
    Ok(network.finish(Duration::from_secs(20))?)
}

type Ordered = BTreeMap<usize, ConnectionId>;
type Unordered = HashMap<ConnectionId, ()>;

/// What it should do: its time and its randomness are the network's.
fn sound(network: &mut Network) -> Outcome {
    party::<Ordered>(network, |registry| {
        let today = registry.wall_clock().duration_since(SystemTime::UNIX_EPOCH);
        registry.random() ^ today.map_or(0, |time| time.as_secs())
    })
}

/// What is said of a scenario that does not repeat itself.
fn divergence(scenario: impl Fn(&mut Network) -> Outcome) -> Divergence {
    let divergence = *Simulation::new(scenario).check_replay(1).expect_err("nothing was noticed");
    println!("{divergence}");
    assert_eq!(divergence.before.is_some(), divergence.at > 0);
    assert_ne!(divergence.first, divergence.second);
    divergence
}

#[test]
fn a_seed_is_one_run() {
    let simulation = Simulation::new(sound);
    for seed in 0..10 {
        let run = simulation.run_seed(seed);
        assert_eq!(run.result, Ok(()));
        assert_eq!(simulation.check_replay(seed), Ok(run.hash));
        let from_tape = simulation.run_tape(&run.tape);
        assert_eq!((from_tape.hash, from_tape.tape), (run.hash, run.tape));
        assert_eq!((from_tape.steps, from_tape.records), (run.steps, run.records));
        assert_eq!(from_tape.faults, run.faults);
    }
}

#[test]
fn different_seeds_are_different_runs() {
    let simulation = Simulation::new(sound);
    let hashes: std::collections::BTreeSet<u64> =
        (0..20).map(|seed| simulation.run_seed(seed).hash).collect();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn how_much_of_the_trace_is_kept_changes_nothing() {
    let hashes = [0, 10, 100_000].map(|records| {
        let run = Simulation::new(sound).with_records(records).run_seed(3);
        assert_eq!(run.result, Ok(()), "of {records} records");
        assert!(run.trace.len() <= records);
        run.hash
    });
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}

#[test]
fn the_order_of_a_hash_map_is_noticed() {
    divergence(|network| party::<Unordered>(network, |_| 0));
}

#[test]
fn the_real_clock_is_noticed() {
    // As in a stamp on a message, of which nothing changes but the bytes.
    divergence(|network| {
        party::<Ordered>(network, |_| {
            let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            today.map_or(0, |time| time.as_nanos() as u64)
        })
    });
    // As in a measurement, though the same can be had from the registry.
    let began = Instant::now();
    divergence(move |network| {
        network.host("impatient", move |registry| {
            registry.after(Duration::from_micros(began.elapsed().as_nanos() as u64), |_, ()| ())?;
            Ok(())
        });
        Ok(network.run_for(Duration::from_secs(3_600))?)
    });
}

#[test]
fn real_randomness_is_noticed() {
    divergence(|network| party::<Ordered>(network, |_| RandomState::new().hash_one(0)));
}

#[test]
fn what_outlives_a_run_is_noticed() {
    let runs = Cell::new(0);
    let seen = divergence(|network| {
        runs.set(runs.get() + 1);
        if runs.get() == 2 {
            network.host("one more than before", |_| Ok(()));
        }
        sound(network)
    });
    assert!(seen.at < 50, "from the beginning");
}

#[test]
fn a_transcript_names_the_line_that_differs() {
    let run = Simulation::new(sound).with_records(usize::MAX).run_seed(1);
    let mut lines: Vec<String> = run.transcript().collect();
    assert_eq!(lines.len() as u64, run.records + 1);
    assert_eq!(run.compare_transcript(lines.clone()), Ok(()));

    let shorter = run.compare_transcript(lines[..7].to_vec()).expect_err("it is not all there");
    assert_eq!((shorter.at, &shorter.before, &shorter.second), (7, &Some(lines[6].clone()), &None));

    lines[3].push('!');
    let differs = run.compare_transcript(lines).expect_err("a line differs");
    assert_eq!(differs.at, 3);
}
