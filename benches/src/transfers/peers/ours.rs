//! The servers that are programs of this package.

use super::Started;
use crate::Result;
use crate::program::Program;
use crate::transfers::servers;
use crate::transfers::tree::Tree;

pub(super) fn start(server: &str, tree: &Tree) -> Result<Started> {
    let program = Program::named(servers::PROGRAM)?.with(server);
    Ok(Started::new(program.with("--root").with(tree.path().display()).start()?))
}
