//! JSON-RPC 2.0: a server to try things with, and a client for every server there is.
//!
//! ```console
//! $ cargo run --release --bin rpc -- serve --files .
//! listening on tcp://127.0.0.1:7008
//! ```
//!
//! and in another terminal
//!
//! ```console
//! $ cargo run --release --bin rpc -- call tcp://127.0.0.1:7008 subtract minuend=42 subtrahend=23
//! 19
//! $ cargo run --release --bin rpc -- describe tcp://127.0.0.1:7008
//! $ cargo run --release --bin rpc -- listen tcp://127.0.0.1:7008 chat.listen
//! ```
//!
//! `docs/rpc.md` tells more.

#![forbid(unsafe_code)]

mod batch;
mod call;
mod describe;
mod listen;
mod params;
mod place;
mod print;
mod serve;
mod talk;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// JSON-RPC 2.0: a server to try things with, and a client for every server there is.
#[derive(Parser)]
#[command(name = "rpc", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
An ADDR is one of these:
  tcp://HOST:PORT, HOST:PORT, unix:PATH   a stream
  http://HOST[:PORT]/PATH                 a POST for each call
  ws://HOST[:PORT]/PATH                   a WebSocket
  stdio:COMMAND                           a program that is started, as editors start theirs
Exit code:
  0  all went well
  1  something failed
  2  the command line makes no sense
  3  the answer was an error";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Options),
    Call(call::Options),
    Listen(listen::Options),
    Batch(batch::Options),
    Describe(describe::Options),
}

fn main() -> ExitCode {
    output::exit("rpc", run(Cli::parse().command))
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Call(options) => call::run(&options),
        Command::Listen(options) => listen::run(&options),
        Command::Batch(options) => batch::run(&options),
        Command::Describe(options) => describe::run(&options),
    }
}
