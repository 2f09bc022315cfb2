//! Options of a transfer (RFC 2347), and what comes of asking for them.
//!
//! ```text
//!   client                       server
//!     │  RRQ  blksize=1428 …        │    asked:    an Options
//!     │ ──────────────────────────▶ │    granted:  no more than was asked for, and than Bounds allow
//!     │  OACK blksize=1024 …        │
//!     │ ◀────────────────────────── │
//!     ▼                             ▼
//!   Terms: what both go by from now on
//! ```
//!
//! | option | RFC | asked for | granted |
//! |---|---|---|---|
//! | `blksize` | 2348 | 8 to 65,464 bytes a block | as much or less |
//! | `timeout` | 2349 | 1 to 255 seconds between tries | the same, or not at all |
//! | `tsize` | 2349 | 0 in a read request, else the size in bytes | the size |
//! | `windowsize` | 7440 | 1 to 65,535 blocks between acknowledgements | as much or less |

use std::time::Duration;

use thiserror::Error;

use super::packet::{Pairs, put_string};

const BLOCK_SIZE: &str = "blksize";
const TIMEOUT: &str = "timeout";
const SIZE: &str = "tsize";
const WINDOW: &str = "windowsize";

/// The most bytes of a block: what UDP over IPv4 has room for (RFC 2348).
pub const LARGEST_BLOCK: u16 = 65_464;
/// The fewest (RFC 2348).
const SMALLEST_BLOCK: u16 = 8;

/// What is asked for, or granted. What is `None` is not mentioned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `blksize`: bytes of a block, all but the last. Without it they are 512.
    pub block_size: Option<u16>,
    /// `timeout`: seconds after which a packet is sent again. Without it each side has its own idea.
    pub timeout: Option<u8>,
    /// `tsize`: bytes of the file.
    pub size: Option<u64>,
    /// `windowsize`: blocks that are sent before an acknowledgement is waited for. Without it one.
    pub window: Option<u16>,
}

/// What both sides of a transfer go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bytes of a block, all but the last.
    pub block_size: u16,
    /// Blocks that are sent before an acknowledgement is waited for.
    pub window: u16,
    /// How long to wait before a packet is sent again, if they have agreed on it.
    pub timeout: Option<Duration>,
    /// Bytes of the file, if both know.
    pub size: Option<u64>,
}

/// The most that is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a block.
    pub block_size: u16,
    /// Blocks of a window.
    pub window: u16,
    /// Bytes of a window. A block is as long as it was asked for, and the window has fewer of them.
    pub window_bytes: u32,
}

/// Why what the server grants is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unacceptable {
    /// It grants what was not asked for.
    #[error("it grants {0}, which was not asked for")]
    Unasked(&'static str),
    /// It grants more than was asked for, or something else.
    #[error("it grants another {0} than was asked for")]
    Different(&'static str),
    /// The value is none.
    #[error("it grants a {0} that makes no sense")]
    Senseless(&'static str),
    /// It grants something that this side has never heard of.
    #[error("it grants what nobody has asked for")]
    Unknown,
}

impl Options {
    /// The options of a request. Unknown ones are left out, as RFC 2347 has it, and so are values that
    /// make no sense; of two that are the same, the first counts.
    #[must_use]
    pub fn parse(pairs: Pairs<'_>) -> Self {
        let mut options = Self::default();
        for (name, value) in pairs.iter() {
            // What it says of them is for answers.
            let _ = options.note(name, value);
        }
        options
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unacceptable> {
        let is = |option: &str| name.eq_ignore_ascii_case(option.as_bytes());
        // Digits alone: what is granted is written anew, and has to be what was asked for.
        let digits = Some(value).filter(|value| value.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|it| std::str::from_utf8(it).ok()?.parse::<u64>().ok());
        if is(BLOCK_SIZE) {
            let range = SMALLEST_BLOCK..=LARGEST_BLOCK;
            keep(&mut self.block_size, BLOCK_SIZE, narrow(number).filter(|v| range.contains(v)))
        } else if is(TIMEOUT) {
            keep(&mut self.timeout, TIMEOUT, narrow(number).filter(|&value| value > 0))
        } else if is(SIZE) {
            keep(&mut self.size, SIZE, number)
        } else if is(WINDOW) {
            keep(&mut self.window, WINDOW, narrow(number).filter(|&value| value > 0))
        } else {
            Err(Unacceptable::Unknown)
        }
    }

    /// Appends them to a buffer, as they stand in a packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in self.values() {
            if let Some(value) = value {
                put_string(name.as_bytes(), out);
                put_string(value.to_string().as_bytes(), out);
            }
        }
    }

    /// Whether nothing is mentioned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn values(&self) -> [(&'static str, Option<u64>); 4] {
        [
            (BLOCK_SIZE, self.block_size.map(u64::from)),
            (TIMEOUT, self.timeout.map(u64::from)),
            (SIZE, self.size),
            (WINDOW, self.window.map(u64::from)),
        ]
    }

    /// What a server grants of what it was asked for, and what both go by then. The `size` is the
    /// file's, where the server sends it and knows; where it receives, it is what the client says.
    #[must_use]
    pub fn grant(&self, bounds: &Bounds, size: Option<u64>) -> (Self, Terms) {
        let block_size = self.block_size.map(|asked| asked.min(bounds.block_size));
        let block = u32::from(block_size.unwrap_or(Terms::default().block_size));
        let room = u16::try_from(bounds.window_bytes / block).unwrap_or(u16::MAX);
        let granted = Self {
            block_size,
            timeout: self.timeout,
            size: self.size.and(size),
            window: self.window.map(|asked| asked.min(bounds.window).min(room).max(1)),
        };
        (granted, Terms::of(&granted))
    }

    /// What both go by, now that a client has been granted this.
    ///
    /// # Errors
    ///
    /// If it is not what the client has asked for: then it answers with error 8.
    pub fn accept(&self, granted: Pairs<'_>) -> Result<Terms, Unacceptable> {
        let mut options = Self::default();
        granted.iter().try_for_each(|(name, value)| options.note(name, value))?;
        for ((name, asked), (_, granted)) in self.values().into_iter().zip(options.values()) {
            match (asked, granted) {
                (None, Some(_)) => return Err(Unacceptable::Unasked(name)),
                // In a read request it is a zero that asks for the size.
                (Some(asked), Some(granted))
                    if name == SIZE && (asked == granted || asked == 0) => {}
                (Some(asked), Some(granted)) if asked == granted => {}
                (Some(asked), Some(granted))
                    if granted < asked && [BLOCK_SIZE, WINDOW].contains(&name) => {}
                (Some(_), Some(_)) => return Err(Unacceptable::Different(name)),
                (_, None) => {}
            }
        }
        Ok(Terms::of(&options))
    }
}

impl Terms {
    fn of(granted: &Options) -> Self {
        let defaults = Self::default();
        Self {
            block_size: granted.block_size.unwrap_or(defaults.block_size),
            window: granted.window.unwrap_or(defaults.window),
            timeout: granted.timeout.map(|seconds| Duration::from_secs(seconds.into())),
            size: granted.size,
        }
    }
}

/// What a transfer goes by of which nothing was said (RFC 1350).
impl Default for Terms {
    fn default() -> Self {
        Self { block_size: 512, window: 1, timeout: None, size: None }
    }
}

fn narrow<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}

fn keep<T>(
    place: &mut Option<T>,
    name: &'static str,
    value: Option<T>,
) -> Result<(), Unacceptable> {
    let value = value.ok_or(Unacceptable::Senseless(name))?;
    place.get_or_insert(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { block_size: 1_428, window: 32, window_bytes: 16_384 };

    fn pairs(options: &Options) -> Vec<u8> {
        let mut out = Vec::new();
        options.encode(&mut out);
        out
    }

    #[test]
    fn no_more_is_granted_than_was_asked_for_nor_than_is_allowed() {
        let asked =
            Options { block_size: Some(65_464), timeout: Some(3), size: Some(0), window: Some(64) };
        let (granted, terms) = asked.grant(&BOUNDS, Some(99));
        let expected =
            Options { block_size: Some(1_428), timeout: Some(3), size: Some(99), window: Some(11) };
        assert_eq!(granted, expected);
        assert_eq!(terms.timeout, Some(Duration::from_secs(3)));
        assert_eq!(asked.accept(Pairs::new(&pairs(&granted))), Ok(terms));

        let (granted, terms) = Options::default().grant(&BOUNDS, Some(99));
        assert!(granted.is_empty());
        assert_eq!(terms, Terms::default());
    }

    #[test]
    fn what_makes_no_sense_in_a_request_was_not_asked() {
        for senseless in [
            &b"blksize\x007\0"[..],
            b"blksize\x0065465\0",
            b"timeout\x000\0",
            b"timeout\x00256\0",
            b"windowsize\x000\0",
            b"windowsize\x0065536\0",
            b"tsize\x00-1\0",
            b"timeout\x00+5\0",
            b"tsize\0\0",
            b"colour\0red\0",
        ] {
            assert_eq!(Options::parse(Pairs::new(senseless)), Options::default());
        }
        let twice = Options::parse(Pairs::new(b"BlkSize\x008\0blksize\x009\0"));
        assert_eq!(twice, Options { block_size: Some(8), ..Options::default() });
    }

    #[test]
    fn a_client_does_not_accept_what_it_did_not_ask_for() {
        let asked = Options { block_size: Some(1_024), timeout: Some(1), ..Options::default() };
        for (granted, why) in [
            (&b"tsize\x0010\0"[..], Unacceptable::Unasked(SIZE)),
            (b"blksize\x001025\0", Unacceptable::Different(BLOCK_SIZE)),
            (b"timeout\x002\0", Unacceptable::Different(TIMEOUT)),
            (b"blksize\0many\0", Unacceptable::Senseless(BLOCK_SIZE)),
            (b"colour\0red\0", Unacceptable::Unknown),
        ] {
            assert_eq!(asked.accept(Pairs::new(granted)), Err(why));
        }
        let less = asked.accept(Pairs::new(b"blksize\x00512\0"));
        assert_eq!(less.map(|terms| (terms.block_size, terms.timeout)), Ok((512, None)));
    }

    fn some_options() -> impl Strategy<Value = Options> {
        let block_size = prop::option::of(SMALLEST_BLOCK..=LARGEST_BLOCK);
        let timeout = prop::option::of(1_u8..);
        let window = prop::option::of(1_u16..);
        (block_size, timeout, any::<Option<u64>>(), window).prop_map(
            |(block_size, timeout, size, window)| Options { block_size, timeout, size, window },
        )
    }

    proptest! {
        #[test]
        fn options_survive_the_way(options in some_options()) {
            prop_assert_eq!(Options::parse(Pairs::new(&pairs(&options))), options);
        }

        #[test]
        fn what_is_granted_is_always_accepted(asked in some_options(), size: u64) {
            let size = asked.size.filter(|&asked| asked > 0).unwrap_or(size);
            let (granted, terms) = asked.grant(&BOUNDS, Some(size));
            prop_assert_eq!(asked.accept(Pairs::new(&pairs(&granted))), Ok(terms));
            prop_assert!(u32::from(terms.block_size) * u32::from(terms.window)
                <= BOUNDS.window_bytes.max(terms.block_size.into()));
        }

        #[test]
        fn any_bytes_are_accepted_or_not(
            asked in some_options(),
            granted in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Ok(terms) = asked.accept(Pairs::new(&granted)) {
                prop_assert!(terms.block_size >= SMALLEST_BLOCK && terms.window > 0);
            }
        }
    }
}
