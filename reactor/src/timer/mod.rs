//! A hierarchical timing wheel.
//!
//! ```text
//!            digits of six bits   5 4 3 2 1 0
//!   elapsed, the present tick     0 0 2 9 7 5
//!   a timer's deadline            0 0 2 9 8 3     it differs first in digit 1, where it has an 8
//!                                         │
//!   level 0   64 buckets of    1 ms   ░▒░░▒░│░░ …   their tick comes: they fire
//!   level 1   64 buckets of   64 ms   ░░▒░░░│░▒ …   bucket 8: here it stands
//!   level 2   64 buckets of    4 s    ░░░▒░░░░░ … ┐
//!   level 3   64 buckets of  4.4 min  …           │ the wheel reaches a bucket: its timers move to lower
//!   level 4   64 buckets of  4.7 h    …           │ levels (they cascade)
//!   level 5   64 buckets of   12 days …           ┘
//!
//!   due       what is to fire as soon as can be ─┐
//!                                   advance      ├──▶ firing ──pop, 32 at a time──▶
//!   what the wheel has reached ──────────────────┘
//! ```
//!
//! A timer stands at the level of the highest digit in which its deadline differs from the present tick,
//! in the bucket of its own digit there. That stays so until the wheel reaches the bucket, so where a timer
//! stands follows from its deadline; only its place in the [`Bucket`] has to be kept. One bitmap a level
//! makes the next deadline a few shifts away. The idea is Varghese and Lauck's (1987), scheme 7.
//!
//! To set, to move and to cancel a timer takes a few stores, and no other timer is touched for it: with a
//! million of them, memory is what costs. That is why buckets are arrays. In a linked list a timer has to
//! be fetched before it is known which is the next; in an array the next are known, and the processor
//! fetches them side by side. For the same reason what the wheel turns by ([`Hand`]) is kept apart from
//! what the timers are for, and timers that are cancelled leave their buckets several at a time.
//!
//! Ticks are milliseconds. A deadline is rounded up, so a timer never fires early. Timers of the same
//! tick fire in the order in which they were set or moved.

mod bucket;

use std::mem;

use crate::id::{Generation, Generations, Key};
use bucket::Bucket;

/// Milliseconds since the loop began.
pub(crate) type Tick = u64;

const LEVELS: usize = 6;
const DIGIT: usize = 6;
const DIGITS: usize = 1 << DIGIT;

/// Behind the buckets of the levels: what was due already when it was set,
const DUE: usize = LEVELS * DIGITS;
/// and what [`Wheel::advance`] has gathered.
const FIRING: usize = DUE + 1;
const LINES: usize = FIRING + 1;
/// The place of a timer that stands in no bucket: it fires right now.
const NOWHERE: u32 = (1 << PLACE_BITS) - 1;
/// All timers that there can be, and three holes for each, take fewer places.
const PLACE_BITS: u32 = 26;

/// Timers that are taken from `FIRING` together, and that leave their buckets together when they are cancelled, so as
/// to wait once for the memory of all.
const BATCH: usize = 32;

pub(crate) struct Wheel<T> {
    hands: Vec<Hand>,
    /// What the timers are for, by the same index.
    payloads: Vec<Option<T>>,
    /// Indices without a timer. A list of their own: to set a timer one need not read what was there.
    vacant: Vec<u32>,
    /// Indices of timers that are gone, and have yet to leave their buckets: fewer than a batch.
    gone: Vec<u32>,
    /// All others: those that are set. The lists above would tell as well, and each turn asks.
    live: usize,
    generations: Generations,
    buckets: Box<[Bucket; LINES]>,
    /// Which buckets hold anything: a word for each level, and one for `DUE` and `FIRING`.
    occupied: [u64; LEVELS + 1],
    /// Everything with a deadline up to here stands in `DUE` or `FIRING`, and nothing else does.
    elapsed: Tick,
    /// The next to fire, the very next last.
    batch: Vec<Key>,
}

/// A timer, as far as the wheel is concerned: 16 bytes, since a million of them are memory to be fetched.
#[derive(Default)]
struct Hand {
    deadline: Tick,
    /// Its generation above its place in its bucket; that of a timer which is gone is zero.
    generation_and_place: u64,
}

impl<T> Wheel<T> {
    pub(crate) fn new(generations: Generations) -> Self {
        Self {
            hands: Vec::new(),
            payloads: Vec::new(),
            vacant: Vec::new(),
            gone: Vec::with_capacity(BATCH),
            live: 0,
            generations,
            buckets: Box::new(std::array::from_fn(|_| Bucket::default())),
            occupied: [0; LEVELS + 1],
            elapsed: 0,
            batch: Vec::with_capacity(BATCH),
        }
    }

    /// Sets a timer. The payload is made where it stays.
    pub(crate) fn insert(&mut self, deadline: Tick, payload: impl FnOnce() -> T) -> Key {
        let index = self.vacant.pop().unwrap_or_else(|| self.add_vacant());
        let generation = self.generations.take();
        let place = self.join(index, self.line_for(deadline));
        self.hands[index as usize] = Hand::new(deadline, generation, place);
        let left = self.payloads[index as usize].replace(payload());
        debug_assert!(left.is_none(), "it was vacant");
        // The compiler cannot know that, and would read what was there, to drop it.
        mem::forget(left);
        self.live += 1;
        Key::new(index, generation)
    }

    /// Moves a timer to another deadline; `false` when the key is stale.
    pub(crate) fn rearm(&mut self, key: Key, deadline: Tick) -> bool {
        let Some(hand) = self.hand(key) else {
            return false;
        };
        let (before, place) = (hand.deadline, hand.place());
        let index = key.index() as u32;
        self.leave(index, before, place);
        let place = self.join(index, self.line_for(deadline));
        let hand = &mut self.hands[index as usize];
        hand.deadline = deadline;
        hand.set_place(place);
        true
    }

    /// Removes a timer, and drops what it was for; `false` when the key is stale.
    pub(crate) fn cancel(&mut self, key: Key) -> bool {
        self.remove(key).map(|payload| *payload = None).is_some()
    }

    /// Removes a timer; what it was for, or `None` when the key is stale.
    pub(crate) fn take(&mut self, key: Key) -> Option<T> {
        self.remove(key)?.take()
    }

    /// Has the timers that are gone leave their buckets: [`Self::next_deadline`] is that of another then.
    pub(crate) fn settle(&mut self) {
        if !self.gone.is_empty() {
            self.leave_together();
        }
    }

    /// The timer's deadline and payload; `None` when the key is stale.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<(Tick, &mut T)> {
        let deadline = self.hand(key)?.deadline;
        let payload = self.payloads.get_mut(key.index())?.as_mut()?;
        Some((deadline, payload))
    }

    /// Gathers everything that is due at `now`, in the order of its deadlines, for [`Self::pop`].
    ///
    /// What is inserted from now on, a zero delay included, waits for the next call: a timer that
    /// re-arms itself with zero fires once a turn and starves nobody.
    pub(crate) fn advance(&mut self, now: Tick) {
        self.empty_line(DUE);
        while let Some((bucket, start)) = self.next_line()
            && start <= now
        {
            self.elapsed = start;
            self.empty_line(bucket);
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// The next gathered timer. It is in no bucket any more: [`Self::rearm`] or [`Self::cancel`] it.
    pub(crate) fn pop(&mut self) -> Option<Key> {
        loop {
            if self.batch.is_empty() {
                self.fill_batch();
            }
            let key = self.batch.pop()?;
            if self.is_to_fire(key) {
                return Some(key);
            }
        }
    }

    /// The tick at which [`Self::advance`] has something to do next: exact for what is due within
    /// 64 ms, else the tick at which a bucket cascades, which is never later than the deadline. Until the next
    /// [`Self::settle`] it may also be that of a timer which is gone.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        if self.live == 0 {
            return None;
        }
        if self.occupied[LEVELS] != 0 || self.batch.iter().any(|key| self.is_to_fire(*key)) {
            return Some(self.elapsed);
        }
        self.next_line().map(|(_, start)| start)
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    // ── where a timer stands ────────────────────────────────────────────────────────────────

    fn hand(&mut self, key: Key) -> Option<&mut Hand> {
        let hand = self.hands.get_mut(key.index())?;
        hand.answers_to(key).then_some(hand)
    }

    /// Whether a timer of the batch is still to fire: one that fired before it may have cancelled it, or
    /// moved it.
    fn is_to_fire(&self, key: Key) -> bool {
        let hand = self.hands.get(key.index());
        hand.is_some_and(|hand| hand.answers_to(key) && hand.place() == NOWHERE)
    }

    fn line_for(&self, deadline: Tick) -> usize {
        if deadline <= self.elapsed {
            return DUE;
        }
        let level = ((deadline ^ self.elapsed) | 1).ilog2() as usize / DIGIT;
        let level = level.min(LEVELS - 1);
        level * DIGITS + digit(deadline, level)
    }

    /// The bucket of a level that the wheel reaches first, and the tick at which it does.
    ///
    /// A lower level always comes before a higher one: its timers share the higher digits of the
    /// present tick. The bucket of the present digit itself comes last: it is empty or, on the top level, a
    /// whole revolution away.
    fn next_line(&self) -> Option<(usize, Tick)> {
        let level = self.occupied[..LEVELS].iter().position(|&buckets| buckets != 0)?;
        let next = (self.elapsed >> (level * DIGIT)) + 1;
        let from_next = self.occupied[level].rotate_right((next % DIGITS as Tick) as u32);
        let start = next + Tick::from(from_next.trailing_zeros());
        Some((level * DIGITS + start as usize % DIGITS, start << (level * DIGIT)))
    }

    // ── coming and going ────────────────────────────────────────────────────────────────────

    /// Adds a timer to a bucket; its place.
    fn join(&mut self, index: u32, bucket: usize) -> u32 {
        if self.buckets[bucket].is_empty() {
            self.occupied[bucket / DIGITS] |= 1 << (bucket % DIGITS);
        }
        self.buckets[bucket].push(index)
    }

    /// Makes a key stale, and returns what its timer was for. The timer leaves its bucket later, together with others:
    /// who cancels many waits for the memory of each, and the less is done for one, the more of them a processor has
    /// under way at a time.
    fn remove(&mut self, key: Key) -> Option<&mut Option<T>> {
        self.hand(key)?.end();
        self.live -= 1;
        self.gone.push(key.index() as u32);
        if self.gone.len() == BATCH {
            self.leave_together();
        }
        self.payloads.get_mut(key.index())
    }

    /// Removes the timers that are gone from their buckets.
    // Inlined, it takes the registers of what cancels: a sixth of the time that this takes among a million.
    #[inline(never)]
    fn leave_together(&mut self) {
        let mut gone = mem::take(&mut self.gone);
        for &index in &gone {
            let hand = &self.hands[index as usize];
            self.leave(index, hand.deadline, hand.place());
        }
        self.vacant.append(&mut gone);
        self.gone = gone;
    }

    /// Removes a timer from its bucket, if it is in one.
    fn leave(&mut self, index: u32, deadline: Tick, place: u32) {
        if place == NOWHERE {
            return;
        }
        let mut number = self.line_for(deadline);
        // A timer stands in one bucket only.
        if number == DUE && !self.buckets[DUE].has(index, place) {
            number = FIRING;
        }
        let bucket = &mut self.buckets[number];
        bucket.remove(place);
        if bucket.is_empty() || bucket.is_sparse() {
            self.tidy(number);
        }
    }

    /// Tidies a bucket that a timer has left.
    fn tidy(&mut self, number: usize) {
        let bucket = &mut self.buckets[number];
        if bucket.is_empty() {
            bucket.clear();
            self.occupied[number / DIGITS] &= !(1 << (number % DIGITS));
        } else if bucket.is_sparse() {
            bucket.close_up(|index, place| self.hands[index as usize].set_place(place));
        }
    }

    /// The wheel has reached a bucket: its timers are to fire, or cascade.
    fn empty_line(&mut self, number: usize) {
        if self.buckets[number].is_empty() {
            return;
        }
        let mut bucket = mem::take(&mut self.buckets[number]);
        self.occupied[number / DIGITS] &= !(1 << (number % DIGITS));
        for index in bucket.iter() {
            let deadline = self.hands[index as usize].deadline;
            let target = if deadline <= self.elapsed { FIRING } else { self.line_for(deadline) };
            let place = self.join(index, target);
            self.hands[index as usize].set_place(place);
        }
        // Its memory is for those who come next, unless there are some already: timers that are farther
        // off than the wheel is wide have come back to their bucket.
        if self.buckets[number].is_empty() {
            bucket.clear();
            self.buckets[number] = bucket;
        }
    }

    /// Takes the next to fire out of their bucket. Each is looked up here, out of cache, while those
    /// behind it are under way; when they fire one after the other they are there.
    fn fill_batch(&mut self) {
        while self.batch.len() < BATCH
            && let Some(index) = self.buckets[FIRING].pop_first()
        {
            let hand = &mut self.hands[index as usize];
            hand.set_place(NOWHERE);
            self.batch.extend(hand.generation().map(|generation| Key::new(index, generation)));
        }
        self.batch.reverse();
        self.tidy(FIRING);
    }

    fn add_vacant(&mut self) -> u32 {
        self.hands.push(Hand::default());
        self.payloads.push(None);
        (self.hands.len() - 1) as u32
    }
}

impl Hand {
    fn new(deadline: Tick, generation: Generation, place: u32) -> Self {
        let generation_and_place = generation.number().get() << PLACE_BITS | u64::from(place);
        Self { deadline, generation_and_place }
    }

    fn answers_to(&self, key: Key) -> bool {
        self.generation_and_place >> PLACE_BITS == key.generation()
    }

    fn generation(&self) -> Option<Generation> {
        Generation::from_number(self.generation_and_place >> PLACE_BITS)
    }

    /// It answers to no key any more.
    fn end(&mut self) {
        self.generation_and_place &= u64::from(NOWHERE);
    }

    fn place(&self) -> u32 {
        self.generation_and_place as u32 & NOWHERE
    }

    fn set_place(&mut self, place: u32) {
        self.generation_and_place =
            self.generation_and_place & !u64::from(NOWHERE) | u64::from(place);
    }
}

fn digit(tick: Tick, level: usize) -> usize {
    (tick >> (level * DIGIT)) as usize % DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// Fires everything due at `now` and returns it with the tick it was due at.
    fn fire(wheel: &mut Wheel<Tick>, now: Tick) -> Vec<Tick> {
        wheel.advance(now);
        let mut fired = Vec::new();
        while let Some(key) = wheel.pop() {
            fired.extend(wheel.take(key));
        }
        fired
    }

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let mut wheel = Wheel::new(Generations::of_process());
        for deadline in [5_000, 3, 70, 64, 1 << 40, 63, 3] {
            wheel.insert(deadline, || deadline);
        }
        assert_eq!(fire(&mut wheel, 2), []);
        assert_eq!(fire(&mut wheel, 6_000), [3, 3, 63, 64, 70, 5_000]);
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn a_zero_timer_that_is_set_while_firing_waits_for_the_next_turn() {
        let mut wheel = Wheel::new(Generations::of_process());
        wheel.insert(0, || 0);
        wheel.advance(10);
        let key = wheel.pop().expect("it is due");
        wheel.rearm(key, 10);
        wheel.insert(0, || 1);
        assert!(wheel.pop().is_none());
        assert_eq!(wheel.next_deadline(), Some(10));
        assert_eq!(fire(&mut wheel, 10), [0, 1]);
    }

    #[test]
    fn the_farthest_deadline_never_comes_but_can_be_cancelled() {
        let mut wheel = Wheel::new(Generations::of_process());
        let never = wheel.insert(Tick::MAX, || 9);
        for years in 1..20 {
            assert_eq!(fire(&mut wheel, years * 365 * 86_400_000), []);
        }
        assert!(wheel.next_deadline().is_some_and(|tick| tick > wheel.elapsed));
        assert_eq!(wheel.take(never), Some(9));
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_cancelled_timers_key_is_stale_even_when_its_slot_is_reused() {
        let mut wheel = Wheel::new(Generations::of_process());
        let first = wheel.insert(5, || 1);
        assert!(wheel.cancel(first));
        assert!(wheel.take(first).is_none() && !wheel.rearm(first, 1));
        wheel.settle();
        let second = wheel.insert(5, || 2);
        assert_eq!(first.index(), second.index());
        assert!(!wheel.cancel(first) && wheel.take(first).is_none());
        assert!(!wheel.rearm(first, 1));
        assert_eq!(wheel.take(second), Some(2));
    }

    #[test]
    fn a_million_timers_leave_nothing_behind() {
        let mut wheel = Wheel::new(Generations::of_process());
        let keys: Vec<Key> =
            (0..1_000_000_u64).map(|i| wheel.insert(i * 7_919 % 10_000_000, || i)).collect();
        for key in keys.iter().step_by(2) {
            assert!(wheel.cancel(*key));
        }
        assert_eq!(fire(&mut wheel, 10_000_000).len(), 500_000);
        wheel.settle();
        assert_eq!((wheel.len(), wheel.occupied), (0, [0; LEVELS + 1]));
    }

    /// Memory for places, in all buckets.
    fn room(wheel: &Wheel<u64>) -> usize {
        wheel.buckets.iter().map(Bucket::room).sum()
    }

    #[test]
    fn timers_that_are_moved_again_and_again_take_no_more_room() {
        let mut wheel = Wheel::new(Generations::of_process());
        let keys: Vec<Key> = (0..1_000).map(|i| wheel.insert(60_000 + i, || i)).collect();
        for round in 0..1_000 {
            for key in &keys {
                assert!(wheel.rearm(*key, 60_000 + round * 7_919 % 3_000_000));
            }
        }
        assert!(room(&wheel) < 100_000, "{}", room(&wheel));
    }

    #[test]
    fn timers_that_are_cancelled_again_and_again_take_no_more_room() {
        let mut wheel = Wheel::new(Generations::of_process());
        wheel.insert(60_000, || 0);
        for number in 0..100_000 {
            let key = wheel.insert(60_000 + number, || number);
            assert!(wheel.cancel(key));
        }
        assert!(wheel.hands.len() <= 1 + BATCH, "{}", wheel.hands.len());
        assert!(room(&wheel) < 10_000, "{}", room(&wheel));
    }

    #[test]
    fn what_a_cancelled_timer_was_for_is_dropped_at_once() {
        let mut wheel = Wheel::new(Generations::of_process());
        let held = Rc::new(());
        for _ in 0..2 * BATCH {
            let key = wheel.insert(60_000, || Rc::clone(&held));
            assert!(wheel.cancel(key));
            assert_eq!(Rc::strong_count(&held), 1);
        }
    }

    #[test]
    fn what_is_gone_keeps_nobody_awake_once_it_has_left_its_bucket() {
        let mut wheel = Wheel::new(Generations::of_process());
        let [due, _] = [5, 5_000].map(|deadline| wheel.insert(deadline, || deadline));
        let near = wheel.insert(20, || 20);
        wheel.advance(5);
        assert_eq!(wheel.pop(), Some(due));
        assert!(wheel.cancel(due) && wheel.cancel(near));
        wheel.settle();
        assert_eq!(wheel.next_deadline(), Some(4_096));
    }

    /// They stand in one bucket, behind one that the budget has left over.
    #[test]
    fn zero_timers_that_are_moved_again_and_again_take_no_more_room() {
        let mut wheel = Wheel::new(Generations::of_process());
        let keys: Vec<Key> = (0..1_000).map(|i| wheel.insert(0, || i)).collect();
        for turn in 0..1_000 {
            wheel.advance(turn);
            for key in &keys {
                assert!(wheel.rearm(*key, turn));
                assert!(wheel.rearm(*key, turn));
            }
        }
        assert!(room(&wheel) < 100_000, "{}", room(&wheel));
        assert_eq!(fire(&mut wheel, 1_000).len(), 1_000);
    }

    #[test]
    fn one_that_fires_may_cancel_and_move_those_that_were_taken_with_it() {
        let mut wheel = Wheel::new(Generations::of_process());
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|i| wheel.insert(5, || i));
        wheel.advance(5);
        assert_eq!(wheel.pop(), Some(first));
        assert!(wheel.cancel(second));
        assert!(wheel.rearm(third, 5));
        assert_eq!(wheel.pop(), Some(fourth));
        assert_eq!(wheel.pop(), None);
        assert_eq!((wheel.take(first), wheel.take(fourth)), (Some(1), Some(4)));
        assert_eq!(fire(&mut wheel, 5), [3]);
    }

    #[test]
    fn what_was_left_over_and_cancelled_then_keeps_nobody_awake() {
        let mut wheel = Wheel::new(Generations::of_process());
        let keys = [1, 2].map(|i| wheel.insert(5, || i));
        wheel.advance(5);
        let first = wheel.pop().expect("it is due");
        assert_eq!(wheel.next_deadline(), Some(5));
        assert!(wheel.cancel(first) && wheel.cancel(keys[1]));
        assert_eq!(wheel.next_deadline(), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Tick),
        Rearm(usize, Tick),
        Cancel(usize),
        Settle,
        /// So much time passes, and then so many fire at most.
        Advance(Tick, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay = prop_oneof![0_u64..200, 0_u64..1 << 20, 0_u64..1 << 40, Just(Tick::MAX / 2)];
        let step = prop_oneof![
            delay.clone().prop_map(Step::Insert),
            (any::<usize>(), delay.clone()).prop_map(|(i, d)| Step::Rearm(i, d)),
            any::<usize>().prop_map(Step::Cancel),
            Just(Step::Settle),
            (delay, 0_usize..60).prop_map(|(d, budget)| Step::Advance(d % (1 << 38), budget)),
        ];
        prop::collection::vec(step, 1..120)
    }

    /// Whether all buckets hold none but timers that are set.
    fn is_settled(wheel: &Wheel<u64>) -> bool {
        let mut indices = wheel.buckets.iter().flat_map(Bucket::iter);
        indices.all(|index| wheel.hands[index as usize].generation().is_some())
    }

    proptest! {
        /// The wheel behaves as a sorted map does of deadlines and the order in which they were set, and
        /// sleeps neither too long nor for ever.
        #[test]
        fn it_is_a_sorted_map(steps in steps()) {
            let mut wheel = Wheel::new(Generations::of_process());
            let mut model: BTreeMap<Key, (Tick, usize)> = BTreeMap::new();
            let mut stale = Vec::new();
            let mut now = 0;
            for (order, step) in steps.into_iter().enumerate() {
                let nth = |model: &BTreeMap<Key, _>, i: usize|
                    model.keys().nth(i % model.len().max(1)).copied();
                match step {
                    Step::Insert(delay) => {
                        model.insert(wheel.insert(now + delay, || 0), (now + delay, order));
                    }
                    Step::Rearm(i, delay) => if let Some(key) = nth(&model, i) {
                        prop_assert!(wheel.rearm(key, now + delay));
                        model.insert(key, (now + delay, order));
                    },
                    Step::Cancel(i) => if let Some(key) = nth(&model, i) {
                        prop_assert!(wheel.cancel(key));
                        model.remove(&key);
                        stale.push(key);
                    },
                    Step::Settle => {
                        wheel.settle();
                        prop_assert!(is_settled(&wheel));
                    }
                    Step::Advance(by, budget) => {
                        now += by;
                        wheel.advance(now);
                        let mut last = (0, 0);
                        for _ in 0..budget {
                            let Some(key) = wheel.pop() else {
                                prop_assert!(model.values().all(|&(due, _)| due > now), "late");
                                break;
                            };
                            let set = model.remove(&key).expect("it fires once");
                            prop_assert!(set.0 <= now, "early");
                            prop_assert!(set > last || set.0 <= now - by, "out of order");
                            last = set;
                            prop_assert!(wheel.take(key).is_some());
                            stale.push(key);
                        }
                    }
                }
                prop_assert!(!stale.iter().any(|key| wheel.cancel(*key) || wheel.rearm(*key, now)));
                let next = model.values().map(|&(due, _)| due).min();
                prop_assert_eq!(next.is_some(), wheel.next_deadline().is_some());
                prop_assert!(wheel.next_deadline() <= next.map(|due| due.max(now)));
                prop_assert_eq!(wheel.len(), model.len());
            }
        }
    }
}
