//! What is measured does what it is measured for: one program, so that it is linked once.

mod calls;
mod chats;
mod datagrams;
mod messages;
mod nats;
mod report;
mod rooms;
mod sections;
#[cfg(feature = "tls")]
mod secure;
mod servers;
mod timers;
mod transfers;
mod webs;

use std::fmt::Display;
use std::io::Write;

use benches::Result;

/// A server, if it is installed; else it is said that it is not.
fn started<Running>(who: &impl Display, started: Result<Running>) -> Result<Option<Running>> {
    match started {
        Ok(running) => Ok(Some(running)),
        Err(error) if error.to_string().contains("not installed") => {
            left_out(&error.to_string());
            Ok(None)
        }
        Err(error) => Err(format!("{who}: {error}").into()),
    }
}

/// Past the capture of the test harness, which shows what is printed of those that fail alone.
fn left_out(word: &str) {
    let _ = std::io::stderr().write_all(format!("LEFT OUT: {word}\n").as_bytes());
}
