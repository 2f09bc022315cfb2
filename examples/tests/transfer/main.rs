//! The program `transfer`: as a person meets it, with the clients people have, and with other servers.
#![cfg(unix)]

mod clients;
mod hangup;
mod huge;
mod killed;
mod odd;
mod odd_packets;
#[path = "../../../protocols/tests/outside/mod.rs"]
mod outside;
mod person;
mod scene;
mod secure;
mod servers;
#[path = "../support/mod.rs"]
mod support;
