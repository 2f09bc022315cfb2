//! Who is measured: servers as child processes.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::load::{blocks, control::Control};
use super::tree::Tree;
use crate::program::{Program, Server, free_address};
use crate::{Result, processor};

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// sendfile(2), or read(2) and write(2), on one connection, and nothing else: the ruler.
    Bare,
    /// The reactor and the FTP server of its protocols, every limit on.
    Reactor,
    /// pyftpdlib: one thread of Python, with sendfile.
    Pyftpdlib,
    /// vsftpd: two processes a session.
    Vsftpd,
    /// The reactor and the TFTP server of its protocols, every limit on.
    ReactorTftp,
    /// tftpd-hpa: a process a transfer.
    Tftpd,
}

impl Peer {
    /// Starts it on a processor of its own, to serve what is in the tree.
    pub fn start(self, tree: &Tree) -> Result<Server> {
        processor::start_apart(|| match self {
            Self::Bare => start_ours("bare", tree),
            Self::Reactor => start_ours("ftp", tree),
            Self::ReactorTftp => start_ours("tftp", tree),
            Self::Pyftpdlib => start_pyftpdlib(tree),
            Self::Vsftpd => start_vsftpd(tree),
            Self::Tftpd => start_tftpd(tree),
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Bare => "bare loop",
            Self::Reactor | Self::ReactorTftp => "reactor",
            Self::Pyftpdlib => "pyftpdlib",
            Self::Vsftpd => "vsftpd",
            Self::Tftpd => "tftpd-hpa",
        })
    }
}

/// Whether somebody greets whoever connects, as servers of FTP do.
fn greets(address: SocketAddr) -> bool {
    Control::connect(address, Ipv4Addr::LOCALHOST).is_ok()
}

/// Somebody else's program that changes its user.
fn for_root(name: &str, argument: &str, says: &str) -> Result<Program> {
    let program = Program::installed(name, argument, says)?;
    match rustix::process::geteuid().is_root() {
        true => Ok(program),
        false => Err(format!("{name} is not installed for others than root").into()),
    }
}

/// One of the servers that are programs of this package.
fn start_ours(server: &str, tree: &Tree) -> Result<Server> {
    let program = Program::server("files")?.with(server);
    program.with(tree.path().display()).start()
}

/// One thread of Python; where the system has sendfile, it uses it. It logs nothing here, has a session of its own as a
/// daemon does, and does not outlive its parent.
const PYFTPDLIB: &str = "
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

fn start_pyftpdlib(tree: &Tree) -> Result<Server> {
    let python = Program::at("python3").with("-W").with("ignore").with("-c");
    if !python.clone().with("import pyftpdlib.servers").succeeds() {
        return Err("pyftpdlib is not installed (pip install pyftpdlib)".into());
    }
    let address = free_address()?;
    let program = python.with(PYFTPDLIB).with(tree.path().display()).with(address.port());
    program.start_at(address, greets)
}

/// With what it does by default: two processes a session, each walled in.
fn start_vsftpd(tree: &Tree) -> Result<Server> {
    let program = for_root("vsftpd", "-v", "vsftpd: version")?;
    let address = free_address()?;
    let settings = tempfile::tempdir()?;
    let empty = settings.path().join("empty");
    fs::create_dir(&empty)?;
    let file = settings.path().join("vsftpd.conf");
    // Its sandbox does not know the system calls of today's C libraries, and ends sessions for them.
    let text = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={}\nbackground=NO\n\
         anonymous_enable=YES\nlocal_enable=NO\nanon_root={}\nanon_umask=022\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_other_write_enable=YES\n\
         seccomp_sandbox=NO\nsecure_chroot_dir={}\n",
        address.port(),
        tree.path().display(),
        empty.display()
    );
    fs::write(&file, text)?;
    Ok(program.with(file.display()).start_at(address, greets)?.keeping(settings))
}

/// A process a transfer.
fn start_tftpd(tree: &Tree) -> Result<Server> {
    let program = for_root("in.tftpd", "-V", "tftp-hpa")?;
    let address = free_address()?;
    let program = program.with("--listen").with("--foreground").with("--address");
    let program = program.with(address).with("--secure").with(tree.path().display());
    program.start_at(address, answers)
}

/// Whether somebody says that there is no such file.
fn answers(address: SocketAddr) -> bool {
    let try_it = || -> Result<usize> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        socket.send_to(&blocks::request("there is none", &[]), address)?;
        Ok(socket.recv(&mut [0; 512])?)
    };
    try_it().is_ok()
}
