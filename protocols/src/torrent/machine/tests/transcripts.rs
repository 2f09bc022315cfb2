//! One machine: a peer says this, the machine says that.

use std::time::{Duration, Instant};

use crate::torrent::machine::{
    Action, BLOCK, Bitfield, Checked, Geometry, Keep, Limits, Parting, PeerKey, PeerTraits,
    PieceState, Torrent, Violation,
};
use crate::torrent::wire::message::{Block, Message};

const ANN: PeerKey = PeerKey(1);
const BOB: PeerKey = PeerKey(2);
const EVE: PeerKey = PeerKey(3);

/// A machine, and what time it is for it.
struct Stage {
    torrent: Torrent,
    now: Instant,
}

impl Stage {
    /// A torrent of pieces of two blocks, of which these are there.
    fn with(pieces: u32, have: &[u32]) -> Self {
        Self::limited(pieces, have, Limits::default())
    }

    fn limited(pieces: u32, have: &[u32], limits: Limits) -> Self {
        let geometry =
            Geometry::new(u64::from(pieces * 2 * BLOCK), 2 * BLOCK).expect("it has pieces");
        let mut there = Bitfield::none(pieces);
        have.iter().for_each(|piece| assert!(there.insert(*piece)));
        let now = Instant::now();
        Self { torrent: Torrent::new(geometry, there, |_| true, limits, 7, now), now }
    }

    fn meet(&mut self, peer: PeerKey, fast: bool, message: &Message<'_>) {
        self.torrent.handle_peer(peer, fast, self.now);
        self.hear(peer, message);
    }

    /// A peer that has all, and answers requests.
    fn meet_seed(&mut self, peer: PeerKey) {
        self.meet(peer, true, &Message::HaveAll);
        self.hear(peer, &Message::Unchoke);
    }

    fn hear(&mut self, peer: PeerKey, message: &Message<'_>) {
        self.torrent.handle_message(peer, message, self.now).expect("it may be said");
        self.torrent.audit().expect("the books are right");
    }

    fn refuse(&mut self, peer: PeerKey, message: &Message<'_>) -> Violation {
        self.torrent.handle_message(peer, message, self.now).expect_err("it may not be said")
    }

    fn receive(&mut self, peer: PeerKey, block: Block) -> Keep {
        let keep = self.torrent.handle_block(peer, block, self.now).expect("there is such a block");
        self.torrent.audit().expect("the books are right");
        keep
    }

    fn check(&mut self, piece: u32, checked: &Checked) {
        self.torrent.handle_checked(piece, checked, self.now);
        self.torrent.audit().expect("the books are right");
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.torrent.handle_time(self.now);
            self.torrent.audit().expect("the books are right");
        }
    }

    /// These send all that they are asked for, and it is good; until they are asked for nothing more.
    fn serve(&mut self, who: &[PeerKey]) {
        while let Some(action) = self.torrent.poll_action() {
            match action {
                Action::Say(to, Message::Request(block)) if who.contains(&to) => {
                    let _ = self.receive(to, block);
                }
                Action::Check { piece, .. } => self.check(piece, &good()),
                _ => {}
            }
        }
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.torrent.poll_action()).collect()
    }

    /// What is said to a peer; everything else is dropped.
    fn said(&mut self, peer: PeerKey) -> Vec<Message<'static>> {
        let said = |action| match action {
            Action::Say(to, message) if to == peer => Some(message),
            _ => None,
        };
        self.actions().into_iter().filter_map(said).collect()
    }

    /// The blocks that a peer is asked for; everything else is dropped.
    fn asked(&mut self, peer: PeerKey) -> Vec<Block> {
        let asked = |message| match message {
            Message::Request(block) => Some(block),
            _ => None,
        };
        self.said(peer).into_iter().filter_map(asked).collect()
    }
}

fn block(piece: u32, index: u32) -> Block {
    Block { piece, begin: index * BLOCK, length: BLOCK }
}

fn good() -> Checked {
    Checked::Good(Vec::new())
}

#[test]
fn a_piece_is_asked_for_checked_and_told_to_everybody() {
    let mut stage = Stage::with(2, &[]);
    stage.meet(ANN, false, &Message::Bitfield(&[0x80]));
    stage.meet(BOB, false, &Message::Have(1));
    assert_eq!(stage.said(ANN), [Message::Interested]);
    stage.hear(ANN, &Message::Unchoke);
    assert_eq!(stage.asked(ANN), [block(0, 0), block(0, 1)]);
    assert_eq!(stage.torrent.piece(0), PieceState::Open);
    assert_eq!(stage.receive(ANN, block(0, 1)), Keep::Yes);
    assert_eq!(stage.receive(ANN, block(0, 1)), Keep::No);
    assert_eq!(stage.receive(ANN, block(0, 0)), Keep::Yes);
    assert_eq!(stage.actions(), [Action::Check { piece: 0, digests: false }]);
    assert_eq!(stage.torrent.piece(0), PieceState::Checking);
    stage.check(0, &good());
    let have = |peer| Action::Say(peer, Message::Have(0));
    assert_eq!(stage.actions(), [have(ANN), have(BOB), Action::Say(ANN, Message::NotInterested)]);
    assert_eq!(stage.torrent.left(), u64::from(2 * BLOCK));
}

#[test]
fn the_rarest_piece_is_asked_for_first() {
    let mut stage = Stage::with(3, &[]);
    stage.meet(ANN, true, &Message::Bitfield(&[0b1100_0000]));
    stage.meet(BOB, true, &Message::Bitfield(&[0b1000_0000]));
    stage.meet(EVE, true, &Message::HaveAll);
    stage.hear(EVE, &Message::Unchoke);
    let pieces: Vec<u32> = stage.asked(EVE).iter().map(|block| block.piece).collect();
    assert_eq!(pieces, [2, 2, 1, 1]);
    assert_eq!(stage.receive(EVE, block(2, 0)), Keep::Yes);
    assert_eq!(stage.asked(EVE)[0], block(0, 0));
}

#[test]
fn no_more_is_asked_of_a_peer_than_it_takes() {
    for (said, most) in [(Some(5), 5), (Some(512), 512), (None, 250), (Some(100_000), 1_000)] {
        let mut stage = Stage::with(3_000, &[]);
        stage.torrent.handle_peer(ANN, true, stage.now);
        stage.torrent.handle_traits(ANN, PeerTraits { reqq: said, upload_only: false }, stage.now);
        stage.hear(ANN, &Message::HaveAll);
        stage.hear(ANN, &Message::Unchoke);
        let (mut under_way, mut highest) = (stage.asked(ANN), 0);
        for _ in 0..2_000 {
            highest = highest.max(under_way.len());
            let first = under_way.remove(0);
            let _ = stage.torrent.handle_block(ANN, first, stage.now);
            under_way.extend(stage.asked(ANN));
        }
        assert_eq!(highest, most, "{said:?}");
        stage.torrent.audit().expect("the books are right");
    }
}

#[test]
fn a_slow_peer_is_asked_for_a_few_seconds_worth() {
    let mut stage = Stage::with(300, &[]);
    stage.meet_seed(ANN);
    let mut under_way = stage.asked(ANN);
    for _ in 0..60 {
        for block in under_way.drain(..4) {
            assert_eq!(stage.receive(ANN, block), Keep::Yes);
        }
        stage.wait(1);
        under_way.extend(stage.asked(ANN));
    }
    assert!(under_way.len() <= 32, "{} are under way", under_way.len());
}

#[test]
fn a_choke_in_the_middle_of_a_piece_drops_what_was_asked_without_fast() {
    let mut stage = Stage::with(1, &[]);
    stage.meet(ANN, false, &Message::Bitfield(&[0x80]));
    stage.hear(ANN, &Message::Unchoke);
    assert_eq!(stage.asked(ANN).len(), 2);
    assert_eq!(stage.receive(ANN, block(0, 0)), Keep::Yes);
    stage.hear(ANN, &Message::Choke);
    // It was on its way already.
    assert_eq!(stage.receive(ANN, block(0, 1)), Keep::Yes);
    assert_eq!(stage.actions(), [Action::Check { piece: 0, digests: false }]);
}

#[test]
fn a_choke_in_the_middle_of_a_piece_is_made_up_for_afterwards() {
    for fast in [false, true] {
        let mut stage = Stage::with(1, &[]);
        stage.meet(ANN, fast, &Message::Bitfield(&[0x80]));
        stage.hear(ANN, &Message::Unchoke);
        assert_eq!(stage.asked(ANN).len(), 2);
        assert_eq!(stage.receive(ANN, block(0, 0)), Keep::Yes);
        stage.hear(ANN, &Message::Choke);
        if fast {
            stage.hear(ANN, &Message::Reject(block(0, 1)));
        }
        assert_eq!(stage.asked(ANN), [], "it is choked");
        stage.hear(ANN, &Message::Unchoke);
        assert_eq!(stage.asked(ANN), [block(0, 1)], "fast: {fast}");
    }
}

#[test]
fn what_a_peer_that_goes_was_asked_for_others_are_asked_for() {
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    assert_eq!(stage.asked(ANN).len(), 2);
    assert_eq!(stage.receive(ANN, block(0, 0)), Keep::Yes);
    stage.meet_seed(BOB);
    assert_eq!(stage.asked(BOB), []);
    stage.torrent.handle_gone(ANN, stage.now);
    assert_eq!(stage.asked(BOB), [block(0, 1)]);
    stage.torrent.handle_gone(BOB, stage.now);
    stage.torrent.audit().expect("the books are right");
    assert_eq!(stage.torrent.piece(0), PieceState::Open, "a block of it is there");
}

#[test]
fn a_piece_of_which_nothing_has_come_is_missing_again() {
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    assert_eq!(stage.torrent.piece(0), PieceState::Open);
    stage.torrent.handle_gone(ANN, stage.now);
    assert_eq!(stage.torrent.piece(0), PieceState::Missing);
}

#[test]
fn at_the_end_a_slow_peer_is_helped_and_told() {
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    assert_eq!(stage.asked(ANN).len(), 2);
    stage.meet_seed(BOB);
    assert_eq!(stage.asked(BOB), [], "what is on its way is not asked for twice");
    stage.wait(1);
    assert_eq!(stage.asked(BOB), [block(0, 1)], "one, until it shows how fast it is");
    assert_eq!(stage.receive(BOB, block(0, 1)), Keep::Yes);
    let called_off = Action::Say(ANN, Message::Cancel(block(0, 1)));
    assert_eq!(stage.actions(), [called_off], "which may be on its way, and would be one too many");
    stage.hear(ANN, &Message::Reject(block(0, 1)));
    assert_eq!(stage.asked(BOB), [block(0, 0)]);
    assert_eq!(stage.receive(ANN, block(0, 1)), Keep::No);
}

#[test]
fn who_sends_nothing_for_too_long_gets_one_request_at_a_time() {
    let mut stage = Stage::with(100, &[]);
    stage.meet_seed(ANN);
    let asked = stage.asked(ANN).len();
    stage.wait(30);
    let said = stage.said(ANN);
    let count = |is: fn(&Message<'_>) -> bool| said.iter().filter(|said| is(said)).count();
    assert_eq!(count(|said| matches!(said, Message::Cancel(_))), asked);
    assert_eq!(count(|said| matches!(said, Message::Request(_))), 1);
}

/// She is asked for one of the last blocks, and sends an old one every second instead: so she is never silent.
#[test]
fn who_repeats_a_block_does_not_hold_up_the_end() {
    let mut stage = Stage::with(2, &[]);
    stage.meet_seed(EVE);
    let (last, first) = (block(1, 1), block(0, 0));
    for block in stage.asked(EVE).into_iter().filter(|block| *block != last) {
        assert_eq!(stage.receive(EVE, block), Keep::Yes);
    }
    stage.check(0, &good());
    for (second, repeated) in (0..120).zip(std::iter::repeat(first)) {
        if second == 1 {
            // She has shown by then that she is quick.
            stage.meet_seed(ANN);
        }
        if stage.asked(ANN).contains(&last) {
            assert!(second <= 35, "after {second} s");
            assert_eq!(stage.receive(ANN, last), Keep::Yes);
            return;
        }
        assert_eq!(stage.receive(EVE, repeated), Keep::No);
        stage.wait(1);
    }
    panic!("nobody else is asked");
}

/// She answers all she is asked for but one block; and what she is asked for is too much to be slow.
#[test]
fn who_keeps_one_block_back_and_sends_others_does_not_hold_it_up_for_ever() {
    let mut stage = Stage::with(100, &[]);
    stage.meet_seed(EVE);
    let mut asked = stage.asked(EVE);
    let kept = asked.remove(0);
    let mut until = None;
    for second in 0..120 {
        let some = asked.len().min(4);
        for block in asked.drain(..some) {
            let _ = stage.receive(EVE, block);
        }
        stage.wait(1);
        let mut more = Vec::new();
        for action in stage.actions() {
            match action {
                Action::Say(EVE, Message::Request(block)) => more.push(block),
                Action::Say(ANN, Message::Request(block)) if block == kept => {
                    until = until.or(Some(second));
                }
                Action::Check { piece, .. } => stage.check(piece, &good()),
                _ => {}
            }
        }
        asked.extend(more.into_iter().filter(|block| *block != kept));
        if second == 49 {
            stage.meet_seed(ANN);
        }
    }
    // What she keeps is older by then than a peer may be silent, so Ann is asked for it as soon as she is there.
    assert_eq!(until, Some(50));
}

/// She had what is asked of others by now, and is always asked first, since her key is the lowest.
#[test]
fn who_is_silent_again_and_again_does_not_hold_up_the_end() {
    for impatience in [1, 40] {
        let impatience = Duration::from_secs(impatience);
        let mut stage = Stage::limited(100, &[], Limits { impatience, ..Limits::default() });
        stage.meet_seed(ANN);
        let late = stage.asked(ANN);
        assert_eq!(late.len(), 12);
        stage.wait(30);
        let kept = stage.asked(ANN);
        assert_eq!(kept.len(), 1);
        stage.meet_seed(BOB);
        stage.serve(&[BOB]);
        for block in late.into_iter().filter(|block| *block != kept[0]) {
            assert_eq!(stage.receive(ANN, block), Keep::No);
        }
        for _ in 0..120 {
            stage.wait(1);
            stage.serve(&[BOB]);
        }
        assert!(stage.torrent.is_complete(), "{impatience:?}");
    }
}

#[test]
fn two_who_are_silent_do_not_keep_a_third_one_out() {
    for comes in [0, 1, 40] {
        let mut stage = Stage::with(1, &[]);
        [ANN, BOB].into_iter().for_each(|peer| stage.meet_seed(peer));
        stage.wait(comes);
        stage.meet_seed(EVE);
        for _ in 0..120 {
            stage.wait(1);
            stage.serve(&[EVE]);
        }
        assert!(stage.torrent.is_complete(), "it comes after {comes} s");
    }
}

/// Only what was asked of several counts as what came twice since it was.
#[test]
fn who_is_late_and_repeats_a_block_does_not_make_the_end_later() {
    let mut stage = Stage::with(100, &[0]);
    stage.meet_seed(ANN);
    let asked = stage.asked(ANN).len();
    assert_eq!(asked, 12);
    stage.wait(30);
    for _ in 0..asked {
        assert_eq!(stage.receive(ANN, block(0, 0)), Keep::No);
    }
    let limits = Limits::default();
    assert_eq!(stage.torrent.pieces.age_to_ask_again(&limits), Some(limits.impatience));
}

#[test]
fn who_sends_what_nobody_asked_for_is_left_and_has_no_slot_for_it() {
    let mut stage = Stage::with(100, &[0]);
    stage.meet_seed(EVE);
    stage.hear(EVE, &Message::Interested);
    let most = Limits::default().unasked;
    for _ in 0..most {
        assert_eq!(stage.receive(EVE, block(0, 0)), Keep::No);
    }
    stage.wait(1);
    assert_eq!(stage.torrent.peer(EVE).map(|eve| eve.download), Some((0, 0)));
    let refused = stage.torrent.handle_block(EVE, block(0, 0), stage.now);
    assert_eq!(refused, Err(Violation::Unasked));
    // What was called off may be on its way.
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    let asked = stage.asked(ANN);
    stage.wait(30);
    for late in asked {
        let _ = stage.receive(ANN, late);
    }
    assert!(stage.torrent.peer(ANN).is_some_and(|ann| !ann.snubs_us));
}

#[test]
fn who_is_interested_is_unchoked_at_once_while_a_slot_is_free() {
    let mut stage = Stage::limited(1, &[0], Limits { slots: 2, ..Limits::default() });
    for peer in [ANN, BOB, EVE] {
        stage.meet(peer, true, &Message::HaveNone);
        stage.hear(peer, &Message::Interested);
    }
    let unchoked = |stage: &Stage, peer| stage.torrent.peer(peer).is_some_and(|it| !it.is_choked);
    assert!(unchoked(&stage, ANN) && unchoked(&stage, BOB) && !unchoked(&stage, EVE));
    stage.torrent.handle_gone(ANN, stage.now);
    assert!(unchoked(&stage, EVE), "the slot has become free");
}

#[test]
fn who_says_again_that_it_is_interested_makes_no_slot_of_one_that_is_taken() {
    let mut stage = Stage::limited(1, &[0], Limits { slots: 2, ..Limits::default() });
    for peer in (1..9).map(PeerKey) {
        stage.meet(peer, true, &Message::HaveNone);
        stage.hear(peer, &Message::Interested);
        stage.hear(peer, &Message::NotInterested);
    }
    for peer in (1..9).map(PeerKey) {
        stage.hear(peer, &Message::Interested);
    }
    let served = (1..9).filter_map(|peer| stage.torrent.peer(PeerKey(peer)));
    assert_eq!(served.filter(|peer| !peer.is_choked).count(), 2);
}

#[test]
fn those_who_stay_have_a_turn_again_however_many_come() {
    let mut stage = Stage::limited(1, &[0], Limits { slots: 1, ..Limits::default() });
    stage.meet(ANN, true, &Message::HaveNone);
    stage.hear(ANN, &Message::Interested);
    let (mut waited, mut turns, mut was_choked) = (0, 0, false);
    for second in 0..600 {
        if second % 5 == 0 {
            let newcomer = PeerKey(100 + second);
            stage.meet(newcomer, true, &Message::HaveNone);
            stage.hear(newcomer, &Message::Interested);
        }
        stage.wait(1);
        let is_choked = stage.torrent.peer(ANN).is_some_and(|ann| ann.is_choked);
        waited = if is_choked { waited + 1 } else { 0 };
        turns += usize::from(was_choked && !is_choked);
        was_choked = is_choked;
        // Others who have had a turn wait for theirs as well, so hers come ever less often.
        assert!(turns > 0 || waited < 60, "it waits for {waited} s");
    }
    assert!(turns > 0);
}

/// Twelve stay; four go every ten seconds, and four others come, who may be the same ones by other names.
#[test]
fn who_comes_anew_again_and_again_gets_no_more_than_who_stays() {
    let mut stage = Stage::with(1, &[0]);
    let meet = |stage: &mut Stage, peer| {
        stage.meet(peer, true, &Message::HaveNone);
        stage.hear(peer, &Message::Interested);
    };
    (0..12).for_each(|peer| meet(&mut stage, PeerKey(peer)));
    let (mut all, mut newcomers) = (0, 0);
    for round in 0..20 {
        let four = (100 + 4 * round..).take(4).map(PeerKey);
        four.clone().for_each(|peer| meet(&mut stage, peer));
        for _ in 0..10 {
            stage.wait(1);
            let served = |peer| stage.torrent.peer(peer).is_some_and(|peer| !peer.is_choked);
            let those = four.clone().filter(|peer| served(*peer)).count();
            newcomers += those;
            all += those + (0..12).filter(|peer| served(PeerKey(*peer))).count();
        }
        four.for_each(|peer| stage.torrent.handle_gone(peer, stage.now));
    }
    assert!(newcomers * 16 <= all * 4 * 5 / 4, "{newcomers} of {all}");
}

#[test]
fn the_one_by_turn_gives_way_and_nobody_changes_twice_in_ten_seconds() {
    let mut stage = Stage::limited(1, &[0], Limits { slots: 2, ..Limits::default() });
    for peer in 1..9 {
        stage.meet(PeerKey(peer), true, &Message::HaveNone);
        stage.hear(PeerKey(peer), &Message::Interested);
    }
    let mut changes: Vec<(Instant, PeerKey)> = Vec::new();
    let mut served = std::collections::BTreeSet::new();
    for _ in 0..600 {
        for action in stage.actions() {
            if let Action::Say(peer, Message::Choke | Message::Unchoke) = action {
                let last = changes.iter().rev().find(|(_, of)| *of == peer);
                let is_apart =
                    last.is_none_or(|(then, _)| stage.now - *then >= Duration::from_secs(10));
                assert!(is_apart, "{peer} flaps");
                changes.push((stage.now, peer));
                served.insert(peer);
            }
        }
        let unchoked = (1..9)
            .filter(|peer| stage.torrent.peer(PeerKey(*peer)).is_some_and(|peer| !peer.is_choked));
        assert!(unchoked.count() <= 2);
        stage.wait(1);
    }
    assert_eq!(served.len(), 8, "everybody has a turn");
}

/// The slot for newcomers does not stay with who was sent something from the beginning.
#[test]
fn who_gives_no_more_makes_room_for_who_waits() {
    let mut stage = Stage::limited(1_000, &[0], Limits { slots: 2, ..Limits::default() });
    for peer in [ANN, BOB] {
        stage.meet_seed(peer);
        stage.hear(peer, &Message::Interested);
    }
    stage.meet(EVE, true, &Message::HaveNone);
    stage.hear(EVE, &Message::Interested);
    let unchoked = |stage: &Stage, peer| stage.torrent.peer(peer).is_some_and(|it| !it.is_choked);
    let mut asked = [ANN, BOB].map(|peer| (peer, Vec::new()));
    let (mut gives, mut waited) = (true, 0);
    for second in 0..300 {
        // The best has a place of its own; the others take turns.
        gives &= second < 60 || unchoked(&stage, EVE);
        for action in stage.actions() {
            if let Action::Say(to, Message::Request(block)) = action {
                let of = asked.iter_mut().filter(|(of, _)| *of == to);
                of.for_each(|(_, asked)| asked.push(block));
            }
        }
        for (peer, asked) in &mut asked {
            let sends = if *peer == ANN { 1 } else { 2 * usize::from(gives) };
            for block in asked.drain(..sends.min(asked.len())) {
                let _ = stage.receive(*peer, block);
            }
        }
        stage.wait(1);
        waited = if unchoked(&stage, EVE) { 0 } else { waited + 1 };
        assert!(waited < 50, "it waits for {waited} s");
    }
    assert!(!gives);
}

#[test]
fn who_gives_is_given_to() {
    let mut stage = Stage::limited(100, &[0], Limits { slots: 2, ..Limits::default() });
    for peer in [ANN, BOB] {
        stage.meet(peer, true, &Message::HaveNone);
        stage.hear(peer, &Message::Interested);
    }
    stage.meet(EVE, true, &Message::HaveAll);
    stage.hear(EVE, &Message::Interested);
    stage.hear(EVE, &Message::Unchoke);
    let mut under_way = stage.asked(EVE);
    for _ in 0..60 {
        let next = under_way.remove(0);
        assert_eq!(stage.receive(EVE, next), Keep::Yes);
        stage.wait(1);
        under_way.extend(stage.asked(EVE));
    }
    assert!(stage.torrent.peer(EVE).is_some_and(|eve| !eve.is_choked));
}

#[test]
fn a_request_is_served_rejected_or_dropped() {
    let mut stage = Stage::with(2, &[0]);
    stage.meet(ANN, true, &Message::HaveNone);
    stage.meet(BOB, false, &Message::Have(1));
    let _ = stage.actions();
    for peer in [ANN, BOB] {
        stage.hear(peer, &Message::Request(block(0, 0)));
    }
    assert_eq!(
        stage.actions(),
        [Action::Say(ANN, Message::Reject(block(0, 0)))],
        "both are choked"
    );
    for peer in [ANN, BOB] {
        stage.hear(peer, &Message::Interested);
        stage.hear(peer, &Message::Request(block(0, 0)));
        stage.hear(peer, &Message::Request(block(0, 0)));
        stage.hear(peer, &Message::Request(block(0, 1)));
        stage.hear(peer, &Message::Cancel(block(0, 1)));
    }
    assert_eq!(stage.said(ANN), [Message::Unchoke, Message::Reject(block(0, 1))]);
    assert_eq!(stage.torrent.next_upload(ANN), Some(block(0, 0)));
    let more = "each request has an answer, also of one that says it twice (BEP 6)";
    assert_eq!(stage.torrent.next_upload(ANN), Some(block(0, 0)), "{more}");
    assert_eq!(stage.torrent.next_upload(ANN), None);
    assert_eq!(stage.torrent.next_upload(BOB), Some(block(0, 0)));
    stage.hear(ANN, &Message::Request(block(1, 0)));
    assert_eq!(stage.said(ANN), [Message::Reject(block(1, 0))], "it is not there");
}

#[test]
fn no_more_requests_are_kept_than_was_said() {
    let mut stage = Stage::limited(9, &[0, 1, 2], Limits { asked: 4, ..Limits::default() });
    stage.meet(ANN, true, &Message::HaveNone);
    stage.hear(ANN, &Message::Interested);
    for piece in 0..3 {
        stage.hear(ANN, &Message::Request(block(piece, 0)));
        stage.hear(ANN, &Message::Request(block(piece, 1)));
    }
    let rejected = [Message::Reject(block(2, 0)), Message::Reject(block(2, 1))];
    assert_eq!(stage.said(ANN)[1..], rejected);
}

#[test]
fn a_later_bitfield_is_the_truth() {
    for pieces in [32, 33, 2_048] {
        let mut stage = Stage::with(pieces, &[]);
        let (all, none) = (Bitfield::all(pieces), Bitfield::none(pieces));
        stage.meet(ANN, false, &Message::Have(3));
        stage.hear(ANN, &Message::Unchoke);
        assert_eq!(stage.asked(ANN).len(), 2);
        stage.hear(ANN, &Message::Bitfield(all.as_bytes()));
        assert_eq!(stage.torrent.peer(ANN).map(|ann| ann.has), Some(pieces));
        assert!(!stage.asked(ANN).is_empty());
        stage.hear(ANN, &Message::Bitfield(none.as_bytes()));
        assert_eq!(stage.torrent.peer(ANN).map(|ann| (ann.has, ann.asked)), Some((0, 0)));
        assert_eq!(stage.said(ANN), [Message::NotInterested]);
    }
}

#[test]
fn what_is_not_of_this_torrent_ends_the_connection() {
    let mut stage = Stage::with(9, &[0]);
    stage.meet(ANN, false, &Message::Have(1));
    for message in [
        Message::Have(9),
        Message::Bitfield(&[0xff]),
        Message::Bitfield(&[0xff, 0xff]),
        Message::Request(block(9, 0)),
        Message::Request(Block { piece: 0, begin: BLOCK, length: BLOCK + 1 }),
        Message::Request(Block { piece: 0, begin: u32::MAX, length: u32::MAX }),
        Message::Request(Block { piece: 0, begin: 0, length: 0 }),
    ] {
        let _ = stage.refuse(ANN, &message);
    }
    for message in
        [Message::HaveAll, Message::HaveNone, Message::Reject(block(0, 0)), Message::Suggest(0)]
    {
        assert_eq!(stage.refuse(ANN, &message), Violation::NotAgreed);
    }
    let beyond = stage.torrent.handle_block(ANN, block(9, 0), stage.now);
    assert_eq!(beyond, Err(Violation::NoSuchBlock(block(9, 0))));
}

#[test]
fn who_turns_down_every_request_is_not_asked_for_ever() {
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    let refused = (0..10_000).find_map(|_| {
        let mut asked = stage.asked(ANN).into_iter();
        asked.find_map(|block| {
            stage.torrent.handle_message(ANN, &Message::Reject(block), stage.now).err()
        })
    });
    assert_eq!(refused, Some(Violation::OnlyRejects));
}

#[test]
fn two_who_want_nothing_more_part() {
    let mut stage = Stage::with(1, &[0]);
    stage.meet(ANN, true, &Message::HaveAll);
    assert_eq!(stage.actions(), [Action::HangUp(ANN, Parting::NothingToTrade)]);
    stage.meet(BOB, true, &Message::HaveNone);
    assert_eq!(stage.actions(), []);
    stage.torrent.handle_traits(BOB, PeerTraits { reqq: None, upload_only: true }, stage.now);
    assert_eq!(stage.actions(), [Action::HangUp(BOB, Parting::NothingToTrade)]);
}

#[test]
fn of_three_who_sent_a_bad_piece_the_liar_alone_is_banned() {
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    stage.meet_seed(EVE);
    stage.wait(1);
    assert_eq!(stage.receive(ANN, block(0, 0)), Keep::Yes);
    assert_eq!(stage.receive(EVE, block(0, 1)), Keep::Yes);
    let _ = stage.actions();
    stage.meet_seed(BOB);
    stage.check(0, &Checked::Bad(vec![1, 2]));
    // Who had no part in it is asked for all of it.
    assert_eq!(stage.asked(BOB), [block(0, 0), block(0, 1)]);
    assert_eq!(stage.receive(ANN, block(0, 0)), Keep::No, "and nobody else");
    assert_eq!(stage.receive(BOB, block(0, 0)), Keep::Yes);
    assert_eq!(stage.receive(BOB, block(0, 1)), Keep::Yes);
    assert_eq!(stage.actions(), [Action::Check { piece: 0, digests: true }]);
    stage.check(0, &Checked::Good(vec![1, 9]));
    let bans = stage.actions().into_iter().filter(|action| matches!(action, Action::Ban(_)));
    assert_eq!(bans.collect::<Vec<_>>(), [Action::Ban(EVE)]);
}

#[test]
fn a_disk_that_is_full_is_nobodys_fault_and_is_tried_again() {
    let mut stage = Stage::with(1, &[]);
    stage.meet_seed(ANN);
    let asked = stage.asked(ANN);
    asked.iter().for_each(|block| assert_eq!(stage.receive(ANN, *block), Keep::Yes));
    let _ = stage.actions();
    stage.check(0, &Checked::NotKept);
    assert_eq!(stage.actions(), []);
    assert_eq!(stage.torrent.piece(0), PieceState::Missing);
    stage.wait(9);
    assert_eq!(stage.asked(ANN), []);
    stage.wait(1);
    assert_eq!(stage.asked(ANN), asked);
}

#[test]
fn what_is_not_wanted_is_not_asked_for() {
    let mut stage = Stage::with(2, &[]);
    stage.torrent.set_wanted(1, false, stage.now);
    stage.meet_seed(ANN);
    assert_eq!(stage.asked(ANN), [block(0, 0), block(0, 1)]);
    assert_eq!(stage.receive(ANN, block(0, 0)), Keep::Yes);
    assert_eq!(stage.receive(ANN, block(0, 1)), Keep::Yes);
    let _ = stage.actions();
    stage.check(0, &good());
    assert_eq!(stage.torrent.piece(1), PieceState::Unwanted);
    let ends = [Action::Complete, Action::HangUp(ANN, Parting::NothingToTrade)];
    assert_eq!(stage.actions()[2..], ends);
    stage.torrent.set_wanted(1, true, stage.now);
    assert_eq!(stage.asked(ANN), [block(1, 0), block(1, 1)]);
}
