//! pyftpdlib: one thread of Python; where the system has sendfile, it uses it. It logs nothing here, has a
//! session of its own as a daemon does, and does not outlive its parent.

use std::process::Command;

use super::{Started, free_port, greets};
use crate::Result;
use crate::program::Program;
use crate::transfers::tree::Tree;

const SCRIPT: &str = "
import ctypes, logging, os, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.log import config_logging
from pyftpdlib.servers import FTPServer

ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
os.setsid()
config_logging(level=logging.ERROR)
authorizer = DummyAuthorizer()
authorizer.add_anonymous(sys.argv[1], perm='elradfmwMT')
FTPHandler.authorizer = authorizer
server = FTPServer(('127.0.0.1', int(sys.argv[2])), FTPHandler)
server.max_cons = 2048
server.serve_forever()
";

pub(super) fn start(tree: &Tree) -> Result<Started> {
    let address = free_port()?;
    let program = Program::at("python3").with("-W").with("ignore").with("-c").with(SCRIPT);
    let program = program.with(tree.path().display()).with(address.port());
    Ok(Started::new(program.start_at(address, greets)?))
}

pub(super) fn absence() -> Option<String> {
    let mut trial = Command::new("python3");
    trial.args(["-W", "ignore", "-c", "import pyftpdlib.servers"]);
    match trial.output() {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some("pyftpdlib is not installed: pip install pyftpdlib".to_owned()),
        Err(error) => Some(format!("python3: {error}")),
    }
}
