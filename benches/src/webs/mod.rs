//! Web servers that answer every request with "Hello, World!", a file, or over WebSocket with what they were
//! sent: one file a peer.

mod bare;
#[cfg(feature = "peers")]
mod hyper;
pub(crate) mod nginx;
mod reactor;
#[cfg(feature = "peers")]
mod tungstenite;

use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::Result;
use crate::clients::askers::{Asked, Asking};
use crate::loaded::Start;
use crate::program::{Program, Server};
use crate::servers::Place;

/// What is answered.
const HELLO: &str = "Hello, World!";

/// Bytes of the file.
const FILE: usize = 1024;

/// Who serves what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Web {
    /// A raw epoll loop, httparse, and an answer that is always the same: the ruler of the first.
    Epoll,
    /// The same over a bare mio loop.
    Mio,
    /// The web server of the protocols: ours.
    Reactor,
    /// hyper on tokio's current-thread runtime.
    Hyper,
    /// nginx, one process, no log.
    Nginx,
    /// nginx, a file of 1 KiB.
    NginxFile,
    /// Ours, the same file.
    ReactorFile,
    /// tokio-tungstenite on tokio's current-thread runtime: WebSocket.
    TungsteniteSocket,
    /// Ours: WebSocket.
    ReactorSocket,
}

impl Asked for Web {
    fn peer(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::Mio => "mio",
            Self::Reactor | Self::ReactorFile | Self::ReactorSocket => "reactor",
            Self::Hyper => "hyper",
            Self::Nginx | Self::NginxFile => "nginx",
            Self::TungsteniteSocket => "tokio-tungstenite",
        }
    }

    fn start(self, start: Start<'_>) -> Result<Server> {
        match self {
            Self::Nginx | Self::NginxFile => start.other(nginx::start),
            _ => start.program(&Program::named("web-server")?.with(self)),
        }
    }

    fn asking(self, connections: usize, depth: usize) -> Asking {
        let asking = Asking {
            connections,
            depth,
            preface: b"",
            question: QUESTION,
            ending: HELLO.as_bytes(),
        };
        match self {
            Self::Epoll | Self::Mio | Self::Reactor | Self::Hyper | Self::Nginx => asking,
            Self::NginxFile | Self::ReactorFile => {
                Asking { question: FOR_FILE, ending: &[b'x'; FILE], ..asking }
            }
            Self::TungsteniteSocket | Self::ReactorSocket => {
                Asking { preface: UPGRADE, question: &FRAME, ending: &[b'x'; 64], ..asking }
            }
        }
    }
}

const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
const FOR_FILE: &[u8] = b"GET /file HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
/// Asks for a WebSocket.
pub(crate) const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A text message of 64 bytes, masked (RFC 6455, 5.2).
const FRAME: [u8; 70] = masked(&[b'x'; 64]);

/// A short text message, with the six bytes before it that a client's has.
pub(crate) const fn masked<const LENGTH: usize, const FRAME: usize>(
    text: &[u8; LENGTH],
) -> [u8; FRAME] {
    let key = [0x12, 0x34, 0x56, 0x78];
    let mut frame = [0; FRAME];
    (frame[0], frame[1]) = (0x81, 0x80 | LENGTH as u8);
    let mut at = 0;
    while at < LENGTH {
        if at < 4 {
            frame[2 + at] = key[at];
        }
        frame[6 + at] = text[at] ^ key[at % 4];
        at += 1;
    }
    frame
}

crate::choice!(Web);

/// Serves at `place` until the process ends, and prints where once it listens.
pub fn serve(web: Web, place: Place) -> Result {
    match web {
        Web::Epoll => bare::serve_by_epoll(place),
        Web::Mio => bare::serve(place),
        Web::Reactor => reactor::serve_hello(place),
        Web::ReactorFile => reactor::serve_file(place),
        Web::ReactorSocket => reactor::serve_socket(place),
        #[cfg(feature = "peers")]
        Web::Hyper => hyper::serve(place),
        #[cfg(feature = "peers")]
        Web::TungsteniteSocket => tungstenite::serve(place),
        #[cfg(not(feature = "peers"))]
        Web::Hyper | Web::TungsteniteSocket => Err(crate::WITHOUT_PEERS.into()),
        Web::Nginx | Web::NginxFile => Err("nginx is a program by itself".into()),
    }
}

/// Writes the file that is served.
fn write_file() -> Result<TempDir> {
    let directory = TempDir::new()?;
    let mut file = File::create(directory.path().join("file"))?;
    file.write_all(&[b'x'; FILE])?;
    // As most files are: not one that may be written at this moment.
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600))?;
    Ok(directory)
}
