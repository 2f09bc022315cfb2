//! The text of the page: what each figure means, and how to get it again.

use std::fmt::Write;

use super::machine;
use super::rounds::Row;
use crate::work::{Case, Group};

/// What stands above all groups.
pub fn head(rounds: usize) -> String {
    format!(
        "# Benchmarks\n\n\
         The reactor beside its peers, each written as its own documentation advises \
         ([`benches/src`](../benches/src) has every one of them). This page is generated: \
         `cargo run --release -p benches --bin report` writes it anew, and \
         `… --bin report GROUP` shows a group alone.\n\n\
         Measured on: {}. Server and load are on the same machine, over loopback, each on a processor of \
         its own.\n\n\
         ## How to read it\n\n\
         - **The ratio** is what counts: to the first line of its table, within the same round. All \
         contenders of a case take turns, {rounds} rounds in shuffled order; the median of the ratios is \
         shown, and between which two half of them lie. A difference smaller than that is none.\n\
         - **The server's processor time** is what its process used, in user space and in the kernel, by \
         the kernel's own accounting. The load generator is saturated before the servers are, so how \
         many messages pass in a second says little about them.\n\
         - Where nothing but the one who is measured takes part, the time is that on the wall.\n\n",
        machine::describe(),
    )
}

/// A group's heading and what it is about.
pub fn group(group: &Group) -> String {
    format!("## {}\n\n{}\n\n", group.name, group.about)
}

/// A case's table, under the number that it has in the group's drawing.
pub fn case(number: usize, case: &Case, rows: &[Row]) -> String {
    let Case { name, unit, clock, .. } = case;
    let mut text = format!(
        "### {number}. {name}\n\n| | {clock} a {unit} | ratio | half of the ratios | done in a second |\n\
         |---|---|---|---|---|\n"
    );
    for row in rows {
        let Row { name, each, rate, ratio: [low, median, high] } = row;
        let (name, each, rate) = (emphasized(name), time(*each), thousands(*rate));
        text += &format!("| {name} | {each} | {median:.2} | {low:.2}–{high:.2} | {rate} |\n");
    }
    text.push('\n');
    text
}

/// A table of figures that stand for themselves, the ratio to the first beside each.
pub fn figures(
    heads: &[&str],
    rows: &[(String, Vec<f64>)],
    spell: impl Fn(f64) -> String,
) -> String {
    let mut text = format!("| | {} |\n|---{}|\n", heads.join(" | "), "|---".repeat(heads.len()));
    let ruler = rows.first().map(|(_, figures)| figures.clone()).unwrap_or_default();
    for (name, figures) in rows {
        let cells = figures
            .iter()
            .zip(&ruler)
            .map(|(figure, ruler)| format!("{} ({:.2})", spell(*figure), figure / ruler));
        let _ =
            writeln!(text, "| {} | {} |", emphasized(name), cells.collect::<Vec<_>>().join(" | "));
    }
    text.push('\n');
    text
}

/// A link to a drawing that lies beside the page.
pub fn drawing(title: &str, file: &str) -> String {
    format!("![{title}]({file})\n\n")
}

fn emphasized(name: &str) -> String {
    if name == "reactor" { format!("**{name}**") } else { name.to_owned() }
}

/// Nanoseconds, in the unit that keeps them short.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..1e3 => format!("{nanoseconds:.1} ns"),
        1e3..1e6 => format!("{:.2} µs", nanoseconds / 1e3),
        _ => format!("{:.2} ms", nanoseconds / 1e6),
    }
}

fn thousands(figure: f64) -> String {
    match figure {
        ..1e4 => format!("{figure:.0}"),
        1e4..1e6 => format!("{:.0} k", figure / 1e3),
        _ => format!("{:.2} M", figure / 1e6),
    }
}
