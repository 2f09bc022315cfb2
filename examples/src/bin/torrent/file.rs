//! Torrents as files, and what is printed of them.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use protocols::torrent::MetainfoLimits;
use protocols::torrent::wire::Metainfo;

/// Reads a `.torrent` file.
///
/// # Errors
///
/// A sentence for a person, with the file's name.
pub(crate) fn read(path: &Path) -> Result<Metainfo, Box<dyn Error>> {
    let limits = MetainfoLimits::default();
    let text =
        read_most(path, limits.bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Metainfo::parse(&text, &limits).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Whether it is a magnet link, and not a file's name; in capitals it is one, too (RFC 3986, 3.1).
pub(crate) fn is_link(text: &str) -> bool {
    text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"))
}

/// Reads a file; one byte more than there may be tells that there is more.
pub(crate) fn read_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// A name or a text that somebody else wrote, for a terminal: without what would move its cursor.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
