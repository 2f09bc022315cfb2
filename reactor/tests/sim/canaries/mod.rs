//! Canaries: faults that were planted in protocols of the kind one writes by mistake. A search that
//! does not find them within the stated seeds has stopped searching.
//!
//! Each has a twin that differs in the mistake alone, and passes wherever the other one fails.

mod lost_edge;
mod partial_write;
mod stale_id;

use reactor::sim::{Failure, Network, Outcome, Simulation};

/// How often a canary is run to shrink it.
const TRIES: usize = 500;

/// Where a canary is to be found, and how small it becomes.
struct Hunt {
    /// The search finds it within so many seeds.
    seeds: u64,
    /// At most so many choices of the shrunk tape are not the calmest.
    busy: usize,
}

impl Hunt {
    /// Looks for what the flawed protocol does, and that the sound one does not do it.
    fn find(
        &self,
        flawed: impl Fn(&mut Network) -> Outcome,
        sound: impl Fn(&mut Network) -> Outcome,
    ) -> Failure {
        let (flawed, sound) = (Simulation::new(flawed).with_tries(TRIES), Simulation::new(sound));
        let failure = *flawed.search(0..self.seeds).expect_err("the canary was not found");
        println!("{failure}");
        let again = flawed.run_tape(failure.tape());
        assert!(again.fails_like(failure.found()), "the shrunk tape fails differently");
        assert_eq!(again.hash, failure.shrunk().hash, "the shrunk run is another one");
        let busy = failure.tape().busy();
        assert!(busy <= self.busy, "{busy} choices are left that are not the calmest");
        assert!(!sound.run_tape(failure.tape()).has_failed(), "the sound twin fails there too");
        sound.search(0..self.seeds).expect("the sound twin passes on the same seeds");
        failure
    }
}
