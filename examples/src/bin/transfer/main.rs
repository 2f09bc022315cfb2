//! File transfer: servers of FTP and TFTP, and a client of both.
//!
//! ```console
//! $ cargo run --release --bin transfer -- serve --root /srv/files
//! ftp listening on 127.0.0.1:2121
//! tftp listening on 127.0.0.1:6969
//! serving /srv/files, for reading only
//! ```
//!
//! and in another terminal
//!
//! ```console
//! $ cargo run --release --bin transfer -- list ftp://127.0.0.1:2121/
//! $ cargo run --release --bin transfer -- get ftp://127.0.0.1:2121/film.mkv
//! film.mkv: 734003200 bytes in 0.9 s, 778 MiB/s, SHA-256 is the same
//! $ cargo run --release --bin transfer -- get tftp://127.0.0.1:6969/boot.img
//! boot.img: 1048576 bytes in 0.1 s, 10 MiB/s
//! ```

#![forbid(unsafe_code)]

#[cfg(unix)]
mod control;
mod directory;
mod download;
mod get;
mod guess;
mod hash;
mod list;
mod local;
mod moving;
mod password;
mod put;
mod serve;
mod site;
mod task;
mod trail;
mod tree;
mod upload;
mod url;
mod user;
mod workers;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// Files over FTP and TFTP: servers of both, and a client of both
#[derive(Parser)]
#[command(name = "transfer", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
A URL is ftp://[USER[:PASSWORD]@]HOST[:PORT]/PATH or tftp://HOST[:PORT]/NAME, with a % and two digits for \
what cannot stand there: a space is %20. A path of FTP begins in the user's home; %2F at its beginning \
is the root. A password that is not in the URL comes from the variable TRANSFER_PASSWORD, or is asked for. \
With --tls FTP is spoken through TLS (AUTH TLS), files and lists too; ftps:// is for servers that speak it from \
the beginning, on port 990.

Exit code: 0 if all went well, 1 if something failed, 2 if the command line makes no sense.";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Options),
    Get(get::Options),
    Put(put::Options),
    List(list::Options),
    User(user::Options),
    #[cfg(unix)]
    Control(control::Options),
}

fn main() -> ExitCode {
    output::exit("transfer", run(Cli::parse().command))
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Get(options) => get::run(&options),
        Command::Put(options) => put::run(&options),
        Command::List(options) => list::run(&options),
        Command::User(options) => user::run(&options),
        #[cfg(unix)]
        Command::Control(options) => control::run(&options),
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
