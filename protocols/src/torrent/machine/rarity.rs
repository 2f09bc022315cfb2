//! The pieces that can be begun, the rarest first.
//!
//! ```text
//!   order   │ 7 2 │ 9 0 4 │ 1 │ 3 8 …      pieces, by their rank
//!           └─0───┴─1─────┴─2─┴─3───       rank 0: cannot be begun; rank n: n - 1 peers have it
//! ```
//!
//! A piece that changes its rank by one swaps places with the last (or the first) of its rank, so that a `have`
//! costs the same in a torrent of a million pieces as in a small one.

/// Every piece, sorted by how many peers have it. Peers that have all of them are not counted: to them it makes
/// no difference.
#[derive(Debug)]
pub(super) struct Rarity {
    order: Vec<u32>,
    /// Where in the order each piece is.
    place: Vec<u32>,
    /// The rank of each piece.
    rank: Vec<u32>,
    /// Where each rank begins; the last entry is the end.
    begins: Vec<u32>,
    /// How many peers have each piece.
    peers: Vec<u32>,
}

impl Rarity {
    /// So many pieces, none of which can be begun.
    pub(super) fn new(pieces: u32) -> Self {
        let numbers: Vec<u32> = (0..pieces).collect();
        let zeros = vec![0; pieces as usize];
        Self {
            order: numbers.clone(),
            place: numbers,
            rank: zeros.clone(),
            begins: vec![0, pieces],
            peers: zeros,
        }
    }

    /// A piece can be begun, or not any more.
    pub(super) fn set_can_begin(&mut self, piece: u32, can: bool) {
        let rank = if can { self.peers_with(piece) + 1 } else { 0 };
        self.move_to(piece, rank);
    }

    /// One more peer has a piece.
    pub(super) fn add(&mut self, piece: u32) {
        self.count(piece, 1);
    }

    /// One peer fewer has it.
    pub(super) fn remove(&mut self, piece: u32) {
        self.count(piece, -1);
    }

    /// How many peers have a piece, those not counted that have all.
    pub(super) fn peers_with(&self, piece: u32) -> u32 {
        self.peers.get(piece as usize).copied().unwrap_or(0)
    }

    /// Whether a piece can be begun.
    pub(super) fn can_begin(&self, piece: u32) -> bool {
        self.rank.get(piece as usize).is_some_and(|rank| *rank > 0)
    }

    /// Whether no piece can be begun that anybody has. `has_seed`: there is somebody who has all.
    pub(super) fn is_used_up(&self, has_seed: bool) -> bool {
        let first = self.begins.get(if has_seed { 1 } else { 2 });
        first.is_none_or(|first| *first as usize == self.order.len())
    }

    /// The rarest piece that `is_wanted`; among equals chance decides where to look first.
    pub(super) fn rarest(
        &self,
        chance: u64,
        mut is_wanted: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        self.begins.windows(2).skip(1).find_map(|ends| {
            let equals = self.order.get(ends[0] as usize..ends[1] as usize)?;
            let first = (chance % equals.len().max(1) as u64) as usize;
            let (before, from) = equals.split_at_checked(first)?;
            from.iter().chain(before).copied().find(|piece| is_wanted(*piece))
        })
    }

    fn count(&mut self, piece: u32, by: i32) {
        let Some(peers) = self.peers.get_mut(piece as usize) else {
            return;
        };
        *peers = peers.saturating_add_signed(by);
        if self.can_begin(piece) {
            self.set_can_begin(piece, true);
        }
    }

    fn move_to(&mut self, piece: u32, to: u32) {
        let Some(&from) = self.rank.get(piece as usize) else {
            return;
        };
        for rank in from..to {
            // It becomes the first of the next rank: that begins one place earlier.
            let next = rank as usize + 1;
            if next + 1 == self.begins.len() {
                self.begins.push(self.order.len() as u32);
            }
            self.begins[next] -= 1;
            self.swap_into(piece, self.begins[next]);
        }
        for rank in (to..from).rev() {
            let ended = rank as usize + 1;
            let place = self.begins[ended];
            self.swap_into(piece, place);
            self.begins[ended] += 1;
        }
        self.rank[piece as usize] = to;
    }

    fn swap_into(&mut self, piece: u32, place: u32) {
        let (from, other) = (self.place[piece as usize], self.order[place as usize]);
        self.order.swap(from as usize, place as usize);
        self.place[piece as usize] = place;
        self.place[other as usize] = from;
    }

    /// What does not hold of it, if anything.
    #[cfg(test)]
    fn audit(&self) -> Result<(), String> {
        for (place, piece) in self.order.iter().enumerate() {
            let rank = self.rank[*piece as usize] as usize;
            let is_there = self.place[*piece as usize] as usize == place;
            let is_among = (self.begins[rank]..self.begins[rank + 1]).contains(&(place as u32));
            if !is_there || !is_among {
                return Err(format!("piece {piece} of rank {rank} is at {place}: {self:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rarest_comes_first_and_what_nobody_wants_is_passed_over() {
        let mut rarity = Rarity::new(4);
        (0..4).for_each(|piece| rarity.set_can_begin(piece, true));
        for piece in [0, 0, 1, 3, 3] {
            rarity.add(piece);
        }
        assert_eq!(rarity.rarest(0, |_| true), Some(2));
        assert_eq!(rarity.rarest(0, |piece| piece != 2), Some(1));
        rarity.set_can_begin(1, false);
        for chance in 0..4 {
            let rarest = rarity.rarest(chance, |piece| piece != 2);
            assert!(matches!(rarest, Some(0 | 3)), "{rarest:?}");
        }
        assert_eq!(rarity.rarest(0, |_| false), None);
    }

    proptest! {
        #[test]
        fn it_stays_sorted(steps in prop::collection::vec((0..4_u8, 0..9_u32), 0..200)) {
            let mut rarity = Rarity::new(9);
            for (step, piece) in steps {
                match step {
                    0 => rarity.add(piece),
                    1 if rarity.peers_with(piece) > 0 => rarity.remove(piece),
                    2 => rarity.set_can_begin(piece, true),
                    _ => rarity.set_can_begin(piece, false),
                }
                rarity.audit().map_err(TestCaseError::fail)?;
                let can_begin = (0..9).filter(|piece| rarity.can_begin(*piece));
                let fewest = can_begin.map(|piece| rarity.peers_with(piece)).min();
                let rarest = rarity.rarest(u64::from(piece), |_| true);
                prop_assert_eq!(rarest.map(|piece| rarity.peers_with(piece)), fewest);
            }
        }
    }
}
