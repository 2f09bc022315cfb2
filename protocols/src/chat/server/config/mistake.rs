//! What is wrong with a file of configuration, and where.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// Everything that is wrong with a file, from top to bottom. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub(super) Vec<Mistake>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line it is on, counted from one.
    pub line: usize,
    /// What is wrong, as a sentence.
    pub what: String,
}

impl Mistakes {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Mistake] {
        &self.0
    }

    /// As a compiler prints them, a line each: `chat.toml:2: there is no …`.
    pub(super) fn in_file(&self, path: &Path) -> impl fmt::Display {
        let line = |it: &Mistake| format!("{}:{}: {}", path.display(), it.line, it.what);
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            write!(f, "{}{mistake}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Error for Mistakes {}
