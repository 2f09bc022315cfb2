//! NATS from the command line: publish, subscribe, ask and answer, on any NATS server.
//!
//! ```console
//! $ nats-server -a 127.0.0.1 &
//! $ cargo run --release --bin nats -- sub 'chat.>'
//! ```
//!
//! and in another terminal
//!
//! ```console
//! $ cargo run --release --bin nats -- pub chat.tea hello
//! published 5 bytes to chat.tea
//! ```
//!
//! `docs/nats.md` tells more.

#![forbid(unsafe_code)]

mod how;
mod kv;
mod print;
mod publish;
mod reply;
mod request;
mod run;
mod sub;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// NATS from the command line: publish, subscribe, ask and answer, on any NATS server
#[derive(Parser)]
#[command(name = "nats", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
A server is nats://HOST[:PORT] or tls://HOST[:PORT], with USER:PASSWORD@ or TOKEN@ in front of the host if it wants
to know.
In the environment:
  NATS_URL                      the servers, with commas between them
  NATS_USER, NATS_PASSWORD      who this is
  NATS_TOKEN                    the same by a token
Exit code:
  0  all went well
  1  something failed
  2  the command line makes no sense
  3  nobody has answered";

#[derive(Subcommand)]
enum Command {
    Sub(sub::Options),
    Pub(publish::Options),
    Request(request::Options),
    Reply(reply::Options),
    Kv(kv::Options),
}

fn main() -> ExitCode {
    output::exit("nats", run(Cli::parse().command))
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Sub(options) => sub::run(options),
        Command::Pub(options) => publish::run(&options),
        Command::Request(options) => request::run(options),
        Command::Reply(options) => reply::run(options),
        Command::Kv(options) => kv::run(options),
    }
}
