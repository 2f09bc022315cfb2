//! The committed table of figures, and what a change may do to it.
//!
//! One figure a line, `name = number`, which is TOML, and which a reviewer reads in the diff.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::Result;

/// What no change may exceed, whatever the table says.
const CEILINGS: [(&str, f64); 3] = [
    ("instructions.echo.50x1", 220.0),
    ("instructions.echo.50x16", 18.0),
    ("system-calls.echo.50x1", 2.03),
];

/// Figures by name.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Figures {
    by_name: BTreeMap<String, f64>,
}

impl Figures {
    /// Reads a table; a file that does not exist is an empty one.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        Self::parse(&fs::read_to_string(path)?)
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Writes the table with `head` as the comment above it.
    pub fn write(&self, path: &Path, head: &str) -> Result {
        Ok(fs::write(path, format!("{head}\n{self}"))?)
    }

    /// Adds a figure, or replaces it.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        self.by_name.insert(name.into(), value);
    }

    /// Takes over the figures of `others`.
    pub fn merge(&mut self, others: &Self) {
        self.by_name.extend(others.by_name.iter().map(|(name, value)| (name.clone(), *value)));
    }

    /// One verdict a measured figure, held against the ceilings and against this table, above which
    /// it may be by `tolerance` per cent.
    pub fn judge(&self, measured: &Self, tolerance: f64) -> Vec<Verdict> {
        let judge = |(name, measured): (&String, &f64)| Verdict {
            name: name.clone(),
            measured: *measured,
            committed: self.by_name.get(name).copied(),
            ceiling: ceiling(name),
            tolerance,
        };
        measured.by_name.iter().map(judge).collect()
    }

    fn parse(text: &str) -> Result<Self> {
        let mut figures = Self::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) =
                line.split_once('=').ok_or_else(|| format!("not `name = number`: {line}"))?;
            let value = value.trim().parse().map_err(|error| format!("{error}: {line}"))?;
            figures.set(name.trim(), value);
        }
        Ok(figures)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.by_name {
            writeln!(formatter, "{name} = {value:.4}")?;
        }
        Ok(())
    }
}

/// A measured figure beside what it is held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// What was measured now.
    pub measured: f64,
    /// What the table says.
    pub committed: Option<f64>,
    /// What no change may exceed.
    pub ceiling: Option<f64>,
    /// By how many per cent it may exceed the table.
    pub tolerance: f64,
}

impl Verdict {
    /// What is wrong with the figure, if anything.
    pub fn complaint(&self) -> Option<String> {
        if self.ceiling.is_some_and(|ceiling| self.measured > ceiling) {
            return Some("above the ceiling".to_owned());
        }
        match self.committed {
            None => Some("not in the table: run with --update".to_owned()),
            Some(committed) if self.measured > committed * (1.0 + self.tolerance / 100.0) => {
                Some(format!("grew by more than {} %", self.tolerance))
            }
            Some(_) => None,
        }
    }
}

fn ceiling(name: &str) -> Option<f64> {
    CEILINGS.iter().find(|(named, _)| *named == name).map(|(_, ceiling)| *ceiling)
}

#[cfg(test)]
mod tests {
    use super::{Figures, Result};

    fn figures(figures: &[(&str, f64)]) -> Figures {
        let mut table = Figures::default();
        for (name, value) in figures {
            table.set(*name, *value);
        }
        table
    }

    fn complaint(committed: &[(&str, f64)], measured: (&str, f64)) -> Option<String> {
        figures(committed).judge(&figures(&[measured]), 3.0)[0].complaint()
    }

    #[test]
    fn a_table_is_read_as_it_was_written() -> Result {
        let table = figures(&[("instructions.echo.1x1", 219.25), ("system-calls.echo.1x1", 3.0)]);
        assert_eq!(Figures::parse(&format!("# a comment\n\n{table}"))?, table);
        Ok(())
    }

    #[test]
    fn a_line_without_a_number_is_named() {
        let error = Figures::parse("instructions.echo.1x1 = many").expect_err("no number");
        assert!(error.to_string().ends_with("instructions.echo.1x1 = many"), "{error}");
    }

    #[test]
    fn three_per_cent_more_pass_and_four_do_not() {
        let committed = [("instructions.echo.1x1", 100.0)];
        assert_eq!(complaint(&committed, ("instructions.echo.1x1", 103.0)), None);
        assert_eq!(
            complaint(&committed, ("instructions.echo.1x1", 104.0)).as_deref(),
            Some("grew by more than 3 %")
        );
    }

    #[test]
    fn a_ceiling_holds_whatever_was_committed() {
        let committed = [("instructions.echo.50x1", 230.0)];
        assert_eq!(
            complaint(&committed, ("instructions.echo.50x1", 221.0)).as_deref(),
            Some("above the ceiling")
        );
    }

    #[test]
    fn a_figure_without_a_line_asks_for_one() {
        assert_eq!(
            complaint(&[], ("instructions.echo.1x1", 1.0)).as_deref(),
            Some("not in the table: run with --update")
        );
    }
}
