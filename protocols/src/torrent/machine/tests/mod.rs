//! Transcripts of one machine with peers that are played, and that say anything; swarms of several machines.

mod anything;
mod swarms;
mod transcripts;
