//! The clients that people use, on this project's server: irssi, weechat, a Python and a JavaScript
//! library. Each does the same, as a person would who meets somebody there.
//!
//! What is not installed is left out, with a word on standard error:
//!
//! ```console
//! # apt-get install irssi tmux weechat-headless weechat-plugins
//! # pip install irc
//! # npm install --global irc-framework
//! ```
mod guest;
mod irssi;
mod library;
mod network;
mod weechat;

use std::io::Write;
use std::process::ChildStdin;

use crate::support::{CHAT, Program};
use guest::{Guest, Missing};

/// Our own client, and what it sees of the guest.
struct Ann {
    program: Program,
    stdin: ChildStdin,
}

impl Ann {
    fn connect(address: &str, tls: &[&str]) -> Self {
        let words = ["connect", address, "--nick", "ann", "--channel", "#room", "--rate", "1000"];
        let mut program = Program::start(CHAT, &[&words[..], tls].concat());
        let stdin = program.stdin();
        let mut ann = Self { program, stdin };
        ann.sees("-- #room: @ann");
        ann
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("it reads");
    }

    #[track_caller]
    fn sees(&mut self, beginning: &str) {
        self.sees_all(&[beginning]);
    }

    /// Lines that begin so, in whatever order.
    #[track_caller]
    fn sees_all(&mut self, beginnings: &[&str]) {
        // Shown if the test fails, so that one sees how far it came.
        eprintln!("ann waits for: {beginnings:?}");
        let mut missing = beginnings.to_vec();
        while !missing.is_empty() {
            let line = self.program.line();
            eprintln!("ann sees: {line}");
            missing.retain(|beginning| !line.starts_with(beginning));
        }
    }
}

/// What every client has to be able to do here.
fn meet(open: impl FnOnce(&str, u16) -> Result<Box<dyn Guest>, Missing>) {
    let server = Program::start(CHAT, &["serve", "--listen", "127.0.0.1:0", "--quiet"]);
    let address = server.told("listening on ");
    let ann = Ann::connect(&address, &[]);
    talk(server, ann, &address, open);
}

/// The same over TLS, with a certificate made for trying out.
fn meet_over_tls(open: impl FnOnce(&str, u16) -> Result<Box<dyn Guest>, Missing>) {
    let words = ["--tls-self-signed", "--tls-listen", "127.0.0.1:0", "--quiet"];
    let server =
        Program::start(CHAT, &[&["serve", "--listen", "127.0.0.1:0"], &words[..]].concat());
    server.line();
    let address = server.told("listening with TLS on ");
    let line = server.line();
    let fingerprint = line.split([' ', ',']).nth(1).expect("it tells its certificate").to_owned();
    let ann = Ann::connect(&address, &["--tls-pin", &fingerprint]);
    talk(server, ann, &address, open);
}

/// Our own client is there, and somebody else comes.
fn talk(
    server: Program,
    mut ann: Ann,
    address: &str,
    open: impl FnOnce(&str, u16) -> Result<Box<dyn Guest>, Missing>,
) {
    let (host, port) = address.rsplit_once(':').expect("an address and a port");
    let mut guest = match open(host, port.parse().expect("a port")) {
        Ok(guest) => guest,
        Err(Missing) => return,
    };

    guest.join("#room");
    ann.sees("-- guest (");
    guest.sees_member("ann");

    ann.types("hello guest, how are you?");
    guest.sees("hello guest, how are you?");
    guest.say("#room", "fine, and you?");
    ann.sees("#room <guest> fine, and you?");
    ann.types("/msg guest psst: größe");
    guest.sees("psst: größe");

    guest.nick("visitor");
    ann.sees("-- guest is now known as visitor");
    ann.types("/nick annie");
    guest.sees("annie");
    ann.types("/topic Black or green");
    guest.sees("Black or green");

    ann.types("/kick visitor mind the gap");
    guest.sees("mind the gap");
    guest.join("#room");
    ann.sees("-- visitor (");

    guest.leave();
    ann.sees("-- visitor has quit");
    guest.come_back();
    guest.join("#room");
    ann.sees("-- visitor (");
    guest.say("#room", "back again");
    ann.sees("#room <visitor> back again");

    guest.quit();
    ann.sees("-- visitor has quit");
    drop(ann.stdin);
    assert_eq!(ann.program.ended().code, Some(0));
    server.stop();
}

#[test]
fn irssi_is_a_guest() {
    meet(irssi::open);
}

#[test]
fn irssi_is_a_guest_over_tls() {
    meet_over_tls(irssi::open_tls);
}

#[test]
fn weechat_is_a_guest_over_tls() {
    meet_over_tls(weechat::open_tls);
}

#[test]
fn weechat_is_a_guest() {
    meet(weechat::open);
}

#[test]
fn a_python_library_is_a_guest() {
    meet(|host, port| library::open(library::PYTHON, host, port));
}

#[test]
fn a_javascript_library_is_a_guest() {
    meet(|host, port| library::open(library::JAVASCRIPT, host, port));
}
