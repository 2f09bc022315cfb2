//! What has become of each piece.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rarity::Rarity;
use super::{BLOCK, Bitfield, Geometry, Limits, PeerKey};

/// So many times as late as otherwise a block is that may come twice although many have.
const VERY_LATE: u32 = 4;
/// So often that doubles.
const DOUBLINGS: u64 = 3;
/// At most so many peers are asked for the same block, at the end.
pub(super) const COPIES: usize = 3;

/// What has become of a piece.
///
/// ```text
///   Unwanted ◀──▶ Missing ──begun──▶ Open ──the last block──▶ Checking ──good──▶ Have
///                   ▲ ▲               │                          │
///                   │ └── nobody has anything of it ◀── released │
///                   └──────────── bad, or it could not be kept ──┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PieceState {
    /// It is not there, and nobody has asked for it.
    Unwanted,
    /// It is not there.
    Missing,
    /// Parts of it are being asked for, or are there.
    Open,
    /// All of it is there; its hash is being computed, and it is being kept.
    Checking,
    /// It is there, and right.
    Have,
}

/// All pieces of a torrent, each in exactly one state.
#[derive(Debug)]
pub(super) struct Pieces {
    geometry: Geometry,
    states: Vec<State>,
    /// Those that are there.
    have: Bitfield,
    /// How many are missing, open or being checked.
    lacking: u32,
    /// Those that are open: few.
    open: BTreeMap<u32, Open>,
    checking: BTreeMap<u32, Box<[PeerKey]>>,
    /// Blocks that several were asked for, and that came once more when they had been called off.
    superfluous: u32,
    /// Blocks that were called off in this second and in the one before: they may be on their way.
    called_off: [u32; 2],
    pub(super) rarity: Rarity,
}

/// As [`PieceState`]; what belongs to a state is in the map of that name.
type State = PieceState;

/// A piece of which parts are being asked for.
#[derive(Debug)]
pub(super) struct Open {
    slots: Box<[Slot]>,
    /// Slots that nobody was asked for.
    free: u32,
    /// Slots that are there.
    here: u32,
    /// The only one who may be asked, if there was trouble with this piece.
    only: Option<PeerKey>,
}

/// What has become of a block of such a piece.
///
/// ```text
///   Free ──asked for──▶ Asked ──it has come──▶ Here
///     ▲───── released ────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Free,
    /// These peers were asked, the first of them then.
    Asked {
        by: [Option<PeerKey>; COPIES],
        since: Instant,
    },
    /// It came from this peer.
    Here(PeerKey),
}

/// What a block that has come was.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Nobody needs it.
    Superfluous,
    /// It belongs to its piece. These others were asked for it too, and this was the last block or not.
    Needed { others: Vec<PeerKey>, is_last: bool },
}

impl Pieces {
    pub(super) fn new(
        geometry: Geometry,
        have: Bitfield,
        mut is_wanted: impl FnMut(u32) -> bool,
    ) -> Self {
        let mut rarity = Rarity::new(geometry.pieces());
        let state = |piece| match () {
            () if have.contains(piece) => State::Have,
            () if is_wanted(piece) => State::Missing,
            () => State::Unwanted,
        };
        let states: Vec<_> = (0..geometry.pieces()).map(state).collect();
        let missing = (0..).zip(&states).filter(|(_, state)| **state == State::Missing);
        let missing: Vec<u32> = missing.map(|(piece, _)| piece).collect();
        missing.iter().for_each(|piece| rarity.set_can_begin(*piece, true));
        Self {
            geometry,
            states,
            have,
            lacking: missing.len() as u32,
            open: BTreeMap::new(),
            checking: BTreeMap::new(),
            superfluous: 0,
            called_off: [0; 2],
            rarity,
        }
    }

    // ── what one can ask ────────────────────────────────────────────────────────────────────

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(super) fn state(&self, piece: u32) -> PieceState {
        self.states.get(piece as usize).copied().unwrap_or(State::Unwanted)
    }

    pub(super) fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether everything that is wanted is there.
    pub(super) fn is_complete(&self) -> bool {
        self.lacking == 0
    }

    /// Whether a peer that has this piece is of use.
    pub(super) fn wants(&self, piece: u32) -> bool {
        matches!(self.state(piece), State::Missing | State::Open | State::Checking)
    }

    pub(super) fn open(&self) -> impl Iterator<Item = (u32, &Open)> {
        self.open.iter().map(|(piece, open)| (*piece, open))
    }

    pub(super) fn open_one(&self, piece: u32) -> Option<&Open> {
        self.open.get(&piece)
    }

    /// How old a block has to be until it may be asked of a second peer, so that it may come twice. A 32nd of all may be. When that
    /// is used up one at a time may, which is very late, and each time twice as late: but not as late as who is silent is asked
    /// anew (`Torrent::pick_again`), so that no peer can hold up the end. When a 20th is used up it has to be as late as that;
    /// fewer than twenty have none.
    pub(super) fn age_to_ask_again(&self, limits: &Limits) -> Option<Duration> {
        let all = self.geometry.length().div_ceil(u64::from(BLOCK));
        let spent =
            u64::from(self.superfluous) + self.called_off.map(u64::from).iter().sum::<u64>();
        let (most, ever) = ((all / 32).max(1), all / 20);
        let late = |times| limits.impatience.saturating_mul(times).min(limits.snub / 2);
        let asked = self.open.values().flat_map(Open::asked);
        let again = asked.map(|(_, by, _)| by.iter().flatten().count().saturating_sub(1) as u64);
        match again.sum::<u64>() {
            again if again + spent < most => Some(late(1)),
            0 if ever == 0 || spent < ever => {
                Some(late(VERY_LATE << (spent - most).min(DOUBLINGS)))
            }
            0 => Some(limits.snub),
            _ => None,
        }
    }

    /// Bytes of the pieces that are open or being checked.
    pub(super) fn bytes_in_work(&self) -> u64 {
        let pieces = self.open.keys().chain(self.checking.keys());
        pieces.map(|piece| u64::from(self.geometry.length_of(*piece))).sum()
    }

    // ── the arrows ──────────────────────────────────────────────────────────────────────────

    /// Whether a piece that is not there is wanted.
    pub(super) fn set_wanted(&mut self, piece: u32, wanted: bool) {
        let (from, to) = match wanted {
            true => (State::Unwanted, State::Missing),
            false => (State::Missing, State::Unwanted),
        };
        if self.state(piece) == from {
            self.enter(piece, to);
        }
    }

    /// Missing → Open.
    pub(super) fn begin(&mut self, piece: u32, only: Option<PeerKey>) {
        if self.state(piece) == State::Missing {
            let free = self.geometry.blocks_of(piece);
            let slots = vec![Slot::Free; free as usize].into();
            self.open.insert(piece, Open { slots, free, here: 0, only });
            self.enter(piece, State::Open);
        }
    }

    /// A peer is asked for a block of an open piece.
    pub(super) fn ask(&mut self, piece: u32, index: u32, peer: PeerKey, now: Instant) {
        let Some((open, slot)) = self.slot(piece, index) else {
            return;
        };
        match slot {
            Slot::Free => {
                *open.1 -= 1;
                let mut by = [None; COPIES];
                by[0] = Some(peer);
                *slot = Slot::Asked { by, since: now };
            }
            Slot::Asked { by, since } => {
                let room = by.iter_mut().find(|by| by.is_none());
                room.into_iter().for_each(|room| *room = Some(peer));
                *since = now;
            }
            Slot::Here(_) => {}
        }
    }

    /// A peer will not send a block that it was asked for. A piece of which nothing is left is missing again; so is
    /// one that only this peer may send, whatever has come of it.
    pub(super) fn release(&mut self, piece: u32, index: u32, peer: PeerKey) {
        let Some((open, slot)) = self.slot(piece, index) else {
            return;
        };
        if let Slot::Asked { by, .. } = slot {
            by.iter_mut().filter(|by| **by == Some(peer)).for_each(|by| *by = None);
            if by.iter().all(Option::is_none) {
                *slot = Slot::Free;
                *open.1 += 1;
            }
        }
        self.close_if_left(piece);
    }

    /// A block has come from a peer. If it was called off since several were asked, it counts among those that come twice;
    /// what nobody asked for, or what is late, does not: else a peer could use up how often others may be asked. With others
    /// that were asked for it, it is to be called off.
    pub(super) fn arrive(
        &mut self,
        piece: u32,
        index: u32,
        peer: PeerKey,
        was_called_off: bool,
    ) -> Arrival {
        let arrival = self.fill(piece, index, peer).unwrap_or(Arrival::Superfluous);
        match &arrival {
            Arrival::Needed { others, .. } => self.called_off[0] += others.len() as u32,
            Arrival::Superfluous if was_called_off => {
                self.superfluous = self.superfluous.saturating_add(1);
                self.spare();
            }
            Arrival::Superfluous => {}
        }
        arrival
    }

    /// What was called off is not on its way any more.
    pub(super) fn spare(&mut self) {
        let oldest = self.called_off.iter_mut().rev().find(|count| **count > 0);
        oldest.into_iter().for_each(|count| *count -= 1);
    }

    /// A second has passed.
    pub(super) fn tick(&mut self) {
        self.called_off = [0, self.called_off[0]];
    }

    /// `None` if it fills nothing.
    fn fill(&mut self, piece: u32, index: u32, peer: PeerKey) -> Option<Arrival> {
        let only = self.open.get(&piece)?.only;
        if only.is_some_and(|only| only != peer) {
            return None;
        }
        let (open, slot) = self.slot(piece, index)?;
        let others = match slot {
            Slot::Here(_) => return None,
            Slot::Free => {
                *open.1 -= 1;
                Vec::new()
            }
            Slot::Asked { by, .. } => {
                by.iter().flatten().copied().filter(|by| *by != peer).collect()
            }
        };
        *slot = Slot::Here(peer);
        *open.0 += 1;
        let is_last = *open.0 == self.geometry.blocks_of(piece);
        if is_last {
            self.check(piece);
        }
        Some(Arrival::Needed { others, is_last })
    }

    /// A peer lies: what has come from it of pieces that are not whole is asked for again.
    pub(super) fn distrust(&mut self, liar: PeerKey) {
        for open in self.open.values_mut() {
            for slot in open.slots.iter_mut().filter(|slot| **slot == Slot::Here(liar)) {
                *slot = Slot::Free;
                open.here -= 1;
                open.free += 1;
            }
        }
        let pieces: Vec<u32> = self.open.keys().copied().collect();
        pieces.into_iter().for_each(|piece| self.close_if_left(piece));
    }

    /// Checking → Have, or Missing again; who had sent its blocks.
    pub(super) fn checked(&mut self, piece: u32, is_kept: bool) -> Option<Box<[PeerKey]>> {
        let senders = self.checking.remove(&piece)?;
        self.enter(piece, if is_kept { State::Have } else { State::Missing });
        Some(senders)
    }

    /// Open → Checking.
    fn check(&mut self, piece: u32) {
        if let Some(open) = self.open.remove(&piece) {
            let from = |slot: &Slot| match slot {
                Slot::Here(peer) => Some(*peer),
                Slot::Free | Slot::Asked { .. } => None,
            };
            self.checking.insert(piece, open.slots.iter().filter_map(from).collect());
            self.enter(piece, State::Checking);
        }
    }

    /// Open → Missing, if nothing of it is there or under way, or it had one sender, who has gone.
    fn close_if_left(&mut self, piece: u32) {
        let is_left = self.open.get(&piece).is_some_and(|open| {
            let under_way = open.slots.len() as u32 - open.free - open.here;
            under_way == 0 && (open.here == 0 || open.only.is_some())
        });
        if is_left {
            self.open.remove(&piece);
            self.enter(piece, State::Missing);
        }
    }

    /// Whatever changes its state comes by here.
    fn enter(&mut self, piece: u32, to: State) {
        let Some(state) = self.states.get_mut(piece as usize) else {
            return;
        };
        let lacked = matches!(state, State::Missing | State::Open | State::Checking);
        *state = to;
        self.rarity.set_can_begin(piece, to == State::Missing);
        let lacks = self.wants(piece);
        self.lacking = self.lacking + u32::from(lacks) - u32::from(lacked);
        if to == State::Have {
            self.have.insert(piece);
        }
    }

    /// How much of an open piece is there and free, and one of its slots.
    #[allow(clippy::type_complexity, reason = "two counters and what they count")]
    fn slot(&mut self, piece: u32, index: u32) -> Option<((&mut u32, &mut u32), &mut Slot)> {
        let Open { slots, free, here, .. } = self.open.get_mut(&piece)?;
        slots.get_mut(index as usize).map(|slot| ((here, free), slot))
    }

    /// What does not hold, if anything.
    pub(super) fn audit(&self) -> Result<(), String> {
        for (piece, state) in (0..).zip(&self.states) {
            let kept = [
                (State::Open, self.open.contains_key(&piece)),
                (State::Checking, self.checking.contains_key(&piece)),
                (State::Have, self.have.contains(piece)),
                (State::Missing, self.rarity.can_begin(piece)),
            ];
            if let Some((of, _)) = kept.into_iter().find(|(of, there)| (of == state) != *there) {
                return Err(format!("piece {piece} is {state:?}, and kept otherwise as {of:?}"));
            }
        }
        let lacking = (0..self.geometry.pieces()).filter(|piece| self.wants(*piece)).count();
        if lacking as u32 != self.lacking {
            return Err(format!("{lacking} pieces are lacking, and {} are counted", self.lacking));
        }
        for (piece, open) in &self.open {
            let count = |is: fn(&Slot) -> bool| open.slots.iter().filter(|slot| is(slot)).count();
            let free = count(|slot| *slot == Slot::Free) as u32;
            let here = count(|slot| matches!(slot, Slot::Here(_))) as u32;
            if (free, here) != (open.free, open.here) || here as usize == open.slots.len() {
                return Err(format!("piece {piece} miscounts: {open:?}"));
            }
        }
        Ok(())
    }
}

impl Open {
    /// Whether a peer may be asked for parts of it.
    pub(super) fn is_open_to(&self, peer: PeerKey) -> bool {
        self.only.is_none_or(|only| only == peer)
    }

    /// The only one who may be asked.
    pub(super) fn only(&self) -> Option<PeerKey> {
        self.only
    }

    /// The first block that nobody was asked for.
    pub(super) fn first_free(&self) -> Option<u32> {
        if self.free == 0 {
            return None;
        }
        self.slots.iter().position(|slot| *slot == Slot::Free).map(|index| index as u32)
    }

    /// The blocks that are asked for, of whom, and since when.
    pub(super) fn asked(&self) -> impl Iterator<Item = (u32, &[Option<PeerKey>; COPIES], Instant)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| match slot {
            Slot::Asked { by, since } => Some((index, by, *since)),
            Slot::Free | Slot::Here(_) => None,
        })
    }

    /// How many blocks of how many are there.
    pub(super) fn progress(&self) -> (u32, u32) {
        (self.here, self.slots.len() as u32)
    }
}
