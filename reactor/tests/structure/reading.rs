//! The reading order in the book: which files are the loop, and how many lines that is.

use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

use crate::errors::rust_files;

/// The loop has fewer lines than that, without its tests.
const MOST: usize = 9_000;

#[test]
fn the_loop_is_what_the_book_says_and_no_more() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // Beside an unpacked archive there is no book.
    let Ok(book) = fs::read_to_string(src.join("../../docs/how-the-loop-works.md")) else { return };
    let (_, part) = book.split_once("\n## Reading the source\n").expect("the book has that part");
    let (part, _) = part.split_once("\n## ").expect("another one follows");
    let rows = part.lines().filter(|line| line.starts_with('|'));
    // Those of what is read have a number.
    let (steps, others): (Vec<&str>, Vec<&str>) =
        rows.partition(|row| row[2..].starts_with(|c: char| c.is_ascii_digit()));

    let named_there: Vec<&str> = steps.iter().chain(&others).flat_map(|row| named(row)).collect();
    for name in &named_there {
        assert!(src.join(name).exists(), "{name} is not there");
    }
    let mut sum = 0;
    for step in &steps {
        let said = step.trim_end_matches([' ', '|']).rsplit(' ').next().unwrap_or_default();
        let said: usize = said.replace(',', "").parse().expect("it ends with its lines");
        let lines: usize = named(step).map(|file| lines(&src.join(file))).sum();
        assert!(lines.abs_diff(said) <= said / 10, "{lines} lines by now: {step}");
        sum += lines;
    }
    assert!(part.contains("less than 9,000 lines") && sum < MOST, "{sum} lines");

    for file in rust_files(&src) {
        let file = file
            .strip_prefix(&src)
            .expect("it is in there")
            .display()
            .to_string()
            .replace(MAIN_SEPARATOR, "/");
        let is_in = |name: &&str| file == **name || name.ends_with('/') && file.starts_with(*name);
        assert!(named_there.iter().any(is_in), "{file} is neither read nor left out");
    }
}

/// The files and folders that a row names.
fn named(row: &str) -> impl Iterator<Item = &str> {
    row.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs") || name.ends_with('/'))
}

/// How many lines a file has in front of its tests.
fn lines(file: &Path) -> usize {
    let text = fs::read_to_string(file).expect("the book names what is there");
    let tests = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tests].trim_end().lines().count()
}
