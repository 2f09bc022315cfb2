//! What the README says of the programs in the book.

use std::io::Write as _;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// The chapters that the table of whole programs leads to.
const CHAPTERS: [(&str, &str); 3] = [
    ("key-value.md", include_str!("../../../docs/key-value.md")),
    ("proxying.md", include_str!("../../../docs/proxying.md")),
    ("clients.md", include_str!("../../../docs/clients.md")),
];

/// The link and the number of lines of each row that has one: `[..](docs/CHAPTER#SECTION), N lines`.
fn rows() -> Vec<(&'static str, &'static str, usize)> {
    let row = |line: &'static str| {
        let (link, count) = line.strip_suffix(" lines |")?.rsplit_once("), ")?;
        let (chapter, section) = link.rsplit_once("(docs/")?.1.split_once('#')?;
        Some((chapter, section, count.parse().ok()?))
    };
    README.lines().filter_map(row).collect()
}

/// The first program below the heading that a link leads to.
fn program(chapter: &str, section: &str) -> &'static str {
    let (_, text) =
        CHAPTERS.iter().find(|(name, _)| *name == chapter).expect("it is a chapter here");
    let is_it = |line: &&str| {
        let heading =
            line.strip_prefix("## ").map(|heading| heading.to_lowercase().replace(' ', "-"));
        heading.as_deref() == Some(section)
    };
    let heading = text.lines().find(is_it).unwrap_or_else(|| panic!("{chapter} has no {section}"));
    let (_, below) = text.split_once(heading).expect("it was found in it");
    let (_, code) = below.split_once("```rust,no_run\n").expect("there is a program");
    code.split_once("```").expect("it has an end").0
}

/// So that whoever has copied one has as many lines, and `cargo fmt` leaves them as they are.
#[test]
fn whole_programs_are_laid_out_and_as_long_as_the_readme_says() {
    let rows = rows();
    assert_eq!(rows.len(), 4, "{rows:?}");
    for (chapter, section, count) in rows {
        let program = program(chapter, section);
        assert_eq!(program.lines().count(), count, "{chapter}#{section}");
        let mut rustfmt = Command::new("rustfmt")
            // Not as this project lays its own out.
            .args(["--check", "--edition", "2024", "--config", "use_small_heuristics=Default"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("rustfmt is there");
        rustfmt.stdin.take().expect("piped").write_all(program.as_bytes()).expect("it reads");
        let done = rustfmt.wait_with_output().expect("it ends");
        let difference = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{chapter}#{section}:\n{difference}");
    }
}
