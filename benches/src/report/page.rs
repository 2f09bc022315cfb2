//! The text of the page: what each figure means, and how to get it again.

use std::fmt::Write;

use super::chart::Picture;
use super::contest::{Drawing, Kind, is_ours};
use super::lines::Line;
use super::results::{Cell, Measured, Results, Row, Table};
use crate::Result;

/// The whole page; `draw` makes a file of a picture and says where it is.
pub fn write(
    results: &Results,
    lines: &[Line],
    mut draw: impl FnMut(&str, Picture) -> Result<String>,
) -> Result<String> {
    let mut text = head(&results.machine);
    text += &super::lines::write(lines, results);
    for section in &results.sections {
        let _ = write!(text, "## {}\n\n{}\n\n", section.name, section.about);
        for (number, drawing) in (1..).zip(&section.drawings) {
            if let Some(picture) = picture(section, drawing) {
                let title = picture.title.clone();
                let file = draw(&format!("{}-{number}.svg", section.name), picture)?;
                let _ = write!(text, "![{title}]({file})\n\n");
            }
        }
        for (number, table) in (1..).zip(&section.tables) {
            text += &self::table(number, table);
        }
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn head(machine: &str) -> String {
    format!(
        "# Benchmarks\n\n\
         The loop beside its peers, each written as its own documentation advises: \
         [`benches/src`](../benches/src) has every one of them whole. This page is generated: \
         `cargo run --release -p benches --bin report` measures everything, writes it anew and takes about \
         ten minutes; `… --bin report SECTION…` measures some sections and keeps the others; `… --render` \
         measures nothing, and writes the page from [what was measured](benchmarks/results.json), on \
         whichever machine; what another machine measures goes to `target`, unless it is told otherwise; \
         `… --quick` tries everything in a minute or two, and leaves this page alone.\n\n\
         Measured on: {machine}. Server and load are on the same machine, over loopback, each on a \
         processor of its own.\n\n\
         ## How to read it\n\n\
         - **The ratio** is what counts: to the first line of its table (a raw epoll loop, wherever there \
         can be one), within the same round. All who take part take turns, in shuffled order, so whatever \
         else the machine does falls on all alike. It is the median over the rounds, and in parentheses \
         stands between which two figures half of the rounds lie: a difference smaller than that is none. \
         There are as many rounds, three to five, as it takes until half of ours lie within a twentieth.\n\
         - **The figure before a ratio** says the same once more, in a unit that one knows: the first line's \
         own median over the rounds, times the ratio. It is no second measurement, and so never says the \
         contrary of the first. Where there is no ratio, it is the median of its own rounds.\n\
         - **The server's processor time** is what its process used, in user space and in the kernel, by \
         the kernel's own accounting. The load is saturated before the servers are, so how many messages \
         pass in a second says little about them.\n\
         - Nine tenths of an echo are the kernel's. A loop that does twice the work of another in user \
         space shows as a few per cent here; what it does itself is under [counts](#counts).\n\
         - Where nothing but the one who is measured takes part, the time is that on the wall.\n\
         - To reproduce it, leave the machine alone meanwhile, and allow ten thousand descriptors \
         (`ulimit -Hn`).\n\n"
    )
}

fn table(number: usize, table: &Table) -> String {
    let rounds = match table.rounds {
        1 => String::new(),
        rounds => format!("\n\nRounds: {rounds}."),
    };
    let heads: String =
        table.columns.iter().map(|column| format!(" {} | ratio |", column.name)).collect();
    let rule = "---|---|".repeat(table.columns.len());
    let mut text = format!("### {number}. {}{rounds}\n\n| |{heads}\n|---|{rule}\n", table.name);
    for row in &table.rows {
        text += &self::row(row, table);
    }
    text.push('\n');
    text
}

fn row(row: &Row, table: &Table) -> String {
    let name = if is_ours(&row.name) { format!("**{}**", row.name) } else { row.name.clone() };
    let cells: String = match &row.failure {
        Some(failure) => {
            let rest = "| |".repeat(table.columns.len() - 1);
            format!(" not measured: {} | |{rest}", one_line(failure))
        }
        None => row
            .cells
            .iter()
            .zip(&table.columns)
            .enumerate()
            .map(|(number, (cell, column))| {
                let figure = table.figure(row, number).unwrap_or(cell.value);
                format!(" {} | {} |", spell(column.kind, figure), ratio(cell))
            })
            .collect(),
    };
    format!("| {name} |{cells}\n")
}

fn ratio(cell: &Cell) -> String {
    match cell.ratio {
        None => "–".to_owned(),
        Some([low, median, high]) if high - low < 0.005 => format!("{median:.2}"),
        Some([low, median, high]) => format!("{median:.2} ({low:.2}–{high:.2})"),
    }
}

fn one_line(failure: &str) -> String {
    failure.replace(['\n', '|'], " ")
}

/// A figure, in the unit that keeps it short.
pub fn spell(kind: Kind, figure: f64) -> String {
    match (kind, figure) {
        (Kind::Time, ..1e3) => format!("{figure:.1} ns"),
        (Kind::Time, ..1e6) => format!("{:.2} µs", figure / 1e3),
        (Kind::Time, ..1e9) => format!("{:.2} ms", figure / 1e6),
        (Kind::Time, _) => format!("{:.2} s", figure / 1e9),
        (Kind::Rate, ..1e4) => format!("{figure:.0}"),
        (Kind::Rate, ..1e6) => format!("{:.0} k", figure / 1e3),
        (Kind::Rate, _) => format!("{:.2} M", figure / 1e6),
        (Kind::Bytes, ..1e5) => format!("{figure:.0}"),
        (Kind::Bytes, _) => format!("{:.1} MiB", figure / f64::from(1 << 20)),
        (Kind::Count, ..1e2) => format!("{figure:.2}"),
        (Kind::Count, _) => format!("{figure:.0}"),
    }
}

/// What is drawn, if there is anything to draw it from.
fn picture(section: &Measured, drawing: &Drawing) -> Option<Picture> {
    let named = |name: &String| section.tables.iter().find(|table| table.name == *name);
    let picture = match drawing {
        Drawing::Ratios(column) => Picture::ratios(&section.name, &section.tables, *column),
        Drawing::Growth(column) => Picture::growth(&section.name, &section.tables, *column),
        Drawing::Bars(name, column) => Picture::bars(&section.name, named(name)?, *column),
        Drawing::Columns(name, columns) => Picture::columns(&section.name, named(name)?, *columns),
    };
    Some(picture).filter(|picture| !picture.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Cell, Kind, ratio, spell};

    #[test]
    fn a_figure_is_written_in_the_unit_that_keeps_it_short() {
        assert_eq!(spell(Kind::Time, 999.0), "999.0 ns");
        assert_eq!(spell(Kind::Time, 1_500.0), "1.50 µs");
        assert_eq!(spell(Kind::Time, 2e9), "2.00 s");
        assert_eq!(spell(Kind::Rate, 3_250_000.0), "3.25 M");
        assert_eq!(spell(Kind::Bytes, 128.0), "128");
        assert_eq!(spell(Kind::Count, 2.0215), "2.02");
    }

    #[test]
    fn the_spread_stands_beside_a_ratio_that_has_one() {
        let of = |ratio| Cell { value: 1.0, ratio };
        assert_eq!(ratio(&of(Some([0.98, 1.0, 1.07]))), "1.00 (0.98–1.07)");
        assert_eq!(ratio(&of(Some([1.0; 3]))), "1.00");
        assert_eq!(ratio(&of(None)), "–");
    }
}
