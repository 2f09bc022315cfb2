//! Who is measured: servers as child processes, one file each, all alike: a function that starts one.

mod ours;
mod pyftpdlib;
mod tftpd;
mod vsftpd;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::tree::Tree;
use crate::program::Server;
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
            Self::Bare => ours::start("bare", tree),
            Self::Reactor => ours::start("ftp", tree),
            Self::ReactorTftp => ours::start("tftp", tree),
            Self::Pyftpdlib => pyftpdlib::start(tree),
            Self::Vsftpd => vsftpd::start(tree),
            Self::Tftpd => tftpd::start(tree),
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
            Self::Pyftpdlib => pyftpdlib::absence(),
            Self::Vsftpd => vsftpd::absence(),
            Self::Tftpd => tftpd::absence(),
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
#[derive(Debug)]
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

/// A port that nobody has at the moment, for a server that wants to be told one.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether somebody greets whoever connects, as servers of FTP do.
fn greets(address: SocketAddr) -> bool {
    super::load::control::Control::connect(address, Ipv4Addr::LOCALHOST).is_ok()
}

/// Why a program cannot be run, if it cannot; another of that name is told by what it says of itself.
fn missing(program: &str, argument: &str, says: &str) -> Option<String> {
    let mut trial = std::process::Command::new("sh");
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
