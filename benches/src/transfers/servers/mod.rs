//! What runs in a child process of this package, one file each.

mod bare;
mod ftp;
mod tftp;

use std::path::Path;

use clap::ValueEnum;

use crate::Result;

/// The name of the program that is any of these.
pub const PROGRAM: &str = "transfer-server";

/// Which one.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// The ruler.
    Bare,
    /// FTP by the reactor.
    Ftp,
    /// TFTP by the reactor.
    Tftp,
}

/// Serves what is in a directory until the process ends, and prints where once it listens.
pub fn serve(kind: Kind, root: &Path) -> Result {
    match kind {
        Kind::Bare => bare::serve(root),
        Kind::Ftp => ftp::serve(root),
        Kind::Tftp => tftp::serve(root),
    }
}
