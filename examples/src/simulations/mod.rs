//! What `simulate` runs: for each protocol a scenario, with everything that must always hold.

pub mod echo;

use reactor::sim::{Network, Outcome};

/// A protocol that can be simulated.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What a person calls it.
    pub name: &'static str,
    /// What is run on each seed.
    pub scenario: fn(&mut Network) -> Outcome,
    /// A shorter one without faults of its own, every call of which is made to fail.
    pub torture: fn(&mut Network) -> Outcome,
}

/// All there are.
pub const SUBJECTS: [Subject; 1] =
    [Subject { name: "echo", scenario: echo::swarm, torture: echo::torture }];
