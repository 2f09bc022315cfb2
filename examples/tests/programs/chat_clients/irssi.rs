//! irssi, on a terminal that tmux makes.

use std::fs;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::guest::{Guest, Missing};
use crate::outside;
use crate::support::PATIENCE;

struct Irssi {
    directory: TempDir,
    /// Where the server is, as /connect wants it.
    server: String,
}

pub(crate) fn open(host: &str, port: u16) -> Result<Box<dyn Guest>, Missing> {
    begin(format!("{host} {port}"))
}

/// With TLS, to a server with a certificate that nobody vouches for.
pub(crate) fn open_tls(host: &str, port: u16) -> Result<Box<dyn Guest>, Missing> {
    begin(format!("-tls -notls_verify {host} {port}"))
}

fn begin(server: String) -> Result<Box<dyn Guest>, Missing> {
    for name in ["tmux", "irssi"] {
        outside::program(name).ok_or(Missing)?;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    fs::create_dir(&home).expect("it is ours");
    let irssi = Irssi { directory, server };
    let command = format!("irssi --noconnect --home {} --nick guest", home.display());
    let output = irssi.tmux(&["new-session", "-d", "-x", "100", "-y", "40", &command]);
    assert!(output.status.success(), "{output:?}");
    irssi.shows("[(status)]");
    irssi.types(&format!("/connect {}", irssi.server));
    irssi.shows("Welcome");
    // It would say a line every two seconds at most; here nobody minds.
    irssi.types("/set cmd_queue_speed 1msec");
    Ok(Box::new(irssi))
}

impl Irssi {
    fn tmux(&self, arguments: &[&str]) -> Output {
        let socket = self.directory.path().join("tmux");
        let mut tmux = Command::new("tmux");
        tmux.env("LC_ALL", "C.UTF-8").arg("-S").arg(socket).args(["-u", "-f", "/dev/null"]);
        tmux.args(arguments).output().expect("tmux was there a moment ago")
    }

    fn types(&self, line: &str) {
        for keys in [&["send-keys", "-l", line][..], &["send-keys", "Enter"]] {
            let output = self.tmux(keys);
            assert!(output.status.success(), "{output:?}");
        }
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.tmux(&["capture-pane", "-p"]);
            let screen = String::from_utf8_lossy(&output.stdout);
            if screen.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "'{text}' is not on\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Guest for Irssi {
    fn join(&mut self, channel: &str) {
        self.types(&format!("/join {channel}"));
        self.shows(&format!("[{channel}]"));
    }

    fn say(&mut self, channel: &str, text: &str) {
        self.types(&format!("/msg {channel} {text}"));
    }

    fn nick(&mut self, nick: &str) {
        self.types(&format!("/nick {nick}"));
    }

    fn leave(&mut self) {
        self.types("/window 1");
        self.types("/clear");
        self.types("/disconnect * back in a moment");
    }

    fn come_back(&mut self) {
        // An empty password, and the nick it had.
        self.types(&format!("/connect {} \"\" visitor", self.server));
        self.shows("Welcome");
    }

    fn quit(&mut self) {
        self.types("/quit so long");
    }

    fn sees(&mut self, text: &str) {
        // What is said to it alone has a window of its own.
        if text.starts_with("psst") {
            self.types("/window goto active");
            self.shows(text);
            self.types("/window goto #room");
        } else {
            self.shows(text);
        }
    }

    fn sees_member(&mut self, nick: &str) {
        self.shows(nick);
    }
}

impl Drop for Irssi {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
