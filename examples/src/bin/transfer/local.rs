//! Names from a server as names here, and the other way round.

use std::ffi::OsString;

/// A name that a server has chosen, as a name in a directory here. `None` if it would lead elsewhere. What no
/// name here should have in it is there in another way: `%` and two digits, as in a URL.
#[cfg(unix)]
pub(crate) fn name_here(name: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    is_one_name(name).then(|| OsString::from_vec(escaped(name)))
}

/// A name that a server has chosen, as a name in a directory here. `None` if it would lead elsewhere. What no
/// name here can have in it is there in another way: `%` and two digits, as in a URL.
#[cfg(not(unix))]
pub(crate) fn name_here(name: &[u8]) -> Option<OsString> {
    is_one_name(name).then(|| String::from_utf8_lossy(&escaped(name)).into_owned().into())
}
fn is_one_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// Without line ends, and without what a terminal would obey.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for piece in name.utf8_chunks() {
        for letter in piece.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = letter.encode_utf8(&mut bytes).as_bytes();
            if letter.is_control() || cfg!(not(unix)) && r#"<>:"|?*\"#.contains(letter) {
                bytes.iter().for_each(|byte| escape(*byte, &mut escaped));
            } else {
                escaped.extend_from_slice(bytes);
            }
        }
        match cfg!(unix) {
            true => escaped.extend_from_slice(piece.invalid()),
            false => piece.invalid().iter().for_each(|byte| escape(*byte, &mut escaped)),
        }
    }
    escaped
}

fn escape(byte: u8, escaped: &mut Vec<u8>) {
    escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
}

/// A name of a file here, as a server is told it.
#[cfg(unix)]
pub(crate) fn name_there(name: &std::ffi::OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes().to_vec()
}

/// A name of a file here, as a server is told it.
#[cfg(not(unix))]
pub(crate) fn name_there(name: &std::ffi::OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_name_is_one_name() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc/passwd"] {
            assert_eq!(name_here(name), None);
        }
        assert_eq!(name_here(b"a b%0A"), Some("a b%0A".into()));
        assert_eq!(name_here(b"a\nb\r\x1b[2J\0"), Some("a%0Ab%0D%1B[2J%00".into()));
        assert_eq!(name_here("\u{9b}2J gr\u{fc}n".as_bytes()), Some("%C2%9B2J gr\u{fc}n".into()));
    }
}
