//! What the loop is made of, alone: its slots beside a bare slab and other keyed stores, its outbox
//! beside other queues of bytes.
//!
//! The loop keeps both to itself, so `lib.rs` compiles its files `slots.rs`, `outbox/` and `id.rs` into
//! this crate as well: what is measured is what runs there.

mod queues;
mod slots;

use std::fmt;
use std::hint::black_box;
use std::time::Instant;

use crate::Result;
use crate::work::{Case, Clock, Contender, Spent, Work};

/// Every case: of slots, and of queues.
pub fn cases() -> Vec<Case> {
    slots::cases().into_iter().chain(queues::cases()).collect()
}

fn case(name: &str, unit: &'static str, contenders: Vec<Contender>) -> Case {
    Case { name: name.to_owned(), grows_to: None, unit, clock: Clock::Wall, contenders }
}

/// Something that is done so many times in a row.
struct Repeated<F>(F);

impl<F: FnMut(u64) -> u64> Work for Repeated<F> {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let start = Instant::now();
        black_box((self.0)(black_box(units)));
        let wall = start.elapsed();
        Ok(Spent { units, wall, processor: wall })
    }
}

/// A contender: `prepare` makes what does it so many times, and returns something of what it saw, so that
/// none of it can be left out.
fn repeated<F: FnMut(u64) -> u64 + 'static>(
    name: impl fmt::Display,
    prepare: impl Fn() -> F + 'static,
) -> Contender {
    Contender::new(name, move || Ok(Repeated(prepare())))
}
