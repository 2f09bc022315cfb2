//! Who sent what was wrong.
//!
//! ```text
//!   a piece is bad ──one peer sent all of it──▶ that is the liar
//!        │
//!        └─ several did: the digests of their blocks are kept, and none of them shares a piece with others
//!              │          until this one is right. It is asked of one peer alone
//!              ├─ bad again ──▶ that one is a liar
//!              └─ good ──▶ whoever's block was another one is the liar, and nobody else
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::{Digest, PeerKey};

/// Pieces that were bad, and who sent which block of them.
#[derive(Debug, Default)]
pub(super) struct Blame {
    bad: BTreeMap<u32, Vec<(PeerKey, Digest)>>,
}

impl Blame {
    /// A piece was bad: who is to blame, if that is known. Else its blocks are remembered.
    pub(super) fn handle_bad(
        &mut self,
        piece: u32,
        senders: &[PeerKey],
        digests: &[Digest],
    ) -> Option<PeerKey> {
        let (&first, others) = senders.split_first()?;
        if others.iter().all(|other| *other == first) {
            return Some(first);
        }
        let blocks = senders.iter().copied().zip(digests.iter().copied());
        self.bad.insert(piece, blocks.collect());
        None
    }

    /// A piece is right: who had sent something else for it.
    pub(super) fn handle_good(&mut self, piece: u32, digests: &[Digest]) -> BTreeSet<PeerKey> {
        let blocks = self.bad.remove(&piece).unwrap_or_default();
        let wrong = blocks.iter().zip(digests).filter(|((_, was), is)| was != *is);
        wrong.map(|((peer, _), _)| *peer).collect()
    }

    /// Whether there was trouble with a piece, so that one peer alone is asked for all of it.
    pub(super) fn is_bad(&self, piece: u32) -> bool {
        self.bad.contains_key(&piece)
    }

    /// Whether a peer has sent a part of a piece that was bad, and it may have been that part.
    pub(super) fn is_suspect(&self, peer: PeerKey) -> bool {
        self.bad.values().flatten().any(|(suspect, _)| *suspect == peer)
    }

    /// Whether it has sent a part of this one.
    pub(super) fn is_suspect_of(&self, peer: PeerKey, piece: u32) -> bool {
        self.bad.get(&piece).into_iter().flatten().any(|(suspect, _)| *suspect == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerKey = PeerKey(1);
    const BOB: PeerKey = PeerKey(2);
    const EVE: PeerKey = PeerKey(3);

    #[test]
    fn who_sent_all_of_a_bad_piece_is_the_liar() {
        let mut blame = Blame::default();
        assert_eq!(blame.handle_bad(7, &[EVE, EVE], &[1, 2]), Some(EVE));
        assert!(!blame.is_bad(7));
    }

    #[test]
    fn of_several_the_one_is_found_whose_block_was_another_one() {
        let mut blame = Blame::default();
        assert_eq!(blame.handle_bad(7, &[ANN, EVE, BOB, EVE], &[1, 2, 3, 4]), None);
        assert!(blame.is_bad(7) && blame.is_suspect(ANN) && blame.is_suspect_of(EVE, 7));
        assert_eq!(blame.handle_good(7, &[1, 9, 3, 4]), BTreeSet::from([EVE]));
        assert!(!blame.is_suspect(ANN) && !blame.is_bad(7));
        assert_eq!(blame.handle_good(8, &[1]), BTreeSet::new());
    }
}
