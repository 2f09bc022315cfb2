//! Who speaks with whom.

use crate::chat::wire::casemap::Folded;

/// Between whom something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    Channel(Folded),
    /// The lesser one first.
    Private(Party, Party),
}

/// Who somebody is, for as long as that can be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// An account: the same next year.
    Account(Folded),
    /// A connection without one, by its serial number: gone when it ends.
    Connection(u64),
}

impl Talk {
    pub(super) fn private(one: Party, other: Party) -> Self {
        if one <= other { Self::Private(one, other) } else { Self::Private(other, one) }
    }

    /// Those of the two who have no account, by their serial numbers.
    pub(super) fn guests(&self) -> impl Iterator<Item = u64> {
        let both = match self {
            Self::Private(one, other) => [Some(one), Some(other)],
            Self::Channel(_) => [None; 2],
        };
        both.into_iter().flatten().filter_map(|party| match party {
            Party::Connection(serial) => Some(*serial),
            Party::Account(_) => None,
        })
    }
}
