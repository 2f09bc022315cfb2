//! One table of the file: what is known of it is taken, and what is left is complained about.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Mistake, Mistakes};

/// Edits that turn what was written into what there is, at most, for it to be suggested.
const NEAR: usize = 2;

/// A table, and what has been asked of it so far.
pub(super) struct Section<'a, 'i> {
    file: &'a File<'i>,
    /// As it is written: `[server]`.
    title: &'a str,
    table: &'a DeTable<'i>,
    span: Range<usize>,
    known: Vec<&'static str>,
}

/// The text, and what was found wrong with it.
struct File<'i> {
    text: &'i str,
    mistakes: RefCell<Vec<Mistake>>,
}

/// Parses a text, and has `read` take everything out of it.
pub(super) fn parse<T>(
    text: &str,
    read: impl FnOnce(&mut Section<'_, '_>) -> T,
) -> Result<T, Mistakes> {
    let file = File { text, mistakes: RefCell::default() };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        file.complain(error.span().unwrap_or_default(), error.message());
    }
    let mut section = Section {
        file: &file,
        title: "the top of the file",
        table: root.get_ref(),
        span: root.span(),
        known: Vec::new(),
    };
    let result = read(&mut section);
    // What did not parse may be anything, so nothing is said of what seems to be there or not.
    if errors.is_empty() {
        section.complain_of_the_rest();
    }
    let mut mistakes = file.mistakes.into_inner();
    mistakes.sort();
    mistakes.dedup();
    if mistakes.is_empty() { Ok(result) } else { Err(Mistakes(mistakes)) }
}

impl<'a, 'i> Section<'a, 'i> {
    /// Sets something to the value of a key, if the key is there.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        place: &mut T,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) {
        if let Some(value) = self.take(key) {
            match read(value.get_ref()) {
                Ok(value) => *place = value,
                Err(why) => self.file.complain(value.span(), &format!("'{key}': {why}")),
            }
        }
    }

    /// The value of a key that has to be there.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            let what = format!("{} needs a '{key}'", self.title);
            self.file.complain(self.span.clone(), &what);
        }
        let mut value = None;
        self.set(key, &mut value, |it| read(it).map(Some));
        value
    }

    /// Reads a table in this one, if it is there.
    pub(super) fn section(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, 'i>)) {
        let Some(value) = self.take(key) else { return };
        match value.get_ref() {
            DeValue::Table(table) => self.enter(&format!("[{key}]"), table, value.span(), read),
            other => {
                let what = format!("'{key}' is a section, [{key}], and not {}", article(other));
                self.file.complain(value.span(), &what);
            }
        }
    }

    /// Reads each table of a list of them.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'i>),
    ) {
        let Some(value) = self.take(key) else { return };
        let title = format!("[[{key}]]");
        let refuse = |it: &Spanned<DeValue<'i>>| {
            let what = format!("'{key}' is a list of sections, {title} each");
            self.file.complain(it.span(), &what);
        };
        let DeValue::Array(tables) = value.get_ref() else { return refuse(value) };
        for table in tables {
            match table.get_ref() {
                DeValue::Table(inner) => self.enter(&title, inner, table.span(), &mut read),
                _ => refuse(table),
            }
        }
    }

    /// Complains if two sections of a list have the same name.
    pub(super) fn unique<'n>(&self, key: &'static str, names: impl Iterator<Item = &'n str>) {
        let mut seen = BTreeSet::new();
        for (at, name) in names.enumerate() {
            if !name.is_empty() && !seen.insert(name.to_ascii_lowercase()) {
                let second = self.table.get(key).and_then(|list| list.get_ref().get(at));
                let span = second.map(Spanned::span).unwrap_or_default();
                self.file
                    .complain(span, &format!("there are two [[{key}]] with the name '{name}'"));
            }
        }
    }

    fn enter(
        &self,
        title: &str,
        table: &DeTable<'i>,
        span: Range<usize>,
        read: impl FnOnce(&mut Section<'_, 'i>),
    ) {
        let mut inner = Section { file: self.file, title, table, span, known: Vec::new() };
        read(&mut inner);
        inner.complain_of_the_rest();
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn complain_of_the_rest(&self) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.known.contains(&&**key.get_ref()))
        {
            let mut what = format!("there is no '{}' in {}", key.get_ref(), self.title);
            if let Some(near) = self.nearest(key.get_ref()) {
                what.push_str(&format!("; did you mean '{near}'?"));
            }
            self.file.complain(key.span(), &what);
        }
    }

    /// The known key that is most like this one, if it is like it at all.
    fn nearest(&self, key: &str) -> Option<&'static str> {
        let distance = |known: &str| strsim::damerau_levenshtein(known, key);
        let near = self.known.iter().copied().min_by_key(|known| distance(known))?;
        (distance(near) <= NEAR.min(near.len() / 2)).then_some(near)
    }
}

impl File<'_> {
    fn complain(&self, span: Range<usize>, what: &str) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        self.mistakes.borrow_mut().push(Mistake { line, what: what.to_owned() });
    }
}

/// A kind of value, for a sentence: "a string".
pub(super) fn article(value: &DeValue<'_>) -> String {
    match value.type_str() {
        kind if kind.starts_with(['a', 'i']) => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}
