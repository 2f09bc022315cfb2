//! Where a run writes, and what becomes of what is there already.
//!
//! ```text
//!   nothing there, or of this machine  ─▶ written there, the rest of it kept
//!   of another machine, and not told   ─▶ left alone; target/benchmarks.md instead
//!   of another machine, --output       ─▶ refused: what would be dropped is told
//!   of another machine, --drop too     ─▶ written there; what is dropped is told
//!   --render                           ─▶ written there, of whichever machine it is
//! ```

use std::path::{Path, PathBuf};

use super::results::Results;
use crate::Result;

/// The page, from the root of the project.
const PAGE: &str = "docs/benchmarks.md";

/// Where pages go that are not to be kept.
const SCRATCH: &str = "target/benchmarks.md";

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Where to write.
    pub output: Option<PathBuf>,
    /// To try it only.
    pub quick: bool,
    /// To measure nothing.
    pub render: bool,
    /// To drop what is there of another machine.
    pub drop: bool,
}

/// Where it writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// The page. What belongs to it is in the directory of its name.
    pub page: PathBuf,
    /// What was measured before, and stays.
    pub results: Results,
    /// What a person has to be told.
    pub note: Option<String>,
}

impl Asked {
    /// Chooses where to write, for a run on this machine.
    ///
    /// # Errors
    ///
    /// If measurements of another machine would be lost without anybody having said so, if there is nothing to
    /// render, or if what is there cannot be read.
    pub fn choose(&self, root: &Path, machine: &str) -> Result<Destination> {
        let usual = root.join(if self.quick { SCRATCH } else { PAGE });
        let page = self.output.clone().unwrap_or(usual);
        let found = Results::read(&file(&page))?;
        let (page, found) = match found {
            None if self.render => {
                return Err(format!("nothing was measured for {}", page.display()).into());
            }
            None => (page, Results::of(machine)),
            Some(found) if self.render || found.machine == machine => (page, found),
            Some(found) if self.drop => return Ok(dropping(page, &found, machine)),
            Some(found) if self.output.is_some() => {
                return Err(
                    format!("{}; --drop does it all the same", would_drop(&page, &found)).into()
                );
            }
            Some(found) => return self.elsewhere(root, &page, &found, machine),
        };
        Ok(Destination { page, results: found, note: None })
    }

    /// In `target`, where whatever another machine has left is worth nothing.
    fn elsewhere(
        &self,
        root: &Path,
        page: &Path,
        found: &Results,
        machine: &str,
    ) -> Result<Destination> {
        let scratch = root.join(SCRATCH);
        let there = Results::read(&file(&scratch))?.filter(|there| there.machine == machine);
        let note = format!(
            "{} is of another machine ({}) and stays as it is; this is written to {}",
            page.display(),
            found.machine,
            scratch.display()
        );
        let results = there.unwrap_or_else(|| Results::of(machine));
        Ok(Destination { page: scratch, results, note: Some(note) })
    }
}

/// What was measured for a page.
pub fn file(page: &Path) -> PathBuf {
    page.with_extension("").join("results.json")
}

fn dropping(page: PathBuf, found: &Results, machine: &str) -> Destination {
    let note = Some(would_drop(&page, found));
    Destination { page, results: Results::of(machine), note }
}

fn would_drop(page: &Path, found: &Results) -> String {
    format!(
        "{} is of another machine ({}): this drops its sections {}",
        page.display(),
        found.machine,
        found.names()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::results::Measured;
    use super::*;

    /// A project whose page is of `there`.
    fn project() -> (tempfile::TempDir, Results) {
        let root = tempfile::tempdir().expect("a directory");
        let section = |name: &str| Measured {
            name: name.to_owned(),
            about: String::new(),
            tables: Vec::new(),
            drawings: Vec::new(),
        };
        let sections = vec![section("counts"), section("echo")];
        let results = Results { machine: "there".to_owned(), sections };
        let file = file(&root.path().join(PAGE));
        fs::create_dir_all(file.parent().expect("a directory")).expect("it can be made");
        results.write(&file).expect("it can be written");
        (root, results)
    }

    #[test]
    fn what_is_of_this_machine_is_kept() {
        let (root, results) = project();
        let chosen = Asked::default().choose(root.path(), "there").expect("it is this machine's");
        assert_eq!(chosen.page, root.path().join(PAGE));
        assert_eq!((chosen.results, chosen.note), (results, None));
    }

    #[test]
    fn a_section_on_another_machine_leaves_the_page_alone_and_says_so() {
        let (root, _) = project();
        let chosen = Asked::default().choose(root.path(), "here").expect("it goes elsewhere");
        assert_eq!(chosen.page, root.path().join(SCRATCH));
        assert_eq!(chosen.results, Results::of("here"));
        let note = chosen.note.expect("it is told");
        assert!(note.contains("of another machine (there) and stays as it is"), "{note}");
    }

    #[test]
    fn a_page_that_is_rendered_on_another_machine_keeps_everything() {
        let (root, results) = project();
        let asked = Asked { render: true, ..Asked::default() };
        let chosen = asked.choose(root.path(), "here").expect("there is something to render");
        assert_eq!(chosen, Destination { page: root.path().join(PAGE), results, note: None });
        let nowhere = Asked { output: Some(root.path().join("none.md")), ..asked };
        assert!(nowhere.choose(root.path(), "here").is_err());
    }

    #[test]
    fn what_would_be_lost_is_named_before_it_is() {
        let (root, _) = project();
        let told = Asked { output: Some(root.path().join(PAGE)), ..Asked::default() };
        let refusal = told.choose(root.path(), "here").expect_err("it is refused").to_string();
        assert!(refusal.contains("this drops its sections counts, echo; --drop"), "{refusal}");
        let chosen = Asked { drop: true, ..told }.choose(root.path(), "here").expect("it is said");
        assert_eq!((chosen.page, chosen.results), (root.path().join(PAGE), Results::of("here")));
        assert!(
            chosen.note.is_some_and(|note| note.contains("this drops its sections counts, echo"))
        );
    }

    #[test]
    fn where_nothing_is_there_is_nothing_to_lose() {
        let root = tempfile::tempdir().expect("a directory");
        let chosen = Asked::default().choose(root.path(), "here").expect("there is room");
        assert_eq!((chosen.page, chosen.note), (root.path().join(PAGE), None));
    }
}
