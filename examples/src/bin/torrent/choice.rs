//! Which of a torrent's files are wanted: patterns with `*` and `?`, as a shell has them.

use protocols::torrent::machine::Bitfield;
use protocols::torrent::wire::Info;
use protocols::wildcard;
use thiserror::Error;

/// No file has such a name.
#[derive(Debug, Error)]
#[error("no file of the torrent is called {0}; `torrent show` tells their names")]
pub(crate) struct NoSuchFile(String);

/// The files that one of the patterns is of, by their indices; without patterns all are.
pub(crate) fn files(info: &Info, patterns: &[String]) -> Result<Vec<usize>, NoSuchFile> {
    let names = || {
        // In the torrent's own words: the folder's name is known, and need not be said.
        let root = info.name();
        info.files().iter().map(move |file| {
            let inside = file.path.strip_prefix(root).unwrap_or(&file.path);
            let names = inside.components().map(|name| name.as_os_str().to_string_lossy());
            let inside = names.collect::<Vec<_>>().join("/");
            if inside.is_empty() { root.to_string_lossy().into_owned() } else { inside }
        })
    };
    // Who copies a name from what is shown has the folder's in front of it.
    let root = format!("{}/", info.name().to_string_lossy());
    let is_of = |pattern: &str, name: &str| {
        let ways = [Some(pattern), pattern.strip_prefix(&root)];
        ways.iter().flatten().any(|way| matches(way.as_bytes(), name.as_bytes()))
    };
    for pattern in patterns {
        if !names().any(|name| is_of(pattern, &name)) {
            return Err(NoSuchFile(pattern.clone()));
        }
    }
    let is_chosen =
        |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| is_of(pattern, name));
    let chosen = names().enumerate().filter(|(_, name)| is_chosen(name));
    Ok(chosen.map(|(index, _)| index).collect())
}

/// The pieces that those files have a part in.
pub(crate) fn pieces(info: &Info, files: &[usize]) -> Bitfield {
    let mut wanted = Bitfield::none(info.pieces());
    let chosen = files.iter().filter_map(|index| info.files().get(*index));
    for piece in chosen.flat_map(|file| info.pieces_of(file)) {
        wanted.insert(piece);
    }
    wanted
}

/// Whether a name is of a pattern: `*` is any characters, slashes too, and `?` any one character.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    wildcard::matches(pattern, name, u8::eq, wildcard::character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, name, is_of) in [
            ("*", "", true),
            ("*.txt", "a/b.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a/*", "a/b/c", true),
            ("?.t*t", "b.tt", true),
            ("?", "", false),
            ("?.txt", "ä.txt", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbX", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), is_of, "{pattern} {name}");
        }
    }
}
