//! What stands in a datagram (RFC 1350, section 5; RFC 2347): bytes in, values out, and back.
//!
//! ```text
//!            2 bytes     string   1 byte  string  1 byte  string  1 byte  string  1 byte
//!           ┌──────────┬─────────┬──────┬────────┬──────┬────────┬──────┬────────┬──────┐
//! RRQ, WRQ  │ 1 or 2   │ name    │ 0    │ mode   │ 0    │ option │ 0    │ value  │ 0    │ …
//!           ├──────────┼─────────┴──────┴────────┴──────┴────────┴──────┴────────┴──────┘
//!           │          │ 2 bytes   n bytes
//!           ├──────────┼─────────┬─────────────┐
//! DATA      │ 3        │ block   │ bytes       │     fewer than the block size: the file ends here
//!           ├──────────┼─────────┼─────────────┘
//! ACK       │ 4        │ block   │
//!           ├──────────┼─────────┼─────────┬──────┐
//! ERROR     │ 5        │ code    │ message │ 0    │
//!           ├──────────┼─────────┼──────┬──┴─────┬┴─────┐
//! OACK      │ 6        │ option  │ 0    │ value  │ 0    │ …
//!           └──────────┴─────────┴──────┴────────┴──────┘
//! ```

use std::fmt;

use thiserror::Error;

/// The longest request that is understood. RFC 2347 has 512 bytes for it; a name of 255 characters
/// outside of ASCII, in a directory or two, needs more.
pub const LONGEST_REQUEST: usize = 2_048;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// A packet. Names and messages are bytes: only their users know what characters they are.
///
/// ```
/// use protocols::transfer::tftp::{Mode, Packet};
///
/// let packet = Packet::parse(b"\x00\x01boot.img\0octet\0blksize\x001428\0")?;
/// let Packet::Read(request) = &packet else { panic!("it is a read request") };
/// assert_eq!((request.name, request.mode), (&b"boot.img"[..], Mode::Octet));
/// assert_eq!(request.options.iter().next(), Some((&b"blksize"[..], &b"1428"[..])));
/// # Ok::<(), protocols::transfer::tftp::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: send me this file.
    Read(Request<'a>),
    /// WRQ: take this file.
    Write(Request<'a>),
    /// DATA: a piece of the file.
    Data {
        /// Its number, from one, counted modulo 65,536.
        block: u16,
        /// What is in it.
        bytes: &'a [u8],
    },
    /// ACK: everything up to this block has arrived.
    Ack {
        /// The number of the last block that has, or zero.
        block: u16,
    },
    /// ERROR: the transfer is over.
    Error {
        /// What kind of error.
        code: Code,
        /// For a person.
        message: &'a [u8],
    },
    /// OACK (RFC 2347): these options are granted.
    Granted(Pairs<'a>),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file: never empty, and without NUL.
    pub name: &'a [u8],
    /// How it is to be carried.
    pub mode: Mode,
    /// Options, with values, in the order in which they stand there.
    pub options: Pairs<'a>,
}

/// How the bytes of a file are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As they are.
    #[default]
    Octet,
    /// As text, with the line ends of Telnet (RFC 764): see [`netascii`](super::netascii).
    Netascii,
}

/// Options and values as they stand in a packet: strings, each with a NUL behind it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Pairs<'a>(&'a [u8]);

/// What kind of error an ERROR packet tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// 0: only the message tells.
    Undefined,
    /// 1: there is no such file.
    NotFound,
    /// 2: it may not be read, or written.
    AccessViolation,
    /// 3: there is no room for it.
    DiskFull,
    /// 4: that was no packet, or not the time for it.
    IllegalOperation,
    /// 5: this port knows nothing of that transfer.
    UnknownTransfer,
    /// 6: there is such a file already.
    FileExists,
    /// 7: there is no such user, to whom mail could be sent.
    NoSuchUser,
    /// 8: the options are not accepted (RFC 2347).
    OptionsRefused,
    /// One that no RFC defines.
    Other(u16),
}

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// They end before they should.
    #[error("a packet that is cut off")]
    Short,
    /// They are no kind of packet.
    #[error("no packet of TFTP: operation {0}")]
    Operation(u16),
    /// A request that is longer than [`LONGEST_REQUEST`].
    #[error("a request of more than {LONGEST_REQUEST} bytes")]
    Long,
    /// A request for a file without a name.
    #[error("no name")]
    Nameless,
    /// A request in a mode other than netascii and octet. (There was a third, mail, which RFC 1350
    /// calls obsolete.)
    #[error("no mode but netascii and octet")]
    Mode,
}

impl<'a> Packet<'a> {
    /// What stands in a datagram.
    ///
    /// # Errors
    ///
    /// If it is no packet.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (operation, rest) = take_number(datagram)?;
        match operation {
            RRQ => Request::parse(rest).map(Self::Read),
            WRQ => Request::parse(rest).map(Self::Write),
            DATA => take_number(rest).map(|(block, bytes)| Self::Data { block, bytes }),
            ACK => take_number(rest).map(|(block, _)| Self::Ack { block }),
            ERROR => take_number(rest).map(|(code, message)| Self::Error {
                code: Code::from(code),
                // Some servers leave the NUL out.
                message: take_string(message).map_or(message, |(message, _)| message),
            }),
            OACK => Ok(Self::Granted(Pairs(rest))),
            _ => Err(Malformed::Operation(operation)),
        }
    }

    /// Appends it to a buffer, as it stands in a datagram.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Read(request) => request.encode(RRQ, out),
            Self::Write(request) => request.encode(WRQ, out),
            Self::Data { block, bytes } => {
                put_numbers(DATA, block, out);
                out.extend_from_slice(bytes);
            }
            Self::Ack { block } => put_numbers(ACK, block, out),
            Self::Error { code, message } => {
                put_numbers(ERROR, code.into(), out);
                put_string(message, out);
            }
            Self::Granted(pairs) => {
                out.extend_from_slice(&OACK.to_be_bytes());
                out.extend_from_slice(pairs.0);
            }
        }
    }

    /// As it stands in a datagram.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

impl<'a> Request<'a> {
    fn parse(rest: &'a [u8]) -> Result<Self, Malformed> {
        if rest.len() + 2 > LONGEST_REQUEST {
            return Err(Malformed::Long);
        }
        let (name, rest) = take_string(rest).ok_or(Malformed::Short)?;
        let (mode, options) = take_string(rest).ok_or(Malformed::Short)?;
        if name.is_empty() {
            return Err(Malformed::Nameless);
        }
        let mode = Mode::parse(mode).ok_or(Malformed::Mode)?;
        Ok(Self { name, mode, options: Pairs(options) })
    }

    fn encode(&self, operation: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&operation.to_be_bytes());
        put_string(self.name, out);
        put_string(self.mode.name().as_bytes(), out);
        out.extend_from_slice(self.options.0);
    }
}

impl Mode {
    /// How a request spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
        }
    }

    fn parse(name: &[u8]) -> Option<Self> {
        let is = |mode: &Self| name.eq_ignore_ascii_case(mode.name().as_bytes());
        [Self::Octet, Self::Netascii].into_iter().find(is)
    }
}

impl<'a> Pairs<'a> {
    /// Pairs in the form [`Options::encode`](super::options::Options::encode) writes them: each an option and a
    /// value, both with a NUL behind them.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Each option with its value. What is no whole pair, at the end, is left out, and so is the padding of
    /// those who send packets of one length: no option is without a name.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let begin = rest.iter().position(|&byte| byte != 0)?;
            let (name, behind) = take_string(&rest[begin..])?;
            let (value, behind) = take_string(behind)?;
            rest = behind;
            Some((name, value))
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| (name.escape_ascii(), value.escape_ascii()));
        f.debug_map().entries(shown.map(|(n, v)| (n.to_string(), v.to_string()))).finish()
    }
}

impl From<u16> for Code {
    fn from(number: u16) -> Self {
        match number {
            0 => Self::Undefined,
            1 => Self::NotFound,
            2 => Self::AccessViolation,
            3 => Self::DiskFull,
            4 => Self::IllegalOperation,
            5 => Self::UnknownTransfer,
            6 => Self::FileExists,
            7 => Self::NoSuchUser,
            8 => Self::OptionsRefused,
            other => Self::Other(other),
        }
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        match code {
            Code::Undefined => 0,
            Code::NotFound => 1,
            Code::AccessViolation => 2,
            Code::DiskFull => 3,
            Code::IllegalOperation => 4,
            Code::UnknownTransfer => 5,
            Code::FileExists => 6,
            Code::NoSuchUser => 7,
            Code::OptionsRefused => 8,
            Code::Other(number) => number,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undefined => "error",
            Self::NotFound => "file not found",
            Self::AccessViolation => "access violation",
            Self::DiskFull => "disk full",
            Self::IllegalOperation => "illegal operation",
            Self::UnknownTransfer => "unknown transfer",
            Self::FileExists => "file already exists",
            Self::NoSuchUser => "no such user",
            Self::OptionsRefused => "options refused",
            Self::Other(number) => return write!(f, "error {number}"),
        })
    }
}

fn take_number(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Malformed::Short)?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// What stands before the first NUL, and what behind it.
fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn put_numbers(operation: u16, number: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&operation.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
}

/// A string with its NUL; it ends at the first one it has of its own.
pub(super) fn put_string(string: &[u8], out: &mut Vec<u8>) {
    out.extend(string.iter().take_while(|&&byte| byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn reads(datagram: &[u8], packet: Packet<'_>) {
        assert_eq!(Packet::parse(datagram), Ok(packet));
        assert_eq!(packet.to_vec(), datagram);
    }

    #[test]
    fn every_kind_of_packet_is_what_the_rfc_draws() {
        let request = Request { name: b"a/b", mode: Mode::Octet, options: Pairs::default() };
        reads(b"\0\x01a/b\0octet\0", Packet::Read(request));
        let options = Pairs(b"tsize\x000\0");
        reads(b"\0\x02a/b\0octet\0tsize\x000\0", Packet::Write(Request { options, ..request }));
        reads(b"\0\x03\x01\x02abc", Packet::Data { block: 0x102, bytes: b"abc" });
        reads(b"\0\x03\0\x01", Packet::Data { block: 1, bytes: b"" });
        reads(b"\0\x04\xff\xff", Packet::Ack { block: 0xffff });
        reads(b"\0\x05\0\x01no\0", Packet::Error { code: Code::NotFound, message: b"no" });
        reads(b"\0\x06tsize\x0099\0", Packet::Granted(Pairs(b"tsize\x0099\0")));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (datagram, malformed) in [
            (&b""[..], Malformed::Short),
            (b"\0", Malformed::Short),
            (b"\0\x01", Malformed::Short),
            (b"\0\x01name", Malformed::Short),
            (b"\0\x01name\0octet", Malformed::Short),
            (b"\0\x01\0octet\0", Malformed::Nameless),
            (b"\0\x01name\0mail\0", Malformed::Mode),
            (b"\0\x03\0", Malformed::Short),
            (b"\0\0", Malformed::Operation(0)),
            (b"\0\x07\0\0", Malformed::Operation(7)),
        ] {
            assert_eq!(Packet::parse(datagram), Err(malformed), "{}", datagram.escape_ascii());
        }
        let long = [b"\0\x01", &[b'a'; LONGEST_REQUEST][..], b"\0octet\0"].concat();
        assert_eq!(Packet::parse(&long), Err(Malformed::Long));
    }

    #[test]
    fn modes_are_read_in_any_case_and_messages_without_their_nul() {
        let Ok(Packet::Read(request)) = Packet::parse(b"\0\x01a\0NetASCII\0") else {
            panic!("it is a request");
        };
        assert_eq!(request.mode, Mode::Netascii);
        let error = Packet::Error { code: Code::Other(77), message: b"no" };
        assert_eq!(Packet::parse(b"\0\x05\0\x4dno"), Ok(error));
    }

    #[test]
    fn half_a_pair_at_the_end_is_no_option() {
        let pairs = Pairs(b"blksize\x001024\0tsize\x000");
        assert_eq!(pairs.iter().collect::<Vec<_>>(), [(&b"blksize"[..], &b"1024"[..])]);
    }

    #[test]
    fn nuls_behind_the_options_are_none() {
        for padding in [1, 2, 3, 500] {
            let padded = [&b"blksize\x001024\0tsize\x000\0"[..], &vec![0; padding]].concat();
            let pairs: Vec<_> = Pairs(&padded).iter().collect();
            assert_eq!(pairs, [(&b"blksize"[..], &b"1024"[..]), (b"tsize", b"0")]);
        }
        assert!(Pairs(&[0; 40]).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_not_and_a_packet_survives_the_way(
            datagram in prop::collection::vec(any::<u8>(), 0..600),
            operation in 0_u8..8,
        ) {
            let datagram = [&[0, operation], &datagram[..]].concat();
            if let Ok(packet) = Packet::parse(&datagram) {
                let again = packet.to_vec();
                prop_assert_eq!(Packet::parse(&again), Ok(packet));
            }
        }

        #[test]
        fn requests_survive_the_way(
            name in "[^\0]{1,100}",
            options in prop::collection::vec(("[a-z]{1,9}", "[0-9]{1,9}"), 0..5),
        ) {
            let mut pairs = Vec::new();
            for (option, value) in &options {
                put_string(option.as_bytes(), &mut pairs);
                put_string(value.as_bytes(), &mut pairs);
            }
            let options_sent = Pairs::new(&pairs);
            let request = Request { name: name.as_bytes(), mode: Mode::Octet, options: options_sent };
            let datagram = Packet::Write(request).to_vec();
            prop_assert_eq!(Packet::parse(&datagram), Ok(Packet::Write(request)));
            let found: Vec<_> = options_sent.iter().collect();
            let sent: Vec<_> = options.iter().map(|(o, v)| (o.as_bytes(), v.as_bytes())).collect();
            prop_assert_eq!(found, sent);
        }
    }
}
