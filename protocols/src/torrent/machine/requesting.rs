//! What is asked of whom, and what others ask of us.
//!
//! A peer is asked, as long as it takes more (`Download::has_room`):
//!
//! 1. for a block of a piece that is begun, so that pieces become whole and can be passed on;
//! 2. for the first block of the rarest piece that it has, so that no piece dies out;
//! 3. when no piece is left to begin, for a block that another peer was asked for a while ago: whoever sends it first calls
//!    it off with the other. So no slow peer holds up the end.
//!
//! A piece that was bad, and a peer that may be to blame for it, are by themselves: one piece, one peer.

use std::time::{Duration, Instant};

use super::peer::Request;
use super::{Action, PeerKey, Torrent, Violation};
use crate::torrent::wire::message::{Block, Message};

/// A block by its piece and its number there.
type At = (u32, u32);

impl Torrent {
    // ── what is asked ───────────────────────────────────────────────────────────────────────

    /// Asks everybody who can be asked for more; who lets us wait comes last, or would be asked for ever for what others have.
    pub(super) fn refill(&mut self, now: Instant) {
        let keys = self.peers.iter().map(|(key, peer)| (peer.download.is_snubbed, *key));
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        keys.into_iter().for_each(|(_, key)| self.fill(key, now));
    }

    /// Asks a peer for as much as it takes.
    pub(super) fn fill(&mut self, key: PeerKey, now: Instant) {
        while let Some((piece, index)) = self.pick(key, now) {
            self.pieces.ask(piece, index, key, now);
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.download.ask(piece, index, now);
            }
            self.say(key, Message::Request(self.geometry().block(piece, index)));
        }
    }

    fn pick(&mut self, key: PeerKey, now: Instant) -> Option<At> {
        let download = &self.peers.get(&key)?.download;
        if !download.has_room(&self.limits) || self.rests_until.is_some() {
            return None;
        }
        let alone = self.blame.is_suspect(key);
        // Two who are silent would keep a third one out.
        let helps = !alone && !download.is_snubbed;
        self.pick_begun(key, alone)
            .or_else(|| self.pick_rarest(key, alone))
            .or_else(|| if helps { self.pick_again(key, now) } else { None })
    }

    fn pick_begun(&self, key: PeerKey, alone: bool) -> Option<At> {
        let peer = self.peers.get(&key)?;
        self.pieces.open().find_map(|(piece, open)| {
            let may = open.is_open_to(key) && (!alone || open.only() == Some(key));
            let index = open.first_free().filter(|_| may && peer.has.contains(piece))?;
            Some((piece, index))
        })
    }

    fn pick_rarest(&mut self, key: PeerKey, alone: bool) -> Option<At> {
        let chance = self.chance();
        let peer = self.peers.get(&key)?;
        let in_work = self.pieces.bytes_in_work();
        if in_work >= self.limits.in_work {
            return None;
        }
        let piece = self.pieces.rarity.rarest(chance, |piece| {
            peer.has.contains(piece) && !self.is_better_left_to_others(key, piece)
        })?;
        let only = (alone || self.blame.is_bad(piece)).then_some(key);
        self.pieces.begin(piece, only);
        Some((piece, 0))
    }

    /// Whether a piece was bad, this peer may be to blame, and somebody has it who is not.
    fn is_better_left_to_others(&self, key: PeerKey, piece: u32) -> bool {
        self.blame.is_suspect_of(key, piece)
            && self.peers.iter().any(|(other, peer)| {
                let gives = !peer.download.is_choked && !peer.download.is_snubbed;
                gives && peer.has.contains(piece) && !self.blame.is_suspect_of(*other, piece)
            })
    }

    /// The last block, since its sender comes to it last; and only if this peer will be much sooner than those who
    /// were asked before, or they have had as long as a peer may be silent.
    fn pick_again(&self, key: PeerKey, now: Instant) -> Option<At> {
        let may = self.is_near_the_end();
        let peer = self.peers.get(&key).filter(|_| may)?;
        // Who is silent is asked anew after `snub`, and each time the block is young again: it has to be late before that.
        let impatience = self.pieces.age_to_ask_again(&self.limits)?;
        let soon = impatience.saturating_add(peer.download.time_left().saturating_mul(2));
        // However much else comes from somebody: what has not come for so long does not come soon.
        let is_late = |by: &[Option<PeerKey>], age: Duration| {
            let mut asked = by.iter().flatten().filter_map(|peer| self.peers.get(peer));
            age >= self.limits.snub || asked.all(|peer| peer.download.time_left() >= soon)
        };
        let theirs = self
            .pieces
            .open()
            .filter(|(piece, open)| open.only().is_none() && peer.has.contains(*piece));
        let blocks = theirs.flat_map(|(piece, open)| {
            open.asked().map(move |(index, by, since)| (piece, index, by, since))
        });
        let may = blocks.filter(|(_, _, by, since)| {
            let age = now.saturating_duration_since(*since);
            let is_old = age >= impatience;
            is_old && by.contains(&None) && !by.contains(&Some(key)) && is_late(*by, age)
        });
        may.last().map(|(piece, index, ..)| (piece, index))
    }

    /// Whether every piece that anybody here has is there or begun.
    fn is_near_the_end(&self) -> bool {
        let has_seed = self.peers.values().any(|peer| peer.has.is_full());
        self.pieces.rarity.is_used_up(has_seed)
    }

    // ── what is not asked any more ──────────────────────────────────────────────────────────

    /// A block has come: those who were asked for it too need not send it.
    pub(super) fn call_off(&mut self, others: &[PeerKey], block: Block, index: u32, now: Instant) {
        for &other in others {
            if let Some(peer) = self.peers.get_mut(&other) {
                peer.download.call_off(block.piece, index);
                self.say(other, Message::Cancel(block));
                self.fill(other, now);
            }
        }
    }

    /// Nothing comes of what a peer was asked for.
    pub(super) fn release_all(&mut self, key: PeerKey) -> Vec<At> {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Vec::new();
        };
        let asked: Vec<_> = peer.download.asked.drain(..).collect();
        asked.iter().for_each(|(piece, index)| self.pieces.release(*piece, *index, key));
        asked
    }

    /// A peer lets us wait: it is told not to send what others are asked for now.
    pub(super) fn take_back(&mut self, key: PeerKey) {
        let asked = self.release_all(key);
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.download.let_be(asked.len());
        }
        for (piece, index) in asked {
            self.say(key, Message::Cancel(self.geometry().block(piece, index)));
        }
    }

    /// A peer has not got any more what it was asked for.
    pub(super) fn release_lost(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let lost = peer.download.asked.iter().filter(|(piece, _)| !peer.has.contains(*piece));
        let lost: Vec<At> = lost.copied().collect();
        for (piece, index) in lost {
            peer.download.forget(piece, index);
            self.pieces.release(piece, index, key);
        }
    }

    /// Without the Fast extension a choke drops what was asked for (BEP 3); with it each request is still answered, one
    /// way or the other (BEP 6).
    pub(super) fn handle_choke(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.download.is_choked = true;
        if !peer.fast {
            self.release_all(key);
            self.refill(now);
        }
    }

    pub(super) fn handle_reject(
        &mut self,
        key: PeerKey,
        block: Block,
        now: Instant,
    ) -> Result<(), Violation> {
        let index = self.geometry().index_of(block).ok_or(Violation::NoSuchBlock(block))?;
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(());
        };
        if peer.download.forget(block.piece, index) {
            let in_a_row = peer.download.handle_reject();
            self.pieces.release(block.piece, index, key);
            if in_a_row > self.limits.requests.saturating_mul(2) {
                return Err(Violation::OnlyRejects);
            }
            self.refill(now);
            return Ok(());
        }
        match peer.download.take_called_off() {
            Request::Open | Request::Never => {}
            Request::Late => self.refill(now),
            Request::CalledOff => {
                // It was told in time.
                self.pieces.spare();
                self.refill(now);
            }
        }
        Ok(())
    }

    // ── what is asked of us ─────────────────────────────────────────────────────────────────

    pub(super) fn handle_request(&mut self, key: PeerKey, block: Block) -> Result<(), Violation> {
        if !self.geometry().contains(block) || block.length > self.limits.part {
            return Err(Violation::NoSuchBlock(block));
        }
        let has_it = self.have().contains(block.piece);
        let most = self.limits.asked;
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(());
        };
        let upload = &mut peer.upload;
        if has_it && !upload.is_choked && upload.asked.len() < most {
            if upload.asked.is_empty() {
                self.actions.push_back(Action::Serve(key));
            }
            // Also what it has asked for already: each request has an answer (BEP 6). Its number has a bound.
            upload.asked.push_back(block);
        } else if peer.fast {
            self.say(key, Message::Reject(block));
        }
        Ok(())
    }

    /// With the Fast extension a request is answered also when it is called off (BEP 6).
    pub(super) fn handle_cancel(&mut self, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let place = peer.upload.asked.iter().position(|asked| *asked == block);
        let was_asked = place.and_then(|place| peer.upload.asked.remove(place)).is_some();
        if was_asked && peer.fast {
            self.say(key, Message::Reject(block));
        }
    }

    /// A peer is choked: what it has asked for is not sent.
    pub(super) fn drop_requests_of(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let (fast, asked) = (peer.fast, std::mem::take(&mut peer.upload.asked));
        if fast {
            asked.into_iter().for_each(|block| self.say(key, Message::Reject(block)));
        }
    }
}
