//! Rounds, ratios and lines.
//!
//! In each round every entrant has its turn, in an order of its own, and whatever else the machine does at
//! the moment, it does to all of them. So ratios are taken within a round, and the median of those over all
//! rounds is what counts. Nobody comes behind the same one each time: who frees a gigabyte leaves the
//! system's lists of pages as it pleases, and the next one to want as much pays for that.

use std::fmt;

use crate::Result;
use crate::table::Table;

/// One who is measured, and how.
pub struct Entrant<'a> {
    /// Its name.
    pub name: String,
    /// A turn of it, and the figures of that, one for each column.
    pub turn: Box<dyn FnMut() -> Result<Vec<f64>> + 'a>,
}

/// A column: what is measured.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// A figure of it, for people.
    pub show: fn(f64) -> String,
    /// What else is shown of it.
    pub beside: Beside,
}

/// What stands beside a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// The figure over that of the first entrant, which is the ruler.
    Ratio,
}

/// What has been measured.
pub struct Contest {
    columns: &'static [Column],
    outcomes: Vec<Outcome>,
}

struct Outcome {
    name: String,
    /// The figures of each round, as far as it went.
    rounds: Vec<Vec<f64>>,
    failure: Option<String>,
}

/// A figure that was promised, and what was measured.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is.
    pub text: String,
    /// What it was in each round; nothing if one of the two could not be measured.
    pub measured: Vec<f64>,
    /// What it is to be.
    pub bound: Bound,
}

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// At least so much.
    Least(f64),
    /// At most so much.
    Most(f64),
}

impl Contest {
    /// Has all entrants take their turns in so many rounds. One that fails is out.
    pub fn run(columns: &'static [Column], rounds: usize, mut entrants: Vec<Entrant<'_>>) -> Self {
        let outcome = |entrant: &Entrant<'_>| Outcome {
            name: entrant.name.clone(),
            rounds: Vec::new(),
            failure: None,
        };
        let mut outcomes: Vec<Outcome> = entrants.iter().map(outcome).collect();
        let mut order: Vec<usize> = (0..entrants.len()).collect();
        let mut random = fastrand::Rng::with_seed(0);
        for _ in 0..rounds {
            random.shuffle(&mut order);
            for &which in &order {
                if outcomes[which].failure.is_none() {
                    match (entrants[which].turn)() {
                        Ok(figures) => outcomes[which].rounds.push(figures),
                        Err(error) => outcomes[which].failure = Some(error.to_string()),
                    }
                }
            }
        }
        Self { columns, outcomes }
    }

    /// What went wrong.
    pub fn failures(&self) -> Vec<String> {
        let failure = |it: &Outcome| Some(format!("{}: {}", it.name, it.failure.as_ref()?));
        self.outcomes.iter().filter_map(failure).collect()
    }

    /// The figure of `one` over that of `other`, in each round.
    pub fn ratios(&self, column: usize, one: &str, other: &str) -> Vec<f64> {
        let (one, other) = (self.rounds(one), self.rounds(other));
        let pairs = one.iter().zip(other);
        pairs.filter_map(|(one, other)| Some(one.get(column)? / other.get(column)?)).collect()
    }

    /// The figures of one entrant in each round.
    pub fn figures(&self, column: usize, name: &str) -> Vec<f64> {
        self.rounds(name).iter().filter_map(|round| round.get(column).copied()).collect()
    }

    /// The medians of everything.
    pub fn table(&self) -> Table {
        let ruler = self.outcomes.first().map_or("", |outcome| &outcome.name);
        let mut heads = vec![String::new()];
        for column in self.columns {
            heads.push(column.head.to_owned());
            if column.beside == Beside::Ratio {
                heads.push("×".to_owned());
            }
        }
        let mut table = Table::new(heads);
        for outcome in &self.outcomes {
            table.row(outcome.name.clone(), self.row(&outcome.name, ruler));
        }
        table
    }

    fn row(&self, name: &str, ruler: &str) -> Vec<String> {
        let mut cells = Vec::new();
        for (number, column) in self.columns.iter().enumerate() {
            let figure = median(&self.figures(number, name));
            cells.push(figure.map_or("–".to_owned(), column.show));
            if column.beside == Beside::Ratio {
                let ratio = median(&self.ratios(number, name, ruler));
                cells.push(ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")));
            }
        }
        cells
    }

    fn rounds(&self, name: &str) -> &[Vec<f64>] {
        let outcome = self.outcomes.iter().find(|outcome| outcome.name == name);
        outcome.map_or(&[], |outcome| &outcome.rounds)
    }
}

impl Line {
    /// Whether it is what it is to be, if that is known.
    pub fn holds(&self) -> Option<bool> {
        let measured = median(&self.measured)?;
        Some(match self.bound {
            Bound::Least(least) => measured >= least,
            Bound::Most(most) => measured <= most,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = match self.bound {
            Bound::Least(least) => format!("at least {least}"),
            Bound::Most(most) => format!("at most {most}"),
        };
        let Some(median) = median(&self.measured) else {
            return write!(f, "  ?      {}, {bound}: not measured", self.text);
        };
        let verdict = if self.holds() == Some(true) { "holds " } else { "misses" };
        let (least, most) = (self.measured.iter())
            .fold((f64::MAX, f64::MIN), |(least, most), it| (it.min(least), it.max(most)));
        write!(f, "  {verdict} {}, {bound}: {median:.2} ({least:.2} to {most:.2})", self.text)
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get((sorted.len().max(1) - 1) / 2)?, sorted.get(sorted.len() / 2)?);
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[Column { head: "s", show: |it| format!("{it:.1}"), beside: Beside::Ratio }];

    fn entrant<'a>(name: &str, mut figures: impl Iterator<Item = f64> + 'a) -> Entrant<'a> {
        let turn = move || Ok(vec![figures.next().ok_or("enough of it")?]);
        Entrant { name: name.to_owned(), turn: Box::new(turn) }
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_their_median_counts() {
        let entrants = vec![
            entrant("ruler", [1.0, 10.0, 2.0].into_iter()),
            entrant("ours", [2.0, 20.0, 1.0].into_iter()),
        ];
        let contest = Contest::run(COLUMNS, 3, entrants);
        assert_eq!(contest.ratios(0, "ours", "ruler"), [2.0, 2.0, 0.5]);
        assert_eq!(
            contest.table().to_string(),
            "           s     ×\n  ruler  2.0  1.00\n  ours   2.0  2.00\n"
        );
        let measured = contest.ratios(0, "ours", "ruler");
        let mut line = Line { text: "time".to_owned(), measured, bound: Bound::Most(2.0) };
        assert_eq!(line.to_string(), "  holds  time, at most 2: 2.00 (0.50 to 2.00)");
        line.bound = Bound::Least(2.5);
        assert_eq!(line.holds(), Some(false));
    }

    #[test]
    fn one_that_fails_is_out_and_the_others_go_on() {
        let entrants = vec![
            entrant("brief", [1.0].into_iter()),
            entrant("steady", [1.0, 2.0, 3.0].into_iter()),
        ];
        let contest = Contest::run(COLUMNS, 3, entrants);
        assert_eq!(contest.failures(), ["brief: enough of it"]);
        assert_eq!(contest.figures(0, "steady"), [1.0, 2.0, 3.0]);
        assert_eq!(contest.ratios(0, "steady", "brief"), [1.0]);
    }

    #[test]
    fn what_was_not_measured_has_no_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, 4.0]), Some(2.5));
        let line = Line { text: "x".to_owned(), measured: Vec::new(), bound: Bound::Most(1.0) };
        assert_eq!(line.to_string(), "  ?      x, at most 1: not measured");
    }
}
