//! Microbenchmarks: what the loop and the protocols are made of, alone and in cache.
//!
//! The loop keeps its slots and its outbox to itself, so `lib.rs` compiles its files `slots.rs`, `outbox/` and `id.rs`
//! into this crate as well: what is measured is what runs there.

pub mod codecs;
pub mod queues;
pub mod slots;

/// One of them: a thing that rivals do in their ways, the ruler first.
pub struct Microbenchmark {
    /// Its name.
    pub name: String,
    /// What is done.
    pub unit: &'static str,
    /// Who does it.
    pub rivals: Vec<(&'static str, Prepare)>,
}

/// Makes what does it so many times, and returns something of what it saw, so that none of it can be left out.
pub type Prepare = Box<dyn Fn() -> Box<dyn FnMut(u64) -> u64>>;

fn rival<Run: FnMut(u64) -> u64 + 'static>(
    name: &'static str,
    prepare: impl Fn() -> Run + 'static,
) -> (&'static str, Prepare) {
    (name, Box::new(move || Box::new(prepare())))
}
