//! `nats-server` of the tests: on a port of its own, ended with its test, with JetStream if that is wanted.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::process::{Command, Stdio};

use crate::outside::{self, Process, free_port};

/// `nats-server` on this port, once it listens.
#[track_caller]
pub(crate) fn server(port: u16, arguments: &[&str]) -> Process {
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
    let mut server = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    outside::until_it_listens(&mut server.0, port);
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

    /// It dies, and its disk with it.
    pub(crate) fn lose(&mut self) {
        self.kill();
        self.directory = tempfile::tempdir().expect("a directory");
    }
}
