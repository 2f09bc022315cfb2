//! The ruler: one connection at a time, which says in a line what it wants, and sockets that block.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use rustix::fs::sendfile;

use crate::Result;
use crate::servers::announce;

/// What sendfile(2) sends at most in one call.
const MOST: usize = 0x7fff_f000;
/// What is read at once of what comes in.
const BUFFER: usize = 64 * 1024;

pub(super) fn serve(root: &Path) -> Result {
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
