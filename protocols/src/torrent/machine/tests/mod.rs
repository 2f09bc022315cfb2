//! Transcripts of one machine with peers that are played, and swarms of several machines.

mod swarms;
mod transcripts;
