//! The encryption of one connection: until both sides agree, and what comes after that.

use crate::torrent::InfoHash;
use crate::torrent::wire::mse::{Accepting, Dialling, Encryption, NotSecured, Receiving, Secured};

/// A connection on which both sides do not agree yet.
#[derive(Debug)]
pub(super) enum Securing {
    Accepting(Accepting),
    Dialling(Dialling),
}

/// What comes over a connection that is, or was, enciphered.
#[derive(Debug)]
pub(super) struct Veil {
    receiving: Receiving,
    /// What was deciphered, and not understood yet: less than a handshake, or the head of a message.
    clear: Vec<u8>,
}

impl Securing {
    /// Begins on a connection that this side has made; what it says first is appended to `out`.
    pub(super) fn dial(
        hash: InfoHash,
        policy: Encryption,
        handshake: &[u8],
        random: &mut dyn FnMut() -> u64,
        out: &mut Vec<u8>,
    ) -> Self {
        Self::Dialling(Dialling::new(hash, policy, handshake, random, out))
    }

    /// Begins on one that was accepted, and whose first bytes are not plain.
    pub(super) fn accept(policy: Encryption, random: &mut dyn FnMut() -> u64) -> Self {
        Self::Accepting(Accepting::new(policy, random))
    }

    /// Takes what has come, and appends what is to be sent.
    pub(super) fn handle(
        &mut self,
        bytes: &[u8],
        torrents: impl Iterator<Item = InfoHash>,
        random: &mut dyn FnMut() -> u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Secured>, NotSecured> {
        match self {
            Self::Accepting(accepting) => accepting.handle(bytes, torrents, random, out),
            Self::Dialling(dialling) => dialling.handle(bytes, out),
        }
    }
}

impl Veil {
    pub(super) fn new(receiving: Receiving, rest: &[u8]) -> Self {
        let mut veil = Self { receiving, clear: Vec::new() };
        veil.lift(rest);
        veil
    }

    /// Takes what has come.
    pub(super) fn lift(&mut self, bytes: &[u8]) {
        let begin = self.clear.len();
        self.clear.extend_from_slice(bytes);
        self.receiving.apply(&mut self.clear[begin..]);
    }

    /// What there is to be read.
    pub(super) fn clear(&self) -> &[u8] {
        &self.clear
    }

    /// All but the last bytes was read. A connection that has gone quiet needs no memory.
    pub(super) fn keep(&mut self, last: usize) {
        self.clear = self.clear.split_off(self.clear.len() - last);
    }

    /// Whether everything that comes is plain from now on.
    pub(super) fn is_over(&self) -> bool {
        self.clear.is_empty() && matches!(self.receiving, Receiving::Plain)
    }
}
