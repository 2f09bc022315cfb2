//! HTTP, as its peers see it.

#![cfg(feature = "http")]

mod bodies;
mod client;
mod files;
mod floods;
#[path = "../kit/mod.rs"]
mod kit;
#[cfg(target_os = "linux")]
#[path = "../outside/mod.rs"]
mod outside;
mod proxy;
mod simulated;
mod smuggling;
mod stage;
mod upgrades;
