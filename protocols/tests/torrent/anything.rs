//! Peers that say anything at any time.

use proptest::prelude::*;

use crate::steps::play;

proptest! {
    #[test]
    fn whatever_peers_say_the_books_are_right(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..300),
    ) {
        play(steps).map_err(TestCaseError::fail)?;
    }
}
