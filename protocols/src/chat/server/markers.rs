//! How far each user has read (IRCv3 read-marker): in memory, within bounds.

use std::collections::BTreeMap;

use super::history::Party;
use crate::chat::casemap::Folded;
use crate::chat::timestamp::Timestamp;

/// The markers of everybody who has set any. Those of an account stay when its last connection ends;
/// when there are too many in all, whoever has set none for longest loses its own.
#[derive(Debug, Default)]
pub(in crate::chat) struct Markers {
    readers: BTreeMap<Party, Reader>,
    /// Each reader by when it set a marker last.
    ages: BTreeMap<u64, Party>,
    clock: u64,
    count: usize,
}

#[derive(Debug, Default)]
struct Reader {
    markers: BTreeMap<Folded, Timestamp>,
    age: u64,
}

impl Markers {
    pub(in crate::chat) fn get(&self, party: &Party, target: &str) -> Option<Timestamp> {
        self.readers.get(party)?.markers.get(&Folded::of(target)).copied()
    }

    /// Moves a marker forwards, never back: where it is then. `None` if the reader has too many.
    pub(in crate::chat) fn set(
        &mut self,
        party: &Party,
        target: &str,
        at: Timestamp,
        most: usize,
        most_in_all: usize,
    ) -> Option<Timestamp> {
        self.clock += 1;
        let reader = self.readers.entry(party.clone()).or_default();
        self.ages.remove(&reader.age);
        reader.age = self.clock;
        self.ages.insert(self.clock, party.clone());

        let target = Folded::of(target);
        let is_new = !reader.markers.contains_key(&target);
        if is_new && reader.markers.len() >= most {
            return None;
        }
        let marker = reader.markers.entry(target).or_insert(at);
        *marker = at.max(*marker);
        let marker = *marker;
        self.count += usize::from(is_new);
        while self.count > most_in_all
            && let Some((_, silent)) = self.ages.pop_first()
        {
            self.forget(&silent);
        }
        Some(marker)
    }

    pub(in crate::chat) fn forget(&mut self, party: &Party) {
        if let Some(reader) = self.readers.remove(party) {
            self.ages.remove(&reader.age);
            self.count -= reader.markers.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn time(second: u64) -> Timestamp {
        Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
    }

    #[test]
    fn a_marker_moves_forwards_only() {
        let mut markers = Markers::default();
        let ann = Party::Connection(1);
        assert_eq!(markers.get(&ann, "#a"), None);
        assert_eq!(markers.set(&ann, "#a", time(5), 9, 9), Some(time(5)));
        assert_eq!(markers.set(&ann, "#A", time(3), 9, 9), Some(time(5)));
        assert_eq!(markers.get(&ann, "#a"), Some(time(5)));
        assert_eq!(markers.get(&Party::Connection(2), "#a"), None);
    }

    #[test]
    fn a_reader_has_so_many_and_the_idlest_makes_room_for_others() {
        let mut markers = Markers::default();
        let party = Party::Connection;
        for target in ["#a", "#b"] {
            assert!(markers.set(&party(1), target, time(1), 2, 3).is_some());
            assert!(markers.set(&party(2), target, time(1), 2, 3).is_some());
        }
        assert_eq!(markers.set(&party(2), "#c", time(1), 2, 3), None);
        assert_eq!(markers.get(&party(1), "#a"), None, "it was the idlest");
        assert_eq!(markers.get(&party(2), "#a"), Some(time(1)));
        markers.forget(&party(2));
        assert_eq!((markers.count, markers.ages.len()), (0, 0));
    }
}
