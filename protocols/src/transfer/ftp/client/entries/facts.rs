//! Lines of MLSD (RFC 3659, 7): `type=file;size=25730;modify=19940728095854; cap60.pl198.tar.gz`.

use super::words::{is_space, number};
use super::{Entry, Reading};
use crate::transfer::ftp::wire::time::Timestamp;
use crate::transfer::store::Kind;

/// Reads a line. What is not as the RFC has it is read as it must be meant, where that is clear.
pub(super) fn read(line: &[u8]) -> Reading {
    let Some((facts, name)) = halves(line) else {
        return if line.is_empty() { Reading::Nothing } else { Reading::Unread };
    };
    let mut entry = Entry::named(name);
    let mut kind = None;
    for fact in facts.split(|&byte| byte == b';') {
        let Some(equals) = fact.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (name, value) = (&fact[..equals], &fact[equals + 1..]);
        match &*name.to_ascii_lowercase() {
            b"type" if is_listed_itself(value) => return Reading::Nothing,
            b"type" => kind = Some(kind_of(value)),
            b"size" => entry.size = number(value),
            b"modify" => entry.modified = Timestamp::parse(value),
            b"unique" if !value.is_empty() => entry.unique = Some(value.to_vec()),
            _ => {}
        }
    }
    // What has a size and no type is a file.
    let sized = if entry.size.is_some() { Kind::File } else { Kind::Other };
    Entry { kind: kind.unwrap_or(sized), ..entry }.checked()
}

/// The facts, and the name, which a space divides. Facts have none in them (RFC 3659, 7.2), except where a
/// server tells what a link leads to. Some have a tab, and the oldest no semicolon at the end.
fn halves(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut space = line.iter().position(|&byte| is_space(byte))?;
    let first = line.get(..space)?;
    let tells_where = contains(first, b"slink:") || contains(first, b"symlink:");
    if tells_where && !first.ends_with(b";") {
        let end = line.windows(2).position(|pair| pair == b"; ");
        space = end.map_or(space, |end| end + 1);
    }
    let (facts, name) = (line.get(..space)?, line.get(space + 1..)?);
    (facts.is_empty() || facts.contains(&b'=')).then_some((facts, name))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// The directory that is listed, and the one above.
fn is_listed_itself(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"cdir") || value.eq_ignore_ascii_case(b"pdir")
}

fn kind_of(value: &[u8]) -> Kind {
    match &*value.to_ascii_lowercase() {
        b"file" => Kind::File,
        b"dir" => Kind::Directory,
        other if other.starts_with(b"os.unix=slink") || other.starts_with(b"os.unix=symlink") => {
            Kind::Link
        }
        _ => Kind::Other,
    }
}
