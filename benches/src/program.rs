//! A server of this package as a child process: started, measured, told to end.

use std::any::Any;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::ClockId;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::work::Spent;
use crate::{Result, processor};

/// The programs in `src/bin` that are servers.
const SERVERS: [&str; 3] = ["bench-server", "web-server", "rpc-server"];

/// How long a program that is not of this package may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has cargo build the programs that are servers, with the profile and features of this one, if cargo runs it: it has
/// built that one only.
pub fn build() -> Result {
    let Some(cargo) = env::var_os("CARGO") else {
        return Ok(());
    };
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--profile", profile, "--package", env!("CARGO_PKG_NAME")])
        .args(SERVERS.iter().flat_map(|name| ["--bin", name]))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for (is_on, feature) in [(cfg!(feature = "sim"), "sim"), (cfg!(feature = "tls"), "tls")] {
        if is_on {
            command.args(["--features", feature]);
        }
    }
    if cfg!(not(feature = "peers")) {
        command.arg("--no-default-features");
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo build: {status}").into()) }
}

/// A program and its arguments, ready to be started.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    /// The program of this name, beside the one that runs, or above it if cargo keeps that one, a test
    /// or a benchmark, in a directory of its own.
    pub fn named(name: &str) -> Result<Self> {
        let this = env::current_exe()?;
        let mut places = this.ancestors().skip(1).take(2).map(|directory| directory.join(name));
        let path = places
            .find(|path| path.exists())
            .ok_or_else(|| format!("{name} is not built: cargo build --release -p benches"))?;
        Ok(Self::at(path))
    }

    /// The program of this package that is most of its servers, as this kind of server.
    pub fn server(kind: &str) -> Result<Self> {
        Ok(Self::named("bench-server")?.with(kind))
    }

    /// The program at a known place, as cargo tells its tests and benchmarks.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new() }
    }

    /// Somebody else's program, where distributions put it (not everybody has that in their path), if it says of
    /// itself, when it is asked by `argument`, that it is that.
    pub fn installed(name: &str, argument: &str, says: &str) -> Result<Self> {
        // By a shell: there is one that answers on its standard input.
        let is_it = |path: &PathBuf| {
            let mut asking = Command::new("sh");
            asking.args(["-c", r#"exec "$0" "$1" 0>&1 2>&1"#]).arg(path).arg(argument);
            asking.output().is_ok_and(|it| it.stdout.starts_with(says.as_bytes()))
        };
        let mut paths = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"]
            .map(|it| Path::new(it).join(name))
            .into_iter();
        let path = paths.find(is_it).ok_or_else(|| format!("{name} is not installed"))?;
        Ok(Self::at(path))
    }

    /// The same with one more argument.
    pub fn with(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Runs it to its end; whether it has done what it should.
    pub fn succeeds(&self) -> bool {
        let output = Command::new(&self.path).args(&self.arguments).output();
        output.is_ok_and(|it| it.status.success())
    }

    /// Starts it on a processor of its own, if there is one, and keeps this thread off it.
    pub fn start_apart(&self) -> Result<Server> {
        processor::start_apart(|| self.start())
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        self.finish_start(Command::new(&self.path))
    }

    /// Starts it as the last arguments of an instrument's command line.
    pub fn start_under(&self, mut instrument: Command) -> Result<Server> {
        instrument.arg(&self.path);
        self.finish_start(instrument)
    }

    /// Starts a program that is not of this package, and was told to listen at `address`: it does not say
    /// when it does, so it is asked until it is.
    pub fn start_at(
        &self,
        address: SocketAddr,
        is_ready: impl Fn(SocketAddr) -> bool,
    ) -> Result<Server> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
        let mut server = Server { child, address, needs: Vec::new() };
        let begun = Instant::now();
        while !is_ready(address) {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{} has ended: {status}", self.path.display()).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} does not answer", self.path.display()).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// The same of one that accepts connections at once, with its files.
    pub fn start_with(&self, files: TempDir, address: SocketAddr) -> Result<Server> {
        let accepts = |address| TcpStream::connect(address).is_ok();
        Ok(self.start_at(address, accepts)?.keeping(files))
    }

    fn finish_start(&self, mut command: Command) -> Result<Server> {
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
        let address = SocketAddr::from(([0; 4], 0));
        let mut server = Server { child, address, needs: Vec::new() };
        server.address = read_address(&mut server.child)?;
        Ok(server)
    }
}

/// A server that listens, one of this package or somebody else's. It is killed when dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// What it needs as long as it runs: its files, a server behind it.
    needs: Vec<Box<dyn Any>>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same with what it needs as long as it runs.
    pub fn keeping(mut self, needed: impl Any) -> Self {
        self.needs.push(Box::new(needed));
        self
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Does something to it, and tells what that took: time on the wall, and processor time of all its
    /// threads, in user space and in the kernel.
    pub fn watch(&self, units: u64, load: impl FnOnce() -> Result) -> Result<Spent> {
        Ok(watch(slice::from_ref(self), units, load)?.1)
    }

    /// Waits until its first thread does: it has done all it was asked to do, and what it is asked next does not fall
    /// into the same turn.
    pub fn wait_until_asleep(&self) -> Result {
        let (stat, begun) = (format!("/proc/{}/stat", self.pid().as_raw_nonzero()), Instant::now());
        while !fs::read_to_string(&stat)?.contains(") S ") {
            if begun.elapsed() > PATIENCE {
                return Err("the server does not come to rest".into());
            }
            thread::sleep(Duration::from_micros(20));
        }
        Ok(())
    }

    /// Ends it by SIGTERM.
    pub fn stop(mut self) -> Result {
        kill_process(self.pid(), Signal::TERM)?;
        let status = self.child.wait()?;
        if ended_as_told(status) {
            Ok(())
        } else {
            Err(format!("the server ended by itself: {status}").into())
        }
    }

    /// Processor time so far, of its process and of those that it has started.
    pub fn processor_time(&self) -> Result<Duration> {
        let pid = self.pid().as_raw_nonzero().get();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        let mut sum = Duration::ZERO;
        for pid in std::iter::once(pid).chain(children) {
            let clock = ClockId::pid_cpu_clock_id(nix::unistd::Pid::from_raw(pid))?;
            sum += Duration::from(clock.now()?);
        }
        Ok(sum)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when `stop` has already waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does something to all of these: what comes of it, and what they spend meanwhile.
pub fn watch<T>(
    servers: &[Server],
    units: u64,
    load: impl FnOnce() -> Result<T>,
) -> Result<(T, Spent)> {
    let processor_time = || servers.iter().map(Server::processor_time).sum::<Result<Duration>>();
    let (start, before) = (Instant::now(), processor_time()?);
    let done = load()?;
    let wall = start.elapsed();
    let processor = processor_time()?.saturating_sub(before);
    Ok((done, Spent { units, wall, processor }))
}

/// Node, and where a library of npm's is that is installed for everybody.
pub(crate) fn node_library(name: &str) -> Result<(Program, PathBuf)> {
    let node = Program::installed("node", "--version", "v")?;
    let root = Command::new("npm").args(["root", "--global"]).output();
    let root = root.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let library = Path::new(&root.unwrap_or_default()).join(name);
    if !library.join("package.json").is_file() {
        return Err(format!("{name} is not installed (npm install --global {name})").into());
    }
    Ok((node, library))
}

/// An address that nobody listens at: for programs that cannot choose a port by themselves. That somebody else
/// takes this one meanwhile is unlikely, and would be told.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
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
