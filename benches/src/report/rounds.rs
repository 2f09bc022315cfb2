//! Every entrant of a contest in turns, in another order each round.
//!
//! Whatever else the machine does then falls on all of them alike, and a ratio is taken within a round,
//! of figures that were measured a second apart. An entrant that fails is out; the others go on. As soon as
//! what we are to the ruler is known well enough, there is no further round.

use super::contest::{Between, Contest, Entrant, Trial, is_ours};
use super::results::{Cell, Row, Table};
use crate::Result;

/// Rounds that there are at least, if the contest has as many.
const FEWEST: usize = 3;

/// Half of our rounds lie as close together, as a part of their median: more rounds would say the same.
const CLOSE: f64 = 0.05;

/// Measures a contest; `tick` is called after each turn.
pub fn measure(contest: &Contest, tick: impl Fn()) -> Table {
    let columns = contest.columns.len();
    let mut lanes: Vec<Lane<'_>> = contest.entrants.iter().map(Lane::new).collect();
    if contest.between == Between::Stays {
        lanes.iter_mut().for_each(Lane::make_ready);
    }
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    let mut rounds = 0;
    while rounds < contest.rounds && !(rounds >= FEWEST && is_settled(&lanes)) {
        rounds += 1;
        fastrand::shuffle(&mut order);
        for index in &order {
            lanes[*index].take_turn(columns, contest.between);
            tick();
        }
    }
    let ruler = lanes.first().map(|lane| lane.turns.clone()).unwrap_or_default();
    Table {
        name: contest.name.clone(),
        columns: contest.columns.clone(),
        grows_to: contest.grows_to,
        rounds,
        rows: lanes.iter().map(|lane| lane.row(columns, &ruler)).collect(),
    }
}

/// Whether our first figures are as close together as they need to be, beside the ruler's.
fn is_settled(lanes: &[Lane<'_>]) -> bool {
    let firsts = |lane: &Lane<'_>| lane.turns.iter().map(|turn| turn[0]).collect::<Vec<f64>>();
    let ruler = lanes.first().map(firsts).unwrap_or_default();
    lanes.iter().filter(|lane| is_ours(&lane.entrant.name)).all(|lane| {
        let ratio = Cell::of(&firsts(lane), &ruler).ratio;
        ratio.is_none_or(|[low, median, high]| high - low <= CLOSE * median)
    })
}

/// One entrant, and the figures of its turns.
struct Lane<'a> {
    entrant: &'a Entrant,
    state: State,
    turns: Vec<Vec<f64>>,
}

enum State {
    Away,
    Ready(Box<dyn Trial>),
    Failed(String),
}

impl<'a> Lane<'a> {
    fn new(entrant: &'a Entrant) -> Self {
        Self { entrant, state: State::Away, turns: Vec::new() }
    }

    fn make_ready(&mut self) {
        if let State::Away = self.state {
            self.state = match self.entrant.start() {
                Ok(trial) => State::Ready(trial),
                Err(error) => State::Failed(error.to_string()),
            };
        }
    }

    fn take_turn(&mut self, columns: usize, between: Between) {
        self.make_ready();
        let State::Ready(trial) = &mut self.state else {
            return;
        };
        match turn(&mut **trial, columns) {
            Ok(figures) => self.turns.push(figures),
            Err(error) => self.state = State::Failed(error.to_string()),
        }
        if let (State::Ready(_), Between::IsPutAway) = (&self.state, between) {
            self.state = State::Away;
        }
    }

    fn row(&self, columns: usize, ruler: &[Vec<f64>]) -> Row {
        let name = self.entrant.name.clone();
        if let State::Failed(failure) = &self.state {
            return Row { name, cells: Vec::new(), failure: Some(failure.clone()) };
        }
        let cell = |column: usize| {
            let of = |turns: &[Vec<f64>]| -> Vec<f64> {
                turns.iter().map(|turn| turn[column]).collect()
            };
            Cell::of(&of(&self.turns), &of(ruler))
        };
        Row { name, cells: (0..columns).map(cell).collect(), failure: None }
    }
}

fn turn(trial: &mut dyn Trial, columns: usize) -> Result<Vec<f64>> {
    let figures = trial.turn()?;
    match figures.len() {
        count if count != columns => Err(format!("{count} figures for {columns} columns").into()),
        _ if !figures.iter().all(|figure| figure.is_finite()) => {
            Err("a figure is no number".into())
        }
        _ => Ok(figures),
    }
}
