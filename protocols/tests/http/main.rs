//! HTTP, as its peers see it.

#![cfg(feature = "http")]

mod bodies;
mod smuggling;
mod stage;
mod upgrades;
