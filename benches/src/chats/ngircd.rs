//! ngIRCd, with the limits off that its documentation has switches for.

use std::fs;

use tempfile::TempDir;

use crate::Result;
use crate::program::{Program, Server, free_address};

pub(super) fn start() -> Result<Server> {
    let program = Program::installed("ngircd", "--version", "ngIRCd ")?;
    let (directory, address) = (TempDir::new()?, free_address()?);
    let settings = directory.path().join("ngircd.conf");
    fs::write(&settings, text(address.port()))?;
    let program = program.with("--nodaemon").with("--config").with(settings.display());
    program.start_with(directory, address)
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
