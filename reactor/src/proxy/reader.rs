//! The header as it comes, in pieces: pure, and never a byte beyond it.
//!
//! What follows the header is for the protocol behind it, or for TLS. So the reader says how many bytes the header has
//! still at least, and is given no more: what is behind it stays in the system's buffer, and nobody has to hand it on.
//!
//! ```text
//!            15 bytes           the shortest that there is
//!   Start ──┬─────────▶ Line ── until CR LF ──────────────────────────────▶ Said
//!           └─────────▶ Binary ── 16 bytes ──▶ addresses ──▶ Skipping ────▶ Said
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::{self, FromStr};

use super::ProxyError;
use super::header::{PROXIED, SIGNATURE, TCP4, TCP6, UNKNOWN};

/// The longest line that version 1 has, with its end.
const LINE: usize = 107;
const PREFIX: &[u8] = b"PROXY ";
/// The shortest header of all is `PROXY UNKNOWN`, with its end.
const SHORTEST: usize = 15;
/// What version 2 has before the addresses.
const FIXED: usize = 16;
/// The most that may follow there. The addresses take 36 bytes; what proxies add to them (TLVs) is skipped, and a
/// header that is longer is of no use to anybody here.
const MOST: usize = 4_096;
/// Version 2, for a connection that the proxy made for itself: to see whether somebody is there.
const LOCAL: u8 = 0x20;
/// A client of a Unix socket, whose two paths are skipped.
const UNIX: u8 = 0x31;

/// Whom a proxy speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A client, who had connected to the second address.
    Client(SocketAddr, SocketAddr),
    /// Nobody but itself, or nobody who has an address.
    Nobody,
}

/// Takes a header in.
pub(crate) struct Reader {
    bytes: [u8; LINE],
    length: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Line,
    Binary,
    /// So much has still to come, and does not matter.
    Skipping(usize, Said),
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; LINE], length: 0, state: State::Start }
    }

    /// How many bytes the header has still, at the least: so many can be read, and no more. Never zero.
    pub(crate) fn wants(&self) -> usize {
        match self.state {
            State::Start => SHORTEST.saturating_sub(self.length).max(1),
            State::Line => rest_of_line(self.taken()).min(LINE - self.length.min(LINE)).max(1),
            State::Binary => self.binary_length().saturating_sub(self.length).max(1),
            State::Skipping(left, _) => left,
        }
    }

    /// Takes in what was read, at most as much as was wanted; what it says, once it is whole.
    pub(crate) fn take(&mut self, mut fresh: &[u8]) -> Result<Option<Said>, ProxyError> {
        debug_assert!(fresh.len() <= self.wants(), "what is behind the header is for others");
        if let State::Skipping(left, said) = self.state {
            let left = left.saturating_sub(fresh.len());
            self.state = State::Skipping(left, said);
            return Ok((left == 0).then_some(said));
        }
        while let Some((byte, rest)) = fresh.split_first() {
            let place = self.bytes.get_mut(self.length).ok_or(ProxyError::TooLong)?;
            *place = *byte;
            self.length += 1;
            fresh = rest;
        }
        match self.state {
            State::Start => self.start(),
            State::Line => self.line(),
            State::Binary => self.binary(),
            State::Skipping(..) => Ok(None),
        }
    }

    fn taken(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn start(&mut self) -> Result<Option<Said>, ProxyError> {
        let taken = self.taken();
        let is_line = PREFIX.iter().zip(taken).all(|(wanted, byte)| wanted == byte);
        let is_binary = SIGNATURE.iter().zip(taken).all(|(wanted, byte)| wanted == byte);
        if !is_line && !is_binary {
            return Err(ProxyError::Missing);
        }
        if taken.len() < SHORTEST {
            return Ok(None);
        }
        self.state = if is_line { State::Line } else { State::Binary };
        if is_line { self.line() } else { Ok(None) }
    }

    // ── version 1 ───────────────────────────────────────────────────────────────────────────

    fn line(&self) -> Result<Option<Said>, ProxyError> {
        let taken = self.taken();
        // What is wanted is never more than up to the end, so an end is at the end.
        let Some(line) = taken.strip_suffix(b"\r\n").filter(|line| !line.contains(&b'\n')) else {
            return match (taken.contains(&b'\n'), taken.len() < LINE) {
                (true, _) => Err(ProxyError::Malformed),
                (false, false) => Err(ProxyError::TooLong),
                (false, true) => Ok(None),
            };
        };
        let line = str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
        let mut words = line.split(' ').skip(1);
        match words.next() {
            // "the receiver must ignore anything presented before the CRLF"
            Some("UNKNOWN") => Ok(Some(Said::Nobody)),
            Some("TCP4") => client::<Ipv4Addr>(words).map(Some),
            Some("TCP6") => client::<Ipv6Addr>(words).map(Some),
            _ => Err(ProxyError::Malformed),
        }
    }

    // ── version 2 ───────────────────────────────────────────────────────────────────────────

    /// Up to which byte it is read before it is understood: the fixed part, and then the addresses.
    fn binary_length(&self) -> usize {
        if self.length < FIXED {
            return FIXED;
        }
        FIXED + self.address_length().unwrap_or(0).min(self.announced())
    }

    /// How much follows the fixed part.
    fn announced(&self) -> usize {
        let [high, low] = [14, 15].map(|at| self.bytes.get(at).copied().unwrap_or(0));
        usize::from(u16::from_be_bytes([high, low]))
    }

    /// How long the addresses are that are of use here; `None` if there are none.
    fn address_length(&self) -> Option<usize> {
        match (self.bytes.get(12)?, *self.bytes.get(13)?) {
            (&PROXIED, TCP4) => Some(12),
            (&PROXIED, TCP6) => Some(36),
            _ => None,
        }
    }

    fn binary(&mut self) -> Result<Option<Said>, ProxyError> {
        if self.length < FIXED {
            return Ok(None);
        }
        match self.taken().get(12..14) {
            // Whatever is said of a connection of the proxy's own is skipped.
            Some(&[LOCAL, _]) | Some(&[PROXIED, UNKNOWN | TCP4 | TCP6 | UNIX]) => {}
            _ => return Err(ProxyError::Malformed),
        }
        let announced = self.announced();
        if announced > MOST {
            return Err(ProxyError::TooLong);
        }
        if self.address_length().is_some_and(|length| length > announced) {
            return Err(ProxyError::Malformed);
        }
        if self.length < self.binary_length() {
            return Ok(None);
        }
        let said = self.addresses();
        match (FIXED + announced).saturating_sub(self.length) {
            0 => Ok(Some(said)),
            left => {
                self.state = State::Skipping(left, said);
                Ok(None)
            }
        }
    }

    fn addresses(&self) -> Said {
        let said = match self.address_length() {
            Some(12) => self.ends::<4>(),
            Some(_) => self.ends::<16>(),
            None => None,
        };
        said.map_or(Said::Nobody, |(from, to)| Said::Client(from, to))
    }

    /// Two addresses, and behind them their ports.
    fn ends<const N: usize>(&self) -> Option<(SocketAddr, SocketAddr)>
    where
        IpAddr: From<[u8; N]>,
    {
        let (from, rest) = self.taken().get(FIXED..)?.split_first_chunk::<N>()?;
        let (to, rest) = rest.split_first_chunk::<N>()?;
        let (from_port, rest) = rest.split_first_chunk()?;
        let to_port = rest.first_chunk()?;
        let end = |ip: [u8; N], port| SocketAddr::new(ip.into(), u16::from_be_bytes(port));
        Some((end(*from, *from_port), end(*to, *to_port)))
    }
}

/// How many bytes a line has still, at the least, whatever its addresses are.
fn rest_of_line(line: &[u8]) -> usize {
    let end = if line.ends_with(b"\r") { 1 } else { 2 };
    // How long each word is at the least, from the addresses on: "0.0.0.0", "::", and a digit.
    let words: [usize; 4] = match line.get(PREFIX.len()..) {
        Some(rest) if rest.starts_with(b"TCP4 ") => [7, 7, 1, 1],
        Some(rest) if rest.starts_with(b"TCP6 ") => [2, 2, 1, 1],
        _ => return end,
    };
    let spaces = line.iter().filter(|byte| **byte == b' ').count();
    let word = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default().len();
    // Two spaces stand before the first of them.
    let mut left = words.iter().skip(spaces.saturating_sub(2));
    let this = left.next().map_or(0, |least| least.saturating_sub(word));
    this + left.map(|least| 1 + least).sum::<usize>() + end
}

fn client<'a, Ip: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Said, ProxyError> {
    let mut ip = || Some(words.next()?.parse::<Ip>().ok()?.into());
    let (from, to) = (ip(), ip());
    let mut port = || words.next().and_then(port_of);
    let (from_port, to_port) = (port(), port());
    match (from.zip(from_port), to.zip(to_port), words.next()) {
        (Some(from), Some(to), None) => Ok(Said::Client(from.into(), to.into())),
        _ => Err(ProxyError::Malformed),
    }
}

/// Digits alone, and no zero in front of others.
fn port_of(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = word == "0" || !word.starts_with('0');
    word.parse().ok().filter(|_| is_plain && is_short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Address;
    use crate::proxy::ProxyVersion;

    /// Reads a header that comes in pieces of at most so many bytes; what it says, and what was not taken.
    fn read(mut bytes: &[u8], piece: usize) -> (Result<Option<Said>, ProxyError>, &[u8]) {
        let mut reader = Reader::new();
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(reader.wants().min(piece).min(bytes.len()));
            assert!(!taken.is_empty(), "it always wants something");
            bytes = rest;
            match reader.take(taken) {
                Ok(None) => {}
                Ok(said) => return (Ok(said), bytes),
                // Nobody looks at what is behind it.
                Err(error) => return (Err(error), &[]),
            }
        }
        (Ok(None), bytes)
    }

    fn said(bytes: &[u8]) -> Result<Option<Said>, ProxyError> {
        let (whole, rest) = read(bytes, usize::MAX);
        for piece in 1..20 {
            assert_eq!(read(bytes, piece), (whole, rest), "in pieces of {piece}");
        }
        whole
    }

    fn client(from: &str, to: &str) -> Result<Option<Said>, ProxyError> {
        let address = |text: &str| text.parse().expect("an address");
        Ok(Some(Said::Client(address(from), address(to))))
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    #[test]
    fn a_line_says_whom_it_speaks_for() {
        let four = said(b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n");
        assert_eq!(four, client("192.0.2.7:50000", "192.0.2.1:443"));
        assert_eq!(said(b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), client("1.1.1.1:1", "2.2.2.2:2"));
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let line = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
        assert_eq!(line.len(), 104);
        let end = format!("[{longest}]:65535");
        assert_eq!(said(line.as_bytes()), client(&end, &end));
        assert_eq!(said(b"PROXY TCP6 :: ::1 0 1\r\n"), client("[::]:0", "[::1]:1"));
        assert_eq!(said(b"PROXY UNKNOWN\r\n"), Ok(Some(Said::Nobody)));
        assert_eq!(said(b"PROXY UNKNOWN ffff::1 what ever\r\n"), Ok(Some(Said::Nobody)));
    }

    #[test]
    fn a_line_that_is_none_is_refused() {
        let line = |rest: &str| said(format!("PROXY {rest}").as_bytes());
        for malformed in [
            "TCP4 192.0.2.7 192.0.2.1 50000\r\n",
            "TCP4 192.0.2.7 192.0.2.1 50000 443 1\r\n",
            "TCP4 192.0.2.7 192.0.2.1 050000 443\r\n",
            "TCP4 192.0.2.7 192.0.2.1 65536 443\r\n",
            "TCP4 192.0.2.7 192.0.2.1 +1 443\r\n",
            "TCP4 ::1 ::1 50000 443\r\n",
            "TCP6 192.0.2.7 192.0.2.1 50000 443\r\n",
            "TCP4  192.0.2.7 192.0.2.1 50000 443\r\n",
            "TCP4 192.0.2.7 192.0.2.1 50000 443\nGET / HTTP/1.1\r\n",
            "UDP4 192.0.2.7 192.0.2.1 50000 443\r\n",
            "TCP4\t192.0.2.7 192.0.2.1 50000 443\r\n",
        ] {
            assert_eq!(line(malformed), Err(ProxyError::Malformed), "{malformed}");
        }
        assert_eq!(line(&format!("UNKNOWN {}\r\n", "x".repeat(100))), Err(ProxyError::TooLong));
        for other in
            ["GET / HTTP/1.1\r\n", "proxy UNKNOWN\r\n", "\r\nQUIT", "P\r\n", "\x16\x03\x01"]
        {
            assert_eq!(said(other.as_bytes()), Err(ProxyError::Missing), "{other}");
        }
    }

    #[test]
    fn what_is_binary_says_the_same_and_what_is_added_to_it_is_skipped() {
        let four = [192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 1, 187];
        let expected = client("192.0.2.7:258", "192.0.2.1:443");
        assert_eq!(said(&binary(PROXIED, TCP4, &four)), expected);
        let added = [&four[..], &[0xee; 4_000]].concat();
        assert_eq!(said(&binary(PROXIED, TCP4, &added)), expected);
        assert_eq!(said(&binary(PROXIED, UNIX, &[0; 216])), Ok(Some(Said::Nobody)));
        for nobody in [binary(LOCAL, 0, &[]), binary(LOCAL, TCP4, &four), binary(PROXIED, 0, &[1])]
        {
            assert_eq!(said(&nobody), Ok(Some(Said::Nobody)));
        }
        assert_eq!(said(&binary(PROXIED, TCP4, &four[..11])), Err(ProxyError::Malformed));
        assert_eq!(said(&binary(PROXIED, 0x12, &four)), Err(ProxyError::Malformed), "UDP");
        assert_eq!(said(&binary(0x22, TCP4, &four)), Err(ProxyError::Malformed), "no command");
        assert_eq!(said(&binary(0x11, TCP4, &four)), Err(ProxyError::Malformed), "no version");
        assert_eq!(said(&binary(PROXIED, TCP4, &[0; 4_097])), Err(ProxyError::TooLong));
    }

    fn end() -> impl Strategy<Value = SocketAddr> {
        any::<(bool, u128, u16)>().prop_map(|(four, ip, port)| {
            let ip = if four { IpAddr::V4((ip as u32).into()) } else { IpAddr::V6(ip.into()) };
            // An IPv4 client of a socket for both families is written as what it is.
            SocketAddr::new(ip.to_canonical(), port)
        })
    }

    proptest! {
        /// Whatever is written is read, cut anywhere, and not one byte behind it is taken.
        #[test]
        fn what_is_written_is_read_and_not_a_byte_more(
            from in end(), to in end(), v2: bool, piece in 1..120usize, behind: Vec<u8>,
        ) {
            let version = if v2 { ProxyVersion::V2 } else { ProxyVersion::V1 };
            let header = version.header(&Address::Ip(from), &Address::Ip(to));
            let bytes = [&header[..], &behind].concat();
            let expected = if from.is_ipv4() == to.is_ipv4() {
                Said::Client(from, to)
            } else {
                Said::Nobody
            };
            prop_assert_eq!(read(&bytes, piece), (Ok(Some(expected)), &behind[..]));
        }

        #[test]
        fn any_bytes_cut_anywhere_are_the_same_and_no_panic(
            bytes: Vec<u8>, line: bool, piece in 1..40usize,
        ) {
            let begin = if line { &b"PROXY TCP4 "[..] } else { &SIGNATURE[..] };
            for bytes in [bytes.clone(), [begin, &bytes].concat()] {
                prop_assert_eq!(read(&bytes, piece), read(&bytes, usize::MAX));
            }
        }
    }
}
