//! Transcripts of one machine with peers that are played; swarms of several machines.

mod swarms;
mod transcripts;
