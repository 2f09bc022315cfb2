//! The machine: what comes, what is to be done, what one can ask.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use super::blame::Blame;
use super::choking::Choking;
use super::peer::Request;
use super::pieces::{Arrival, Pieces};
use super::{
    Action, Bitfield, Checked, Geometry, Keep, Limits, Parting, Peer, PeerKey, PeerTraits,
    PeerView, PieceState, Traffic, Violation,
};
use crate::torrent::wire::message::{Block, Message};

/// One torrent, from its first piece to its last, and as long as it is given to others.
#[derive(Debug)]
pub struct Torrent {
    pub(super) limits: Limits,
    pub(super) pieces: Pieces,
    pub(super) peers: BTreeMap<PeerKey, Peer>,
    pub(super) choking: Choking,
    pub(super) blame: Blame,
    /// Nothing is asked for until then.
    pub(super) rests_until: Option<Instant>,
    pub(super) actions: VecDeque<Action>,
    traffic: Traffic,
    /// When the rates were last brought up to date.
    ticked: Instant,
    chance: u64,
}

impl Torrent {
    /// A torrent of which so much is there, and so much is wanted. `chance` is a number that others cannot guess.
    #[must_use]
    pub fn new(
        geometry: Geometry,
        have: Bitfield,
        is_wanted: impl FnMut(u32) -> bool,
        limits: Limits,
        chance: u64,
        now: Instant,
    ) -> Self {
        Self {
            limits,
            pieces: Pieces::new(geometry, have, is_wanted),
            peers: BTreeMap::new(),
            choking: Choking::new(now),
            blame: Blame::default(),
            rests_until: None,
            actions: VecDeque::new(),
            traffic: Traffic::default(),
            ticked: now,
            chance: chance | 1,
        }
    }

    // ── what comes ──────────────────────────────────────────────────────────────────────────

    /// A peer is there: handshakes were exchanged, and `fast` says whether both speak the Fast extension. What is to
    /// be said first is [`greeting`](Self::greeting).
    pub fn handle_peer(&mut self, key: PeerKey, fast: bool, now: Instant) {
        if self.peers.contains_key(&key) {
            self.handle_gone(key, now);
        }
        let peer = Peer::new(fast, self.geometry(), now);
        self.peers.insert(key, peer);
    }

    /// A peer has gone: others are asked for what it was asked.
    pub fn handle_gone(&mut self, key: PeerKey, now: Instant) {
        self.release_all(key);
        self.set_has(key, Bitfield::none(self.geometry().pieces()));
        self.peers.remove(&key);
        self.actions.retain(
            |action| !matches!(action, Action::Say(of, _) | Action::HangUp(of, _) if *of == key),
        );
        self.fill_slots(now);
        self.refill(now);
    }

    /// A peer has said what it takes.
    pub fn handle_traits(&mut self, key: PeerKey, traits: PeerTraits, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        traits.reqq.into_iter().for_each(|reqq| peer.download.set_reqq(reqq));
        peer.upload_only = traits.upload_only;
        self.part_if_done(key);
        self.fill(key, now);
    }

    /// A peer has said something: everything but blocks, which [`handle_block`](Self::handle_block) takes, and what
    /// is not about pieces.
    ///
    /// # Errors
    ///
    /// See [`Violation`].
    pub fn handle_message(
        &mut self,
        key: PeerKey,
        message: &Message<'_>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(());
        };
        match *message {
            Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::Suggest(_)
            | Message::AllowedFast(_)
                if !peer.fast =>
            {
                return Err(Violation::NotAgreed);
            }
            Message::Choke => self.handle_choke(key, now),
            Message::Unchoke => {
                peer.download.is_choked = false;
                self.fill(key, now);
            }
            Message::Interested => self.handle_interested(key, now),
            Message::NotInterested => {
                peer.upload.is_interested = false;
                self.fill_slots(now);
            }
            Message::Have(piece) => self.handle_have(key, piece, now)?,
            Message::Bitfield(bits) => {
                let has = Bitfield::read(bits, self.geometry().pieces())?;
                self.handle_has(key, has, now);
            }
            Message::HaveAll => self.handle_has(key, Bitfield::all(self.geometry().pieces()), now),
            Message::HaveNone => {
                self.handle_has(key, Bitfield::none(self.geometry().pieces()), now);
            }
            Message::Request(block) => self.handle_request(key, block)?,
            Message::Cancel(block) => self.handle_cancel(key, block),
            Message::Reject(block) => self.handle_reject(key, block, now)?,
            // Advice that need not be taken: `choking` says why. Blocks are told to another method.
            Message::Suggest(_) | Message::AllowedFast(_) => {}
            Message::KeepAlive | Message::Port(_) | Message::Piece { .. } => {}
            Message::Extended { .. } | Message::Unknown(_) => {}
        }
        Ok(())
    }

    /// A block has come. If its bytes are to be kept, that has to be done before the next action is asked for.
    ///
    /// # Errors
    ///
    /// See [`Violation`].
    pub fn handle_block(
        &mut self,
        key: PeerKey,
        block: Block,
        now: Instant,
    ) -> Result<Keep, Violation> {
        if !self.geometry().contains(block) {
            return Err(Violation::NoSuchBlock(block));
        }
        let Some(index) = self.geometry().index_of(block) else {
            return Ok(Keep::No);
        };
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(Keep::No);
        };
        let request = peer.download.take_request(block.piece, index);
        let came_twice = request == Request::CalledOff;
        let arrival = self.pieces.arrive(block.piece, index, key, came_twice);
        // Whoever repeats a block for ever does nothing for us by that: it is late, and silent, as if it sent nothing.
        match (request, &arrival) {
            (Request::Open, _) | (_, Arrival::Needed { .. }) => {
                peer.download.handle_block(block.length, now);
            }
            (Request::CalledOff | Request::Late, Arrival::Superfluous) => {}
            (Request::Never, Arrival::Superfluous) => {
                if peer.download.handle_unasked() > self.limits.unasked {
                    return Err(Violation::Unasked);
                }
            }
        }
        let keep = match arrival {
            Arrival::Superfluous => Keep::No,
            Arrival::Needed { others, is_last } => {
                self.call_off(&others, block, index, now);
                if is_last {
                    let digests = self.blame.is_bad(block.piece);
                    self.actions.push_back(Action::Check { piece: block.piece, digests });
                }
                self.traffic.downloaded += u64::from(block.length);
                Keep::Yes
            }
        };
        self.fill(key, now);
        Ok(keep)
    }

    /// A piece was checked: the answer to [`Action::Check`].
    pub fn handle_checked(&mut self, piece: u32, checked: &Checked, now: Instant) {
        let is_kept = matches!(checked, Checked::Good(_));
        let Some(senders) = self.pieces.checked(piece, is_kept) else {
            return;
        };
        match checked {
            Checked::Good(digests) => {
                let liars = self.blame.handle_good(piece, digests);
                liars.into_iter().for_each(|liar| self.ban(liar));
                self.handle_got(piece);
            }
            Checked::Bad(digests) => {
                let liar = self.blame.handle_bad(piece, &senders, digests);
                liar.into_iter().for_each(|liar| self.ban(liar));
            }
            Checked::NotKept => self.rests_until = Some(now + self.limits.rest),
        }
        self.refill(now);
    }

    /// Time has passed. It wants to be called about once a second.
    pub fn handle_time(&mut self, now: Instant) {
        if now.saturating_duration_since(self.ticked) >= Duration::from_secs(1) {
            self.ticked = now;
            self.pieces.tick();
            for peer in self.peers.values_mut() {
                peer.download.tick();
                peer.upload.rate.tick();
            }
        }
        if self.rests_until.is_some_and(|until| until <= now) {
            self.rests_until = None;
        }
        let patience = self.limits.snub;
        let silent = |peer: &mut Peer| peer.download.is_silent(patience, now);
        let silent: Vec<_> =
            self.peers.iter_mut().filter_map(|(key, peer)| silent(peer).then_some(*key)).collect();
        silent.into_iter().for_each(|key| self.take_back(key));
        self.think_over_chokes(now);
        self.refill(now);
    }

    /// A piece that is not there is wanted, or not any more. One that is begun is finished all the same.
    pub fn set_wanted(&mut self, piece: u32, wanted: bool, now: Instant) {
        let before = self.pieces.wants(piece);
        self.pieces.set_wanted(piece, wanted);
        let after = self.pieces.wants(piece);
        let change = i32::from(after) - i32::from(before);
        for peer in self.peers.values_mut().filter(|peer| peer.has.contains(piece)) {
            peer.interesting = peer.interesting.saturating_add_signed(change);
        }
        self.tell_interest();
        self.refill(now);
    }

    // ── what is to be done ──────────────────────────────────────────────────────────────────

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What a peer is told first: which pieces there are. `None` is nothing, which means none (BEP 3).
    #[must_use]
    pub fn greeting(&self, fast: bool) -> Option<Message<'_>> {
        let have = self.pieces.have();
        match fast {
            true if have.is_full() => Some(Message::HaveAll),
            true if have.is_empty() => Some(Message::HaveNone),
            _ if have.is_empty() => None,
            _ => Some(Message::Bitfield(have.as_bytes())),
        }
    }

    /// The next part that a peer waits for, to be read and sent. It counts as sent.
    pub fn next_upload(&mut self, key: PeerKey) -> Option<Block> {
        let upload = &mut self.peers.get_mut(&key)?.upload;
        let block = upload.asked.pop_front()?;
        upload.rate.add(block.length);
        self.traffic.uploaded += u64::from(block.length);
        Some(block)
    }

    /// A part could not be read: the peer is told, if it can be.
    pub fn handle_unreadable(&mut self, key: PeerKey, block: Block) {
        if self.peers.get(&key).is_some_and(|peer| peer.fast) {
            self.say(key, Message::Reject(block));
        }
    }

    // ── what one can ask ────────────────────────────────────────────────────────────────────

    /// How its bytes are cut.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.pieces.geometry()
    }

    /// The pieces that are there.
    #[must_use]
    pub fn have(&self) -> &Bitfield {
        self.pieces.have()
    }

    /// Whether everything that is wanted is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pieces.is_complete()
    }

    /// Bytes of the pieces that are wanted and not there.
    #[must_use]
    pub fn left(&self) -> u64 {
        let wanted = (0..self.geometry().pieces()).filter(|piece| self.pieces.wants(*piece));
        wanted.map(|piece| u64::from(self.geometry().length_of(piece))).sum()
    }

    /// What went from and to its peers.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What has become of a piece.
    #[must_use]
    pub fn piece(&self, piece: u32) -> PieceState {
        self.pieces.state(piece)
    }

    /// How many blocks of how many of an open piece are there.
    #[must_use]
    pub fn progress(&self, piece: u32) -> Option<(u32, u32)> {
        self.pieces.open_one(piece).map(super::pieces::Open::progress)
    }

    /// Whether a piece is being put together or checked, so that its bytes are needed.
    #[must_use]
    pub fn is_in_work(&self, piece: u32) -> bool {
        matches!(self.piece(piece), PieceState::Open | PieceState::Checking)
    }

    /// How many peers there are.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// What can be told of a peer.
    #[must_use]
    pub fn peer(&self, key: PeerKey) -> Option<PeerView> {
        self.peers.get(&key).map(|Peer { has, download, upload, .. }| PeerView {
            has: has.count(),
            download: (download.rate.per_second(), download.rate.total()),
            upload: (upload.rate.per_second(), upload.rate.total()),
            asked: download.asked.len(),
            interested: download.is_interested,
            chokes_us: download.is_choked,
            snubs_us: download.is_snubbed,
            is_interested: upload.is_interested,
            is_choked: upload.is_choked,
        })
    }

    /// Whether a peer waits for something that can be sent.
    #[must_use]
    pub fn has_upload(&self, key: PeerKey) -> bool {
        self.peers.get(&key).is_some_and(|peer| !peer.upload.asked.is_empty())
    }

    // ── private ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn say(&mut self, key: PeerKey, message: Message<'static>) {
        self.actions.push_back(Action::Say(key, message));
    }

    /// A number by chance (xorshift64*): whom to ask first, whom to favour. Nobody gains much by guessing it.
    pub(super) fn chance(&mut self) -> u64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn handle_have(&mut self, key: PeerKey, piece: u32, now: Instant) -> Result<(), Violation> {
        if piece >= self.geometry().pieces() {
            return Err(Violation::NoSuchPiece(piece));
        }
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| !peer.has.contains(piece)) else {
            return Ok(());
        };
        peer.has.insert(piece);
        peer.interesting += u32::from(self.pieces.wants(piece));
        let rarity = &mut self.pieces.rarity;
        if peer.has.is_full() {
            peer.has.iter().filter(|had| *had != piece).for_each(|had| rarity.remove(had));
        } else {
            rarity.add(piece);
        }
        self.handle_more(key, now);
        Ok(())
    }

    /// A peer has these pieces, whatever it has said before: some repeat their bitfield in the middle, and mean it.
    fn handle_has(&mut self, key: PeerKey, has: Bitfield, now: Instant) {
        self.set_has(key, has);
        self.release_lost(key);
        self.handle_more(key, now);
    }

    /// What a peer has is another by now.
    fn handle_more(&mut self, key: PeerKey, now: Instant) {
        self.tell_interest_of(key);
        self.part_if_done(key);
        self.fill(key, now);
    }

    fn set_has(&mut self, key: PeerKey, has: Bitfield) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let had = std::mem::replace(&mut peer.has, has);
        let (pieces, has) = (&mut self.pieces, &peer.has);
        if !had.is_full() {
            had.iter()
                .filter(|piece| has.is_full() || !has.contains(*piece))
                .for_each(|piece| pieces.rarity.remove(piece));
        }
        if !has.is_full() {
            has.iter()
                .filter(|piece| had.is_full() || !had.contains(*piece))
                .for_each(|piece| pieces.rarity.add(piece));
        }
        peer.interesting = has.iter().filter(|piece| pieces.wants(*piece)).count() as u32;
    }

    /// A piece is there. Everybody is told, also who has it: else two who complete each other would never know that
    /// the other has all.
    fn handle_got(&mut self, piece: u32) {
        for (key, peer) in &mut self.peers {
            let is_less = peer.has.contains(piece);
            peer.interesting = peer.interesting.saturating_sub(u32::from(is_less));
            self.actions.push_back(Action::Say(*key, Message::Have(piece)));
        }
        self.tell_interest();
        if self.is_complete() {
            self.actions.push_back(Action::Complete);
            let keys: Vec<_> = self.peers.keys().copied().collect();
            keys.into_iter().for_each(|key| self.part_if_done(key));
        }
    }

    fn tell_interest(&mut self) {
        let keys: Vec<_> = self.peers.keys().copied().collect();
        keys.into_iter().for_each(|key| self.tell_interest_of(key));
    }

    fn tell_interest_of(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let wants = peer.interesting > 0;
        if std::mem::replace(&mut peer.download.is_interested, wants) != wants {
            self.say(key, if wants { Message::Interested } else { Message::NotInterested });
        }
    }

    /// Two who want nothing more have nothing to say to each other (BEP 21).
    fn part_if_done(&mut self, key: PeerKey) {
        let wants_nothing = |peer: &Peer| peer.has.is_full() || peer.upload_only;
        if self.is_complete() && self.peers.get(&key).is_some_and(wants_nothing) {
            self.actions.push_back(Action::HangUp(key, Parting::NothingToTrade));
        }
    }

    fn ban(&mut self, liar: PeerKey) {
        self.pieces.distrust(liar);
        self.actions.push_back(Action::Ban(liar));
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}
