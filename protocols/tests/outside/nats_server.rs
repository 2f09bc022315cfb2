//! `nats-server` of the tests: on a port of its own, ended with its test, with JetStream if that is wanted.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::outside;

/// How long it may take to start on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that does not outlive its test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended, as it may have.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound").port()
}

/// `nats-server` on this port, once it listens.
#[track_caller]
pub(crate) fn server(port: u16, arguments: &[&str]) -> Process {
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let server = Process(child.expect("it is installed"));
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nats-server does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    server
}

/// A server with JetStream, which finds what it had when it is started again.
pub(crate) struct Store {
    process: Option<Process>,
    directory: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Store {
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let mut store = Self::later()?;
        store.again();
        Some(store)
    }

    /// One that does not run yet.
    #[track_caller]
    pub(crate) fn later() -> Option<Self> {
        outside::program("nats-server")?;
        let directory = tempfile::tempdir().expect("a directory");
        Some(Self { process: None, directory, port: free_port() })
    }

    #[track_caller]
    pub(crate) fn again(&mut self) {
        let directory = self.directory.path().display().to_string();
        self.process = Some(server(self.port, &["-js", "-sd", &directory]));
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
    }
}
