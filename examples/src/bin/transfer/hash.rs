//! Hashes of local files, to hold against a server's.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256, Sha512};

/// An algorithm that is known here, the best one first.
const KNOWN: [&str; 2] = ["SHA-256", "SHA-512"];

/// The one to use with a server that offers these; and whether it has to be told.
pub(crate) fn choose(offered: &[String]) -> Option<(&'static str, bool)> {
    let used = offered.first()?;
    let algorithm = KNOWN.into_iter().find(|known| used == known);
    let other = || KNOWN.into_iter().find(|known| offered.iter().any(|it| it == known));
    algorithm.map(|it| (it, false)).or_else(|| other().map(|it| (it, true)))
}

/// The hash of a whole file, in hexadecimal digits.
pub(crate) fn of_file(path: &Path, algorithm: &str) -> io::Result<String> {
    match algorithm {
        "SHA-512" => digest::<Sha512>(path),
        _ => digest::<Sha256>(path),
    }
}

fn digest<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_hash() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), b"abc").expect("it can be written");
        let hash = of_file(file.path(), "SHA-256").expect("it can be read");
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn the_one_in_use_is_taken_if_it_is_known() {
        let offers = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(choose(&offers(&["SHA-512", "SHA-256"])), Some(("SHA-512", false)));
        assert_eq!(choose(&offers(&["MD5", "SHA-256"])), Some(("SHA-256", true)));
        assert_eq!(choose(&offers(&["MD5"])), None);
        assert_eq!(choose(&[]), None);
    }
}
