//! `torrent seed`: a torrent's files, for everybody who asks.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

use crate::sharing::{self, Peers, Purpose};

/// Give a torrent's files to peers, until Ctrl-C
///
/// The files are checked first; pieces that are missing or wrong are not given.
#[derive(Args)]
pub(crate) struct Options {
    /// The torrent
    file: PathBuf,

    /// Where its file, or its folder, is
    #[arg(long, value_name = "DIR", default_value = ".")]
    data: PathBuf,

    #[command(flatten)]
    peers: Peers,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let known = crate::file::read(&options.file)?.into();
    sharing::run(known, &options.data, Purpose::Give, &options.peers)
}
