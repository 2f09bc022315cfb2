//! Chat on real sockets: transcripts of what clients say and hear, held against the documents.

#![cfg(feature = "chat")]

mod channels;
mod modes;
mod registration;
mod stage;
