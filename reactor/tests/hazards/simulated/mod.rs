//! What every edge-triggered loop must get right, where no real socket shows it on demand.
//!
//! Each test says what goes wrong, and when, and asserts that it did: a test whose fault never happened
//! has shown nothing. Where chance has a part in it, a handful of seeds is tried. The numbers are those
//! of `docs/hazards.md`, which tells of each row the care and the tests that hold it.

mod closing;
mod connecting;
mod datagrams;
mod events;
mod listening;
mod queues;
mod scene;
mod turns;
