//! Parts: slots and queues, what the loop is made of.

use crate::parts;
use crate::work::Group;

/// The group.
pub fn group() -> Group {
    Group {
        name: "parts",
        about: "What the loop is made of, alone and in cache: its slots, which know a stale id and lend \
                out what they find while it runs, beside a bare slab, the crate slotmap and a hash map; \
                and its outbox, which counts what it holds and owns nothing while it is empty, beside a \
                bare deque and a buffer. The rulers do less: they are what one would begin with.",
        shown: "find one among 10000 by its id and change it",
        cases: parts::cases(),
    }
}
