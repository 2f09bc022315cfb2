//! The web: a server of files, a server that says back what it is asked, a reverse proxy, and clients: of requests,
//! and of WebSockets.
//!
//! ```console
//! $ cargo run --release --bin web -- serve /srv/files
//! http://127.0.0.1:8080/
//! ```
//!
//! and in another terminal, or in a browser
//!
//! ```console
//! $ cargo run --release --bin web -- get http://127.0.0.1:8080/film.mkv
//! film.mkv: 734003200 bytes in 0.6 s, 1.14 GiB/s
//! ```

#![forbid(unsafe_code)]

mod echo;
mod get;
mod log;
mod proxy;
mod serve;
mod socket;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// HTTP/1.1 and WebSocket: servers, a reverse proxy, and clients
#[derive(Parser)]
#[command(name = "web", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit code: 0 if all went well, 1 if something failed, 2 if the command line makes no sense; that of get is \
as curl's, and told by `web get --help`.";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Options),
    Echo(echo::Options),
    Proxy(proxy::Options),
    Get(get::Options),
    Socket(socket::Options),
}

fn main() -> ExitCode {
    let served = |result: Result<(), Box<dyn Error>>| output::exit("web", result);
    match Cli::parse().command {
        Command::Serve(options) => served(serve::run(&options)),
        Command::Echo(options) => served(echo::run(&options)),
        Command::Proxy(options) => served(proxy::run(&options)),
        Command::Get(options) => get::run(&options),
        Command::Socket(options) => served(socket::run(&options)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
