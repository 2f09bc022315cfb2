//! Several machines that talk to each other, without a network: whatever is said arrives a moment later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::torrent::machine::{
    Action, BLOCK, Bitfield, Checked, Geometry, Keep, Limits, PeerKey, Torrent,
};
use crate::torrent::wire::message::{Block, Message};

const PIECES: u32 = 60;
const BLOCKS: u32 = 3;
const STEP: Duration = Duration::from_millis(100);

/// What goes from one to another.
enum Parcel {
    Word(Message<'static>),
    Bits(Vec<u8>),
    /// A block, and what stands for its bytes.
    Block(Block, u64),
}

struct Member {
    torrent: Torrent,
    /// What stands for the bytes that it has received.
    blocks: BTreeMap<(u32, u32), u64>,
    /// Blocks that it sends in a step.
    speed: u32,
    lies: bool,
    sent: u32,
    received: u32,
    banned: BTreeSet<usize>,
}

struct Swarm {
    pieces: u32,
    /// How long a step takes.
    step: Duration,
    members: Vec<Member>,
    links: BTreeMap<(usize, usize), VecDeque<Parcel>>,
    now: Instant,
}

fn right(block: Block) -> u64 {
    u64::from(block.piece) << 32 | u64::from(block.begin)
}

impl Swarm {
    fn new() -> Self {
        Self::of(PIECES)
    }

    fn of(pieces: u32) -> Self {
        let (members, links) = Default::default();
        Self { pieces, step: STEP, members, links, now: Instant::now() }
    }

    fn join(&mut self, have: Bitfield, speed: u32) -> usize {
        let length = u64::from(self.pieces * BLOCKS * BLOCK) - 100;
        let geometry = Geometry::new(length, BLOCKS * BLOCK).expect("it has pieces");
        let chance = self.members.len() as u64 * 77 + 1;
        let torrent = Torrent::new(geometry, have, |_| true, Limits::default(), chance, self.now);
        let (blocks, banned) = Default::default();
        let lies = false;
        self.members.push(Member { torrent, blocks, speed, lies, sent: 0, received: 0, banned });
        self.members.len() - 1
    }

    fn meet(&mut self, a: usize, b: usize, fast: bool) {
        for (from, to) in [(a, b), (b, a)] {
            let member = &mut self.members[from];
            member.torrent.handle_peer(PeerKey(to as u64), fast, self.now);
            let greeting = member.torrent.greeting(fast).map(|message| match message {
                Message::Bitfield(bits) => Parcel::Bits(bits.to_vec()),
                Message::HaveAll => Parcel::Word(Message::HaveAll),
                _ => Parcel::Word(Message::HaveNone),
            });
            self.links.insert((from, to), greeting.into_iter().collect());
        }
    }

    fn meet_all(&mut self) {
        for a in 0..self.members.len() {
            for b in a + 1..self.members.len() {
                self.meet(a, b, (a + b) % 3 != 0);
            }
        }
    }

    fn part(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            if self.links.remove(&(from, to)).is_some() {
                self.members[from].torrent.handle_gone(PeerKey(to as u64), self.now);
                self.members[from].torrent.audit().expect("the books are right");
            }
        }
    }

    fn leave(&mut self, a: usize) {
        (0..self.members.len()).for_each(|b| self.part(a, b));
    }

    fn step(&mut self) {
        self.now += self.step;
        for at in 0..self.members.len() {
            self.members[at].torrent.handle_time(self.now);
            self.act(at);
            self.upload(at);
        }
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            let parcels = self.links.get_mut(&link).map(std::mem::take).unwrap_or_default();
            parcels.into_iter().for_each(|parcel| self.deliver(link, parcel));
        }
        for member in &self.members {
            member.torrent.audit().expect("the books are right");
        }
    }

    fn deliver(&mut self, (from, to): (usize, usize), parcel: Parcel) {
        let key = PeerKey(from as u64);
        let member = &mut self.members[to];
        match parcel {
            Parcel::Word(message) => {
                member.torrent.handle_message(key, &message, self.now).expect("it may be said");
            }
            Parcel::Bits(bits) => {
                let message = Message::Bitfield(&bits);
                member.torrent.handle_message(key, &message, self.now).expect("it may be said");
            }
            Parcel::Block(block, content) => {
                let keep = member.torrent.handle_block(key, block, self.now);
                member.received += 1;
                if keep.expect("there is such a block") == Keep::Yes {
                    member.blocks.insert((block.piece, block.begin), content);
                }
            }
        }
        self.act(to);
    }

    fn act(&mut self, at: usize) {
        while let Some(action) = self.members[at].torrent.poll_action() {
            match action {
                Action::Say(to, message) => {
                    let link = self.links.get_mut(&(at, to.0 as usize));
                    link.into_iter().for_each(|link| link.push_back(Parcel::Word(message)));
                }
                Action::Check { piece, .. } => {
                    let checked = self.members[at].check(piece);
                    self.members[at].torrent.handle_checked(piece, &checked, self.now);
                }
                Action::HangUp(peer, _) => self.part(at, peer.0 as usize),
                Action::Ban(peer) => {
                    self.members[at].banned.insert(peer.0 as usize);
                    self.part(at, peer.0 as usize);
                }
                Action::Complete | Action::Serve(_) => {}
            }
        }
    }

    /// A member sends as many blocks as it can, to one after the other.
    fn upload(&mut self, at: usize) {
        for _ in 0..self.members[at].speed {
            let wait = |to: &usize| self.members[at].torrent.has_upload(PeerKey(*to as u64));
            let waiting: Vec<usize> = (0..self.members.len()).filter(wait).collect();
            let member = &mut self.members[at];
            let Some(&to) = waiting.get(member.sent as usize % waiting.len().max(1)) else {
                return;
            };
            let block = member.torrent.next_upload(PeerKey(to as u64)).expect("it waits");
            member.sent += 1;
            let content = right(block) ^ u64::from(member.lies);
            if let Some(link) = self.links.get_mut(&(at, to)) {
                link.push_back(Parcel::Block(block, content));
            }
        }
    }

    /// Goes on until all of these have everything.
    fn finish(&mut self, who: &[usize], most: Duration) {
        let begun = self.now;
        while !who.iter().all(|at| self.members[*at].torrent.is_complete()) {
            assert!(self.now - begun < most, "{}", self.tell());
            self.step();
        }
    }

    /// Everybody has given a quarter of its share at least.
    #[track_caller]
    fn assert_shared(&self, who: &[usize]) {
        let sent: Vec<_> = who.iter().map(|at| self.members[*at].sent).collect();
        let share = sent.iter().sum::<u32>() / sent.len() as u32;
        assert!(sent.iter().all(|sent| *sent >= share / 4), "{sent:?} of {share}");
    }

    fn tell(&self) -> String {
        let tell = |member: &Member| {
            let peers = (0..self.members.len()).map(|to| member.torrent.peer(PeerKey(to as u64)));
            format!("{:?} {:?}", member.torrent.have(), peers.flatten().collect::<Vec<_>>())
        };
        self.members.iter().map(tell).collect::<Vec<_>>().join("\n")
    }
}

impl Member {
    fn check(&self, piece: u32) -> Checked {
        let geometry = self.torrent.geometry();
        let blocks = (0..geometry.blocks_of(piece)).map(|index| geometry.block(piece, index));
        let content = |block: Block| self.blocks.get(&(piece, block.begin)).copied();
        let digests = blocks.clone().filter_map(content).collect();
        if blocks.clone().all(|block| content(block) == Some(right(block))) {
            Checked::Good(digests)
        } else {
            Checked::Bad(digests)
        }
    }
}

fn some(pieces: impl IntoIterator<Item = u32>) -> Bitfield {
    let mut some = Bitfield::none(PIECES);
    pieces.into_iter().for_each(|piece| assert!(some.insert(piece)));
    some
}

#[test]
fn a_seed_that_leaves_after_one_copy_leaves_everything_behind() {
    let mut swarm = Swarm::new();
    let seed = swarm.join(Bitfield::all(PIECES), 4);
    let leechers: Vec<_> = (0..7).map(|_| swarm.join(some([]), 4)).collect();
    swarm.meet_all();
    let whole = |swarm: &Swarm| {
        let there = |piece| swarm.members[1..].iter().any(|it| it.torrent.have().contains(piece));
        (0..PIECES).all(there)
    };
    let begun = swarm.now;
    while !whole(&swarm) {
        assert!(swarm.now - begun < Duration::from_secs(60), "{}", swarm.tell());
        swarm.step();
    }
    let sent = swarm.members[seed].sent;
    assert!(sent < PIECES * BLOCKS * 3, "the seed has sent {sent} blocks for one copy");
    swarm.leave(seed);
    swarm.finish(&leechers, Duration::from_secs(120));
    for leecher in leechers {
        let Member { sent, received, .. } = swarm.members[leecher];
        assert!(sent >= PIECES * BLOCKS / 4, "{leecher} has given {sent} blocks");
        assert!(f64::from(received) <= 1.05 * f64::from(PIECES * BLOCKS), "{received} received");
    }
}

#[test]
fn two_halves_and_no_seed_make_two_wholes() {
    let mut swarm = Swarm::new();
    let one = swarm.join(some(0..PIECES / 2), 2);
    let other = swarm.join(some(PIECES / 2..PIECES), 2);
    swarm.meet(one, other, true);
    swarm.finish(&[one, other], Duration::from_secs(60));
    (0..3).for_each(|_| swarm.step());
    assert!(swarm.links.is_empty(), "and then they part");
}

#[test]
fn only_the_liar_is_banned() {
    for liar_is in 0..3 {
        let mut swarm = Swarm::new();
        let seeds: Vec<_> = (0..3).map(|_| swarm.join(Bitfield::all(PIECES), 2)).collect();
        let leechers: Vec<_> = (0..3).map(|_| swarm.join(some([]), 2)).collect();
        swarm.members[seeds[liar_is]].lies = true;
        swarm.meet_all();
        swarm.finish(&leechers, Duration::from_secs(120));
        for leecher in leechers {
            let banned = &swarm.members[leecher].banned;
            assert!(banned.iter().all(|banned| *banned == seeds[liar_is]), "{banned:?}");
        }
    }
}

#[test]
fn a_silent_and_a_slow_peer_hold_nobody_up() {
    let mut swarm = Swarm::new();
    let fast = swarm.join(Bitfield::all(PIECES), 8);
    let _silent = swarm.join(Bitfield::all(PIECES), 0);
    let leecher = swarm.join(some([]), 1);
    swarm.meet_all();
    swarm.finish(&[leecher], Duration::from_secs(15));
    let received = swarm.members[leecher].received;
    assert!(f64::from(received) <= 1.05 * f64::from(PIECES * BLOCKS), "{received} received");
    assert!(swarm.members[fast].sent >= PIECES * BLOCKS - 10);
}

#[test]
fn peers_that_die_leave_no_piece_in_two_states() {
    let mut swarm = Swarm::new();
    let seed = swarm.join(Bitfield::all(PIECES), 3);
    let leechers: Vec<_> = (0..8).map(|_| swarm.join(some([]), 3)).collect();
    swarm.meet_all();
    // The audit after each step is what this is about.
    for (round, leecher) in leechers.iter().cycle().take(64).enumerate() {
        swarm.step();
        swarm.leave(*leecher);
        for other in (0..swarm.members.len()).filter(|other| other != leecher) {
            swarm.meet(*leecher, other, round % 2 == 0);
        }
    }
    swarm.finish(&leechers, Duration::from_secs(120));
    assert!(swarm.members[seed].torrent.is_complete());
}

#[test]
fn a_small_torrent_comes_little_more_than_once() {
    for (leechers, pieces, step) in [(4_u32, 12, 100), (4, 24, 100), (4, 24, 500), (9, 24, 100)] {
        for slowest in 1..5 {
            let mut swarm = Swarm { step: Duration::from_millis(step), ..Swarm::of(pieces) };
            swarm.join(Bitfield::all(pieces), 5);
            let leecher = |at| swarm.join(Bitfield::none(pieces), slowest + at * 5 % 6);
            let leechers: Vec<_> = (0..leechers).map(leecher).collect();
            swarm.meet_all();
            swarm.finish(&leechers, Duration::from_secs(90));
            for leecher in leechers {
                let (received, blocks) = (swarm.members[leecher].received, pieces * BLOCKS);
                let most = blocks + blocks / 20;
                assert!(received <= most, "{received} of {blocks} blocks received");
            }
        }
    }
}

/// Each begins with other pieces, and nobody has all: then there is something to ask of everybody at once, and nobody has to
/// wait for a round to come by what others want.
#[test]
fn where_pieces_are_spread_nobody_gives_less_than_a_quarter_of_its_share() {
    for (leechers, speed, pieces) in [
        (2, 1, PIECES),
        (4, 4, PIECES),
        (8, 8, 120),
        (9, 2, 24),
        (12, 4, PIECES),
        (20, 5, 24),
        (30, 4, PIECES),
    ] {
        let mut swarm = Swarm::of(pieces);
        let with_some = |at| {
            let mut has = Bitfield::none(pieces);
            let its = (0..pieces).filter(|piece| piece % leechers == at);
            its.for_each(|piece| assert!(has.insert(piece)));
            swarm.join(has, speed)
        };
        let leechers: Vec<_> = (0..leechers).map(with_some).collect();
        swarm.meet_all();
        swarm.finish(&leechers, Duration::from_secs(60));
        swarm.assert_shared(&leechers);
    }
}

/// There are as many slots: nobody waits, however soon it is over.
#[test]
fn where_there_is_a_slot_for_everybody_nobody_gives_less_than_a_quarter_of_its_share() {
    for leechers in 2..=8 {
        for (speed, seed, pieces) in [(1, 1, PIECES), (2, 4, 24), (4, 4, PIECES), (5, 5, 24)] {
            let mut swarm = Swarm::of(pieces);
            swarm.join(Bitfield::all(pieces), seed);
            let leechers: Vec<_> =
                (0..leechers).map(|_| swarm.join(Bitfield::none(pieces), speed)).collect();
            swarm.meet_all();
            swarm.finish(&leechers, Duration::from_secs(120));
            swarm.assert_shared(&leechers);
        }
    }
}

/// There are eight slots. Steps are long, so that it takes three of the rounds in which chokes are thought over: who comes
/// ninth is sent something by the seed in the second at the earliest, when the others have asked each other for all.
#[test]
fn who_is_ninth_in_line_gives_its_share_too() {
    for (leechers, speed, seed, pieces) in
        [(10, 1, 3, PIECES), (9, 4, 4, PIECES), (20, 4, 4, PIECES), (12, 8, 24, 200)]
    {
        let mut swarm = Swarm { step: Duration::from_millis(500), ..Swarm::of(pieces) };
        let begun = swarm.now;
        swarm.join(Bitfield::all(pieces), seed);
        let leechers: Vec<_> =
            (0..leechers).map(|_| swarm.join(Bitfield::none(pieces), speed)).collect();
        swarm.meet_all();
        swarm.finish(&leechers, Duration::from_secs(300));
        assert!(swarm.now - begun >= Duration::from_secs(30), "{:?}", swarm.now - begun);
        swarm.assert_shared(&leechers);
    }
}
