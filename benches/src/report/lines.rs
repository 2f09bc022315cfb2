//! The lines that were aimed at, beside what was measured: `benches/lines.toml`, which also says what
//! stands in the way where one is missed.

use std::fmt::Write;

use serde::Deserialize;

use super::contest::{Kind, OURS, is_ours};
use super::page::spell;
use super::results::{Results, Row};
use crate::Result;

/// The committed lines.
const LINES: &str = include_str!("../../lines.toml");

/// How far the reactor was to come.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What of, for people.
    pub what: String,
    /// Where it was measured: the section, how the table's name begins, the column.
    pub section: String,
    /// How the table's name begins.
    pub table: String,
    /// The column, from zero.
    #[serde(default)]
    pub column: usize,
    /// Who of us, where there are several ways to use the reactor.
    #[serde(default = "ours")]
    pub entrant: String,
    /// Whether the figure is meant, or its ratio to another.
    pub reading: Reading,
    /// How much it may be.
    pub at_most: f64,
    /// What stands in the way, if it is more.
    pub obstacle: String,
}

/// Which of a cell's figures is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The figure itself.
    Value,
    /// Its ratio to the ruler.
    Ratio,
    /// Its ratio to the best of all others, the ruler among them.
    RatioToBest,
}

/// A line, and what was measured of it, as text.
struct Held {
    at_most: String,
    measured: String,
    peer: String,
    ruler: String,
    outcome: Outcome,
}

impl Held {
    fn unknown(line: &Line) -> Self {
        let [measured, peer, ruler] = [(); 3].map(|()| "–".to_owned());
        Self { at_most: line.at_most.to_string(), measured, peer, ruler, outcome: Outcome::Unknown }
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Unknown,
    Met,
    /// Above it, but half of the rounds are not.
    InTheNoise,
    /// By so many per cent.
    Missed(f64),
}

#[derive(Deserialize)]
struct File {
    line: Vec<Line>,
}

fn ours() -> String {
    OURS.to_owned()
}

/// The committed lines.
pub fn all() -> Result<Vec<Line>> {
    let file: File = toml::from_str(LINES)?;
    Ok(file.line)
}

/// The section of the page that holds every line against what was measured.
pub fn write(lines: &[Line], results: &Results) -> String {
    let mut text = String::from(
        "## The lines aimed at\n\n\
         What this loop is to reach, through its public calls with every limit on. A ratio is to a raw \
         epoll loop, where no other is named. The ruler is the first of its table, a program that does this one thing and nothing else: \
         whatever is asked of a loop beyond it costs something. The best peer is the best of all the others.\n\n\
         | | at most | measured | the best peer | the ruler | |\n|---|---|---|---|---|---|\n",
    );
    let mut missed = String::new();
    for line in lines {
        let Held { at_most, measured, peer, ruler, outcome } =
            hold(line, results).unwrap_or_else(|| Held::unknown(line));
        let verdict = match outcome {
            Outcome::Unknown => "not measured".to_owned(),
            Outcome::Met => "met".to_owned(),
            Outcome::InTheNoise => "not to be told from it".to_owned(),
            Outcome::Missed(by) => format!("**missed by {by:.0} %**"),
        };
        let _ = writeln!(
            text,
            "| {} | {at_most} | {measured} | {peer} | {ruler} | {verdict} |",
            line.what
        );
        if let Outcome::Missed(_) = outcome {
            let obstacle = line.obstacle.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(missed, "- **{}**: {obstacle}", line.what);
        }
    }
    text.push('\n');
    if !missed.is_empty() {
        let _ = write!(text, "What stands in the way where one is missed:\n\n{missed}\n");
    }
    text
}

/// Holds a line against what was measured; `None` if it was not.
fn hold(line: &Line, results: &Results) -> Option<Held> {
    let table = results.table(&line.section, &line.table)?;
    let kind = table.columns.get(line.column)?.kind;
    let ours = table.row(&line.entrant)?;
    let ratio = |row: &Row| row.cells.get(line.column)?.ratio;
    let whose = |row: &&Row| !is_ours(&row.name);
    let to = match line.reading {
        Reading::RatioToBest => {
            let others = table.rows.iter().filter(whose).filter_map(ratio);
            others.map(|[_, ratio, _]| ratio).min_by(f64::total_cmp)?
        }
        Reading::Value | Reading::Ratio => 1.0,
    };
    let figure = |row: &Row| match line.reading {
        Reading::Value => table.figure(row, line.column),
        Reading::Ratio | Reading::RatioToBest => Some(ratio(row)?[1] / to),
    };
    let spell = |figure| match line.reading {
        Reading::Value => spell(kind, figure),
        Reading::Ratio | Reading::RatioToBest => format!("{figure:.2}"),
    };
    let best = table
        .rows
        .iter()
        .skip(1)
        .filter(whose)
        .filter_map(|row| Some((&row.name, figure(row)?)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other));
    let median = figure(ours)?;
    let (measured, low) = match (line.reading, ratio(ours)) {
        (Reading::Ratio | Reading::RatioToBest, Some([low, _, high])) => {
            let [low, high] = [low, high].map(|it| it / to);
            (format!("{median:.2} ({low:.2}–{high:.2})"), low)
        }
        _ => (spell(median), median),
    };
    let ruler = table.rows.first().and_then(figure);
    let at_most = match (line.reading, kind) {
        (Reading::Value, Kind::Time) => spell(line.at_most),
        _ => line.at_most.to_string(),
    };
    Some(Held {
        at_most,
        measured,
        peer: best.map_or("–".to_owned(), |(name, best)| format!("{name} {}", spell(best))),
        ruler: ruler.map_or("–".to_owned(), spell),
        outcome: judge(low, median, line.at_most),
    })
}

/// Figures are shown with two digits behind the point, and held as they are shown.
fn judge(low: f64, median: f64, at_most: f64) -> Outcome {
    let shown = |figure: f64| (figure * 100.0).round() / 100.0;
    match () {
        () if shown(median) <= at_most => Outcome::Met,
        () if shown(low) <= at_most => Outcome::InTheNoise,
        () => Outcome::Missed((median / at_most - 1.0) * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Line, Outcome, Reading, hold, judge};
    use crate::report::contest::Column;
    use crate::report::results::{Cell, Measured, Results, Row, Table};

    #[test]
    fn a_line_is_held_against_what_is_shown() {
        assert_eq!(judge(1.0, 1.0149, 1.01), Outcome::Met);
        assert_eq!(judge(0.99, 1.05, 1.0), Outcome::InTheNoise);
        assert_eq!(judge(3.0, 3.0, 2.0), Outcome::Missed(50.0));
    }

    #[test]
    fn a_line_to_the_best_is_held_against_the_best_of_all_others() {
        let row = |name: &str, [low, median, high]: [f64; 3]| Row {
            name: name.to_owned(),
            cells: vec![Cell { value: 2.0 * median, ratio: Some([low, median, high]) }],
            failure: None,
        };
        let table = Table {
            name: "a handshake".to_owned(),
            columns: vec![Column::new("time", Kind::Time)],
            grows_to: None,
            rounds: 3,
            rows: vec![
                row("nginx", [1.0; 3]),
                row("reactor", [0.36, 0.4, 0.44]),
                row("hitch", [0.7, 0.8, 0.9]),
                row("stunnel", [1.0, 2.0, 3.0]),
            ],
        };
        let (name, about) = ("tls".to_owned(), String::new());
        let section = Measured { name, about, tables: vec![table], drawings: Vec::new() };
        let results = Results { machine: String::new(), sections: vec![section] };
        let line = Line {
            what: "a handshake".to_owned(),
            section: "tls".to_owned(),
            table: "a handshake".to_owned(),
            column: 0,
            entrant: "reactor".to_owned(),
            reading: Reading::RatioToBest,
            at_most: 1.0,
            obstacle: String::new(),
        };
        let held = hold(&line, &results).expect("it was measured");
        assert_eq!(held.outcome, Outcome::Met);
        let shown = [held.measured, held.peer, held.ruler];
        assert_eq!(shown, ["0.50 (0.45–0.55)", "hitch 1.00", "1.25"]);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn every_line_is_about_something_that_is_measured() -> crate::Result {
        use super::all;
        use crate::sections::{self, Scale};

        let sections = sections::all(Scale::FULL);
        for line in all()? {
            let section = sections.iter().find(|section| section.name == line.section);
            let mut contests = section.into_iter().flat_map(|section| &section.contests);
            let contest = contests.find(|contest| contest.name.starts_with(&line.table));
            let column = contest.and_then(|contest| contest.columns.get(line.column));
            assert!(column.is_some(), "{}", line.what);
        }
        Ok(())
    }
}
