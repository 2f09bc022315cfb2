//! BitTorrent: make a torrent of files, look into one, check files against it; give its files to others, get them, and
//! be a tracker.
//!
//! ```console
//! $ cargo run --release --bin torrent -- create film.mkv --tracker http://127.0.0.1:6969/announce
//! film.mkv.torrent: 700.00 MiB in 1 file, 1400 pieces of 512.00 KiB
//! magnet:?xt=urn:btih:…
//! $ cargo run --release --bin torrent -- show film.mkv.torrent
//! $ cargo run --release --bin torrent -- check film.mkv.torrent --data .
//! 1400 of 1400 pieces are right
//! $ cargo run --release --bin torrent -- seed film.mkv.torrent --data . --listen 127.0.0.1:6881
//! listening on 127.0.0.1:6881
//! $ cargo run --release --bin torrent -- get film.mkv.torrent --output /tmp --peer 127.0.0.1:6881 --once
//! $ cargo run --release --bin torrent -- tracker --listen 127.0.0.1:6969
//! http://127.0.0.1:6969/announce
//! ```
//!
//! `docs/torrent.md` tells more.

#![forbid(unsafe_code)]

mod ask;
mod check;
mod choice;
mod create;
mod file;
mod get;
mod nodes;
mod progress;
mod seed;
mod sharing;
mod show;
mod tracker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::output;

/// BitTorrent: torrents, made, shown and checked; their files, given and got; and a tracker for them
#[derive(Parser)]
#[command(name = "torrent", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit code: 0 if all went well, 1 if something failed or is not as it should be, 2 if the command line makes no sense.";

#[derive(Subcommand)]
enum Command {
    Create(create::Options),
    Show(show::Options),
    Check(check::Options),
    Seed(seed::Options),
    Get(get::Options),
    Tracker(tracker::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Create(options) => create::run(&options),
        Command::Show(options) => show::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Seed(options) => seed::run(&options),
        Command::Get(options) => get::run(&options),
        Command::Tracker(options) => tracker::run(&options),
    };
    output::exit("torrent", result)
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
