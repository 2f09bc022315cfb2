//! `chat account export` and `import`: all accounts as text, to put a copy aside, or to bring those of a server that was
//! alone into a network.

use std::error::Error;
use std::io::{self, Read, Write};

use protocols::chat::accounts::{Accounts, Imported, split_entries};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of entries that go over the control socket at one time, and then one entry more: of the mebibyte that a message
/// may have.
const PIECE: usize = 64 * 1024;

/// The place behind which it goes on; an empty one is the start.
#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct After {
    pub(crate) place: String,
}

/// Some entries, and behind which place there are more.
#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Page {
    pub(crate) entries: String,
    pub(crate) next: Option<String>,
}

/// Entries to import.
#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Entries {
    pub(crate) entries: String,
}

/// What became of them.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Added {
    pub(crate) added: usize,
    pub(crate) known: usize,
    pub(crate) left_out: Vec<String>,
}

impl From<Imported> for Added {
    fn from(Imported { added, known, left_out }: Imported) -> Self {
        Self { added, known, left_out }
    }
}

impl Page {
    /// A piece of all there is.
    pub(crate) fn of(accounts: &Accounts, after: &str) -> Self {
        let mut entries = String::new();
        for (place, entry) in accounts.export(after) {
            entries.push_str(&entry);
            if entries.len() > PIECE {
                return Self { entries, next: Some(place) };
            }
        }
        Self { entries, next: None }
    }
}

/// Prints all entries, which come in pages.
pub(crate) fn export(
    mut page: impl FnMut(String) -> Result<Page, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut next = Some(String::new());
    while let Some(place) = next {
        let page = page(place)?;
        io::stdout().lock().write_all(page.entries.as_bytes())?;
        next = page.next;
    }
    Ok(io::stdout().flush()?)
}

/// Has entries from standard input imported, piece by piece; what to say of it.
pub(crate) fn import(
    mut import: impl FnMut(Entries) -> Result<Added, Box<dyn Error>>,
) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    let mut all = Added::default();
    let mut entries = split_entries(&text).peekable();
    while entries.peek().is_some() {
        let mut piece = String::new();
        while piece.len() <= PIECE
            && let Some(entry) = entries.next()
        {
            piece.push_str(entry);
        }
        let Added { added, known, left_out } = import(Entries { entries: piece })?;
        all.added += added;
        all.known += known;
        all.left_out.extend(left_out);
    }
    let Added { added, known, left_out } = all;
    if left_out.is_empty() {
        return Ok(format!("imported {added}; {known} were there already"));
    }
    let left_out = left_out.join(", ");
    Err(format!("imported {added}; {known} were there already; left out, since the names are somebody else's or there is no room: {left_out}").into())
}
