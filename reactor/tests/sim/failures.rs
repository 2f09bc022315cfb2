//! What a run that failed says of itself.

use std::time::Duration;

use reactor::sim::{Broken, Network, Outcome, Simulation, Tape};
use reactor::{Input, Protocol, Registry, Transport};

/// A scenario that fails with an error that its first choice decides.
fn first_choice(fails: fn(u64) -> Option<String>) -> impl Fn(&mut Network) -> Outcome {
    move |network| match fails(network.choose(256)) {
        Some(message) => Err(message.into()),
        None => Ok(()),
    }
}

/// Panics in its first callback, its second, or never.
struct Panics {
    in_on_open: bool,
    in_on_data: bool,
}

impl<App> Protocol<App> for Panics {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.write(b"hello");
        assert!(!self.in_on_open, "nobody is ready for this");
    }

    fn on_data(&mut self, _: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        input.take_all();
        assert!(!self.in_on_data, "nobody has expected an answer");
    }
}

/// A scenario in which a client panics if a choice says so: at the beginning, or later.
fn panicking(network: &mut Network) -> Outcome {
    let (in_on_open, in_on_data) = match network.choose(256) {
        0 => (false, false),
        1..100 => (true, false),
        _ => (false, true),
    };
    let server = network.host("server", |registry| {
        let quiet = |_: &_, _: &mut ()| Panics { in_on_open: false, in_on_data: false };
        registry.listen("0.0.0.0:7".parse()?, quiet)?;
        Ok(())
    });
    let address = network.address(server, 7);
    network.host("client", move |registry: &mut Registry<()>| {
        let panics = Panics { in_on_open, in_on_data };
        registry.connect(address.clone(), panics)?;
        Ok(())
    });
    Ok(network.run_for(Duration::from_secs(1))?)
}

#[test]
fn a_search_adds_up_what_passes() {
    let simulation = Simulation::new(|network: &mut Network| {
        network.swarm();
        network.host("alone", |_| Ok(()));
        Ok(network.run_for(Duration::from_secs(1))?)
    });
    let summary = simulation.search(0..30).expect("nothing can fail");
    assert_eq!((summary.runs, summary.length), (30, Duration::from_secs(30)));
    assert!(summary.faults.iter().any(|(_, count)| count > 0));
    assert!(summary.to_string().starts_with("30 runs, "));
    let mut twice = summary.clone();
    twice.merge(&summary);
    assert_eq!((twice.runs, twice.steps), (60, 2 * summary.steps));
}

#[test]
fn a_failure_tells_how_to_have_it_again() {
    let fails = first_choice(|number| (number >= 200).then(|| format!("a failure: {number}")));
    let simulation = Simulation::new(fails);
    let failure = simulation.search(0..100).expect_err("one in five fails");
    assert_eq!(&**failure.tape(), [200]);
    let text = failure.to_string();
    let seed = failure.seed().expect("it was a seed");
    for line in [
        &format!("seed {seed} fails: {}", failure.message()),
        "of which 1 are not the calmest",
        "so shrunk it fails: a failure: 200",
        "no fault has happened in it",
        &format!("simulation.run_seed({seed})"),
        "simulation.run_tape(&\"c8\".parse::<Tape>()?)",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let tape: Tape = "c8".parse().expect("it was printed");
    assert!(simulation.run_tape(&tape).fails_like(failure.found()));
}

#[test]
fn a_shrink_does_not_slip_into_another_failure() {
    let fails = first_choice(|number| match number {
        0..100 => None,
        100..150 => Some(format!("one failure: {number}")),
        _ => Some(format!("other failure: {number}")),
    });
    let simulation = Simulation::new(fails);
    let run = simulation.run_tape(&[255]);
    assert_eq!(&*simulation.shrink(&run, 100).tape, [150]);
    assert!(!run.fails_like(&simulation.run_tape(&[120])));
}

#[test]
fn what_passes_is_as_small_as_it_gets() {
    let simulation = Simulation::new(first_choice(|_| None));
    let run = simulation.run_tape(&[9]);
    assert_eq!(&*simulation.shrink(&run, 100).tape, [9]);
}

#[test]
fn a_scenario_may_panic() {
    let simulation = Simulation::new(|network: &mut Network| {
        assert!(network.choose(256) < 9, "it was more than {}", 8);
        Ok(())
    });
    let failure = simulation.search(0..10).expect_err("hardly any number is so small");
    assert_eq!(&**failure.tape(), [9]);
    let message = failure.message();
    assert!(message.starts_with("the scenario panics at "), "{message}");
    assert!(message.contains("failures.rs:"), "{message}");
    assert!(message.ends_with(": it was more than 8"), "{message}");
}

#[test]
fn a_callback_that_panics_fails_the_run() {
    let simulation = Simulation::new(panicking);
    assert_eq!(simulation.run_tape(&[0]).result, Ok(()));
    let failure = simulation.explain(simulation.run_tape(&[99]));
    let message = failure.message();
    assert!(message.contains("the rule that no callback panics is broken: on_open panics at "));
    assert!(message.ends_with("nobody is ready for this"), "{message}");
    assert_eq!(&**failure.tape(), [1]);
    assert_eq!(&**simulation.explain(simulation.run_tape(&[255])).tape(), [100], "another place");
}

#[test]
fn panics_may_be_a_part_of_the_test() {
    let simulation = Simulation::new(|network: &mut Network| {
        network.allow_panics();
        panicking(network)
    });
    assert_eq!(simulation.run_tape(&[1]).result, Ok(()));
}

#[test]
fn an_invariant_is_known_by_its_name() {
    let simulation = Simulation::new(|network: &mut Network| {
        let limit = Duration::from_millis(network.choose(250));
        network.invariant("it is early", move |network| match network.now() < limit {
            true => Ok(()),
            false => Err(format!("{limit:?} are over")),
        });
        network.host("alone", |registry| {
            registry.every(Duration::from_millis(10), |_, ()| ())?;
            Ok(())
        });
        Ok(network.run_for(Duration::from_millis(100))?)
    });
    let [one, other] = [30, 70].map(|tape| simulation.run_tape(&[tape]));
    assert!(one.fails_like(&other) && one.message() != other.message());
    assert!(one.message().is_some_and(|message| message.contains("it is early is broken: 30ms")));
    assert!(!simulation.run_tape(&[200]).has_failed());
}

#[test]
fn a_run_that_never_ends_is_ended() {
    let simulation = Simulation::new(|network: &mut Network| {
        network.host("restless", |registry| {
            registry.every(Duration::from_millis(1), |_, ()| ())?;
            Ok(())
        });
        while network.step()? {}
        Ok(())
    });
    let run = simulation.with_steps(1_000).run_seed(0);
    assert_eq!(run.steps, 1_001);
    assert!(run.message().is_some_and(|message| message.contains("progress is broken")));
}

#[test]
fn what_is_broken_can_be_looked_at() {
    let mut network = Network::from_seed(0);
    network.invariant("nothing ever happens", |_| Err("something has".to_owned()));
    network.host("alone", |registry| {
        registry.defer(|_, ()| ());
        Ok(())
    });
    let Err(Broken { what, how, .. }) = network.run_for(Duration::from_secs(1)) else {
        panic!("the first step breaks it");
    };
    assert_eq!((&*what, &*how), ("nothing ever happens", "something has"));
}

#[test]
fn a_scenario_that_does_not_care_that_something_broke_fails_all_the_same() {
    let simulation = Simulation::new(|network: &mut Network| {
        network.host("alone", |_| Ok(()));
        network.invariant("the first second", |network| {
            let is_over = network.now() > Duration::from_secs(1);
            if is_over { Err("it is over".to_owned()) } else { Ok(()) }
        });
        network.at(Duration::from_secs(2), |_| {});
        let _ = network.run_for(Duration::from_secs(3));
        Ok(())
    });
    let run = simulation.run_seed(0);
    assert_eq!(run.message(), Some("after 2s, the first second is broken: it is over"));
}
