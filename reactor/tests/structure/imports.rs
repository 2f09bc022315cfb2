//! Which file of a crate names what of which other.
//!
//! The source is read as words, not compiled: who names what, by which path. Methods are seen where their
//! type is defined, wherever they are implemented.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

/// Which file names what of which other.
pub(crate) struct House {
    folder: PathBuf,
    files: BTreeMap<String, File>,
    /// Where a module is: its path, and the files that may be it.
    modules: HashMap<Vec<String>, Vec<String>>,
    /// What each file names, by the file that it is in.
    pub(crate) arrows: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

#[derive(Default)]
struct File {
    module: Vec<String>,
    defined: BTreeSet<String>,
    /// What a name stands for that was imported, or handed on.
    imported: HashMap<String, Vec<Vec<String>>>,
    /// Paths of one name or more, as they stand in the code.
    named: BTreeSet<Vec<String>>,
}

impl House {
    /// The one whose `lib.rs` is in this folder.
    pub(crate) fn read(folder: &str) -> Self {
        let (folder, files) = (PathBuf::from(folder), BTreeMap::new());
        let mut house = Self { folder, files, modules: HashMap::new(), arrows: BTreeMap::new() };
        house.read_module("lib.rs", Vec::new());
        let names: Vec<String> = house.files.keys().cloned().collect();
        for file in names {
            let arrows = house.arrows_of(&file);
            house.arrows.insert(file, arrows);
        }
        house
    }

    pub(crate) fn source(&self, file: &str) -> String {
        let path = self.folder.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn read_module(&mut self, file: &str, module: Vec<String>) {
        let (read, children) = File::read(&self.source(file), module.clone());
        self.files.insert(file.to_owned(), read);
        self.modules.entry(module.clone()).or_default().push(file.to_owned());
        let folder = match file.strip_suffix("mod.rs").or(file.strip_suffix("lib.rs")) {
            Some(folder) => folder.to_owned(),
            None => format!("{}/", file.trim_end_matches(".rs")),
        };
        for (child, path) in children {
            let inner: Vec<String> = module.iter().cloned().chain([child.clone()]).collect();
            let path = path.map_or_else(
                || {
                    let flat = format!("{folder}{child}.rs");
                    if self.folder.join(&flat).exists() {
                        flat
                    } else {
                        format!("{folder}{child}/mod.rs")
                    }
                },
                |path| format!("{folder}{path}"),
            );
            if !self.files.contains_key(&path) {
                self.read_module(&path, inner);
            }
        }
    }

    fn arrows_of(&self, file: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in &self.files[file].named {
            let mut found = BTreeSet::new();
            self.resolve(file, path, 0, &mut found);
            for to in found {
                if to != file {
                    arrows.entry(to).or_default().insert(path.last().cloned().unwrap_or_default());
                }
            }
        }
        arrows
    }

    /// Finds the files in which what a path names is defined.
    fn resolve(&self, file: &str, path: &[String], depth: usize, found: &mut BTreeSet<String>) {
        let Some((first, rest)) = path.split_first() else { return };
        let here = &self.files[file];
        if depth > 8 {
            return;
        }
        match first.as_str() {
            "crate" => self.descend(&[], rest, depth, found),
            "self" => self.descend(&here.module, rest, depth, found),
            "super" => {
                let above = here.module.len().saturating_sub(1);
                let supers = rest.iter().take_while(|word| *word == "super").count();
                self.descend(
                    &here.module[..above.saturating_sub(supers)],
                    &rest[supers..],
                    depth,
                    found,
                );
            }
            name => {
                if here.defined.contains(name) {
                    found.insert(file.to_owned());
                }
                let module: Vec<String> =
                    here.module.iter().cloned().chain([first.clone()]).collect();
                if self.modules.contains_key(&module) {
                    self.descend(&module, rest, depth, found);
                }
                for target in here.imported.get(name).into_iter().flatten() {
                    let whole: Vec<String> = target.iter().chain(rest).cloned().collect();
                    self.resolve(file, &whole, depth + 1, found);
                }
            }
        }
    }

    fn descend(
        &self,
        module: &[String],
        rest: &[String],
        depth: usize,
        found: &mut BTreeSet<String>,
    ) {
        for file in self.modules.get(module).into_iter().flatten() {
            match rest {
                [] => {}
                rest => self.resolve(file, rest, depth + 1, found),
            }
        }
    }

    /// Files that can be come back to by arrows, together with all on the way.
    pub(crate) fn circles(&self) -> Vec<BTreeSet<String>> {
        let reach: BTreeMap<&String, BTreeSet<&String>> =
            self.files.keys().map(|file| (file, self.reached_from(file))).collect();
        let mut circles: Vec<BTreeSet<String>> = Vec::new();
        for file in self.files.keys() {
            if circles.iter().any(|circle| circle.contains(file)) {
                continue;
            }
            let circle: BTreeSet<String> = reach[file]
                .iter()
                .filter(|other| reach[**other].contains(file))
                .map(|other| (*other).clone())
                .collect();
            if circle.len() > 1 {
                circles.push(circle);
            }
        }
        circles
    }

    fn reached_from<'a>(&'a self, file: &'a String) -> BTreeSet<&'a String> {
        let mut reached = BTreeSet::new();
        let mut next = vec![file];
        while let Some(file) = next.pop() {
            for to in self.arrows[file].keys() {
                if reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    }

    pub(crate) fn arrows_within(&self, circles: &[BTreeSet<String>]) -> String {
        let mut text = String::new();
        for circle in circles {
            text.push_str(&format!("a circle of {}:\n", circle.len()));
            for from in circle {
                for (to, names) in &self.arrows[from] {
                    if circle.contains(to) {
                        text.push_str(&format!("  {from} -> {to}: {names:?}\n"));
                    }
                }
            }
        }
        text
    }
}

/// A module that a file declares, and where it is if that is said.
type Child = (String, Option<String>);

impl File {
    fn read(text: &str, module: Vec<String>) -> (Self, Vec<Child>) {
        let words = words(text);
        let mut file = Self { module, ..Self::default() };
        let (mut children, mut said) = (Vec::new(), None);
        let mut at = 0;
        let mut depth = 0;
        while at < words.len() {
            let word = words[at].as_str();
            match word {
                "#" => {
                    let end = closing(&words, at + 1);
                    let attribute = &words[at..end];
                    let is_test = attribute.get(2).is_some_and(|word| word == "cfg")
                        && attribute.iter().any(|word| word == "test")
                        && !attribute.iter().any(|word| word == "not");
                    if attribute.get(2).is_some_and(|word| word == "path") {
                        said = attribute
                            .iter()
                            .find_map(|word| word.strip_prefix('"'))
                            .map(str::to_owned);
                    }
                    at = if is_test { skip_item(&words, end) } else { end };
                    continue;
                }
                // Not the `use<>` that says what a type captures.
                "use" if words[at + 1] != "<" => {
                    at = file.read_use(&words, at + 1, &mut Vec::new());
                    continue;
                }
                "mod" if words.get(at + 2).is_some_and(|word| word == ";") => {
                    children.push((words[at + 1].clone(), said.take()));
                    at += 3;
                    continue;
                }
                // What stands in a macro's braces at the top is defined at the top.
                "!" if depth == 0 && words.get(at + 1).is_some_and(|word| word == "{") => {
                    at += 2;
                    continue;
                }
                "{" => depth += 1,
                "}" => depth = (depth - 1).max(0),
                "struct" | "enum" | "trait" | "type" | "fn" | "const" | "static"
                | "macro_rules"
                    if depth == 0 =>
                {
                    let name = if words[at + 1] == "!" { at + 2 } else { at + 1 };
                    file.defined.insert(words[name].clone());
                }
                _ if is_name(word) => {
                    let mut path = vec![word.to_owned()];
                    let mut next = at + 1;
                    while next + 2 < words.len()
                        && words[next] == ":"
                        && words[next + 1] == ":"
                        && is_name(&words[next + 2])
                    {
                        path.push(words[next + 2].clone());
                        next += 3;
                    }
                    file.named.insert(path);
                    at = next;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        (file, children)
    }

    /// Takes in one tree of a `use`, up to what ends it.
    fn read_use(&mut self, words: &[String], mut at: usize, before: &mut Vec<String>) -> usize {
        let length = before.len();
        let mut name = None;
        loop {
            match words[at].as_str() {
                ";" => break,
                "," | "}" => break,
                ":" => {}
                "{" => {
                    at += 1;
                    while words[at] != "}" {
                        at = self.read_use(words, at, before);
                        assert_ne!(words[at], ";", "this is no tree of a `use`");
                        if words[at] == "," {
                            at += 1;
                        }
                    }
                    before.truncate(length);
                    return at + 1;
                }
                "as" => {
                    at += 1;
                    name = Some(words[at].clone());
                }
                word => before.push(word.to_owned()),
            }
            at += 1;
        }
        if before.last().is_some_and(|last| last == "self") {
            before.pop();
        }
        if let Some(last) = name.or(before.last().cloned()) {
            self.imported.entry(last).or_default().push(before.clone());
        }
        before.truncate(length);
        at
    }
}

fn is_name(word: &str) -> bool {
    word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Where the bracket that opens at `at` has closed.
fn closing(words: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (end, word) in words.iter().enumerate().skip(at) {
        match word.as_str() {
            "[" | "{" | "(" => depth += 1,
            "]" | "}" | ")" => {
                depth -= 1;
                if depth == 0 {
                    return end + 1;
                }
            }
            _ => {}
        }
    }
    words.len()
}

/// The end of an item that begins at `at`.
fn skip_item(words: &[String], mut at: usize) -> usize {
    while at < words.len() {
        match words[at].as_str() {
            ";" | "," => return at + 1,
            "{" => return closing(words, at),
            "[" | "(" => at = closing(words, at),
            _ => at += 1,
        }
    }
    at
}

/// Names, literals and single signs, without comments. Of a string the first is its quote and text.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r\"") || rest.starts_with("r#\"") {
            let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
            rest[3..].find(end).map_or(rest.len(), |at| 3 + at + end.len())
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if first == '\'' {
            quoted(rest)
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let word = &rest[..length];
        if first == '"' {
            words.push(word.trim_end_matches('"').to_owned());
        } else if !first.is_whitespace() && !word.starts_with("//") {
            words.push(word.to_owned());
        }
        rest = &rest[length..];
    }
    words
}

/// The length of a character's literal, or of a lifetime's sign.
fn quoted(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(1, |end| end + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The module at the top that a file is in.
pub(crate) fn top(file: &str) -> String {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned()
}
