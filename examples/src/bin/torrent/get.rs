//! `torrent get`: a torrent's files, from peers.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use protocols::torrent::disk::Allocation;

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

    /// Get the files with such names only: * is any characters, ? any one. The folder's name may be in front. Pieces that they share with their
    /// neighbours are fetched whole
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,

    /// Take all the room on the disk before anything is fetched, so that it cannot run out. Else files grow as they are
    /// fetched
    #[arg(long)]
    preallocate: bool,

    #[command(flatten)]
    peers: Peers,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let known = Known::read(&options.torrent)?;
    let allocation = if options.preallocate { Allocation::Full } else { Allocation::Sparse };
    let (select, once) = (options.select.clone(), options.once);
    let purpose = Purpose::Get { select, once, allocation };
    sharing::run(known, &options.output, purpose, &options.peers)
}
