//! What a peer calls itself (BEP 20).

use std::fmt;

/// Twenty bytes that a peer chose for itself: most programs put their name and version in front.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 20]);

/// What our own begin with: the program, and its version.
const OURS: [u8; 8] = *b"-MI0100-";

impl PeerId {
    /// One for this program. `random` has to be another for each run, and for each torrent if they should not be
    /// seen to be the same peer's.
    #[must_use]
    pub fn new(random: [u8; 12]) -> Self {
        let mut bytes = [0; 20];
        let (front, rest) = bytes.split_at_mut(OURS.len());
        front.copy_from_slice(&OURS);
        rest.copy_from_slice(&random);
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The program it names, and its version, if it does and the program is a known one: `"Transmission 3.0.0"`. A
    /// peer can say what it likes.
    #[must_use]
    pub fn program(&self) -> Option<String> {
        let [b'-', first, second, version @ .., b'-'] = self.0.first_chunk::<8>()? else {
            return None;
        };
        let (_, name) = PROGRAMS.iter().find(|(code, _)| *code == [*first, *second])?;
        let mut parts: Vec<_> =
            version.iter().map(|digit| char::from(*digit).to_digit(36)).collect::<Option<_>>()?;
        // The last of the four is the build, or always zero.
        parts.truncate(3);
        let version: Vec<_> = parts.iter().map(ToString::to_string).collect();
        Some(format!("{name} {}", version.join(".")))
    }
}

/// The codes of programs that are still met, most from BEP 20.
const PROGRAMS: [([u8; 2], &str); 16] = [
    (*b"A2", "aria2"),
    (*b"AZ", "Vuze"),
    (*b"BC", "BitComet"),
    (*b"BI", "BiglyBT"),
    (*b"DE", "Deluge"),
    (*b"FD", "Free Download Manager"),
    (*b"KT", "KTorrent"),
    (*b"LT", "libtorrent"),
    (*b"MI", "mio-reactor"),
    (*b"TR", "Transmission"),
    (*b"TX", "Tixati"),
    (*b"UT", "µTorrent"),
    (*b"WW", "WebTorrent"),
    (*b"lt", "rtorrent"),
    (*b"qB", "qBittorrent"),
    (*b"rQ", "rqbit"),
];

impl From<[u8; 20]> for PeerId {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_says_what_we_are() {
        let id = PeerId::new(*b"0123456789ab");
        assert_eq!(id.as_bytes(), b"-MI0100-0123456789ab");
        assert_eq!(id.program().as_deref(), Some("mio-reactor 0.1.0"));
    }

    #[test]
    fn programs_are_known_by_their_ids() {
        for (id, program) in [
            (b"-TR3000-0123456789ab", Some("Transmission 3.0.0")),
            (b"-qB4520-\0\0\0\0\0\0\0\0\0\0\0\0", Some("qBittorrent 4.5.2")),
            (b"-LT20A0-0123456789ab", Some("libtorrent 2.0.10")),
            (b"-lt0D80-0123456789ab", Some("rtorrent 0.13.8")),
            (b"-XY1000-0123456789ab", None),
            (b"-TR3/00-0123456789ab", None),
            (b"A2-1-36-0-0123456789", None),
        ] {
            assert_eq!(PeerId::from(*id).program().as_deref(), program);
        }
    }

    #[test]
    fn odd_bytes_are_shown_and_do_no_harm() {
        assert_eq!(PeerId::from([0x1b; 20]).to_string(), "\\x1b".repeat(20));
    }
}
