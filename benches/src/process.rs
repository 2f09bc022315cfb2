//! An echo server as a child process: built, started, told to end.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::program::Program;
pub use crate::program::Server as Running;
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
        self.serving(peer).start()
    }

    /// Starts the server of `peer` as the last arguments of an instrument's command line.
    pub fn start_under(&self, instrument: Command, peer: Peer) -> Result<Running> {
        self.serving(peer).start_under(instrument)
    }

    fn serving(&self, peer: Peer) -> Program {
        self.options.iter().fold(Program::at(&self.program).with(peer), Program::with)
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
