//! The way from the first directory of a tree to one in it, by which a walk knows that it goes in circles.
//!
//! A link to a directory above looks like a directory on some servers, and everything is in it once more, the
//! link as well. With two such links in one directory there are more ways than anybody can go.
//!
//! ```text
//!   top ─▶ loop ─▶ loop ─▶ …       unique     the same as that of one above: it is that one
//!                                  contents   the same as those of one above: it is that one, surely if
//!                                             they have unique facts, almost if there is a file in them
//! ```

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use protocols::transfer::ftp::client::{Entry, Listing};
use protocols::transfer::store::Kind;

/// The deepest directory that is gone into.
const DEEPEST: usize = 100;
/// So many directories above may have the same in them as this one, if that is directories alone: the first
/// levels of a store that is sorted by digits are all alike.
const MOST_ALIKE: usize = 4;
/// By so many ways one directory is gone into that links lead to: between some that lead to each other there is
/// no end of ways, though none is a circle.
const MOST_WAYS: usize = 8;

/// A directory, and those above it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    here: Option<Rc<Place>>,
    /// What is in directories that links have led to, and how often they have.
    ways: Rc<RefCell<HashMap<u64, usize>>>,
}

#[derive(Debug)]
struct Place {
    unique: Option<Vec<u8>>,
    contents: u64,
    depth: usize,
    above: Option<Rc<Place>>,
}

/// Why a directory is not gone into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Circle {
    /// It is one of those above.
    Sure,
    /// It looks as one of those above.
    Likely,
    /// Links have led to it often enough.
    KnownByOtherNames,
    /// It is too deep for anything else.
    TooDeep,
}

impl Trail {
    /// Whether an entry is a directory on the way, by what the server says of it.
    pub(crate) fn leads_back(&self, entry: &Entry) -> bool {
        entry.unique.is_some() && self.places().any(|place| place.unique == entry.unique)
    }

    /// The way into a directory in which this is, which may have been gone to by a link. `Err` if it is no
    /// way on.
    pub(crate) fn enter(
        &self,
        unique: Option<Vec<u8>>,
        listing: &Listing,
        by_link: bool,
    ) -> Result<Self, Circle> {
        let contents = fingerprint(listing);
        let depth = self.here.as_ref().map_or(0, |here| here.depth + 1);
        if depth > DEEPEST {
            return Err(Circle::TooDeep);
        }
        let alike = self.places().filter(|place| place.contents == contents).count();
        self.judge(listing, alike)?;
        if by_link && has_ways(listing) {
            let mut ways = self.ways.borrow_mut();
            let count = ways.entry(contents).or_default();
            *count += 1;
            if *count > MOST_WAYS {
                return Err(Circle::KnownByOtherNames);
            }
        }
        let above = self.here.clone();
        let here = Some(Rc::new(Place { unique, contents, depth, above }));
        Ok(Self { here, ways: Rc::clone(&self.ways) })
    }

    /// What it means that so many above have the same in them.
    fn judge(&self, listing: &Listing, alike: usize) -> Result<(), Circle> {
        if alike == 0 || !has_ways(listing) {
            return Ok(());
        }
        let has_uniques = listing.entries.iter().all(|entry| entry.unique.is_some());
        let is_dated = |entry: &Entry| {
            entry.kind == Kind::File && entry.size.is_some() && entry.modified.is_some()
        };
        if has_uniques && has_own_uniques(listing) || listing.entries.iter().any(is_dated) {
            return Err(Circle::Sure);
        }
        if alike >= MOST_ALIKE { Err(Circle::Likely) } else { Ok(()) }
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::successors(self.here.as_deref(), |place| place.above.as_deref())
    }
}

/// Whether the unique facts of a list are what they are called: some servers give the same to everything, to
/// files and directories alike.
pub(crate) fn has_own_uniques(listing: &Listing) -> bool {
    let of = |kind: Kind| {
        let entries = listing.entries.iter().filter(move |entry| entry.kind == kind);
        entries.filter_map(|entry| entry.unique.as_deref())
    };
    let files: HashSet<_> = of(Kind::File).collect();
    !of(Kind::Directory).any(|unique| files.contains(unique))
}

/// Whether there is a way on from there.
fn has_ways(listing: &Listing) -> bool {
    listing.entries.iter().any(|entry| matches!(entry.kind, Kind::Directory | Kind::Link))
}

fn fingerprint(listing: &Listing) -> u64 {
    let mut hasher = DefaultHasher::new();
    for Entry { name, kind, size, modified, unique } in &listing.entries {
        let modified = modified.map(|time| time.to_string());
        (name, *kind as u8, size, modified, unique).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(lines: &[&str]) -> Listing {
        Listing::of_facts(lines.join("\n").as_bytes())
    }

    fn enter(trail: &Trail, unique: &str, listing: &Listing) -> Result<Trail, Circle> {
        let unique = (!unique.is_empty()).then(|| unique.as_bytes().to_vec());
        trail.enter(unique, listing, false)
    }

    #[test]
    fn what_is_unique_is_met_once_on_a_way() {
        let top = listing(&["type=dir;unique=1; sub", "type=dir;unique=0; loop"]);
        let trail = enter(&Trail::default(), "0", &top).expect("a way");
        assert!(!trail.leads_back(&top.entries[0]) && trail.leads_back(&top.entries[1]));
        // The first directory of all is known by what is in it alone.
        let trail = enter(&Trail::default(), "", &top).expect("a way");
        assert_eq!(enter(&trail, "0", &top).err(), Some(Circle::Sure));
    }

    #[test]
    fn what_is_the_same_for_everything_is_not_unique() {
        assert!(!has_own_uniques(&listing(&["type=file;unique=0; a", "type=dir;unique=0; b"])));
        assert!(has_own_uniques(&listing(&["type=file;unique=0; a", "type=dir;unique=1; b"])));
        let link = ["type=file;unique=0; a", "type=OS.unix=slink:a;unique=0; b"];
        assert!(has_own_uniques(&listing(&link)));
    }

    #[test]
    fn directories_alone_may_be_alike_for_some_levels() {
        let digits = listing(&["type=dir; 0", "type=dir; 1"]);
        let mut trail = Trail::default();
        for _ in 0..MOST_ALIKE {
            trail = enter(&trail, "", &digits).expect("a way");
        }
        assert_eq!(enter(&trail, "", &digits).err(), Some(Circle::Likely));
    }

    #[test]
    fn files_alone_are_no_circle_and_depth_has_an_end() {
        let mut trail = Trail::default();
        let leaf = listing(&["type=file;size=3;modify=20240102030405; a"]);
        for _ in 0..=DEEPEST {
            trail = enter(&trail, "", &leaf).expect("a way");
        }
        assert_eq!(enter(&trail, "", &leaf).err(), Some(Circle::TooDeep));
    }

    #[test]
    fn links_that_lead_to_each_other_have_an_end() {
        let trail = Trail::default();
        let other = listing(&["type=OS.unix=slink; there"]);
        let by_link = || trail.enter(None, &other, true);
        assert!((0..MOST_WAYS).all(|_| by_link().is_ok()));
        assert_eq!(by_link().err(), Some(Circle::KnownByOtherNames));
    }
}
