//! Chat (IRC): a server, a client for people and scripts, and the server's accounts.
//!
//! ```console
//! $ cargo run --release --bin chat -- serve
//! listening on 127.0.0.1:6667
//! ```
//!
//! and in another terminal
//!
//! ```console
//! $ cargo run --release --bin chat -- connect 127.0.0.1:6667 --nick ann --channel '#lobby'
//! ```
//!
//! `docs/chat.md` tells more.

#![forbid(unsafe_code)]

mod account;
mod cluster;
mod connect;
#[cfg(unix)]
mod control;
mod copy;
mod secret;
mod serve;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// Chat (IRC): a server, a client for people and scripts, and the server's accounts.
#[derive(Parser)]
#[command(name = "chat", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
An ADDR to connect to is HOST:PORT or unix:PATH.
Exit code: 0 if all went well, 1 if something failed, 2 if the command line makes no sense.";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Options),
    Connect(connect::Options),
    Account(account::Options),
    #[cfg(unix)]
    Control(control::Options),
}

fn main() -> ExitCode {
    output::exit("chat", run(Cli::parse().command))
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Connect(options) => connect::run(&options),
        Command::Account(options) => account::run(&options),
        #[cfg(unix)]
        Command::Control(options) => control::run(&options),
    }
}
