//! BitTorrent: what its files and messages look like, and what peers and trackers do with them.

#![cfg(feature = "torrent")]

mod announcing;
mod anything;
mod create;
mod dht;
mod disk;
mod encryption;
#[path = "../kit/mod.rs"]
mod kit;
mod lan;
mod metainfo;
#[path = "../outside/mod.rs"]
mod outside;
mod stage;
mod steps;
mod strangers;
mod swarms;
mod tracker;
mod web;
