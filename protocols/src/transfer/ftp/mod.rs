//! FTP (RFC 959, with RFC 1123, 2428, 2577, 2640, 3659).

pub mod address;
pub mod client;
pub mod command;
pub mod reply;
pub mod time;
