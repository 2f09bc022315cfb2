//! Generational slots: where everything registered lives.
//!
//! ```text
//!   insert ─▶ Present ──take──▶ Running ──put──▶ Present ──remove──▶ vacant
//! ```
//!
//! While a source is dispatched it is *taken*: its handler holds it, and a look-up
//! meanwhile finds that it is running. Sources that ended during a turn stay in their slots until the
//! turn is over, so an event that waits in the same batch can never hit a newcomer.

use crate::id::{Generations, Key, MAX_SLOTS, Token};

// With a slab of the registry's a look-up asks first whether the slot is vacant, and then for the key. Here the key
// says both, which is 2 instructions a message, and a delivery.
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// Indices of vacant slots. The last is filled next.
    vacant: Vec<u32>,
    generations: Generations,
}

struct Slot<T> {
    /// That of nothing while it is vacant.
    key: Key,
    /// `None` while the source is running, and while there is none. In a box, so that taking it out moves one word.
    source: Option<Box<T>>,
}

/// What a look-up finds.
pub(crate) enum Found<'a, T> {
    Here(&'a mut T),
    /// It is being dispatched right now, further up the call stack.
    Running,
    /// The id is stale.
    Gone,
}

impl<T> Slots<T> {
    pub(crate) fn new(generations: Generations) -> Self {
        Self { slots: Vec::new(), vacant: Vec::new(), generations }
    }

    /// A key for the next [`Self::insert`], or `None` when every index is taken.
    pub(crate) fn next_key(&mut self) -> Option<Key> {
        let index = self.vacant.last().map_or(self.slots.len(), |index| *index as usize);
        (index < MAX_SLOTS).then(|| Key::new(index as u32, self.generations.take()))
    }

    /// Fills the slot that [`Self::next_key`] has named.
    pub(crate) fn insert(&mut self, key: Key, source: T) {
        let slot = Slot { key, source: Some(Box::new(source)) };
        let index = match self.vacant.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index as usize
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        debug_assert_eq!(index, key.index(), "nothing was inserted in between");
    }

    /// Takes the source out for dispatch; `None` when the key is stale or it is running already.
    pub(crate) fn take(&mut self, key: Key) -> Option<Box<T>> {
        self.slot(key)?.source.take()
    }

    /// As [`Self::take`], for the token of an event.
    pub(crate) fn take_token(&mut self, token: Token) -> Option<Box<T>> {
        let Slot { key, source } = self.slots.get_mut(token.index())?;
        if key.token() != token {
            return None;
        }
        source.take()
    }

    /// Puts back what [`Self::take`] took. Nobody frees the slot of what is running, so its index is enough.
    pub(crate) fn put(&mut self, index: usize, source: Box<T>) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let left = slot.source.replace(source);
        debug_assert!(left.is_none(), "a source is put back once");
        // It was `None`, which the compiler cannot know: there is nothing to drop.
        std::mem::forget(left);
    }

    /// The key of what is running, or present.
    pub(crate) fn key_at(&self, index: usize) -> Key {
        self.slots.get(index).map_or(Key::OF_NOTHING, |slot| slot.key)
    }

    pub(crate) fn find(&mut self, key: Key) -> Found<'_, T> {
        match self.slot(key) {
            None => Found::Gone,
            Some(Slot { source: None, .. }) => Found::Running,
            Some(Slot { source: Some(source), .. }) => Found::Here(source),
        }
    }

    /// Looks at a source: `None` if the key is stale, `Some(None)` while the source is running.
    pub(crate) fn get(&self, key: Key) -> Option<Option<&T>> {
        match self.slots.get(key.index()) {
            Some(slot) if slot.key == key => Some(slot.source.as_deref()),
            _ => None,
        }
    }

    /// Frees a slot, unless its source is running.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot(key)?;
        let source = slot.source.take()?;
        slot.key = Key::OF_NOTHING;
        self.vacant.push(key.index() as u32);
        Some(*source)
    }

    /// As [`Self::remove`], if it is a wanted one.
    pub(crate) fn remove_if(&mut self, key: Key, is_wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        self.get(key)?.filter(|source| is_wanted(source))?;
        self.remove(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Everything that is not running, in the order of the slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().filter_map(|slot| Some((slot.key, slot.source.as_deref()?)))
    }

    /// The first source at or behind `index` that is not running, and the index to go on with.
    pub(crate) fn next_from(&self, index: usize) -> Option<(usize, &T)> {
        (index..self.slots.len())
            .find_map(|index| Some((index + 1, self.slots.get(index)?.source.as_deref()?)))
    }

    fn slot(&mut self, key: Key) -> Option<&mut Slot<T>> {
        match self.slots.get_mut(key.index()) {
            Some(slot) if slot.key == key => Some(slot),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots<&'static str> {
        Slots::new(Generations::of_process())
    }

    fn insert(slots: &mut Slots<&'static str>, source: &'static str) -> Key {
        let key = slots.next_key().expect("there is room");
        slots.insert(key, source);
        key
    }

    #[test]
    fn a_reused_slot_does_not_answer_to_its_old_key() {
        let mut slots = slots();
        let first = insert(&mut slots, "first");
        slots.remove(first);
        assert!(slots.len() == 0 && matches!(slots.find(first), Found::Gone));
        let second = insert(&mut slots, "second");
        assert_eq!(first.index(), second.index());
        assert!(slots.take(first).is_none());
        assert!(slots.take_token(first.token()).is_none());
        assert_eq!(slots.take(second).as_deref(), Some(&"second"));
    }

    #[test]
    fn a_key_of_one_loop_finds_nothing_in_another() {
        let (mut one, mut other) = (slots(), slots());
        let (ours, theirs) = (insert(&mut one, "ours"), insert(&mut other, "theirs"));
        assert_eq!(ours.index(), theirs.index());
        assert!(ours != theirs && one.take(theirs).is_none() && other.take(ours).is_none());
    }

    #[test]
    fn a_taken_source_is_running_until_it_is_put_back() {
        let mut slots = slots();
        let key = insert(&mut slots, "it");
        let taken = slots.take(key).expect("it was just inserted");
        assert!(matches!(slots.find(key), Found::Running));
        slots.put(key.index(), taken);
        assert!(matches!(slots.find(key), Found::Here(&mut "it")));
    }

    #[test]
    fn nobody_frees_the_slot_of_what_is_running_nor_gets_its_index() {
        let mut slots = slots();
        let (key, other) = (insert(&mut slots, "it"), insert(&mut slots, "another"));
        let taken = slots.take(key).expect("it was just inserted");
        assert!(slots.remove(key).is_none() && slots.remove_if(key, |_| true).is_none());
        assert_eq!(slots.remove(other), Some("another"));
        let newcomers = [insert(&mut slots, "first"), insert(&mut slots, "second")];
        assert!(newcomers.iter().all(|newcomer| newcomer.index() != key.index()));
        assert_eq!((slots.key_at(key.index()), slots.len()), (key, 3));
        slots.put(key.index(), taken);
        assert_eq!((slots.remove(key), slots.len()), (Some("it"), 2));
        assert_eq!(insert(&mut slots, "third").index(), key.index());
    }

    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Slot<[u8; 100]>>() <= 16);
    }
}
