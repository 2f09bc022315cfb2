//! `transfer-server KIND --root DIRECTORY`: one of the servers of files, for the measurements to
//! start; it prints `listening on 127.0.0.1:PORT`.

use std::path::PathBuf;
use std::process::ExitCode;

use benches::transfers::servers::{self, Kind};
use clap::Parser;
use rustix::process::setsid;

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
    let Options { kind, root } = Options::parse();
    benches::child("transfer-server", || {
        // Daemons have a session of their own, and with it, on a machine that does something else too, a
        // share of the processor of their own: so has everybody who is measured.
        setsid()?;
        servers::serve(kind, &root)
    })
}
