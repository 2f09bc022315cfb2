//! Programs, run as a person runs them. Every wait is for a condition, and bounded.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

#[path = "../../../protocols/tests/kit/mod.rs"]
mod kit;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) use kit::{PATIENCE, noise, retry};

pub(crate) const BOT: &str = env!("CARGO_BIN_EXE_chat-bot");
pub(crate) const CHAT: &str = env!("CARGO_BIN_EXE_chat");
pub(crate) const ECHO: &str = env!("CARGO_BIN_EXE_echo");
pub(crate) const NATS: &str = env!("CARGO_BIN_EXE_nats");
pub(crate) const PLAYGROUND: &str = env!("CARGO_BIN_EXE_playground");
pub(crate) const PROXY: &str = env!("CARGO_BIN_EXE_proxy");
pub(crate) const RPC: &str = env!("CARGO_BIN_EXE_rpc");
pub(crate) const TORRENT: &str = env!("CARGO_BIN_EXE_torrent");
pub(crate) const TRANSFER: &str = env!("CARGO_BIN_EXE_transfer");
pub(crate) const WEB: &str = env!("CARGO_BIN_EXE_web");

/// A program that runs until it is told to stop, and what it prints meanwhile, line by line.
pub(crate) struct Program {
    process: Process,
    lines: Receiver<Vec<u8>>,
    errors: Receiver<Vec<u8>>,
}

/// A server, which is stopped at the end of its test if not before, and has to leave in peace.
pub(crate) struct Server(Option<Program>);

/// A process that does not outlive its test.
struct Process(Child);

/// What is left of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Program {
    #[track_caller]
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        Self::start_with(program, arguments, &[])
    }

    /// As [`start`](Self::start), with variables in its environment.
    #[track_caller]
    pub(crate) fn start_with(
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut process = Process::start(program, arguments, variables);
        let lines = pieces_of(process.0.stdout.take());
        let errors = pieces_of(process.0.stderr.take());
        Self { process, lines, errors }
    }

    /// `echo serve`, and the addresses it listens on.
    #[track_caller]
    pub(crate) fn serve(arguments: &[&str]) -> (Server, Vec<String>) {
        let server = Self::start(ECHO, &[&["serve"], arguments].concat());
        let sockets =
            arguments.iter().filter(|word| ["--listen", "--udp", "--unix"].contains(word));
        let addresses = sockets.map(|_| {
            let address = server.told("listening on ");
            address.split_once(' ').expect("a kind and an address").1.to_owned()
        });
        let addresses = addresses.collect();
        (server.into(), addresses)
    }

    /// The next line it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        text(line.unwrap_or_else(|error| panic!("no line: {error}; {:?}", self.errors.try_recv())))
    }

    /// What stands behind these words in the next line that it prints.
    #[track_caller]
    pub(crate) fn told(&self, words: &str) -> String {
        let line = self.line();
        line.strip_prefix(words).unwrap_or_else(|| panic!("not {words}: {line}")).to_owned()
    }

    /// The next line of its errors.
    #[track_caller]
    pub(crate) fn error_line(&self) -> String {
        text(self.errors.recv_timeout(PATIENCE).expect("it complains"))
    }

    /// The next line of its errors that has this in it.
    #[track_caller]
    pub(crate) fn error_with(&self, part: &str) -> String {
        loop {
            let line = self.error_line();
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.process.0
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child().try_wait().is_ok_and(|ended| ended.is_none())
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.process.0.stdin.take().expect("it is a pipe, taken once")
    }

    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.process.0)
    }

    /// Sends it a signal; this program again, for what it says to that.
    pub(crate) fn signal(&self, signal: Signal) -> &Self {
        kill_process(Pid::from_child(&self.process.0), signal).expect("it runs");
        self
    }

    /// Bytes of memory that it has, and the most that it ever had.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()));
        let status = status.expect("it runs");
        let [now, most] = ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_ascii_whitespace().next());
            kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
        });
        (now, most)
    }

    /// Asks this one, or one that has taken over from it, for a successor, and waits until that has taken over; its
    /// process.
    #[track_caller]
    pub(crate) fn upgrade(&self, process: Pid) -> Pid {
        kill_process(process, Signal::USR2).expect("it runs");
        let line = self.error_with("has taken over");
        let number = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
        number.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no process: {line}"))
    }

    /// Waits for its end, and reads what it has left to say.
    #[track_caller]
    pub(crate) fn ended(self) -> Ended {
        self.process.ended(&self.lines, &self.errors)
    }

    /// Interrupts it, and demands that it leaves in peace.
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        self.interrupt();
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.text()
    }
}

impl From<Program> for Server {
    fn from(program: Program) -> Self {
        Self(Some(program))
    }
}

impl Server {
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        self.0.take().expect("it is here until then").ended()
    }

    #[track_caller]
    pub(crate) fn stop(mut self) -> String {
        self.0.take().expect("it is here until then").stop()
    }
}

impl Deref for Server {
    type Target = Program;

    fn deref(&self) -> &Program {
        self.0.as_ref().expect("it is here until then")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(program) = self.0.take()
            && !thread::panicking()
        {
            program.stop();
        }
    }
}

impl Process {
    #[track_caller]
    fn start(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{program}: {error}")))
    }

    /// Its end is when it has closed what it prints to.
    #[track_caller]
    fn ended(mut self, output: &Receiver<Vec<u8>>, errors: &Receiver<Vec<u8>>) -> Ended {
        drop(self.0.stdin.take());
        let (output, errors) = (rest_of(output), text(rest_of(errors)));
        let code = self.0.wait().expect("it is ours").code();
        Ended { code, output, errors }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended, as it should have.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ended {
    /// It, which has to have this exit code.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// It, which has to have done what it was to do, without a word about anything else.
    #[track_caller]
    pub(crate) fn went_well(self) -> Self {
        assert_eq!((self.code, &*self.errors), (Some(0), ""), "{self:?}");
        self
    }

    /// Demands that this is said in its errors.
    #[track_caller]
    pub(crate) fn complains(&self, part: &str) {
        assert!(self.errors.contains(part), "{part}: {}", self.errors);
    }

    pub(crate) fn text(&self) -> String {
        text(self.output.clone())
    }
}

/// Runs a command to its end, with this input.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Ended {
    run_with(program, arguments, input, &[])
}

/// As [`run`], with variables in its environment.
#[track_caller]
pub(crate) fn run_with(
    program: &str,
    arguments: &[&str],
    input: &[u8],
    variables: &[(&str, &str)],
) -> Ended {
    let mut process = Process::start(program, arguments, variables);
    let output = pieces_of(process.0.stdout.take());
    let errors = pieces_of(process.0.stderr.take());
    let mut stdin = process.0.stdin.take().expect("a pipe");
    thread::scope(|scope| {
        // It may end without having read everything.
        scope.spawn(move || stdin.write_all(input));
        process.ended(&output, &errors)
    })
}

/// A copy of a program, to be replaced while it runs, and its directory. Another process makes it: a file that this one
/// writes may be open in a child that another test has just forked, and cannot be run then.
#[track_caller]
pub(crate) fn copied(program: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("program").to_str().expect("UTF-8").to_owned();
    let ended = run("cp", &[program, &copy], b"");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (directory, copy)
}

/// Puts a script in the place of such a copy.
#[track_caller]
pub(crate) fn replace_by(script: &str, copy: &str) {
    let command = r#"rm "$0" && cat > "$0" && chmod +x "$0""#;
    let ended = run("sh", &["-c", command, copy], script.as_bytes());
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// `echo`, to its end.
#[track_caller]
pub(crate) fn echo(arguments: &[&str], input: &[u8]) -> Ended {
    run(ECHO, arguments, input)
}

/// A connection of the test's own, which does not wait for ever.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream
}

/// Says hello to an echo server, and demands that it is back.
#[track_caller]
pub(crate) fn hears_itself(peer: &mut TcpStream) {
    peer.write_all(b"hello").expect("it is open");
    let mut back = [0; 5];
    retry(|| peer.read_exact(&mut back)).expect("it comes back");
    assert_eq!(&back, b"hello");
}

/// Writes into a pipe until there is no room left in it.
pub(crate) fn fill(pipe: &mut (impl Write + AsFd)) {
    while is_ready(pipe, PollFlags::OUT, Duration::ZERO) {
        pipe.write_all(&[b'.'; 4096]).expect("there is room");
    }
}

/// Waits until something has come, to be read or accepted; whether it has.
pub(crate) fn is_readable(fd: &impl AsFd) -> bool {
    is_ready(fd, PollFlags::IN, PATIENCE)
}

fn is_ready(fd: &impl AsFd, what: PollFlags, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).expect("it is not for ever");
    retry(|| Ok(poll(&mut [PollFd::new(fd, what)], Some(&patience))?)).expect("it can be asked") > 0
}

/// A listener of the test's own, and where it is.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// A server for one connection, which says this when it has heard a head; and what it has heard.
pub(crate) fn answers_once(
    act: impl FnOnce(TcpStream, &str) + Send + 'static,
) -> (String, thread::JoinHandle<String>) {
    let (listener, address) = listener();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        let head = read_head(&mut stream);
        act(stream, &head);
        head
    });
    (address, server)
}

/// The head of a message of HTTP, with the empty line behind it, and nothing of what follows.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head comes");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("it is text")
}

/// Whether the peer ends the connection, well or not.
pub(crate) fn is_ended_by_peer(mut stream: &TcpStream) -> bool {
    match retry(|| stream.read(&mut [0])) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Writes a new certificate of these names, which is its own authority, as PEM; its path, and that of its key.
#[track_caller]
pub(crate) fn write_certificate(folder: &TempDir, names: &[&str]) -> (String, String) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("there is randomness");
    let written = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("there is room");
        path.to_str().expect("it is text").to_owned()
    };
    (written("cert.pem", made.cert.pem()), written("key.pem", made.signing_key.serialize_pem()))
}

/// What a stream brings, a line at a time.
fn pieces_of(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    let mut stream = BufReader::new(stream.expect("a pipe, taken once"));
    thread::spawn(move || {
        let mut piece = Vec::new();
        while stream.read_until(b'\n', &mut piece).is_ok_and(|length| length > 0) {
            // It fails if the test is not interested any more.
            let _ = sender.send(std::mem::take(&mut piece));
        }
    });
    receiver
}

#[track_caller]
fn rest_of(pieces: &Receiver<Vec<u8>>) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    let mut rest = Vec::new();
    loop {
        match pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(piece) => rest.extend(piece),
            Err(RecvTimeoutError::Disconnected) => return rest,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", text(rest)),
        }
    }
}

/// Without the end of the last line.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()
}
