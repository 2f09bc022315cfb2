//! Clients that speak TLS: who come and go, who fetch a large file, who send and hear the same back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use crate::loaded::{Loaded, Start};
use crate::secure::{FILE, HELLO, NAME, Secure, Started};
use crate::{PATIENCE, Result};

/// Bytes of an echo.
const ECHO: usize = 64;

/// A connection of a client.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// How clients call a server.
struct Call {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Call {
    fn new(started: &Started) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(started.certificate.clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { address: started.server.address(), config })
    }

    fn connect(&self) -> Result<Stream> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let connection =
            ClientConnection::new(Arc::clone(&self.config), ServerName::try_from(NAME)?)?;
        Ok(StreamOwned::new(connection, socket))
    }

    fn connect_and_echo(&self) -> Result<Stream> {
        let mut stream = self.connect()?;
        say(&mut stream)?;
        hear(&mut stream)?;
        Ok(stream)
    }

    fn ask(&self, target: &str, ending: &str) -> Result<Stream> {
        let mut stream = self.connect()?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {NAME}\r\n{ending}\r\n")?;
        Ok(stream)
    }
}

/// Reads until the answer is there. What stands behind it is the server's business: not all say goodbye.
fn read_hello(stream: &mut Stream) -> Result {
    let mut answer = Vec::new();
    while !answer.ends_with(HELLO.as_bytes()) {
        let mut some = [0; 2048];
        let length = stream.read(&mut some)?;
        if length == 0 {
            return Err("the server ended without an answer".into());
        }
        answer.extend_from_slice(&some[..length]);
    }
    Ok(())
}

/// Connections that ask one thing, and end, whose handshakes are all of one kind, full or resumed: each is a unit.
pub fn comings(start: Start<'_>, secure: Secure, kind: HandshakeKind) -> Result<Loaded> {
    let started = secure.start(start)?;
    let mut call = Call::new(&started)?;
    if kind == HandshakeKind::Full {
        Arc::make_mut(&mut call.config).resumption = Resumption::disabled();
    }
    // The first is a full one, whatever is wanted.
    come(&call)?;
    Ok(Loaded::new(started.server, 1, move || match come(&call)? {
        done if done == kind => Ok(()),
        other => Err(format!("a handshake was {other:?}").into()),
    }))
}

fn come(call: &Call) -> Result<HandshakeKind> {
    let mut stream = call.ask("/", "Connection: close\r\n")?;
    read_hello(&mut stream)?;
    let kind = stream.conn.handshake_kind().ok_or("there was no handshake")?;
    stream.conn.send_close_notify();
    let _ = stream.flush();
    Ok(kind)
}

const MIB: usize = 1024 * 1024;

/// A file that is fetched again and again on one connection: a unit is a MiB of it.
pub fn fetching(start: Start<'_>, secure: Secure) -> Result<Loaded> {
    let started = secure.start(start)?;
    let mut stream = Call::new(&started)?.connect()?;
    stream.flush()?;
    let mut buffer = vec![0; 256 * 1024];
    Ok(Loaded::new(started.server, FILE / MIB, move || fetch(&mut stream, &mut buffer)))
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

/// Connections on which a message comes back: each is a unit.
pub fn echoing(start: Start<'_>, secure: Secure, connections: usize) -> Result<Loaded> {
    let started = secure.start(start)?;
    let call = Call::new(&started)?;
    let connect = |_| call.connect_and_echo();
    let mut streams = (0..connections).map(connect).collect::<Result<Vec<_>>>()?;
    Ok(Loaded::new(started.server, connections, move || {
        streams.iter_mut().try_for_each(say)?;
        streams.iter_mut().try_for_each(hear)
    }))
}

fn say(stream: &mut Stream) -> Result {
    stream.write_all(&[b'x'; ECHO])?;
    Ok(stream.flush()?)
}

fn hear(stream: &mut Stream) -> Result {
    Ok(stream.read_exact(&mut [0; ECHO])?)
}

/// Connects to a server, for connections that have had an answer and are idle.
pub fn idle(started: &Started, is_web: bool) -> Result<impl Fn() -> Result<Stream>> {
    let call = Call::new(started)?;
    Ok(move || {
        if !is_web {
            return call.connect_and_echo();
        }
        let mut stream = call.ask("/", "")?;
        read_hello(&mut stream)?;
        Ok(stream)
    })
}
