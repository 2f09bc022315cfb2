//! Who else on this network shares a torrent (BEP 14): a datagram to a group that all of them have joined.
//!
//! ```text
//!   BT-SEARCH * HTTP/1.1
//!   Host: 239.192.152.143:6771
//!   Port: 6881                                         where the sender listens
//!   Infohash: 655c6f35…                                once for each torrent
//!   cookie: 5a1f…                                      by which the sender knows its own
//! ```

use std::net::{Ipv4Addr, SocketAddrV4};

use super::InfoHash;

/// The group, and the port of everybody in it.
pub const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 192, 152, 143), 6771);

/// Torrents in one datagram: it is not cut on its way then.
pub const TORRENTS: usize = 20;

/// The longest datagram that is read, and the longest cookie.
const LONGEST: usize = 1_400;
const COOKIE: usize = 64;

const FIRST_LINE: &str = "BT-SEARCH * HTTP/1.1";

/// Somebody shares these torrents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where it listens.
    pub port: u16,
    /// The torrents; [`TORRENTS`] at most are written, and read.
    pub hashes: Vec<InfoHash>,
    /// Its own mark.
    pub cookie: Option<String>,
}

impl Search {
    /// Reads one; `None` if it is none. Fields that are not known are passed over, and so are hashes of another kind.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok().filter(|text| text.len() <= LONGEST)?;
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let (mut port, mut hashes, mut cookie) = (None, Vec::new(), None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match &*name.to_ascii_lowercase() {
                "port" => port = value.parse().ok().filter(|port| *port > 0),
                "infohash" if hashes.len() < TORRENTS => hashes.extend(value.parse::<InfoHash>()),
                "cookie" if value.len() <= COOKIE => cookie = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(Self { port: port?, hashes, cookie })
    }

    /// The bytes of it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\r\nHost: {GROUP}\r\nPort: {}\r\n", self.port);
        for hash in self.hashes.iter().take(TORRENTS) {
            text.push_str(&format!("Infohash: {hash}\r\n"));
        }
        self.cookie.iter().for_each(|cookie| text.push_str(&format!("cookie: {cookie}\r\n")));
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            port in 1_u16.., hashes in prop::collection::vec(any::<[u8; 20]>(), 0..TORRENTS),
            cookie in proptest::option::of("[0-9a-f]{1,64}"),
        ) {
            let hashes = hashes.into_iter().map(InfoHash::from).collect();
            let search = Search { port, hashes, cookie };
            let bytes = search.write();
            prop_assert!(bytes.len() < LONGEST);
            prop_assert_eq!(Search::parse(&bytes), Some(search));
        }

        #[test]
        fn any_datagram_is_one_or_not(
            bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[ -~\r\n]{0,200}",
        ) {
            let _ = Search::parse(&bytes);
            let _ = Search::parse(format!("{FIRST_LINE}\r\nport: 1\r\n{text}").as_bytes());
        }
    }

    #[test]
    fn what_others_write_is_read() {
        // As libtorrent and Transmission have it; and with more hashes than are read.
        let hash = InfoHash::from([0x5a; 20]);
        let text = format!(
            "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {}\r\ncookie: 1f\r\n\r\n\r\n",
            hash.to_string().to_uppercase()
        );
        let read = Search::parse(text.as_bytes()).expect("it is one");
        assert_eq!(
            (read.port, &read.hashes[..], read.cookie.as_deref()),
            (6881, &[hash][..], Some("1f"))
        );
        let many = format!("{FIRST_LINE}\nPort: 1\n{}", format!("infohash:{hash}\n").repeat(26));
        assert_eq!(Search::parse(many.as_bytes()).map(|it| it.hashes.len()), Some(TORRENTS));
        for no in ["", "GET * HTTP/1.1\r\nPort: 1\r\n", "BT-SEARCH * HTTP/1.1\r\nPort: 0\r\n\r\n"] {
            assert_eq!(Search::parse(no.as_bytes()), None);
        }
    }
}
