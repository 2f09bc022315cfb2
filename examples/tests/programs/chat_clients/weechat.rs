//! weechat without a screen: it is told what to do by way of a pipe, and what it sees is in its logs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::guest::{Guest, Missing};
use crate::outside::{self, Process};
use crate::support::PATIENCE;

struct Weechat {
    directory: TempDir,
    process: Process,
}

pub(crate) fn open(host: &str, port: u16) -> Result<Box<dyn Guest>, Missing> {
    // Newer ones speak TLS unless they are told otherwise.
    begin(host, port, if calls_it_tls() { "-notls" } else { "-nossl" })
}

/// With TLS, to a server with a certificate that nobody vouches for.
pub(crate) fn open_tls(host: &str, port: u16) -> Result<Box<dyn Guest>, Missing> {
    let options = if calls_it_tls() { "-tls -tls_verify=off" } else { "-ssl -ssl_verify=off" };
    begin(host, port, options)
}

/// It does since 4.0.
fn calls_it_tls() -> bool {
    let output = Command::new("weechat-headless").arg("--version").output();
    let major = output.ok().and_then(|output| output.stdout.first().copied());
    major.is_some_and(|major| major >= b'4')
}

fn begin(host: &str, port: u16, tls: &str) -> Result<Box<dyn Guest>, Missing> {
    let program = outside::program("weechat-headless").ok_or(Missing)?;
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path();
    let pipe = format!("[file]\nenabled = on\npath = \"{}\"\n", home.join("pipe").display());
    fs::write(home.join("fifo.conf"), pipe).expect("it is ours");
    fs::write(home.join("logger.conf"), "[file]\nflush_delay = 0\n").expect("it is ours");
    // It would say a line every two seconds at most; here nobody minds.
    let calm = "-anti_flood_prio_high=0 -anti_flood_prio_low=0";
    let commands =
        format!("/server add here {host}/{port} -nicks=guest {tls} {calm};/connect here");
    let mut command = Command::new(program);
    command.args(["--dir", &home.display().to_string(), "--run-command", &commands]);
    let process = Process::start(command.env("LC_ALL", "C.UTF-8").stdout(Stdio::null()));
    let mut weechat = Weechat { directory, process };
    let deadline = Instant::now() + PATIENCE;
    while !weechat.pipe().exists() {
        if weechat.process.0.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Err(Missing::because("weechat-headless does not run"));
        }
        if Instant::now() > deadline {
            return Err(Missing::because("weechat has no plugin fifo"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    weechat.sees("Welcome");
    Ok(Box::new(weechat))
}

impl Weechat {
    fn pipe(&self) -> PathBuf {
        self.directory.path().join("pipe")
    }

    /// Has a buffer do something: `irc.server.here`, say.
    #[track_caller]
    fn tell(&self, buffer: &str, line: &str) {
        let mut pipe = OpenOptions::new().write(true).open(self.pipe()).expect("it is there");
        writeln!(pipe, "{buffer} *{line}").expect("it reads");
    }

    fn server(&self, line: &str) {
        self.tell("irc.server.here", line);
    }

    /// Everything it has logged.
    fn logs(&self) -> String {
        let mut text = String::new();
        read_all(&self.directory.path().join("logs"), &mut text);
        text
    }
}

fn read_all(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => read_all(&path, text),
            path => text.push_str(&fs::read_to_string(path).unwrap_or_default()),
        }
    }
}

impl Guest for Weechat {
    fn join(&mut self, channel: &str) {
        self.server(&format!("/join {channel}"));
    }

    fn say(&mut self, channel: &str, text: &str) {
        self.server(&format!("/msg {channel} {text}"));
    }

    fn nick(&mut self, nick: &str) {
        self.server(&format!("/nick {nick}"));
    }

    fn leave(&mut self) {
        self.server("/disconnect here back in a moment");
    }

    fn come_back(&mut self) {
        let before = self.logs().matches("Welcome").count();
        self.tell("core.weechat", "/set irc.server.here.nicks visitor");
        self.tell("core.weechat", "/connect here");
        let deadline = Instant::now() + PATIENCE;
        while self.logs().matches("Welcome").count() == before {
            assert!(Instant::now() < deadline, "it does not come back:\n{}", self.logs());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn quit(&mut self) {
        self.server("/quit so long");
    }

    #[track_caller]
    fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.logs().contains(text) {
            assert!(Instant::now() < deadline, "'{text}' is not in\n{}", self.logs());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn sees_member(&mut self, nick: &str) {
        self.sees(nick);
    }
}
