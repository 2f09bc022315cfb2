//! What is measured does what it is measured for: one program, so that it is linked once.

mod calls;
mod chats;
mod datagrams;
mod groups;
mod messages;
mod report;
mod rooms;
#[cfg(feature = "tls")]
mod secure;
mod servers;
mod timers;
mod transfers;
mod webs;
