//! What was measured: all that the page is made of, in a file beside it.
//!
//! A run of one section replaces that section alone, so the page can be written piece by piece, and anew
//! without measuring anything.

use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::contest::{Column, Drawing};
use crate::Result;

/// Everything that was measured on one machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The machine, in general terms.
    pub machine: String,
    /// The sections, in the order of the page.
    pub sections: Vec<Measured>,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// A table a contest.
    pub tables: Vec<Table>,
    /// What is drawn of them.
    pub drawings: Vec<Drawing>,
}

/// A contest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What was measured.
    pub columns: Vec<Column>,
    /// Where it stands in the drawing of how costs grow.
    pub grows_to: Option<usize>,
    /// How often everyone took a turn.
    pub rounds: usize,
    /// A row an entrant, the ruler first.
    pub rows: Vec<Row>,
}

/// An entrant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// A cell a column; none if it failed.
    pub cells: Vec<Cell>,
    /// Why it could not be measured.
    pub failure: Option<String>,
}

/// What was measured of one entrant in one column. What is shown of it is [`Table::figure`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The median over the rounds. It must not stand beside the ratio: two medians of rounds that differ can
    /// say the contrary of each other.
    pub value: f64,
    /// The ratio to the ruler in the same round: the lower quartile, the median, the upper quartile.
    pub ratio: Option<[f64; 3]>,
}

impl Results {
    /// Nothing yet.
    pub fn of(machine: &str) -> Self {
        Self { machine: machine.to_owned(), sections: Vec::new() }
    }

    /// Reads what was measured before, on whichever machine; `None` if there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(
                serde_json::from_str(&text)
                    .map_err(|error| format!("{}: {error}", path.display()))?,
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    /// The names of its sections, for people.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.sections.iter().map(|section| &*section.name).collect();
        names.join(", ")
    }

    /// Writes it, a line for everything that has a name.
    pub fn write(&self, path: &Path) -> Result {
        let text = serde_json::to_string(self)?.replace(r#"{"name":"#, "\n{\"name\":");
        Ok(fs::write(path, text + "\n")?)
    }

    /// Puts a section in the place of the one with its name.
    pub fn replace(&mut self, section: Measured) {
        match self.sections.iter_mut().find(|old| old.name == section.name) {
            Some(old) => *old = section,
            None => self.sections.push(section),
        }
    }

    /// Puts the tables of a section, of which only some were measured, in the places of those with their
    /// names.
    pub fn replace_some(&mut self, section: Measured) {
        let Some(old) = self.sections.iter_mut().find(|old| old.name == section.name) else {
            self.sections.push(section);
            return;
        };
        for table in section.tables {
            match old.tables.iter_mut().find(|old| old.name == table.name) {
                Some(old) => *old = table,
                None => old.tables.push(table),
            }
        }
    }

    /// Sorts the sections into this order, and takes those out that are not in it.
    pub fn arrange(&mut self, names: &[&str]) -> Vec<Measured> {
        let place = |section: &Measured| names.iter().position(|name| *name == section.name);
        self.sections.sort_by_key(|section| place(section).unwrap_or(names.len()));
        let known = self.sections.partition_point(|section| place(section).is_some());
        self.sections.split_off(known)
    }

    /// The table whose name begins like that.
    pub fn table(&self, section: &str, name: &str) -> Option<&Table> {
        let section = self.sections.iter().find(|found| found.name == section)?;
        section.tables.iter().find(|found| found.name.starts_with(name))
    }
}

impl Table {
    /// The figure of an entrant in a unit that one knows: the ruler's median, times the entrant's ratio to it.
    /// So there is one central figure, and who has the lower ratio has the lower figure. Where there is no
    /// ratio, the entrant's own median.
    pub fn figure(&self, row: &Row, column: usize) -> Option<f64> {
        let cell = row.cells.get(column)?;
        let ruler = self.rows.first().and_then(|ruler| ruler.cells.get(column));
        Some(match (cell.ratio, ruler) {
            (Some([_, ratio, _]), Some(ruler)) => ruler.value * ratio,
            _ => cell.value,
        })
    }

    /// The row of an entrant.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

impl Cell {
    /// The figures of all rounds, beside those of the ruler.
    pub fn of(turns: &[f64], ruler: &[f64]) -> Self {
        let ratios: Vec<f64> = turns.iter().zip(ruler).map(|(turn, ruler)| turn / ruler).collect();
        let quartiles = [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part));
        let is_known =
            turns.len() == ruler.len() && quartiles.iter().all(|ratio| ratio.is_finite());
        let ratio = is_known.then_some(quartiles.map(round));
        Self { value: round(quantile(turns, 0.5)), ratio }
    }
}

/// Five digits of it: more than any of the measurements has.
fn round(figure: f64) -> f64 {
    format!("{figure:.4e}").parse().unwrap_or(figure)
}

/// The figure below which that part of them lies, between two of them in proportion.
fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = sorted.len().saturating_sub(1) as f64 * part;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::{Cell, Measured, Results, Row, Table, quantile, round};

    fn section(name: &str, about: &str) -> Measured {
        let (name, about) = (name.to_owned(), about.to_owned());
        Measured { name, about, tables: Vec::new(), drawings: Vec::new() }
    }

    fn table(name: &str, rounds: usize) -> Table {
        let (name, columns, rows) = (name.to_owned(), Vec::new(), Vec::new());
        Table { name, columns, grows_to: None, rounds, rows }
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert!((quantile(&[9.0, 1.0, 5.0], 0.5) - 5.0).abs() < 1e-9);
        assert!((quantile(&[9.0, 1.0, 5.0], 0.25) - 3.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn five_digits_of_a_figure_are_kept() {
        assert_eq!(round(1.0 / 3.0), 0.33333);
        assert_eq!(round(123_456.0), 123_460.0);
        assert!(round(f64::NAN).is_nan());
    }

    #[test]
    fn a_ratio_to_a_ruler_that_failed_is_none() {
        assert_eq!(Cell::of(&[1.0, 2.0], &[1.0]).ratio, None);
        assert_eq!(Cell::of(&[1.0], &[0.0]).ratio, None);
        assert_eq!(Cell::of(&[3.0], &[2.0]).ratio, Some([1.5; 3]));
    }

    /// The machine was slower in some rounds, and not every median is of such a one.
    #[test]
    fn who_has_the_lower_ratio_has_the_lower_figure() {
        let ruler = [1_400.0, 1_420.0, 1_500.0];
        let (one, two) = ([1_358.0, 1_470.0, 1_455.0], [1_442.0, 1_400.0, 1_545.0]);
        let row = |name: &str, turns: &[f64]| Row {
            name: name.to_owned(),
            cells: vec![Cell::of(turns, &ruler)],
            failure: None,
        };
        let rows = vec![row("epoll", &ruler), row("one", &one), row("two", &two)];
        let [_, one, two] = &rows[..] else { unreachable!() };
        let (first, second) = (one.cells[0], two.cells[0]);
        assert!(first.value > second.value && first.ratio < second.ratio, "they disagree");
        let table = Table { rows: rows.clone(), ..table("echo", 3) };
        assert!(table.figure(one, 0) < table.figure(two, 0));
        assert_eq!(table.figure(one, 0), Some(1_420.0 * 0.97));
    }

    #[test]
    fn a_table_that_is_measured_alone_leaves_the_others_of_its_section() {
        let with = |tables| Measured { tables, ..section("echo", "") };
        let mut results = Results::default();
        results.replace(with(vec![table("one", 1), table("two", 1)]));
        results.replace_some(with(vec![table("two", 2), table("three", 2)]));
        let expected = [with(vec![table("one", 1), table("two", 2), table("three", 2)])];
        assert_eq!(results.sections, expected);
    }

    #[test]
    fn a_section_that_is_measured_again_replaces_the_old_one_alone() {
        let mut results = Results::default();
        results.replace(section("memory", "old"));
        results.replace(section("echo", "old"));
        results.replace(section("memory", "new"));
        results.replace(section("forgotten", "old"));
        let gone = results.arrange(&["echo", "memory"]);
        assert_eq!(gone, [section("forgotten", "old")]);
        assert_eq!(results.sections, [section("echo", "old"), section("memory", "new")]);
    }
}
