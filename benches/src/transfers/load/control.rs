//! A control connection of FTP, as a client has it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use crate::Result;

/// A control connection that waits for each answer.
pub struct Control {
    stream: BufReader<TcpStream>,
    from: Ipv4Addr,
}

impl Control {
    /// Connects from an address of its own: servers count sessions by it. The greeting has been read.
    pub fn connect(server: SocketAddr, from: Ipv4Addr) -> Result<Self> {
        let mut control = Self::begin(server, from)?;
        control.expect(220)?;
        Ok(control)
    }

    /// Connects, and waits for nothing.
    pub fn begin(server: SocketAddr, from: Ipv4Addr) -> Result<Self> {
        let stream = connect(server, from)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::with_capacity(512, stream), from })
    }

    /// Connects, logs in as nobody, and wants files as they are.
    pub fn log_in(server: SocketAddr, from: Ipv4Addr) -> Result<Self> {
        let mut control = Self::connect(server, from)?;
        control.ask("USER anonymous", 331)?;
        control.ask("PASS none", 230)?;
        control.ask("TYPE I", 200)?;
        Ok(control)
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) -> Result {
        Ok(self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?)
    }

    /// Reads a reply, which is to have this code; its last line.
    pub fn expect(&mut self, code: u16) -> Result<String> {
        let line = self.hear()?;
        if line.starts_with(&format!("{code} ")) {
            return Ok(line);
        }
        Err(format!("{code} was to come, not {}", line.trim_end()).into())
    }

    /// Reads the reply to a command that wants a data connection, which is there: RFC 959 has 125 for
    /// that, and most say 150 all the same.
    pub fn expect_transfer(&mut self) -> Result {
        let line = self.hear()?;
        if line.starts_with("150 ") || line.starts_with("125 ") {
            return Ok(());
        }
        Err(format!("a transfer was to begin, not {}", line.trim_end()).into())
    }

    /// The last line of a reply.
    fn hear(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the server has closed the connection".into());
            }
            // Of several lines only the last has a space there.
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line);
            }
        }
    }

    /// Sends a line, and reads its reply.
    pub fn ask(&mut self, line: &str, code: u16) -> Result<String> {
        self.say(line)?;
        self.expect(code).map_err(|error| format!("{line}: {error}").into())
    }

    /// A data connection: the server listens.
    pub fn open_data(&mut self) -> Result<TcpStream> {
        let reply = self.ask("EPSV", 229)?;
        let port = reply.split('|').nth(3).ok_or("no port in the reply to EPSV")?.parse()?;
        let mut address = self.stream.get_ref().peer_addr()?;
        address.set_port(port);
        connect(address, self.from)
    }
}

fn connect(to: SocketAddr, from: Ipv4Addr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}
