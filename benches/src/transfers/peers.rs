//! Who is measured: servers as child processes.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
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

/// The servers of FTP, without the ruler.
pub const FTP: [Peer; 3] = [Peer::Reactor, Peer::Pyftpdlib, Peer::Vsftpd];

impl Peer {
    /// Starts it on a processor of its own, to serve what is in the tree.
    pub fn start(self, tree: &Tree) -> Result<Started> {
        let started = processor::start_apart(|| match self {
            Self::Bare => start_ours("bare", tree),
            Self::Reactor => start_ours("ftp", tree),
            Self::ReactorTftp => start_ours("tftp", tree),
            Self::Pyftpdlib => start_pyftpdlib(tree),
            Self::Vsftpd => start_vsftpd(tree),
            Self::Tftpd => start_tftpd(tree),
        });
        started.map_err(|error| format!("{self}: {error}").into())
    }

    /// Whether it is of this package, so that there is no excuse if it does not work.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Bare | Self::Reactor | Self::ReactorTftp)
    }

    /// Why it cannot be measured here, if it cannot.
    pub fn absence(self) -> Option<String> {
        match self {
            Self::Bare | Self::Reactor | Self::ReactorTftp => None,
            Self::Pyftpdlib => pyftpdlib_is_absent(),
            Self::Vsftpd => vsftpd_is_absent(),
            Self::Tftpd => tftpd_is_absent(),
        }
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

/// A server that listens. It is killed when dropped, and what it needed is removed.
pub struct Started {
    server: Server,
    /// What it reads its settings from.
    _settings: Option<tempfile::TempDir>,
}

impl Started {
    fn new(server: Server) -> Self {
        Self { server, _settings: None }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

/// Whether somebody greets whoever connects, as servers of FTP do.
fn greets(address: SocketAddr) -> bool {
    Control::connect(address, Ipv4Addr::LOCALHOST).is_ok()
}

/// Why a program cannot be run, if it cannot; another of that name is told by what it says of itself.
fn missing(program: &str, argument: &str, says: &str) -> Option<String> {
    let mut trial = Command::new("sh");
    // Where it is asked by a shell, also one that answers on its standard input is heard.
    trial.args(["-c", r#"exec "$0" "$1" 0>&1 2>&1"#, program, argument]);
    match trial.output() {
        Ok(output) if output.status.code() == Some(127) => Some(format!("{program}: not found")),
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains(says) => None,
        Ok(_) => Some(format!("{program} does not say that it is {says}")),
        Err(error) => Some(format!("{program}: {error}")),
    }
}

/// Why a program that changes its user cannot be run, if it cannot.
fn not_root(program: &str) -> Option<String> {
    (!rustix::process::geteuid().is_root())
        .then(|| format!("{program} wants to be started by root"))
}

/// One of the servers that are programs of this package.
fn start_ours(server: &str, tree: &Tree) -> Result<Started> {
    let program = Program::server("files")?.with(server);
    Ok(Started::new(program.with(tree.path().display()).start()?))
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

fn start_pyftpdlib(tree: &Tree) -> Result<Started> {
    let address = free_address()?;
    let program = Program::at("python3").with("-W").with("ignore").with("-c").with(PYFTPDLIB);
    let program = program.with(tree.path().display()).with(address.port());
    Ok(Started::new(program.start_at(address, greets)?))
}

fn pyftpdlib_is_absent() -> Option<String> {
    let mut trial = Command::new("python3");
    trial.args(["-W", "ignore", "-c", "import pyftpdlib.servers"]);
    match trial.output() {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some("pyftpdlib is not installed: pip install pyftpdlib".to_owned()),
        Err(error) => Some(format!("python3: {error}")),
    }
}

/// With what it does by default: two processes a session, each walled in.
fn start_vsftpd(tree: &Tree) -> Result<Started> {
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
    let server = Program::at("vsftpd").with(file.display()).start_at(address, greets)?;
    Ok(Started { server, _settings: Some(settings) })
}

fn vsftpd_is_absent() -> Option<String> {
    missing("vsftpd", "-v", "vsftpd: version")
        .map(|error| format!("{error}: apt-get install vsftpd"))
        .or_else(|| not_root("vsftpd"))
}

/// A process a transfer.
fn start_tftpd(tree: &Tree) -> Result<Started> {
    let address = free_address()?;
    let program = Program::at("in.tftpd").with("--listen").with("--foreground").with("--address");
    let program = program.with(address).with("--secure").with(tree.path().display());
    Ok(Started::new(program.start_at(address, answers)?))
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

fn tftpd_is_absent() -> Option<String> {
    missing("in.tftpd", "-V", "tftp-hpa")
        .map(|error| format!("{error}: apt-get install tftpd-hpa"))
        .or_else(|| not_root("tftpd-hpa"))
}
