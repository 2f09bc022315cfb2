//! Nodes of a network that say anything at any time.

use proptest::prelude::*;
use protocols::chat::Effect;
use protocols::chat::cluster::Carried;

use crate::steps::{effect, play};

#[test]
fn what_they_say_is_understood() {
    for kind in 0..24 {
        let said = effect(kind, 7);
        assert!(Effect::read(said.as_bytes()).is_some(), "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_other_nodes_say_the_books_are_right(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..100),
    ) {
        play(steps).map_err(TestCaseError::fail)?;
    }
}
