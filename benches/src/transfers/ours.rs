//! What runs in a child process of this package.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use clap::ValueEnum;
use protocols::transfer::ftp::users::{Anonymous, Permissions, Users};
use protocols::transfer::ftp::{self, Server, Settings};
use protocols::transfer::store::{Access, Store};
use protocols::transfer::tftp::{self, Limits};
use reactor::{DatagramOptions, ListenOptions, Reactor};
use rustix::fs::sendfile;

use crate::Result;
use crate::servers::{Place, announce, reactor as ours};

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
        Kind::Bare => serve_bare(root),
        Kind::Ftp => serve_ftp(root),
        Kind::Tftp => serve_tftp(root),
    }
}

/// The reactor and the FTP server of its protocols, every limit on; who is nobody may do everything.
fn serve_ftp(root: &Path) -> Result {
    let mut users = Users::none();
    let anonymous = Anonymous { permissions: Permissions::ALL, ..Anonymous::default() };
    users.set_anonymous(Some(anonymous));
    let store = Store::open(root, Access::ReadWrite)?;
    ours::run(Server::new(Settings::default(), users, store), |registry, _| {
        ftp::listen(registry, Place::LOOPBACK.address.into(), &ListenOptions::default())
    })
}

/// The reactor and the TFTP server of its protocols, every limit on.
fn serve_tftp(root: &Path) -> Result {
    let mut server = tftp::Server::new(Store::open(root, Access::ReadOnly)?, Limits::default());
    let mut reactor = Reactor::<tftp::Server>::new()?;
    let registry = reactor.registry();
    let socket = tftp::bind(registry, Place::LOOPBACK.address.into(), &DatagramOptions::default())?;
    announce(registry.socket_address(socket)?)?;
    reactor.run(&mut server)?;
    Ok(())
}

/// What sendfile(2) sends at most in one call.
const MOST: usize = 0x7fff_f000;
/// What is read at once of what comes in.
const BUFFER: usize = 64 * 1024;

/// The ruler: one connection at a time, which says in a line what it wants, and sockets that block.
fn serve_bare(root: &Path) -> Result {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    announce(listener.local_addr()?)?;
    loop {
        let mut stream = listener.accept()?.0;
        let line = read_line(&mut stream)?;
        let done = match line.split_once(' ') {
            Some(("RETR", name)) => send(&stream, &File::open(root.join(name))?),
            Some(("STOR", name)) => receive(stream, &mut File::create(root.join(name))?),
            _ => Err(format!("what is {line:?}?").into()),
        };
        // A client that has gone is no reason to go too.
        done.unwrap_or_else(|error| eprintln!("bare loop: {error}"));
    }
}

/// Byte by byte: what follows the line is not part of it.
fn read_line(stream: &mut TcpStream) -> Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    Ok(String::from_utf8(line)?)
}

fn send(stream: &TcpStream, file: &File) -> Result {
    while sendfile(stream, file, None, MOST)? > 0 {}
    Ok(())
}

fn receive(mut stream: TcpStream, file: &mut File) -> Result {
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => file.write_all(&buffer[..length])?,
        }
    }
}
