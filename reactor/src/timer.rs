//! A hierarchical timing wheel over slab indices.
//!
//! ```text
//!  level 0   64 slots of      1 ms      ▒░░▒░░░░…   due within 64 ms: fire when their tick comes
//!  level 1   64 slots of     64 ms      ░▒░░░…      due within  4 s ┐
//!  level 2   64 slots of      4 s       ░░▒░…       within  4 min   │ when the wheel reaches a slot,
//!  level 3   64 slots of    4.4 min     …           within  4.7 h   │ its timers move to lower
//!  level 4   64 slots of    4.7 h                   within 12 days  │ levels (they cascade)
//!  level 5   64 slots of    12 days                 within  2 years ┘ and beyond: again and again
//! ```
//!
//! A timer lives at the level of the highest 6-bit digit in which its deadline differs from the
//! present tick. Insert, cancel and re-arm touch one doubly linked list each, which makes them O(1);
//! one bitmap a level makes the next deadline a few shifts away. The idea is Varghese and Lauck's
//! (1987), scheme 7.
//!
//! Ticks are milliseconds. A deadline is rounded up, so a timer never fires early.

use std::num::NonZeroU32;

use slab::Slab;

use crate::id::Key;

/// Milliseconds since the loop began.
pub(crate) type Tick = u64;

const LEVELS: usize = 6;
const DIGIT: usize = 6;
const SLOTS: usize = 1 << DIGIT;
/// One slot less than the whole wheel, so that the top level never wraps onto its present slot.
const HORIZON: Tick = (SLOTS as Tick - 1) << (DIGIT * (LEVELS - 1));

/// The lists: a head for each slot of each level, then these.
const DUE: usize = LEVELS * SLOTS;
const FIRING: usize = DUE + 1;
const LISTS: usize = FIRING + 1;
/// Not in any list: it fires right now.
const NOWHERE: u16 = u16::MAX;
const NIL: u32 = u32::MAX;

pub(crate) struct Wheel<T> {
    entries: Slab<Entry<T>>,
    next_generation: NonZeroU32,
    /// The first entry of each circular list.
    heads: Box<[u32; LISTS]>,
    /// Which slots of a level hold anything.
    occupied: [u64; LEVELS],
    /// Everything with a deadline up to here has been moved to `FIRING`.
    elapsed: Tick,
}

struct Entry<T> {
    generation: NonZeroU32,
    previous: u32,
    next: u32,
    list: u16,
    deadline: Tick,
    payload: T,
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Slab::new(),
            next_generation: NonZeroU32::MIN,
            heads: Box::new([NIL; LISTS]),
            occupied: [0; LEVELS],
            elapsed: 0,
        }
    }

    pub(crate) fn insert(&mut self, deadline: Tick, payload: T) -> Key {
        let generation = self.next_generation;
        self.next_generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let entry =
            Entry { generation, previous: NIL, next: NIL, list: NOWHERE, deadline, payload };
        let index = self.entries.insert(entry) as u32;
        self.link(index, self.list_for(deadline));
        Key::new(index, generation)
    }

    /// Moves a timer to another deadline; `false` when the key is stale.
    pub(crate) fn rearm(&mut self, key: Key, deadline: Tick) -> bool {
        let list = self.list_for(deadline);
        let Some(entry) = self.entry(key) else {
            return false;
        };
        entry.deadline = deadline;
        self.move_to(key.index() as u32, list);
        true
    }

    /// Removes a timer; `None` when the key is stale.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        self.entry(key)?;
        self.unlink(key.index() as u32);
        Some(self.entries.remove(key.index()).payload)
    }

    /// The timer's deadline and payload; `None` when the key is stale.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<(Tick, &mut T)> {
        self.entry(key).map(|entry| (entry.deadline, &mut entry.payload))
    }

    /// Gathers everything that is due at `now`, in the order of its deadlines, for [`Self::pop`].
    ///
    /// What is inserted from now on, a zero delay included, waits for the next call: a timer that
    /// re-arms itself with zero fires once a turn and starves nobody.
    pub(crate) fn advance(&mut self, now: Tick) {
        while self.heads[DUE] != NIL {
            self.move_to(self.heads[DUE], FIRING);
        }
        while let Some((list, start)) = self.next_slot() {
            if start > now {
                break;
            }
            self.elapsed = start;
            self.empty_slot(list);
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// The next gathered timer. It is in no list any more: [`Self::rearm`] or [`Self::cancel`] it.
    pub(crate) fn pop(&mut self) -> Option<Key> {
        let index = self.heads[FIRING];
        let generation = self.entries.get(index as usize)?.generation;
        self.unlink(index);
        Some(Key::new(index, generation))
    }

    /// The tick at which [`Self::advance`] has something to do next: exact for what is due within
    /// 64 ms, else the tick at which a slot cascades, which is never later than the deadline.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        if self.heads[DUE] != NIL || self.heads[FIRING] != NIL {
            return Some(self.elapsed);
        }
        self.next_slot().map(|(_, start)| start)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&mut self, key: Key) -> Option<&mut Entry<T>> {
        let entry = self.entries.get_mut(key.index())?;
        (entry.generation.get() == key.generation()).then_some(entry)
    }

    fn list_for(&self, deadline: Tick) -> usize {
        if deadline <= self.elapsed {
            return DUE;
        }
        let deadline = deadline.min(self.elapsed.saturating_add(HORIZON));
        let differing = (deadline ^ self.elapsed) | 1;
        let level = (differing.ilog2() as usize / DIGIT).min(LEVELS - 1);
        level * SLOTS + digit(deadline, level)
    }

    /// The occupied slot that comes first, and the tick at which it begins.
    ///
    /// A lower level always comes before a higher one: its timers share the higher digits of the
    /// present tick.
    fn next_slot(&self) -> Option<(usize, Tick)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let present = digit(self.elapsed, level);
        let ahead = self.occupied[level].rotate_right(present as u32).trailing_zeros() as Tick;
        let shift = level * DIGIT;
        let start = ((self.elapsed >> shift) + ahead) << shift;
        Some((level * SLOTS + (present + ahead as usize) % SLOTS, start))
    }

    /// Fires or cascades a slot whose time has come.
    fn empty_slot(&mut self, list: usize) {
        while self.heads[list] != NIL {
            let index = self.heads[list];
            let deadline = self.entries[index as usize].deadline;
            let target = if deadline <= self.elapsed { FIRING } else { self.list_for(deadline) };
            self.move_to(index, target);
        }
    }

    fn move_to(&mut self, index: u32, list: usize) {
        self.unlink(index);
        self.link(index, list);
    }

    /// Appends an entry that is nowhere to a list.
    fn link(&mut self, index: u32, list: usize) {
        let head = self.heads[list];
        let (previous, next) = if head == NIL {
            self.heads[list] = index;
            if list < DUE {
                self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
            }
            (index, index)
        } else {
            (self.entries[head as usize].previous, head)
        };
        let entry = &mut self.entries[index as usize];
        entry.list = list as u16;
        entry.previous = previous;
        entry.next = next;
        self.entries[previous as usize].next = index;
        self.entries[next as usize].previous = index;
    }

    /// Takes an entry out of the list it is in, if any.
    fn unlink(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let (list, previous, next) = (entry.list as usize, entry.previous, entry.next);
        if entry.list == NOWHERE {
            return;
        }
        entry.list = NOWHERE;
        self.entries[previous as usize].next = next;
        self.entries[next as usize].previous = previous;
        if next == index {
            self.heads[list] = NIL;
            if list < DUE {
                self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
            }
        } else if self.heads[list] == index {
            self.heads[list] = next;
        }
    }
}

fn digit(tick: Tick, level: usize) -> usize {
    (tick >> (level * DIGIT)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Fires everything due at `now` and returns it with the tick it was due at.
    fn fire(wheel: &mut Wheel<Tick>, now: Tick) -> Vec<Tick> {
        wheel.advance(now);
        let mut fired = Vec::new();
        while let Some(key) = wheel.pop() {
            fired.extend(wheel.cancel(key));
        }
        fired
    }

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let mut wheel = Wheel::new();
        for deadline in [5_000, 3, 70, 64, 1 << 40, 63, 3] {
            wheel.insert(deadline, deadline);
        }
        assert_eq!(fire(&mut wheel, 2), []);
        assert_eq!(fire(&mut wheel, 6_000), [3, 3, 63, 64, 70, 5_000]);
        assert_eq!(wheel.len(), 1);
    }

    #[test]
    fn a_zero_timer_that_is_set_while_firing_waits_for_the_next_turn() {
        let mut wheel = Wheel::new();
        wheel.insert(0, 0);
        wheel.advance(10);
        let key = wheel.pop().expect("it is due");
        wheel.rearm(key, 10);
        wheel.insert(0, 1);
        assert!(wheel.pop().is_none());
        assert_eq!(wheel.next_deadline(), Some(10));
        assert_eq!(fire(&mut wheel, 10), [0, 1]);
    }

    #[test]
    fn the_farthest_deadline_never_comes_but_can_be_cancelled() {
        let mut wheel = Wheel::new();
        let never = wheel.insert(Tick::MAX, 9);
        for years in 1..20 {
            assert_eq!(fire(&mut wheel, years * 365 * 86_400_000), []);
        }
        assert!(wheel.next_deadline().is_some_and(|tick| tick > wheel.elapsed));
        assert_eq!(wheel.cancel(never), Some(9));
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_cancelled_timers_key_is_stale_even_when_its_slot_is_reused() {
        let mut wheel = Wheel::new();
        let first = wheel.insert(5, 1);
        assert_eq!(wheel.cancel(first), Some(1));
        let second = wheel.insert(5, 2);
        assert_eq!(wheel.cancel(first), None);
        assert!(!wheel.rearm(first, 1));
        assert_eq!(wheel.cancel(second), Some(2));
    }

    #[test]
    fn a_million_timers_leave_nothing_behind() {
        let mut wheel = Wheel::new();
        let keys: Vec<Key> =
            (0..1_000_000_u64).map(|i| wheel.insert(i * 7_919 % 10_000_000, i)).collect();
        for key in keys.iter().step_by(2) {
            assert!(wheel.cancel(*key).is_some());
        }
        assert_eq!(fire(&mut wheel, 10_000_000).len(), 500_000);
        assert_eq!((wheel.len(), wheel.occupied), (0, [0; LEVELS]));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Tick),
        Rearm(usize, Tick),
        Cancel(usize),
        Advance(Tick),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay = prop_oneof![0_u64..200, 0_u64..1 << 20, 0_u64..1 << 40, Just(Tick::MAX / 2)];
        let step = prop_oneof![
            delay.clone().prop_map(Step::Insert),
            (any::<usize>(), delay.clone()).prop_map(|(i, d)| Step::Rearm(i, d)),
            any::<usize>().prop_map(Step::Cancel),
            delay.prop_map(|d| Step::Advance(d % (1 << 38))),
        ];
        prop::collection::vec(step, 1..80)
    }

    proptest! {
        /// The wheel behaves as a sorted map of deadlines does, and sleeps neither too long nor for ever.
        #[test]
        fn it_is_a_sorted_map(steps in steps()) {
            let mut wheel = Wheel::new();
            let mut model: BTreeMap<Key, Tick> = BTreeMap::new();
            let mut now = 0;
            for step in steps {
                let nth = |model: &BTreeMap<Key, Tick>, i: usize|
                    model.keys().nth(i % model.len().max(1)).copied();
                match step {
                    Step::Insert(delay) => { model.insert(wheel.insert(now + delay, 0), now + delay); }
                    Step::Rearm(i, delay) => if let Some(key) = nth(&model, i) {
                        prop_assert!(wheel.rearm(key, now + delay));
                        model.insert(key, now + delay);
                    },
                    Step::Cancel(i) => if let Some(key) = nth(&model, i) {
                        prop_assert!(wheel.cancel(key).is_some());
                        model.remove(&key);
                    },
                    Step::Advance(by) => {
                        now += by;
                        wheel.advance(now);
                        let mut last = 0;
                        while let Some(key) = wheel.pop() {
                            let due = model.remove(&key).expect("it fires once");
                            prop_assert!(due <= now, "early");
                            prop_assert!(due >= last || due <= now - by, "out of order");
                            last = due;
                            wheel.cancel(key);
                        }
                        prop_assert!(model.values().all(|&due| due > now), "late");
                    }
                }
                let next = model.values().min().copied();
                prop_assert_eq!(next.is_some(), wheel.next_deadline().is_some());
                prop_assert!(wheel.next_deadline() <= next.map(|due| due.max(now)));
            }
        }
    }
}
