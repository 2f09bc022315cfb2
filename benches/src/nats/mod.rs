//! Clients of NATS, as child processes beside a `nats-server`: ours, async-nats, and that of npm.
//!
//! ```text
//!                      1,000 at a time ──▶ bench.heard ──▶ ┌──────────┐
//!   Feeder, raw, in       how many?    ──▶      "      ──▶ │ a client │
//!   this process          so many, please  bench.publish ▶ │          │ ──▶ bench.published (nobody listens)
//!                      ◀── so many ────────────────────────└──────────┘
//! ```
//!
//! Each client does what it is asked over NATS itself, and what that takes is its process' processor time: neither that of
//! the server nor of whoever asks.

pub mod broker;
mod npm;
mod reactor;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use self::broker::Broker;
use crate::clients::sockets::connect;
use crate::program::{Program, Server};
use crate::work::{Spent, Work};
use crate::{Result, processor};

/// Bytes of a message.
const SIZE: usize = 64;

/// What a client hears; what it is told to publish.
const HEARD: &str = "bench.heard";
const PUBLISH: &str = "bench.publish";
const PUBLISHED: &str = "bench.published";

/// Messages that are written at a time, and those that a client may have before it: far less than what a server cuts a
/// slow one off for.
const BATCH: u64 = 1_000;
const AHEAD: u64 = 100_000;

/// Whose client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Nats {
    /// async-nats, on one thread of tokio: a program of its own, since it wants a newer Rust than the rest.
    AsyncNats,
    /// Ours.
    Reactor,
    /// `nats` of npm, on Node.
    Npm,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is subscribed to what another one publishes.
    Heard,
    /// It publishes.
    Published,
}

impl Nats {
    /// Starts it, connected to that server.
    pub fn start(self, server: SocketAddr) -> Result<Server> {
        let program = match self {
            Self::Reactor => Program::server("nats")?,
            Self::AsyncNats => asynchronous()?,
            Self::Npm => {
                let (directory, program) = npm::prepare()?;
                return Ok(program.with(server).start()?.keeping(directory));
            }
        };
        program.with(server).start()
    }
}

crate::choice!(Nats);

/// Does with ours what it is asked over that server, until the process ends.
pub fn serve(server: SocketAddr) -> Result {
    reactor::serve(server)
}

// ── async-nats ──────────────────────────────────────────────────────────────────────────────────────

/// Has cargo build async-nats' program, always with optimization.
pub fn build() -> Result {
    let cargo = env::var_os("CARGO").ok_or("cargo does not run this")?;
    let manifest = folder().join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--manifest-path"]).arg(manifest);
    // It has a place of its own, wherever the rest is built.
    let status = command.env_remove("CARGO_TARGET_DIR").status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo build: {status}").into()) }
}

fn asynchronous() -> Result<Program> {
    let path = folder().join("target/release/async-nats-client");
    if !path.exists() {
        let file = folder().join("Cargo.toml");
        let how = format!("cargo build --release --manifest-path {}", file.display());
        return Err(format!("async-nats is not installed ({how})").into());
    }
    Ok(Program::at(path))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("nats")
}

// ── work ────────────────────────────────────────────────────────────────────────────────────────────

/// A client, the server it is connected to, and who has it do something, as work.
pub struct NatsWork {
    feeder: Feeder,
    way: Way,
    client: Server,
    _broker: Broker,
}

impl NatsWork {
    /// A client on a processor of its own.
    pub fn start(nats: Nats, way: Way) -> Result<Self> {
        let broker = processor::start_with_load(Broker::start)?;
        let client = processor::start_apart(|| nats.start(broker.address()))?;
        Ok(Self { feeder: Feeder::connect(broker.address())?, way, client, _broker: broker })
    }
}

impl Work for NatsWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let Self { feeder, way, client, .. } = self;
        client.watch(units, || match way {
            Way::Heard => feeder.publish(units),
            Way::Published => feeder.ask(PUBLISH, &units.to_string(), units),
        })
    }
}

/// Who speaks with a client over NATS, in its plain text.
struct Feeder {
    stream: BufReader<TcpStream>,
    batch: Vec<u8>,
}

impl Feeder {
    fn connect(server: SocketAddr) -> Result<Self> {
        let message = format!("PUB {HEARD} {SIZE}\r\n{:x>SIZE$}\r\n", "");
        let batch = message.repeat(BATCH as usize).into_bytes();
        let mut feeder = Self { stream: BufReader::new(connect(server)?), batch };
        feeder.write(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB answer 1\r\n")?;
        Ok(feeder)
    }

    /// Publishes so many messages, each heard by the client.
    fn publish(&mut self, messages: u64) -> Result {
        let mut left = messages;
        while left > 0 {
            let part = left.min(AHEAD);
            for _ in 0..part / BATCH {
                self.stream.get_mut().write_all(&self.batch)?;
            }
            let rest = self.batch.len() / BATCH as usize * (part % BATCH) as usize;
            self.stream.get_mut().write_all(&self.batch[..rest])?;
            self.ask(HEARD, "", part)?;
            left -= part;
        }
        Ok(())
    }

    /// Asks the client, who answers how many messages it has heard or published.
    fn ask(&mut self, subject: &str, payload: &str, messages: u64) -> Result {
        let question = format!("PUB {subject} answer {}\r\n{payload}\r\n", payload.len());
        self.write(question.as_bytes())?;
        let answer = self.answer()?;
        if answer.parse() == Ok(messages) {
            return Ok(());
        }
        Err(format!("there were {messages} messages, and the client says {answer:?}").into())
    }

    fn answer(&mut self) -> Result<String> {
        loop {
            let line = self.line()?;
            match line.split_whitespace().next() {
                Some("MSG") => return self.line(),
                Some("PING") => self.write(b"PONG\r\n")?,
                Some("INFO") => {}
                _ => return Err(format!("the server says {line:?}").into()),
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the server has ended the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn write(&mut self, text: &[u8]) -> Result {
        Ok(self.stream.get_mut().write_all(text)?)
    }
}
