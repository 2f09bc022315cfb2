//! Errors and what has caused them.

use std::fs;
use std::path::{Path, PathBuf};

/// Whoever prints an error and what caused it, as `anyhow` does, would read the cause twice.
#[test]
fn an_error_that_says_its_cause_does_not_hand_it_out_as_well() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut twice = Vec::new();
    for folder in ["src", "../protocols/src", "../examples/src"] {
        for file in rust_files(&here.join(folder)) {
            let text = fs::read_to_string(&file).expect("it can be read");
            let mut said = "";
            for (at, line) in text.lines().enumerate() {
                let is_cause = ["#[source]", "#[from]"].iter().any(|word| line.contains(word));
                if line.trim_start().starts_with("#[error(") {
                    said = line;
                } else if (is_cause && said.contains('{')) || said.contains("{source}") {
                    twice.push(format!("{}:{}: {}", file.display(), at + 1, said.trim()));
                    said = "";
                }
            }
        }
    }
    assert!(twice.is_empty(), "{}", twice.join("\n"));
}

/// Those of a folder, and of the folders in it; none if it is not there, as beside an unpacked archive.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}
