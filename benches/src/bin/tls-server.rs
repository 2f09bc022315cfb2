//! `tls-server WHO DIRECTORY`: one of the servers that speak TLS, for the measurements to start, with the certificate
//! and the file in that directory; it prints `listening on 127.0.0.1:PORT`.

use std::path::PathBuf;
use std::process::ExitCode;

use benches::secure::{self, Secure};
use benches::servers::Place;
use clap::Parser;

/// A server that speaks TLS, on loopback.
#[derive(Parser)]
struct Options {
    /// Who serves what.
    who: Secure,
    /// Where its files are.
    directory: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::child("tls-server", || secure::serve(options.who, &options.directory, Place::LOOPBACK))
}
