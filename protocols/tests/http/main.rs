//! HTTP, as its peers see it.

#![cfg(feature = "http")]

mod bodies;
mod files;
mod smuggling;
mod stage;
mod upgrades;
