//! What a test needs that is not of this project: programs of other people, an address, a right. Whoever finds
//! it missing says so, past the capture of the test harness, and leaves the test out.
//!
//! A program is asked who it is: the name `tftp` alone is that of three, and `nc` that of four.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fmt::Display;
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to answer, or to listen, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program of other people's.
struct Known {
    /// What it is called; where it is, if that is where not everybody looks.
    name: &'static str,
    /// How it is asked, for a shell: some write to their standard input, as daemons do.
    ask: &'static str,
    /// What only this one answers.
    says: &'static str,
    /// The package that has it, in Debian.
    package: &'static str,
}

const fn known(
    name: &'static str,
    ask: &'static str,
    says: &'static str,
    package: &'static str,
) -> Known {
    Known { name, ask, says, package }
}

const PROGRAMS: [Known; 31] = [
    known("ab", "-V", "ApacheBench", "apache2-utils"),
    known("/usr/sbin/apache2", "-v", "Server version: Apache", "apache2-bin"),
    known("aria2c", "--version", "aria2 version", "aria2"),
    known("atftp", "--version", "atftp-", "atftp"),
    known("chromium", "--version", "Chromium ", "chromium"),
    known("ctorrent", "-h", "Enhanced CTorrent", "ctorrent"),
    known("curl", "--version", " libcurl/", "curl"),
    known("h2load", "--version", "nghttp2", "nghttp2-client"),
    known("haproxy", "-v", "HAProxy version", "haproxy"),
    known("in.tftpd", "-V", "tftp-hpa", "tftpd-hpa"),
    known("/usr/sbin/inspircd", "--version", "InspIRCd-", "inspircd"),
    known("irssi", "--version", "irssi ", "irssi"),
    known("lftp", "--version", "LFTP", "lftp"),
    known("nats-server", "--version", "nats-server: v", "nats-server"),
    // Other netcats have no -N (half-close at the end of input), no -U and no -W.
    known("nc", "-h", "OpenBSD netcat", "netcat-openbsd"),
    known("/usr/sbin/ngircd", "--version", "ngIRCd ", "ngircd"),
    known("nginx", "-v", "nginx version", "nginx"),
    known("node", "-p process.release.name", "node", "nodejs"),
    known("opentracker", "-h", "Usage: opentracker", "opentracker"),
    known("python3", "--version", "Python 3", "python3"),
    known("qbittorrent-nox", "--version", "qBittorrent v", "qbittorrent-nox"),
    known("rtorrent", "-h", "Rakshasa's BitTorrent client", "rtorrent"),
    known("socat", "-V", "socat version", "socat"),
    known("tftp", "-V", "tftp-hpa", "tftp-hpa"),
    known("tmux", "-V", "tmux ", "tmux"),
    known("tnftp", "'-?'", "usage: tnftp", "tnftp"),
    known("transmission-cli", "--version", "transmission-cli ", "transmission-cli"),
    known("vsftpd", "-v 0>&1", "vsftpd: version", "vsftpd"),
    known("weechat-headless", "--help", "WeeChat ", "weechat-headless"),
    known("wget", "--version", "GNU Wget ", "wget"),
    known("wrk", "-v", "wrk ", "wrk"),
];

/// Who answers to a name.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    ItIs,
    Nobody,
    Another(String),
    /// It does not come to an end: not everything that has a name was written to be asked.
    Silence,
}

/// A program, if it is there and is the one that is meant; else it is said that it is not.
#[track_caller]
pub(crate) fn program(name: &str) -> Option<&'static str> {
    let known = PROGRAMS.iter().find(|known| known.name == name);
    let known = known.unwrap_or_else(|| panic!("nobody knows how to ask {name}"));
    let Known { name, package, .. } = known;
    match who_is(known, None) {
        Answer::ItIs => return Some(name),
        Answer::Nobody => left_out(format_args!("{name} ({package}) is not installed")),
        Answer::Another(says) => left_out(format_args!("{name} is not that of {package}: {says}")),
        Answer::Silence => left_out(format_args!("{name} does not say that it is {package}")),
    }
    None
}

/// Whether a check of what has no name of its own, a library of Node or of Python, ends well; else it is said that it
/// is not there.
pub(crate) fn is_there(name: &str, check: &mut Command) -> bool {
    let found = check.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if !found {
        left_out(format_args!("{name} is not installed"));
    }
    found
}

/// Node, where it finds what is installed for everybody: by itself it does not look there.
pub(crate) fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.args(["-e", script]).env("NODE_PATH", node_modules());
    command
}

/// Where npm puts what is installed for everybody; nowhere, if it is not there.
pub(crate) fn node_modules() -> String {
    let root = Command::new("npm").args(["root", "--global"]).output();
    let root = root.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    root.unwrap_or_default()
}

pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", script]);
    command
}

/// A process that does not outlive its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts one that is told nothing on its standard input.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended, as it may have.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago, for programs that cannot choose one by themselves.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it is bound").port()
}

/// Waits until this program listens at a port, for as long as it runs.
#[track_caller]
pub(crate) fn until_listening(program: &mut Child, port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Ok(Some(status)) = program.try_wait() {
            panic!("nobody listens at port {port}, and the program has ended: {status}");
        }
        assert!(Instant::now() < deadline, "nobody listens at port {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says that a test, or a part of it, was left out, and why. The harness captures what `eprintln` prints, and
/// shows it of those tests that fail: of the others nobody would hear.
pub(crate) fn left_out(why: impl Display) {
    let _ = io::stderr().write_all(format!("LEFT OUT: {why}\n").as_bytes());
}

/// Asks a program who it is; it is looked for in these directories, or where everybody looks.
fn who_is(known: &Known, directories: Option<&str>) -> Answer {
    let Known { name, ask, says, .. } = known;
    // The shell's own code for a command that is not found.
    let script = format!("command -v {name} >/dev/null || exit 127; exec {name} {ask}");
    let mut shell = Command::new("sh");
    if let Some(directories) = directories {
        shell.env("PATH", directories);
    }
    match asked(shell.args(["-c", &script])) {
        Ok(Some((Some(127), _))) | Err(_) => Answer::Nobody,
        Ok(Some((_, answer))) if answer.contains(says) => Answer::ItIs,
        Ok(Some((_, answer))) => {
            Answer::Another(answer.lines().next().unwrap_or_default().to_owned())
        }
        Ok(None) => Answer::Silence,
    }
}

/// The exit code of a command, and what it prints on either way out; `None` if it does not end.
fn asked(command: &mut Command) -> io::Result<Option<(Option<i32>, String)>> {
    // A file: nobody has to read it meanwhile, and both ways out can lead there.
    let mut answer = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(answer.try_clone()?).stderr(answer.try_clone()?);
    let mut child = command.spawn()?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut bytes = Vec::new();
    answer.rewind()?;
    answer.read_to_end(&mut bytes)?;
    Ok(Some((status.code(), String::from_utf8_lossy(&bytes).into_owned())))
}

#[cfg(unix)]
#[test]
fn a_stranger_of_the_same_name_is_not_taken_for_the_program() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tftp");
    let places = format!("{}:/usr/bin:/bin", directory.path().display());
    let tftp = known("tftp", "-V", "tftp-hpa 0", "tftp-hpa");
    for (says, expected) in [
        ("tftp (GNU inetutils) 2.4", Answer::Another("tftp (GNU inetutils) 2.4".to_owned())),
        ("", Answer::Another(String::new())),
        ("tftp-hpa 0.1, as it says of itself", Answer::ItIs),
    ] {
        fs::write(&path, format!("#!/bin/sh\necho '{says}' >&2\n")).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        assert_eq!(who_is(&tftp, Some(&places)), expected);
    }
    let nobody = known("tftp-of-nobody", "-V", "", "");
    assert_eq!(who_is(&nobody, Some(&places)), Answer::Nobody);
}
