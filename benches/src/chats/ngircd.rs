//! ngIRCd, with the limits off that its documentation has switches for.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Result;
use crate::program::Program;

/// Where distributions put it; not everybody has that in their path.
const PLACES: [&str; 3] = ["/usr/sbin/ngircd", "/usr/local/sbin/ngircd", "/usr/bin/ngircd"];

/// Its settings, the program, and where it will listen.
pub(super) fn prepare() -> Result<(TempDir, Program, SocketAddr)> {
    let path = find().ok_or("ngircd is not installed")?;
    let (directory, address) = (TempDir::new()?, free_address()?);
    let settings = directory.path().join("ngircd.conf");
    fs::write(&settings, text(address.port()))?;
    let program = Program::at(path).with("--nodaemon").with("--config").with(settings.display());
    Ok((directory, program, address))
}

fn find() -> Option<PathBuf> {
    PLACES.iter().map(Path::new).find(|path| is_it(path)).map(Path::to_owned)
}

/// Whether it says of itself that it is ngIRCd.
fn is_it(path: &Path) -> bool {
    let said = Command::new(path).arg("--version").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).starts_with("ngIRCd "))
}

/// It cannot choose a port by itself. That somebody else takes this one meanwhile is unlikely, and would
/// be told.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn text(port: u16) -> String {
    format!(
        "[Global]\n\
         Name = bench.local\n\
         Info = a server that is measured\n\
         Listen = 127.0.0.1\n\
         Ports = {port}\n\
         MotdPhrase = welcome\n\
         [Limits]\n\
         MaxConnections = 0\n\
         MaxConnectionsIP = 0\n\
         MaxJoins = 0\n\
         MaxNickLength = 16\n\
         MaxPenaltyTime = 0\n\
         PingTimeout = 3600\n\
         [Options]\n\
         DNS = no\n\
         Ident = no\n\
         PAM = no\n\
         SyslogFacility = local1\n"
    )
}
