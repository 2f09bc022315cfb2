//! tftpd-hpa: a process a transfer.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Started, free_port, missing, not_root};
use crate::Result;
use crate::program::Program;
use crate::transfers::load::blocks;
use crate::transfers::tree::Tree;

pub(super) fn start(tree: &Tree) -> Result<Started> {
    let address = free_port()?;
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

pub(super) fn absence() -> Option<String> {
    missing("in.tftpd", "-V", "tftp-hpa")
        .map(|error| format!("{error}: apt-get install tftpd-hpa"))
        .or_else(|| not_root("tftpd-hpa"))
}
