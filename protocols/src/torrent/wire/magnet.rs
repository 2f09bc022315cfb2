//! A link that says a torrent's hash, and where to ask for the rest (BEP 9).

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use super::InfoHash;
use crate::torrent::limits::ADDRESSES;

/// `magnet:?xt=urn:btih:…`
///
/// ```
/// use protocols::torrent::wire::Magnet;
/// let link = "magnet:?xt=urn:btih:43bf7bc282b5f8074e020db125007ad010a12609&dn=a+file&x.pe=192.0.2.1:6881";
/// let magnet: Magnet = link.parse()?;
/// assert_eq!(magnet.name.as_deref(), Some("a file"));
/// assert_eq!(magnet.peers, ["192.0.2.1:6881"]);
/// # Ok::<(), protocols::torrent::wire::NoMagnet>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// The torrent.
    pub hash: InfoHash,
    /// What it is called until its info is there (`dn`).
    pub name: Option<String>,
    /// Trackers (`tr`): each is a tier of its own.
    pub trackers: Vec<String>,
    /// Web servers that have the files (`ws`).
    pub web_seeds: Vec<String>,
    /// Peers to begin with, `HOST:PORT` (`x.pe`).
    pub peers: Vec<String>,
}

/// Why the text is no link to a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoMagnet {
    /// It does not begin as one.
    #[error("expected magnet:?xt=urn:btih:HASH")]
    Scheme,
    /// It names no torrent, or not by a hash of this kind.
    #[error("there is no urn:btih: in the magnet link")]
    NoHash,
    /// It names a torrent of version 2 only (BEP 52).
    #[error("the magnet link is for a torrent of version 2 only, which is not supported")]
    Version2,
    /// The hash is none.
    #[error("the magnet link's hash is none: expected 40 hexadecimal digits, or 32 of base32")]
    Hash,
}

impl Magnet {
    /// A link that says the hash and nothing else.
    #[must_use]
    pub fn new(hash: InfoHash) -> Self {
        Self { hash, name: None, trackers: Vec::new(), web_seeds: Vec::new(), peers: Vec::new() }
    }
}

impl FromStr for Magnet {
    type Err = NoMagnet;

    fn from_str(text: &str) -> Result<Self, NoMagnet> {
        let (scheme, query) = text.split_once(":?").ok_or(NoMagnet::Scheme)?;
        if !scheme.eq_ignore_ascii_case("magnet") {
            return Err(NoMagnet::Scheme);
        }
        let parameters = || query.split('&').filter_map(|it| it.split_once('='));
        let mut magnet = Self::new(hash(parameters())?);
        for (key, value) in parameters() {
            magnet.note(key, value);
        }
        Ok(magnet)
    }
}

impl Magnet {
    fn note(&mut self, key: &str, value: &str) {
        let list = match name_of(key) {
            "dn" => {
                self.name.get_or_insert_with(|| decoded(value));
                return;
            }
            "tr" => &mut self.trackers,
            "ws" => &mut self.web_seeds,
            "x.pe" => &mut self.peers,
            _ => return,
        };
        let value = decoded(value);
        let is_one = !value.is_empty() && !value.contains(|c: char| c.is_control());
        if is_one && list.len() < ADDRESSES && !list.contains(&value) {
            list.push(value);
        }
    }
}

/// The first torrent that the link names; a link for both versions names it twice.
fn hash<'t>(parameters: impl Iterator<Item = (&'t str, &'t str)>) -> Result<InfoHash, NoMagnet> {
    let mut error = NoMagnet::NoHash;
    for (_, topic) in parameters.filter(|(key, _)| name_of(key) == "xt") {
        let topic = decoded(topic);
        if let Some(hash) = after(&topic, "urn:btih:") {
            return hash.parse().map_err(|_| NoMagnet::Hash);
        }
        if after(&topic, "urn:btmh:").is_some() {
            error = NoMagnet::Version2;
        }
    }
    Err(error)
}

fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let front = text.get(..prefix.len())?;
    front.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

/// Several of a kind may be numbered: `tr.1`.
fn name_of(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => key,
    }
}

/// A plus is a space, as in a form.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// What may stand in a query as it is, without a doubt.
        const ENCODED: &AsciiSet =
            &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        /// Colons and brackets are left in an address: not everybody decodes it.
        const ADDRESS: &AsciiSet = &ENCODED.remove(b':').remove(b'[').remove(b']');
        write!(f, "magnet:?xt=urn:btih:{}", self.hash)?;
        let name = self.name.iter().map(|name| ("dn", name));
        let trackers = self.trackers.iter().map(|url| ("tr", url));
        let web_seeds = self.web_seeds.iter().map(|url| ("ws", url));
        for (key, value) in name.chain(trackers).chain(web_seeds) {
            write!(f, "&{key}={}", utf8_percent_encode(value, ENCODED))?;
        }
        for peer in &self.peers {
            write!(f, "&x.pe={}", utf8_percent_encode(peer, ADDRESS))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "43bf7bc282b5f8074e020db125007ad010a12609";

    fn parsed(text: &str) -> Result<Magnet, NoMagnet> {
        text.parse()
    }

    #[test]
    fn a_link_says_the_hash_and_where_to_ask() {
        let link = format!(
            "magnet:?dn=a%20b+c&xt=urn:btih:{HASH}&tr=http%3A%2F%2Ft.test%2Fannounce&tr.1=udp://u.test:80\
             &ws=http://w.test/&x.pe=[2001:db8::1]:1&x.pe=h.test:2&so=0-2&tr=udp://u.test:80"
        );
        let magnet = parsed(&link).expect("it is a link");
        assert_eq!(magnet.hash.to_string(), HASH);
        assert_eq!(magnet.name.as_deref(), Some("a b c"));
        assert_eq!(magnet.trackers, ["http://t.test/announce", "udp://u.test:80"]);
        assert_eq!(magnet.web_seeds, ["http://w.test/"]);
        assert_eq!(magnet.peers, ["[2001:db8::1]:1", "h.test:2"]);
        assert_eq!(parsed(&magnet.to_string()), Ok(magnet));
    }

    #[test]
    fn the_hash_may_be_in_base32_and_anything_in_another_case() {
        let magnet = parsed("MAGNET:?xt=URN:BTIH:IO7XXQUCWX4AOTQCBWYSKAD22AIKCJQJ");
        assert_eq!(magnet.map(|it| it.hash.to_string()).as_deref(), Ok(HASH));
        let both = parsed(&format!("magnet:?xt=urn:btmh:1220aa&xt.1=urn%3Abtih%3A{HASH}"));
        assert_eq!(both.map(|it| it.hash.to_string()).as_deref(), Ok(HASH));
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for (text, error) in [
            ("", NoMagnet::Scheme),
            ("http://h/", NoMagnet::Scheme),
            ("magnet:?", NoMagnet::NoHash),
            ("magnet:?dn=a", NoMagnet::NoHash),
            ("magnet:?xt=urn:sha1:A", NoMagnet::NoHash),
            ("magnet:?xt=urn:btih:", NoMagnet::Hash),
            ("magnet:?xt=urn:btih:xyz", NoMagnet::Hash),
            ("magnet:?xt=urn:btmh:1220aa", NoMagnet::Version2),
        ] {
            assert_eq!(parsed(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_link_has_so_many_addresses_and_no_more() {
        let trackers: String = (0..1000).map(|at| format!("&tr=udp://h{at}.test:1")).collect();
        let magnet = parsed(&format!("magnet:?xt=urn:btih:{HASH}{trackers}&tr=a%0Ab"));
        assert_eq!(magnet.map(|it| it.trackers.len()), Ok(100));
    }

    proptest! {
        #[test]
        fn whatever_a_link_says_it_is_read_again(
            name in ".{0,8}",
            peers in proptest::collection::vec("[ -~]{1,9}", 0..4),
        ) {
            let mut magnet = Magnet::new(HASH.parse().expect("it is a hash"));
            magnet.name = Some(name);
            for peer in peers {
                if !magnet.peers.contains(&peer) {
                    magnet.peers.push(peer);
                }
            }
            prop_assert_eq!(parsed(&magnet.to_string()), Ok(magnet));
        }

        #[test]
        fn any_text_is_a_link_or_not(text in "magnet:[?&=.a-z0-9%+:ä]{0,40}") {
            let _ = parsed(&text);
        }
    }
}
