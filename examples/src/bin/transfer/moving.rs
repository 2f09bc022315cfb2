//! How files are moved, whichever way they go.

use clap::Args;
use examples::tls::CallTls;

use crate::site::Sites;
use crate::task::How;
use crate::workers::{Manner, Patience, Workers};

/// What `get` and `put` have in common.
#[derive(Args)]
pub(crate) struct MovingOptions {
    /// Move N files at a time; fewer, if the server lets fewer clients in
    #[arg(long, short, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,

    /// Do not compare hashes: the server has to read all of a file for it, and so has this program
    #[arg(long)]
    no_hash: bool,

    /// Ask for no options over TFTP: for servers that cannot cope with them, and do not say so
    #[arg(long)]
    no_options: bool,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    tls: CallTls,
}

impl MovingOptions {
    /// How a file is moved that is gone on with, or not.
    pub(crate) fn how(&self, resume: bool) -> How {
        How { resume, hash: !self.no_hash }
    }

    /// The servers it is done with: none so far.
    pub(crate) fn sites(&self) -> Sites {
        Sites::new(&self.tls)
    }

    /// Those who do it.
    pub(crate) fn workers(&self, sites: Sites) -> Workers {
        let manner = if self.no_options { Manner::Plain } else { Manner::Hopeful };
        Workers::new(sites, self.parallel.into(), &self.patience).asking(manner)
    }
}
