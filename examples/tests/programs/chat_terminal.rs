//! The chat client on a terminal, as somebody sees it: tmux is the terminal, and the eyes.
//!
//! Not on mio's poll(2) backend, which is re-armed by mio's own sockets alone: crossterm watches the terminal
//! with mio too, reads it by itself, and hears of the first keys only.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use crate::outside;
use crate::support::{CHAT, PATIENCE, Program, listener};
use tempfile::TempDir;

/// A terminal of its own, with a client on it.
struct Screen {
    directory: TempDir,
}

impl Screen {
    /// `None`, and a word why, where there is no tmux.
    fn open(address: &str, nick: &str) -> Option<Self> {
        outside::program("tmux")?;
        let screen = Self { directory: tempfile::tempdir().expect("a directory") };
        let client = format!("{CHAT} connect {address} --nick {nick} --channel '#tea' --rate 1000");
        let words = ["new-session", "-d", "-x", "60", "-y", "12", &client];
        let output = screen.tmux(&words).expect("tmux was there a moment ago");
        assert!(output.status.success(), "{output:?}");
        Some(screen)
    }

    fn tmux(&self, arguments: &[&str]) -> std::io::Result<Output> {
        let socket = self.directory.path().join("tmux");
        Command::new("tmux")
            .arg("-S")
            .arg(socket)
            .args(["-f", "/dev/null"])
            .args(arguments)
            .output()
    }

    fn presses(&self, keys: &[&str]) {
        let output = self.tmux(&[&["send-keys"], keys].concat()).expect("tmux is there");
        assert!(output.status.success(), "{output:?}");
    }

    /// Waits until the screen has these parts, in this order.
    #[track_caller]
    fn shows(&self, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.tmux(&["capture-pane", "-p"]).expect("tmux is there");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut rest = text.as_str();
            let has = |part: &&str| match rest.find(part) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            };
            if parts.iter().all(has) {
                return text;
            }
            assert!(Instant::now() < deadline, "{parts:?} are not on\n{text}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the client has ended, and the terminal with it.
    #[track_caller]
    fn ends(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.tmux(&["has-session"]).expect("tmux is there").status.success() {
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It fails if it has ended, as it should have.
        let _ = self.tmux(&["kill-server"]);
    }
}

/// A server that puts whoever wants to be on a channel on another, without a word, and who says something
/// there on a third.
fn forwards(listener: &TcpListener) {
    let (stream, _) = listener.accept().expect("somebody comes");
    let mut out = &stream;
    let mut say = |text: &str| out.write_all(text.as_bytes()).expect("it listens");
    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
        match line.split(' ').next().unwrap_or_default() {
            "USER" => say(":s 001 ann :Welcome\r\n:s 422 ann :MOTD File is missing\r\n"),
            "JOIN" if line.ends_with("#silent") => {}
            "JOIN" => say(":ann!a@h JOIN #coffee\r\n:s 366 ann #coffee :End\r\n"),
            "PRIVMSG" => say(":ann!a@h JOIN #jail\r\n:s 366 ann #jail :End\r\n"),
            "QUIT" => return,
            _ => {}
        }
    }
}

#[test]
fn somebody_on_a_terminal_sees_the_channel_that_another_forwards_to() {
    let (listener, address) = listener();
    let server = thread::spawn(move || forwards(&listener));
    let Some(ann) = Screen::open(&address, "ann") else { return };
    ann.shows(&["you have joined #coffee", "[2:#coffee]", "#coffee>"]);
    // What one is put on later, having asked for nothing, is shown and not gone to.
    ann.presses(&["hello", "Enter"]);
    ann.shows(&["[2:#coffee] 3:#jail", "#coffee>"]);
    ann.presses(&["/join #silent", "Enter"]);
    ann.shows(&["#silent: the server does not answer", "#coffee>"]);
    ann.presses(&["C-c"]);
    ann.ends();
    server.join().expect("the server does not fail");
}

#[test]
fn two_people_at_their_terminals_talk() {
    let server = Program::start(CHAT, &["serve", "--listen", "127.0.0.1:0", "--flood", "off"]);
    let address = server.told("listening on ");
    let Some(ann) = Screen::open(&address, "ann") else { return };
    ann.shows(&["#tea", "you have joined #tea", "ann  1:status [2:#tea]", "#tea>"]);
    let bob = Screen::open(&address, "bob").expect("tmux was there a moment ago");
    bob.shows(&["#tea: @ann, bob"]);

    // A name is finished with Tab, a word is taken back, a line is sent.
    bob.presses(&["an", "Tab", "nonsense", "C-w", "hello", "Enter"]);
    ann.shows(&["<bob> ann: hello", "[2:#tea]"]);
    ann.presses(&["/topic Black or green", "Enter"]);
    bob.shows(&["#tea: Black or green", "ann has set the topic"]);

    // What is said elsewhere is counted until one looks.
    ann.presses(&["/msg bob psst", "Enter"]);
    bob.shows(&["3:ann(1)"]);
    bob.presses(&["C-n"]);
    bob.shows(&["<ann> psst", "[3:ann]", "ann>"]);
    bob.presses(&["yes?", "Enter"]);
    ann.shows(&["3:bob(1)"]);

    // What one typed before comes back; a smaller terminal is still one.
    bob.presses(&["Up"]);
    bob.shows(&["ann> yes?"]);
    bob.presses(&["C-u"]);
    bob.tmux(&["resize-window", "-x", "30", "-y", "8"]).expect("tmux is there");
    bob.shows(&["[3:ann]", "ann>"]);

    bob.presses(&["/quit so long", "Enter"]);
    bob.ends();
    ann.shows(&["bob has quit (Quit: so long)"]);

    // Whoever comes late reads what was said, and it counts as nothing new.
    let late = Screen::open(&address, "late").expect("tmux was there a moment ago");
    late.shows(&["<bob> ann: hello", "late  1:status [2:#tea]"]);
    late.presses(&["C-c"]);
    late.ends();

    // The server goes and comes back, and ann is in her channel again.
    server.stop();
    ann.shows(&["not connected"]);
    let server = Program::start(CHAT, &["serve", "--listen", &address, "--flood", "off"]);
    server.line();
    ann.presses(&["/reconnect", "Enter"]);
    ann.shows(&["you have joined #tea", "#tea: @ann"]);
    ann.presses(&["C-c"]);
    ann.ends();
    server.stop();
}
