//! The program `transfer`: as a person meets it, with the clients people have, and with other servers.

mod clients;
mod hangup;
mod huge;
mod killed;
mod odd;
mod odd_packets;
mod person;
mod scene;
mod secure;
mod servers;
