//! The scenarios that `simulate` runs, a small share of them, and the program itself.

mod key_value;

use std::process::{Command, Output};

use reactor::sim::{Fault, Network, Outcome, Simulation};
use simulate::SUBJECTS;

type Scenario = fn(&mut Network) -> Outcome;

fn simulate(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_simulate");
    Command::new(program).args(arguments).output().expect("the program can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints text")
}

#[test]
fn nothing_breaks_on_the_first_seeds() {
    for subject in SUBJECTS {
        // Five servers with their users take ten times as long.
        let seeds = if subject.name == "network" { 15 } else { 40 };
        let searched = Simulation::new(subject.scenario).search(0..seeds);
        let summary = searched.unwrap_or_else(|failure| panic!("{}: {failure}", subject.name));
        assert_eq!(summary.runs, seeds);
    }
}

#[test]
fn every_fault_happens_within_five_hundred_seeds() {
    // What the program promises by ending with 1 otherwise.
    let summary = Simulation::new(simulate::echo::swarm).search(0..500);
    let summary = summary.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(summary.faults.missing().map(Fault::name).collect::<Vec<_>>(), [""; 0]);
}

/// A scenario to which nothing is done goes well, and something happens in it.
fn goes_well(scenario: Scenario, least: u64) {
    let run = Simulation::new(scenario).run_tape(&[]);
    assert_eq!(run.result, Ok(()));
    assert!(run.faults.iter().all(|(_, count)| count == 0));
    assert!(run.records > least, "{} records", run.records);
}

/// Within so many seeds a planted flaw is found, and one of these is told of it.
fn is_found(flawed: Scenario, seeds: u64, told: &[&str]) {
    let failure = Simulation::new(flawed).with_tries(0).search(0..seeds);
    let failure = failure.expect_err("the canary is not found").to_string();
    assert!(told.iter().any(|told| failure.contains(told)), "{failure}");
}

#[test]
fn echo_goes_well_where_nothing_goes_wrong() {
    goes_well(simulate::echo::swarm, 1_000);
}

#[test]
fn transfers_go_well_where_nothing_goes_wrong() {
    goes_well(simulate::ftp::swarm, 1_000);
}

#[test]
fn packets_go_well_where_nothing_goes_wrong() {
    goes_well(simulate::tftp::swarm, 1_000);
}

#[test]
fn fifty_peers_get_everything_from_a_seed_that_leaves_after_one_copy() {
    let run = Simulation::new(|network| simulate::torrent::crowd(network, 49)).run_tape(&[]);
    assert_eq!(run.result, Ok(()));
}

#[test]
fn a_resume_that_trusts_too_much_is_found() {
    is_found(simulate::torrent::canary, 500, &["is not what was seeded"]);
}

#[test]
fn messages_go_well_where_nothing_goes_wrong() {
    goes_well(simulate::nats::swarm, 1_000);
}

#[test]
fn a_broker_that_delivers_twice_once_in_a_while_is_found() {
    is_found(simulate::nats::twice, 60, &["comes twice", "is told behind"]);
}

#[test]
fn a_broker_that_gives_a_claim_to_two_is_found() {
    let told = ["is held by", "taken from its holder", "were counted"];
    is_found(simulate::nats::careless, 60, &told);
}

#[test]
fn a_chat_network_goes_well_where_nothing_goes_wrong() {
    goes_well(simulate::chat::network::swarm, 10_000);
}

#[test]
fn what_is_wrong_with_a_chat_network_is_found() {
    let flaws: [(Scenario, &[&str]); 7] = [
        (simulate::chat::network::careless, &["has lost its nick", "the claims are", ", after ["]),
        (simulate::chat::network::hidden, &["alone:", "unseen", "nowhere", "not there"]),
        (simulate::chat::network::repeated, &["behind", "twice", "nowhere", "unseen"]),
        (simulate::chat::network::deaf, &["knows", "logged in", "registered", ", after ["]),
        (simulate::chat::network::sticky, &["the claims are"]),
        (simulate::chat::network::apart, &["knows", "logged in", "on e alone", ", after ["]),
        (simulate::chat::network::forgetful, &["is told of"]),
    ];
    for (scenario, told) in flaws {
        is_found(scenario, 20, told);
    }
}

#[test]
fn nodes_that_do_not_heal_a_gap_are_found() {
    is_found(simulate::cluster::gaps_stay, 60, &[" sees ", "out of turn"]);
}

#[test]
fn nodes_that_lose_another_twice_are_found() {
    is_found(simulate::cluster::lost_twice, 60, &["is lost, and was not there"]);
}

#[test]
fn echo_survives_the_failure_of_any_call() {
    let torture = Simulation::new(simulate::echo::torture).torture(|_, _| {});
    let torture = torture.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(torture.is_clean(), "{torture}");
    assert!(torture.calls > 100, "{torture}");
}

#[test]
fn the_program_tells_what_it_has_seen() {
    let output = simulate(&["echo", "--seeds", "30"]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.starts_with("30 seeds in "), "{printed}");
    assert!(printed.contains("seed 0 did the same four times"), "{printed}");
    assert!(printed.contains(" short reads\n"), "{printed}");
}

#[test]
fn a_seed_can_be_run_alone_and_leaves_a_trace() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    for (name, begins) in [("trace.txt", "       0.000 ms  "), ("trace.json", "{")] {
        let path = directory.path().join(name);
        let path = path.to_str().expect("its name is text");
        let output = simulate(&["echo", "--seed", "7", "--trace", path]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let trace = std::fs::read_to_string(path).expect("it was written");
        assert!(trace.starts_with(begins), "{}", &trace[..100]);
    }
}

#[test]
fn a_tape_can_be_run_alone() {
    let output = simulate(&["echo", "--tape", "00"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("           0 short reads\n"), "calm: {printed}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (arguments, complaint) in [
        (&["gopher"][..], "[possible values: echo, "),
        (&["echo", "--tape", "xyz"], "two hexadecimal digits"),
        (&["echo", "--seeds", "0"], "invalid value '0'"),
        (&["echo", "--seed", "1", "--torture"], "cannot be used with"),
    ] {
        let output = simulate(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    }
    let output = simulate(&["echo", "--seed", "1", "--trace", "/no/such/directory/trace"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write /no/such/directory/trace"));
}
