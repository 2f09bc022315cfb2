//! Echo (RFC 862): a server, and two clients.
//!
//! ```console
//! $ cargo run --release --bin echo -- serve
//! listening on tcp 127.0.0.1:7007
//! listening on udp 127.0.0.1:7007
//! ```
//!
//! and in another terminal
//!
//! ```console
//! $ cargo run --release --bin echo -- send 127.0.0.1:7007 hello
//! hello
//! $ cargo run --release --bin echo -- ping udp:127.0.0.1:7007 --count 1000
//! 1000 sent, 1000 returned, 0 lost
//! round trip: min 0.014 ms, median 0.019 ms, p99 0.034 ms, max 0.119 ms
//! ```

#![forbid(unsafe_code)]

mod call;
mod ping;
mod send;
mod serve;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// Echo (RFC 862) over TCP, UDP and Unix sockets: a server, and clients to try it with.
#[derive(Parser)]
#[command(name = "echo", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
An ADDR to talk to is HOST:PORT, udp:HOST:PORT or unix:PATH.
Exit code: 0 if all went well, 1 if something failed, 2 if the command line makes no sense.";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Options),
    Send(send::Options),
    Ping(ping::Options),
}

fn main() -> ExitCode {
    output::exit("echo", run(Cli::parse().command))
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Send(options) => send::run(&options),
        Command::Ping(options) => ping::run(&options),
    }
}
