//! Codecs, one file each with one silhouette: a function that returns a text, how many messages it has,
//! and everyone who finds them. A new codec is a file, and an entry in [`all`].

mod ftp;
mod irc;
mod lines;
mod tftp;

use std::fmt;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use crate::Result;
use crate::work::{Spent, Work};

/// Finds every message in a text, and returns how many there are.
pub type Decode = fn(&[u8]) -> usize;

/// One wire format.
pub struct Codec {
    /// Its name.
    pub name: &'static str,
    /// Messages, one behind the other.
    pub text: Rc<[u8]>,
    /// How many.
    pub messages: usize,
    /// Who finds them, the ruler first.
    pub decoders: Vec<(&'static str, Decode)>,
}

/// Every codec.
pub fn all() -> Vec<Codec> {
    vec![lines::codec(), irc::codec(), ftp::codec(), tftp::codec()]
}

impl fmt::Debug for Codec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Codec").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One who finds the messages of a text again and again, as work.
#[derive(Debug)]
pub struct Decoding {
    /// The text.
    pub text: Rc<[u8]>,
    /// Its messages.
    pub messages: usize,
    /// Who finds them.
    pub decode: Decode,
}

impl Work for Decoding {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let times = units.div_ceil(self.messages as u64);
        let start = Instant::now();
        for _ in 0..times {
            let found = (self.decode)(black_box(&self.text));
            if found != self.messages {
                return Err(format!("{found} messages were found of {}", self.messages).into());
            }
        }
        let wall = start.elapsed();
        Ok(Spent { units: times * self.messages as u64, wall, processor: wall })
    }
}
