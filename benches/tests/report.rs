//! The page: what it is made of, from work that takes no time to measure.

use std::fs;
use std::time::Duration;

use benches::Result;
use benches::offered::{self, Offer};
use benches::program::Program;
use benches::report::chart::{self, Curve, Legend};
use benches::report::page;
use benches::report::rounds::{self, Plan};
use benches::servers::{self, Peer};
use benches::work::{Case, Clock, Contender, Spent, Work};

/// Says that each unit took so many nanoseconds.
struct Pretended(u64);

impl Work for Pretended {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let wall = Duration::from_nanos(self.0 * units);
        Ok(Spent { units, wall, processor: wall })
    }
}

#[test]
fn a_ratio_is_to_the_first_contender() -> Result {
    let case = Case {
        name: "pretended".to_owned(),
        grows_to: None,
        unit: "message",
        clock: Clock::Processor,
        contenders: vec![
            Contender::new("epoll", || Ok(Pretended(2_000))),
            Contender::new("reactor", || Ok(Pretended(3_000))),
        ],
    };
    let plan = Plan { slice: Duration::from_millis(1), rounds: 3 };
    let rows = rounds::measure(&case, plan, || {})?;
    let text = page::case(7, &case, &rows);
    assert!(text.starts_with("### 7. pretended\n"), "{text}");
    assert!(text.contains("| epoll | 2.00 µs | 1.00 | 1.00–1.00 | 500 k |"), "{text}");
    assert!(text.contains("| **reactor** | 3.00 µs | 1.50 | 1.50–1.50 | 333 k |"), "{text}");
    Ok(())
}

#[test]
fn a_drawing_has_every_curve_and_every_step() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("drawing.svg");
    let steps = ["one", "two"].map(str::to_owned);
    let curve = |name: &str| Curve { name: name.to_owned(), figures: vec![1.0, 2.0] };
    let legend =
        Legend { title: "a title", across: ("steps", &steps), up: "figures", is_joined: true };
    chart::draw(&path, legend, &[curve("epoll"), curve("reactor")])?;
    let text = fs::read_to_string(path)?;
    for word in ["<svg", "a title", "steps", "figures", "one", "two", "epoll", "reactor"] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    Ok(())
}

#[test]
fn every_server_answers_an_offered_load() -> Result {
    let offer = Offer { connections: 5, rate: 2_000, lasting: Duration::from_millis(200) };
    for peer in Peer::all() {
        let server = Program::named(servers::PROGRAM)?.with(peer).start()?;
        let latencies =
            offered::run(server.address(), offer).map_err(|error| format!("{peer}: {error}"))?;
        assert_eq!(latencies.len(), 400, "{peer}");
        server.stop()?;
    }
    Ok(())
}
