//! Encrypted connections (message stream encryption, MSE): a stream of bytes that look like chance, so that nobody on
//! the way sees by the first bytes that this is BitTorrent. It keeps nothing secret from a peer, and proves nobody's name.
//!
//! ```text
//!   who dials                                          who accepts
//!     key, pad (0–512 bytes) ───────────────────────▶
//!         ◀─────────────────────── key, pad (0–512)    both keys make the secret S (Diffie-Hellman, 768 bits)
//!     SHA-1("req1" S)                                  the end of the pad
//!     SHA-1("req2" hash) ^ SHA-1("req3" S)             which torrent
//!     ▒ zeros (8)  methods  pad  first payload ─────▶
//!         ◀────────────── ▒ zeros (8)  method  pad     the zeros are the end of the pad before
//!     payload ◀────────────────────────────▶ payload   ▒ by RC4, or plain
//!
//!   ▒  RC4, with a key of each direction: SHA-1("keyA" S hash), SHA-1("keyB" S hash); the first 1,024 bytes are dropped
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `policy` | when it is used, and which methods may be |
//! | `dialling` | the side that dials |
//! | `accepting` | the side that accepts |
//! | `keys` | the secret, and what is made of it |
//! | `rc4` | the cipher |

mod accepting;
mod dialling;
mod keys;
mod policy;
mod rc4;

use thiserror::Error;

pub use accepting::Accepting;
pub use dialling::Dialling;
pub use policy::Encryption;
pub use rc4::Rc4;

use policy::Method;

use super::InfoHash;

/// The most bytes of a pad.
const PAD: usize = 512;
/// What is known of a message beforehand: its receiver finds the end of a pad by it.
const ZEROS: [u8; 8] = [0; 8];

/// Both sides know how they go on.
#[derive(Debug)]
pub struct Secured {
    /// Which torrent it is about.
    pub hash: InfoHash,
    /// What is sent goes through this, if there is one.
    pub sending: Option<Box<Rc4>>,
    /// So does what comes.
    pub receiving: Receiving,
    /// What has come already of what is said next, as it came.
    pub rest: Vec<u8>,
}

/// How what comes is read.
#[derive(Debug)]
pub enum Receiving {
    /// As it is.
    Plain,
    /// Through this.
    Rc4(Box<Rc4>),
    /// So many bytes through this, and what is behind them as it is: who dials sends its first payload before it knows
    /// that the rest is to be plain.
    First(Box<Rc4>, usize),
}

/// The other side does not speak it, or not so that both agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSecured {
    /// With this key the secret would be none.
    #[error("a key that makes no secret")]
    Key,
    /// The end of the pad is not where it has to be by now.
    #[error("no end of the pad within {PAD} bytes")]
    NoEnd,
    /// It is about none of the torrents that are shared.
    #[error("none of the torrents that are shared")]
    Torrent,
    /// What has to be zeros is not.
    #[error("it is enciphered with another key")]
    Garbled,
    /// A pad may not be as long as that.
    #[error("a pad of {0} bytes, where {PAD} are allowed")]
    Pad(u16),
    /// It offers, or has chosen, no method that is allowed here.
    #[error("no method that is allowed, of {0:#x}")]
    Method(u32),
}

impl Receiving {
    /// Makes of what has come what was meant.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Plain => {}
            Self::Rc4(rc4) => rc4.apply(bytes),
            Self::First(rc4, left) => {
                let first = bytes.len().min(*left);
                rc4.apply(&mut bytes[..first]);
                *left -= first;
                if *left == 0 {
                    *self = Self::Plain;
                }
            }
        }
    }
}

/// Takes the front of what has come, if there is as much.
fn take<const N: usize>(inbox: &mut Vec<u8>) -> Option<[u8; N]> {
    let front = *inbox.first_chunk::<N>()?;
    inbox.drain(..N);
    Some(front)
}

/// Takes a pad and what ends it, if that has come.
fn take_pad(inbox: &mut Vec<u8>, end: &[u8]) -> Result<bool, NotSecured> {
    let found = inbox.windows(end.len()).take(PAD + 1).position(|window| window == end);
    match found {
        Some(at) => {
            inbox.drain(..at + end.len());
            Ok(true)
        }
        None if inbox.len() >= PAD + end.len() => Err(NotSecured::NoEnd),
        None => Ok(false),
    }
}

/// So many bytes by chance, up to the longest pad.
fn put_pad(out: &mut Vec<u8>, random: &mut dyn FnMut() -> u64) {
    let length = random() as usize % (PAD + 1);
    let words = std::iter::repeat_with(random).flat_map(u64::to_le_bytes);
    out.extend(words.take(length));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: InfoHash = InfoHash::new([7; 20]);
    const FIRST: &[u8] = b"a handshake, say";

    /// Numbers that look like chance.
    fn random(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed | 1;
        move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state ^ state >> 29
        }
    }

    /// Both sides, until they agree or one refuses; what one says reaches the other in pieces of this size.
    fn meet(
        dials: Encryption,
        accepts: Encryption,
        shared: &[InfoHash],
        seed: u64,
        size: usize,
    ) -> Result<(Secured, Secured), NotSecured> {
        let (mut chance, mut wire, mut back) = (random(seed), Vec::new(), Vec::new());
        let mut dialling = Dialling::new(HASH, dials, FIRST, &mut chance, &mut wire);
        let mut accepting = Accepting::new(accepts, &mut chance);
        let mut accepted = None;
        loop {
            let (said, mut answered) = (std::mem::take(&mut wire), None);
            assert!(!said.is_empty() || !back.is_empty(), "both wait");
            for piece in said.chunks(size) {
                match &mut accepted {
                    Some(Secured { rest, .. }) => rest.extend_from_slice(piece),
                    None => {
                        let torrents = shared.iter().copied();
                        accepted = accepting.handle(piece, torrents, &mut chance, &mut back)?;
                    }
                }
            }
            for piece in std::mem::take(&mut back).chunks(size) {
                answered = answered.or(dialling.handle(piece, &mut wire)?);
            }
            if let (Some(dialled), Some(accepted)) = (answered, accepted.take()) {
                return Ok((dialled, accepted));
            }
        }
    }

    #[test]
    fn both_sides_agree_on_what_both_allow() {
        use Encryption::{Allow, Prefer, Require};
        for (dials, accepts, is_rc4) in [
            (Allow, Allow, false),
            (Allow, Prefer, true),
            (Prefer, Allow, false),
            (Prefer, Prefer, true),
            (Require, Allow, true),
            (Prefer, Require, true),
        ] {
            let (dialled, accepted) =
                meet(dials, accepts, &[HASH], 1, usize::MAX).expect("they agree");
            assert_eq!(accepted.hash, HASH);
            assert_eq!((dialled.sending.is_some(), accepted.sending.is_some()), (is_rc4, is_rc4));
        }
    }

    proptest! {
        #[test]
        fn what_one_says_the_other_reads_however_it_is_cut(
            seed: u64, size in 1_usize..200, rc4: bool, said in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let policy = if rc4 { Encryption::Require } else { Encryption::Allow };
            let (mut dialled, mut accepted) =
                meet(policy, policy, &[[1; 20].into(), HASH], seed, size).expect("they agree");
            let mut bytes = std::mem::take(&mut accepted.rest);
            let mut more = said.clone();
            dialled.sending.iter_mut().for_each(|rc4| rc4.apply(&mut more));
            prop_assert!(!rc4 || said.len() < 4 || more != said);
            bytes.extend(more);
            bytes.chunks_mut(size).for_each(|piece| accepted.receiving.apply(piece));
            prop_assert_eq!(bytes, [FIRST, &said].concat());
            let mut bytes = said.clone();
            accepted.sending.iter_mut().for_each(|rc4| rc4.apply(&mut bytes));
            dialled.receiving.apply(&mut bytes);
            prop_assert_eq!(bytes, said);
        }

        #[test]
        fn anything_else_is_refused_and_nothing_more_is_kept_than_a_pad(
            seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..2_000), size in 1_usize..300,
        ) {
            let (mut chance, mut out) = (random(seed), Vec::new());
            let mut accepting = Accepting::new(Encryption::Allow, &mut chance);
            let mut dialling = Dialling::new(HASH, Encryption::Allow, FIRST, &mut chance, &mut out);
            let (mut refused, mut given_up) = (false, false);
            for piece in bytes.chunks(size) {
                let torrents = [HASH].into_iter();
                refused = refused
                    || accepting.handle(piece, torrents, &mut chance, &mut out).map(|it| it.is_none()) != Ok(true);
                given_up = given_up || dialling.handle(piece, &mut out).map(|it| it.is_none()) != Ok(true);
            }
            prop_assert!(refused || bytes.len() < 96 + PAD + 20 + size);
            prop_assert!(given_up || bytes.len() < 96 + PAD + 8 + size);
            prop_assert!(out.len() <= 2 * (96 + PAD) + 200);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |dials, accepts, shared: &[InfoHash]| {
            meet(dials, accepts, shared, 3, 1_000).map(drop).expect_err("they do not agree")
        };
        use Encryption::{Allow, Require};
        assert_eq!(refused(Allow, Allow, &[]), NotSecured::Torrent);
        assert_eq!(refused(Require, Encryption::Off, &[HASH]), NotSecured::Method(2));
        for key in [[0; 96], [0xff; 96]] {
            let (mut chance, mut out) = (random(1), Vec::new());
            let mut accepting = Accepting::new(Allow, &mut chance);
            let refused = accepting.handle(&key, [HASH].into_iter(), &mut chance, &mut out);
            assert_eq!(refused.map(drop), Err(NotSecured::Key));
            assert!(out.is_empty(), "nothing is said to it");
        }
    }
}
