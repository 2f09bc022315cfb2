//! Clients that speak TLS: who come and go, who fetch a large file, who send and hear the same back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use crate::cost::Instrument;
use crate::secure::{FILE, HELLO, Keys, NAME, Started};
use crate::work::{Spent, Work};
use crate::{Result, memory};

/// A silence of that long means that the server has lost something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an echo.
const ECHO: usize = 64;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// How clients call a server.
#[derive(Debug)]
struct Call {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Call {
    fn new(started: &Started) -> Result<Self> {
        let config = Arc::new(trusting(&started.keys)?);
        Ok(Self { address: started.running.server.address(), config })
    }

    fn connect(&self) -> Result<Stream> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let connection =
            ClientConnection::new(Arc::clone(&self.config), ServerName::try_from(NAME)?)?;
        Ok(StreamOwned::new(connection, socket))
    }

    fn ask(&self, target: &str, ending: &str) -> Result<Stream> {
        let mut stream = self.connect()?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {NAME}\r\n{ending}\r\n")?;
        Ok(stream)
    }
}

fn trusting(keys: &Keys) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(keys.certificate())?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Connections that ask one thing, and end: each is a unit.
#[derive(Debug)]
pub struct Comings {
    started: Started,
    call: Call,
    kind: HandshakeKind,
}

impl Comings {
    /// Whose handshakes are all of one kind: full, or resumed.
    pub fn start(started: Started, kind: HandshakeKind) -> Result<Self> {
        let mut call = Call::new(&started)?;
        if kind == HandshakeKind::Full {
            Arc::make_mut(&mut call.config).resumption = Resumption::disabled();
        }
        let comings = Self { started, call, kind };
        // The first is a full one, whatever is wanted.
        comings.come()?;
        Ok(comings)
    }

    fn come(&self) -> Result<HandshakeKind> {
        let mut stream = self.call.ask("/", "Connection: close\r\n")?;
        let mut answer = Vec::new();
        // What stands behind the answer is the server's business: not all say goodbye.
        while !answer.ends_with(HELLO.as_bytes()) {
            let mut some = [0; 2048];
            let length = stream.read(&mut some)?;
            if length == 0 {
                return Err("the server ended without an answer".into());
            }
            answer.extend_from_slice(&some[..length]);
        }
        let kind = stream.conn.handshake_kind().ok_or("there was no handshake")?;
        stream.conn.send_close_notify();
        let _ = stream.flush();
        Ok(kind)
    }
}

impl Work for Comings {
    fn run(&mut self, units: u64) -> Result<Spent> {
        self.started.running.server.watch(units, || {
            for _ in 0..units {
                let kind = self.come()?;
                if kind != self.kind {
                    return Err(format!("a handshake was {kind:?}").into());
                }
            }
            Ok(())
        })
    }
}

/// A file that is fetched again and again on one connection: a unit is a MiB of it.
#[derive(Debug)]
pub struct Fetching {
    started: Started,
    stream: Stream,
    buffer: Vec<u8>,
}

const MIB: usize = 1024 * 1024;

impl Fetching {
    /// Connects.
    pub fn start(started: Started) -> Result<Self> {
        let mut stream = Call::new(&started)?.connect()?;
        stream.flush()?;
        Ok(Self { started, stream, buffer: vec![0; 256 * 1024] })
    }

    fn fetch(stream: &mut Stream, buffer: &mut [u8]) -> Result {
        write!(stream, "GET /file HTTP/1.1\r\nHost: {NAME}\r\n\r\n")?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let mut left = FILE;
        while left > 0 {
            let most = left.min(buffer.len());
            match stream.read(&mut buffer[..most])? {
                0 => return Err("the file is cut off".into()),
                length => left -= length,
            }
        }
        Ok(())
    }
}

impl Work for Fetching {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let Self { started, stream, buffer } = self;
        let times = (units as usize).div_ceil(FILE / MIB).max(1);
        started.running.server.watch((times * FILE / MIB) as u64, || {
            (0..times).try_for_each(|_| Self::fetch(stream, buffer))
        })
    }
}

/// Connections on which a message comes back: each is a unit.
#[derive(Debug)]
pub struct Echoing {
    started: Started,
    streams: Vec<Stream>,
}

impl Echoing {
    /// Connects so many.
    pub fn start(started: Started, connections: usize) -> Result<Self> {
        let call = Call::new(&started)?;
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut stream = call.connect()?;
            echo(&mut stream)?;
            streams.push(stream);
        }
        Ok(Self { started, streams })
    }

    /// What the server does for a message on each of them, again and again.
    pub(crate) fn count(&mut self, instrument: &Instrument) -> Result<u64> {
        let (server, messages) = (&self.started.running.server, self.streams.len());
        instrument.count(server, || exchange(&mut self.streams, messages))
    }
}

fn exchange(streams: &mut [Stream], messages: usize) -> Result {
    for _ in 0..messages.div_ceil(streams.len()) {
        for stream in streams.iter_mut() {
            stream.write_all(&[b'x'; ECHO])?;
            stream.flush()?;
        }
        for stream in streams.iter_mut() {
            stream.read_exact(&mut [0; ECHO])?;
        }
    }
    Ok(())
}

impl Work for Echoing {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let Self { started, streams } = self;
        let messages = (units as usize).next_multiple_of(streams.len());
        started.running.server.watch(messages as u64, || exchange(streams, messages))
    }
}

fn echo(stream: &mut Stream) -> Result {
    stream.write_all(&[b'x'; ECHO])?;
    stream.flush()?;
    Ok(stream.read_exact(&mut [0; ECHO])?)
}

/// Bytes that each of so many connections costs a server in resident memory, when it has had an answer and is idle.
pub fn idle(started: &Started, connections: usize, is_web: bool) -> Result<f64> {
    let call = Call::new(started)?;
    let connect = || -> Result<Stream> {
        if !is_web {
            let mut stream = call.connect()?;
            echo(&mut stream)?;
            return Ok(stream);
        }
        let mut stream = call.ask("/", "")?;
        let mut answer = Vec::new();
        while !answer.ends_with(HELLO.as_bytes()) {
            let mut some = [0; 2048];
            let length = stream.read(&mut some)?;
            answer.extend_from_slice(&some[..length]);
        }
        Ok(stream)
    };
    // What it needs once.
    let mut idle = vec![connect()?];
    let pid = started.running.server.pid();
    let before = memory::resident(pid)?;
    for _ in 0..connections {
        idle.push(connect()?);
    }
    let after = memory::resident(pid)?;
    Ok(after.saturating_sub(before) as f64 / connections as f64)
}
