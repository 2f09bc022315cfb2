//! `nats-server`, where it is installed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde::Deserialize;
use tempfile::TempDir;

use crate::Result;
use crate::clients::sockets::connect;
use crate::program::{Program, Server, free_address};

/// Whether there is one.
pub fn is_installed() -> bool {
    program().is_ok()
}

/// A `nats-server`, with JetStream.
pub struct Broker {
    server: Server,
    monitor: SocketAddr,
}

/// What it has sent to a client, and what has come from it.
#[derive(Debug, Clone, Deserialize)]
pub struct Connection {
    /// What the client is called.
    #[serde(default)]
    pub name: String,
    /// Messages that it was sent.
    pub out_msgs: u64,
    /// Messages that it has published.
    pub in_msgs: u64,
}

#[derive(Deserialize)]
struct Connections {
    connections: Vec<Connection>,
}

impl Broker {
    /// Starts it on any port of loopback.
    pub fn start() -> Result<Self> {
        let (directory, address, monitor) = (TempDir::new()?, free_address()?, free_address()?);
        let program = program()?
            .with("--addr")
            .with(address.ip())
            .with("--port")
            .with(address.port())
            .with("--http_port")
            .with(monitor.port())
            .with("--jetstream")
            .with("--store_dir")
            .with(directory.path().display())
            .with("--log")
            .with(directory.path().join("log").display());
        let server = program.start_with(directory, address)?;
        Ok(Self { server, monitor })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its connections, as its monitor tells them.
    pub fn connections(&self) -> Result<Vec<Connection>> {
        let mut stream: TcpStream = connect(self.monitor)?;
        stream.write_all(b"GET /connz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("the monitor says nothing")?;
        let Connections { connections } = serde_json::from_str(body)?;
        Ok(connections)
    }
}

fn program() -> Result<Program> {
    Program::installed("nats-server", "--version", "nats-server: v")
}
