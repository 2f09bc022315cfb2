//! Nodes of a network that say anything at any time.

use proptest::prelude::*;

use crate::steps::play;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_other_nodes_say_the_books_are_right(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..100),
    ) {
        play(steps).map_err(TestCaseError::fail)?;
    }
}
