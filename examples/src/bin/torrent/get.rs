//! `torrent get`: a torrent's files, from peers.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

use crate::sharing::{self, Known, Peers, Purpose};

/// Get a torrent's files from peers, and from web servers that it names, and give them on
///
/// What is there already is checked, and not fetched again. When everything is there it is given to others until
/// Ctrl-C, or with --once it ends. The exit code is 0 only if everything that was asked for is there, and right.
#[derive(Args)]
pub(crate) struct Options {
    /// The torrent, or a magnet link
    #[arg(value_name = "FILE|MAGNET")]
    torrent: String,

    /// Where its file, or its folder, goes
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,

    /// End when everything is there
    #[arg(long)]
    once: bool,

    /// Get the files with such names only: * is any characters, ? any one. Pieces that they share with their
    /// neighbours are fetched whole
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,

    #[command(flatten)]
    peers: Peers,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let known = Known::read(&options.torrent)?;
    let purpose = Purpose::Get { select: options.select.clone(), once: options.once };
    sharing::run(known, &options.output, purpose, &options.peers)
}
