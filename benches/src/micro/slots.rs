//! Where everything registered lives, and is found by an id that is never another's.

use std::collections::HashMap;

use slab::Slab;
use slotmap::SlotMap;

use super::{Microbenchmark, rival};
use crate::id::{Generations, Key};
use crate::slots::Slots;

/// What is registered.
const MANY: usize = 10_000;

/// A connection of the loop, in size.
#[derive(Default, Clone, Copy)]
struct Thing([u64; 12]);

impl Thing {
    fn touch(&mut self) -> u64 {
        self.0[0] += 1;
        self.0[0]
    }
}

/// Look-ups and replacements. The ruler does less: an index of a bare slab finds whatever is there now, be it a stranger.
pub fn all() -> Vec<Microbenchmark> {
    let named = |name: &str, unit, rivals| Microbenchmark { name: name.to_owned(), unit, rivals };
    vec![
        named(
            "find one among 10000 by its id and change it",
            "look-up",
            vec![
                rival("slab", look_up_of_slab),
                rival("reactor", look_up_of_slots),
                rival("slotmap", look_up_of_slot_map),
                rival("hash-map", look_up_of_hash_map),
            ],
        ),
        named(
            "remove one of 10000 and put another there",
            "replacement",
            vec![
                rival("slab", replace_in_slab),
                rival("reactor", replace_in_slots),
                rival("slotmap", replace_in_slot_map),
                rival("hash-map", replace_in_hash_map),
            ],
        ),
    ]
}

/// Ids in random order, again and again.
struct Order<Id>(Vec<Id>);

impl<Id> Order<Id> {
    fn of(mut ids: Vec<Id>) -> Self {
        fastrand::shuffle(&mut ids);
        Self(ids)
    }

    /// Does something with one after the other, so many times.
    fn each(mut self, mut work: impl FnMut(&mut Id) -> u64) -> impl FnMut(u64) -> u64 {
        move |units| {
            let length = self.0.len();
            let work = |number| work(&mut self.0[number as usize % length]);
            (0..units).map(work).fold(0, u64::wrapping_add)
        }
    }
}

fn look_up_of_slab() -> impl FnMut(u64) -> u64 {
    let mut slab = Slab::new();
    let order = Order::of((0..MANY).map(|_| slab.insert(Thing::default())).collect());
    order.each(move |key| slab[*key].touch())
}

/// As the loop does it: what is found is taken out while it runs, and put back.
fn look_up_of_slots() -> impl FnMut(u64) -> u64 {
    let (order, mut slots) = full_slots();
    order.each(move |key| {
        slots.take(*key).map_or(0, |mut thing| {
            let seen = thing.touch();
            slots.put(key.index(), thing);
            seen
        })
    })
}

fn full_slots() -> (Order<Key>, Slots<Box<Thing>>) {
    let mut slots = Slots::new(Generations::of_process());
    let things = std::iter::repeat_with(|| insert(&mut slots, Box::default()));
    (Order::of(things.take(MANY).flatten().collect()), slots)
}

fn insert(slots: &mut Slots<Box<Thing>>, thing: Box<Thing>) -> Option<Key> {
    let key = slots.next_key()?;
    slots.insert(key, thing);
    Some(key)
}

fn look_up_of_slot_map() -> impl FnMut(u64) -> u64 {
    let mut map = SlotMap::new();
    let order = Order::of((0..MANY).map(|_| map.insert(Thing::default())).collect());
    order.each(move |key| map[*key].touch())
}

fn look_up_of_hash_map() -> impl FnMut(u64) -> u64 {
    let mut map: HashMap<u64, Thing> = (0..MANY as u64).map(|id| (id, Thing::default())).collect();
    let order = Order::of((0..MANY as u64).collect());
    order.each(move |id| map.get_mut(id).map_or(0, Thing::touch))
}

fn replace_in_slab() -> impl FnMut(u64) -> u64 {
    let mut slab = Slab::new();
    let order = Order::of((0..MANY).map(|_| slab.insert(Thing::default())).collect());
    order.each(move |key| {
        let thing = slab.remove(*key);
        *key = slab.insert(thing);
        *key as u64
    })
}

fn replace_in_slots() -> impl FnMut(u64) -> u64 {
    let (order, mut slots) = full_slots();
    order.each(move |key| {
        let next = slots.remove(*key).and_then(|thing| insert(&mut slots, thing));
        next.map_or(0, |next| {
            *key = next;
            1
        })
    })
}

fn replace_in_slot_map() -> impl FnMut(u64) -> u64 {
    let mut map = SlotMap::new();
    let order = Order::of((0..MANY).map(|_| map.insert(Thing::default())).collect());
    order.each(move |key| {
        map.remove(*key).map_or(0, |thing| {
            *key = map.insert(thing);
            1
        })
    })
}

fn replace_in_hash_map() -> impl FnMut(u64) -> u64 {
    let mut map: HashMap<u64, Thing> = (0..MANY as u64).map(|id| (id, Thing::default())).collect();
    let order = Order::of((0..MANY as u64).collect());
    let mut next = MANY as u64;
    order.each(move |id| {
        map.remove(id).map_or(0, |thing| {
            map.insert(next, thing);
            *id = next;
            next += 1;
            1
        })
    })
}
