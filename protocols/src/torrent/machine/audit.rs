//! Whether the books of a torrent are right: for tests, after each step.

use super::{Peer, PeerKey, Torrent};

impl Torrent {
    /// Looks whether its books are right: each piece in one state, and as many requests under way as are counted.
    /// For tests, after each step.
    ///
    /// # Errors
    ///
    /// What does not hold.
    #[doc(hidden)]
    pub fn audit(&self) -> Result<(), String> {
        self.pieces.audit()?;
        let asked = |key: PeerKey, peer: &Peer| {
            let by = |by: &[Option<PeerKey>]| by.iter().filter(|by| **by == Some(key)).count();
            let open = self.pieces.open();
            let counted: usize =
                open.flat_map(|(_, open)| open.asked()).map(|(_, asked, _)| by(asked)).sum();
            (peer.download.asked.len(), counted)
        };
        for (key, peer) in &self.peers {
            let (listed, counted) = asked(*key, peer);
            if listed != counted {
                return Err(format!(
                    "{listed} requests to {key}, of which the pieces know {counted}"
                ));
            }
            let wanted = peer.has.iter().filter(|piece| self.pieces.wants(*piece)).count();
            if wanted as u32 != peer.interesting {
                return Err(format!("{key} has {wanted} to want, not {}", peer.interesting));
            }
        }
        for piece in 0..self.geometry().pieces() {
            let some = self.peers.values().filter(|peer| !peer.has.is_full());
            let with = some.filter(|peer| peer.has.contains(piece)).count();
            if self.pieces.rarity.peers_with(piece) as usize != with {
                return Err(format!(
                    "{with} peers have piece {piece}, which is not what is counted"
                ));
            }
        }
        let known = |by: &Option<PeerKey>| by.is_none_or(|key| self.peers.contains_key(&key));
        let mut asked = self.pieces.open().flat_map(|(_, open)| open.asked());
        match asked.find(|(_, by, _)| !by.iter().all(known)) {
            Some((_, by, _)) => Err(format!("asked of {by:?}, of whom one has gone")),
            None => Ok(()),
        }
    }
}
