//! FTP (RFC 959, with RFC 1123, 2428, 2577, 2640, 3659).

pub mod address;
pub mod ascii;
pub mod client;
pub mod command;
mod data;
mod limits;
pub mod listing;
mod pace;
mod record;
pub mod reply;
mod server;
mod session;
pub mod telnet;
pub mod time;
pub mod users;

pub use limits::{Limits, Settings};
pub use record::{Direction, Event, Transfer};
pub use server::{Counters, Server, listen};
pub use session::Session;
