//! One file at a time, out or in.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};
use rustix::fs::sendfile;
use rustix::net::{RecvFlags, recv};

use super::PATIENCE;
use super::control::Control;
use crate::Result;
use crate::transfers::peers::Peer;
use crate::transfers::tree::same;

/// What is taken off a connection at once.
const LARGE: usize = 1 << 20;

sockopt_impl!(
    /// How much is there before a reader is woken.
    RecvLowWater, SetOnly, libc::SOL_SOCKET, libc::SO_RCVLOWAT, u32
);

/// A client that is logged in, where that is needed.
pub enum Client {
    /// Of the ruler: every file is a connection.
    Bare(SocketAddr),
    /// Of a server of FTP.
    Ftp(Control),
}

impl Client {
    /// Connects.
    pub fn connect(peer: Peer, server: SocketAddr) -> Result<Self> {
        match peer {
            Peer::Bare => Ok(Self::Bare(server)),
            _ => Ok(Self::Ftp(Control::log_in(server, Ipv4Addr::LOCALHOST)?)),
        }
    }

    /// Fetches a file, and has `take` do what is to be done with what comes.
    pub fn fetch(&mut self, name: &str, take: impl FnOnce(TcpStream) -> Result) -> Result {
        match self {
            Self::Bare(server) => {
                let mut stream = TcpStream::connect(*server)?;
                stream.write_all(format!("RETR {name}\n").as_bytes())?;
                take(stream)
            }
            Self::Ftp(control) => {
                let data = control.open_data()?;
                control.say(&format!("RETR {name}"))?;
                control.expect_transfer()?;
                take(data)?;
                control.expect(226).map(drop)
            }
        }
    }

    /// Brings a file.
    pub fn bring(&mut self, name: &str, file: &File) -> Result {
        match self {
            Self::Bare(server) => {
                let mut stream = TcpStream::connect(*server)?;
                stream.write_all(format!("STOR {name}\n").as_bytes())?;
                send(&stream, file)?;
                // It closes once it has written everything.
                drain(stream, 0)
            }
            Self::Ftp(control) => {
                let data = control.open_data()?;
                control.say(&format!("STOR {name}"))?;
                control.expect_transfer()?;
                send(&data, file)?;
                drop(data);
                control.expect(226).map(drop)
            }
        }
    }
}

/// Takes everything there is, which is to be so much. The kernel throws it away where it is: a client
/// that copied it would be slower than the servers it measures. Nor is it woken for each segment: who
/// sends over loopback does the waking, and on a virtual machine that is 15 µs a time, more or fewer times
/// as the two happen to fall into step, which made two runs of one server differ by as much as two servers.
pub fn drain(stream: TcpStream, length: u64) -> Result {
    stream.set_read_timeout(Some(PATIENCE))?;
    setsockopt(&stream, RecvLowWater, &(LARGE as u32))?;
    let mut nowhere = vec![0; LARGE];
    let mut seen = 0;
    loop {
        match recv(&stream, &mut *nowhere, RecvFlags::TRUNC)?.1 {
            0 if seen == length => return Ok(()),
            0 => return Err(format!("{seen} bytes came, of {length}").into()),
            taken => seen += taken as u64,
        }
    }
}

/// Takes everything there is, which is to be what is in a file.
pub fn compare(stream: TcpStream, original: File) -> Result {
    stream.set_read_timeout(Some(PATIENCE))?;
    same(stream, original)
}

/// Sends a file, and the end.
fn send(stream: &TcpStream, file: &File) -> Result {
    let mut offset = 0;
    while sendfile(stream, file, Some(&mut offset), 0x7fff_f000)? > 0 {}
    Ok(stream.shutdown(Shutdown::Write)?)
}
