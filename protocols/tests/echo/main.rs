//! Echo on real sockets: streams, datagrams, and what peers do wrong.

mod datagrams;
mod failures;
mod stage;
mod streams;
