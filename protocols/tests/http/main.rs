//! HTTP, as its peers see it.

#![cfg(feature = "http")]

mod bodies;
mod client;
mod files;
mod floods;
mod proxy;
mod simulated;
mod smuggling;
mod stage;
mod upgrades;
