//! An echo server as a child process: built, started, told to end.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::servers::Peer;

/// The name of the program, in `src/bin` and beside every other program of this package.
const PROGRAM: &str = "echo-server";

/// The program `echo-server`, ready to be started.
#[derive(Debug, Clone)]
pub struct EchoServer {
    program: PathBuf,
    options: Vec<String>,
}

impl EchoServer {
    /// The program beside the one that runs.
    ///
    /// Under `cargo run --bin …` cargo has built that one only, so this asks it for the server too.
    pub fn beside_this() -> Result<Self> {
        if let Some(cargo) = env::var_os("CARGO") {
            build(Command::new(cargo))?;
        }
        let program = env::current_exe()?.with_file_name(PROGRAM);
        if !program.exists() {
            return Err(format!(
                "{} is missing: build it with the same profile",
                program.display()
            )
            .into());
        }
        Ok(Self::at(program))
    }

    /// The program at a known place, as cargo tells its tests and benchmarks.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), options: Vec::new() }
    }

    /// The same with buffers of a fixed size in the kernel, a connection.
    #[must_use]
    pub fn with_kernel_buffers(mut self, bytes: usize) -> Self {
        self.options.push(format!("--kernel-buffers={bytes}"));
        self
    }

    /// Starts the server of `peer`.
    pub fn start(&self, peer: Peer) -> Result<Running> {
        self.finish_start(Command::new(&self.program), peer)
    }

    /// Starts the server of `peer` as the last arguments of an instrument's command line.
    pub fn start_under(&self, mut instrument: Command, peer: Peer) -> Result<Running> {
        instrument.arg(&self.program);
        self.finish_start(instrument, peer)
    }

    fn finish_start(&self, mut command: Command, peer: Peer) -> Result<Running> {
        command
            .arg(peer.to_string())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
        match read_address(&mut child) {
            Ok(address) => Ok(Running { child, address }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }
}

/// A server that listens. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends it by SIGTERM, which leaves an instrument time to write what it saw.
    pub fn stop(mut self) -> Result {
        kill_process(self.pid(), Signal::TERM)?;
        let status = self.child.wait()?;
        if ended_as_told(status) {
            Ok(())
        } else {
            Err(format!("the server ended by itself: {status}").into())
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when `stop` has already waited for it, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn build(mut cargo: Command) -> Result {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let package = env!("CARGO_PKG_NAME");
    cargo.args(["build", "--quiet", "--profile", profile, "--package", package, "--bin", PROGRAM]);
    if cfg!(feature = "sim") {
        cargo.args(["--features", "sim"]);
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo could not build {PROGRAM}: {status}").into())
    }
}

/// The address in the line `listening on ADDRESS`.
fn read_address(child: &mut Child) -> Result<SocketAddr> {
    let stdout = child.stdout.take().ok_or("the server has no stdout")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address =
        line.trim().strip_prefix("listening on ").ok_or("the server ended before it listened")?;
    Ok(address.parse()?)
}

fn ended_as_told(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(Signal::TERM.as_raw())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start {}: {error}; is it installed?", command.get_program().display())
}
