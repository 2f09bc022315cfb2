//! Chat (IRC): a server, a client for people and scripts, and the server's accounts.
//!
//! ```console
//! $ cargo run --release --bin chat -- connect irc.example:6667 --nick ann --channel '#lobby'
//! ```
//!
//! `docs/chat.md` tells more.

#![forbid(unsafe_code)]

mod account;
mod connect;
mod secret;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// Chat (IRC): a server, a client for people and scripts, and the server's accounts.
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
An ADDR to connect to is HOST:PORT or unix:PATH.
Exit code: 0 if all went well, 1 if something failed, 2 if the command line makes no sense.";

#[derive(Subcommand)]
enum Command {
    Connect(connect::Options),
    Account(account::Options),
}

fn main() -> ExitCode {
    output::exit("chat", run(Cli::parse().command))
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Connect(options) => connect::run(&options),
        Command::Account(options) => account::run(&options),
    }
}
