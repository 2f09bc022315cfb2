//! How far somebody has read (IRCv3 read-marker).

use std::collections::BTreeMap;

use super::talk::Party;
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::timestamp::Timestamp;

/// Markers of all users together. Beyond it new ones are not remembered, and what they would have marked is
/// merely unread for the user's other clients.
///
/// 500,000 take about 50 MB: ten each for fifty thousand users.
const MOST: usize = 500_000;

/// For each who marks at all, the time of the last message it has read of each target.
#[derive(Debug, Default)]
pub(super) struct Markers {
    parties: BTreeMap<Party, BTreeMap<Folded, Timestamp>>,
    /// How many there are.
    count: usize,
}

impl Markers {
    pub(super) fn get(&self, party: &Party, target: &Folded) -> Option<Timestamp> {
        self.parties.get(party)?.get(target).copied()
    }

    /// Moves a marker, which only goes on; where it is now. With too many, the one that is farthest back
    /// is forgotten.
    pub(super) fn set(
        &mut self,
        party: &Party,
        target: &Folded,
        time: Timestamp,
        most: usize,
    ) -> Timestamp {
        if let Some(marker) = self.parties.get_mut(party).and_then(|it| it.get_mut(target)) {
            *marker = time.max(*marker);
            return *marker;
        }
        if self.count < MOST {
            let markers = self.parties.entry(party.clone()).or_default();
            markers.insert(target.clone(), time);
            self.count += 1;
            if markers.len() > most {
                self.forget_oldest(party);
            }
        }
        time
    }

    fn forget_oldest(&mut self, party: &Party) {
        let Some(markers) = self.parties.get_mut(party) else { return };
        let oldest =
            markers.iter().min_by_key(|(_, time)| **time).map(|(target, _)| target.clone());
        if oldest.is_some_and(|oldest| markers.remove(&oldest).is_some()) {
            self.count -= 1;
        }
    }

    pub(super) fn forget(&mut self, party: &Party) {
        self.count -= self.parties.remove(party).map_or(0, |markers| markers.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_only_goes_on_and_the_oldest_makes_room() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (early, late) = (time("2020-01-01T00:00:00.000Z"), time("2021-01-01T00:00:00.000Z"));
        let (ann, target) = (Party::Connection(1), |name: &str| Folded::of(name));
        let mut markers = Markers::default();
        assert_eq!(markers.get(&ann, &target("#a")), None);
        assert_eq!(markers.set(&ann, &target("#a"), late, 2), late);
        assert_eq!(markers.set(&ann, &target("#A"), early, 2), late);
        markers.set(&ann, &target("#b"), early, 2);
        markers.set(&ann, &target("#c"), late, 2);
        assert_eq!(markers.get(&ann, &target("#a")), Some(late));
        assert_eq!(markers.get(&ann, &target("#b")), None, "it was farthest back");
        assert_eq!(markers.count, 2);
        markers.forget(&ann);
        assert_eq!(markers.count, 0);
        assert_eq!(markers.get(&ann, &target("#a")), None);
    }
}
