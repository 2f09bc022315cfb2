//! The page: what it is made of, from trials that take no time to measure.

use std::cell::Cell;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use benches::Result;
use benches::clients::closed;
use benches::clients::correspondents;
use benches::clients::offered::{self, Offer, Over};
use benches::datagrams::{Datagrams, Duty};
use benches::program::Program;
use benches::report::chart::Picture;
use benches::report::contest::{Between, Column, Contest, Drawing, Entrant, Kind, Trial};
use benches::report::lines::{Line, Reading};
use benches::report::results::{Measured, Results};
use benches::report::{page, rounds};
use benches::servers::{self, Peer};

/// Says that it always took so long, until it fails.
struct Pretended {
    figure: f64,
    turns_left: usize,
}

impl Trial for Pretended {
    fn turn(&mut self) -> Result<Vec<f64>> {
        self.turns_left = self.turns_left.checked_sub(1).ok_or("it broke")?;
        Ok(vec![self.figure])
    }
}

fn pretend(name: &str, figure: f64, turns_left: usize) -> Entrant {
    Entrant::new(name, move || Ok(Pretended { figure, turns_left }))
}

fn contest(between: Between, entrants: Vec<Entrant>) -> Contest {
    Contest {
        name: "pretended".to_owned(),
        columns: vec![Column::new("time", Kind::Time)],
        grows_to: Some(50),
        rounds: 3,
        between,
        entrants,
    }
}

fn results(contest: &Contest, drawings: Vec<Drawing>) -> Results {
    let tables = vec![rounds::measure(contest, || {})];
    let section =
        Measured { name: "pretence".to_owned(), about: "About it.".to_owned(), tables, drawings };
    Results { machine: "a machine".to_owned(), sections: vec![section] }
}

fn write(results: &Results, lines: &[Line]) -> Result<String> {
    page::write(results, lines, |file, _| Ok(format!("there/{file}")))
}

#[test]
fn a_ratio_is_to_the_first_entrant() -> Result {
    let entrants = vec![pretend("epoll", 2_000.0, 3), pretend("reactor", 3_000.0, 3)];
    let text = write(&results(&contest(Between::Stays, entrants), Vec::new()), &[])?;
    assert!(text.contains("### 1. pretended\n\nRounds: 3.\n"), "{text}");
    assert!(text.contains("| epoll | 2.00 µs | 1.00 |\n"), "{text}");
    assert!(text.contains("| **reactor** | 3.00 µs | 1.50 |\n"), "{text}");
    Ok(())
}

#[test]
fn who_fails_is_out_with_a_reason_and_the_others_go_on() -> Result {
    let start = || -> Result<Pretended> { Err("it does not start".into()) };
    let entrants = vec![
        pretend("epoll", 1.0, 3),
        pretend("reactor", 1.0, 3),
        pretend("mio", 1.0, 2),
        Entrant::new("tokio", start),
        pretend("calloop", f64::NAN, 3),
    ];
    let text = write(&results(&contest(Between::Stays, entrants), Vec::new()), &[])?;
    assert!(text.contains("| **reactor** | 1.0 ns | 1.00 |\n"), "{text}");
    assert!(text.contains("| mio | not measured: it broke | |\n"), "{text}");
    assert!(text.contains("| calloop | not measured: a figure is no number | |\n"), "{text}");
    assert!(text.contains("| tokio | not measured: it does not start | |\n"), "{text}");
    Ok(())
}

#[test]
fn who_is_put_away_between_turns_is_made_ready_for_each() {
    for (between, expected) in [(Between::Stays, 1), (Between::IsPutAway, 3)] {
        let started = Rc::new(Cell::new(0));
        let counter = Rc::clone(&started);
        let counted = Entrant::new("epoll", move || {
            counter.set(counter.get() + 1);
            Ok(Pretended { figure: 1.0, turns_left: 3 })
        });
        rounds::measure(&contest(between, vec![counted]), || {});
        assert_eq!(started.get(), expected, "{between:?}");
    }
}

#[test]
fn there_are_as_many_rounds_as_it_takes_to_know_what_we_are_to_the_ruler() {
    for (ours, expected) in [([100.0, 102.0], 3), ([100.0, 150.0], 5)] {
        let wavering = Entrant::new("reactor", move || {
            let mut figures = ours.into_iter().cycle();
            Ok(move || Ok(figures.by_ref().take(1).collect()))
        });
        let entrants = vec![pretend("epoll", 100.0, 5), wavering];
        let contest = Contest { rounds: 5, ..contest(Between::Stays, entrants) };
        assert_eq!(rounds::measure(&contest, || {}).rounds, expected, "{ours:?}");
    }
}

#[test]
fn a_line_that_is_missed_is_told_with_what_stands_in_the_way() -> Result {
    let line = |what: &str, reading, at_most| Line {
        what: what.to_owned(),
        section: "pretence".to_owned(),
        table: "pret".to_owned(),
        column: 0,
        entrant: "reactor".to_owned(),
        reading,
        at_most,
        obstacle: format!("an obstacle to {what}"),
    };
    let entrants = vec![
        pretend("epoll", 2_000.0, 3),
        pretend("reactor", 3_000.0, 3),
        pretend("reactor-sender", 1_000.0, 3),
        pretend("tokio", 5_000.0, 3),
        pretend("mio", 4_000.0, 3),
    ];
    let results = results(&contest(Between::Stays, entrants), Vec::new());
    let lines = [
        line("missed", Reading::Value, 2_500.0),
        line("met", Reading::Ratio, 1.5),
        Line { section: "another".to_owned(), ..line("unknown", Reading::Value, 1.0) },
    ];
    let text = write(&results, &lines)?;
    assert!(
        text.contains(
            "| missed | 2.50 µs | 3.00 µs | mio 4.00 µs | 2.00 µs | **missed by 20 %** |\n"
        ),
        "{text}"
    );
    assert!(text.contains("| met | 1.5 | 1.50 (1.50–1.50) | mio 2.00 | 1.00 | met |\n"), "{text}");
    assert!(text.contains("| unknown | 1 | – | – | – | not measured |\n"), "{text}");
    assert!(text.contains("- **missed**: an obstacle to missed\n"), "{text}");
    assert!(!text.contains("an obstacle to met"), "{text}");
    Ok(())
}

#[test]
fn a_drawing_has_every_entrant_and_its_title() -> Result {
    let directory = tempfile::tempdir()?;
    let entrants = vec![pretend("epoll", 2_000.0, 3), pretend("reactor", 9_000.0, 3)];
    let drawings = vec![
        Drawing::Ratios(0),
        Drawing::Growth(0),
        Drawing::Bars("pretended".to_owned(), 0),
        Drawing::Columns("pretended".to_owned(), 1),
        Drawing::Bars("another".to_owned(), 0),
    ];
    let results = results(&contest(Between::Stays, entrants), drawings);
    let mut drawn = 0;
    page::write(&results, &[], |file, picture: Picture| {
        drawn += 1;
        let path = directory.path().join(file);
        picture.draw(&path)?;
        let text = fs::read_to_string(path)?;
        for word in ["<svg", "pretence", "epoll", "reactor"] {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
        Ok(String::new())
    })?;
    assert_eq!(drawn, 4, "all but the one of a table that is not there");
    Ok(())
}

#[test]
fn what_was_measured_is_read_as_it_was_written() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("results.json");
    let entrants = vec![pretend("epoll", 0.1, 3), pretend("reactor", 1.0 / 3.0, 1)];
    let results = results(&contest(Between::Stays, entrants), vec![Drawing::Growth(0)]);
    results.write(&path)?;
    assert_eq!(Results::read(&path)?, Some(results));
    assert_eq!(Results::read(&directory.path().join("none"))?, None);
    Ok(())
}

/// A page of another machine, with all that belongs to it; what was measured for it.
fn page_from_elsewhere(page: &Path) -> Result<Vec<u8>> {
    let directory = page.with_extension("");
    fs::create_dir_all(&directory)?;
    let entrants = vec![pretend("epoll", 2_000.0, 3), pretend("reactor", 3_000.0, 3)];
    let results =
        results(&contest(Between::Stays, entrants), vec![Drawing::Bars("pretended".to_owned(), 0)]);
    results.write(&directory.join("results.json"))?;
    fs::write(directory.join("old-1.svg"), "<svg/>")?;
    Ok(fs::read(directory.join("results.json"))?)
}

fn report(words: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_report")).args(words).output()?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn a_page_of_another_machine_is_rendered_with_all_that_is_in_it() -> Result {
    let directory = tempfile::tempdir()?;
    let page = directory.path().join("page.md");
    let measured = page_from_elsewhere(&page)?;
    let path = page.to_str().ok_or("it is text")?;
    let (fine, errors) = report(&["--render", "--output", path])?;
    assert!(fine, "{errors}");
    let text = fs::read_to_string(&page)?;
    assert!(text.contains("Measured on: a machine.") && text.contains("## pretence"), "{text}");
    assert_eq!(fs::read(directory.path().join("page/results.json"))?, measured);
    assert!(directory.path().join("page/pretence-1.svg").exists());
    assert!(!directory.path().join("page/old-1.svg").exists(), "it belongs to no section");
    Ok(())
}

#[test]
fn a_section_is_not_measured_over_a_page_of_another_machine() -> Result {
    let directory = tempfile::tempdir()?;
    let page = directory.path().join("page.md");
    let measured = page_from_elsewhere(&page)?;
    let path = page.to_str().ok_or("it is text")?;
    let (fine, errors) = report(&["memory", "--quick", "--output", path])?;
    assert!(!fine && errors.starts_with("report: "), "{errors}");
    assert!(errors.contains("of another machine (a machine): this drops its sections pretence"));
    assert_eq!(fs::read(directory.path().join("page/results.json"))?, measured);
    assert!(!page.exists() && directory.path().join("page/old-1.svg").exists());
    Ok(())
}

#[test]
fn every_server_answers_an_offered_load() -> Result {
    let over = Over::Tcp;
    let offer = Offer { over, connections: 5, rate: 2_000, lasting: Duration::from_millis(200) };
    let check = |peer: String, program: Program, offer| -> Result {
        let server = program.start()?;
        let latencies =
            offered::run(server.address(), offer).map_err(|error| format!("{peer}: {error}"))?;
        assert_eq!(latencies.len(), 400, "{peer}");
        server.stop()
    };
    for peer in Peer::all() {
        check(peer.to_string(), servers::program(*peer)?, offer)?;
    }
    for server in Datagrams::that_do(Duty::Echo) {
        let program = correspondents::program(server, Duty::Echo)?;
        check(server.to_string(), program, Offer { over: Over::Udp, ..offer })?;
    }
    Ok(())
}

#[test]
fn every_server_keeps_a_closed_circle_going() -> Result {
    for peer in Peer::all() {
        let server = servers::program(*peer)?.start()?;
        let streams = (0..20).map(|_| TcpStream::connect(server.address()));
        let streams = streams.collect::<std::io::Result<Vec<_>>>()?;
        let latencies = closed::run(streams, Duration::from_millis(100))
            .map_err(|error| format!("{peer}: {error}"))?;
        assert!(latencies.len() > 20, "{peer}: {}", latencies.len());
        server.stop()?;
    }
    Ok(())
}
