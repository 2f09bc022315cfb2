//! `transfer-server KIND --root DIRECTORY`: one of the servers of files, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::path::PathBuf;
use std::process::ExitCode;

use benches::Result;
use benches::transfers::servers::{self, Kind};
use clap::Parser;
use rustix::process::{Signal, set_parent_process_death_signal, setsid};

/// A server of files on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves.
    kind: Kind,
    /// What is served.
    #[arg(long, value_name = "DIRECTORY")]
    root: PathBuf,
}

fn main() -> ExitCode {
    benches::exit("transfer-server", run())
}

fn run() -> Result {
    let options = Options::parse();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // Daemons have a session of their own, and with it, on a machine that does something else too, a share
    // of the processor of their own: so has everybody who is measured.
    setsid()?;
    benches::descriptors::raise_limit()?;
    servers::serve(options.kind, &options.root)
}
