//! The embedding examples, run as a person would, with real clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything takes on the slowest machine; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_game_loop_shows_every_player_where_everybody_is() {
    let game = Program::start(env!("CARGO_BIN_EXE_embed-game-loop"), &[]);
    let mut first = game.connect();
    assert_eq!(picture(&mut first), "|a...............................|");
    first.write_all(b"d\n").expect("the game listens");
    while picture(&mut first).starts_with("|a") {}

    let mut second = game.connect();
    assert!(picture(&mut second).contains('b'), "the newcomer is on the track");
    second.write_all(b"q\n").expect("the game listens");
    rest_of(second);
    while picture(&mut first).contains('b') {}
}

#[test]
fn a_game_loop_ends_after_its_frames_and_says_goodbye() {
    let mut game = Program::start(env!("CARGO_BIN_EXE_embed-game-loop"), &["--frames", "13"]);
    let pictures = rest_of(game.connect());
    assert_eq!(pictures.matches('\r').count(), 2, "one in every six frames: {pictures:?}");
    assert!(game.line().starts_with("shut down in "));
    game.ends_well();
}

#[test]
fn a_thread_answers_by_handle_and_reports_when_it_is_shut_down() {
    let mut shop = Program::start(env!("CARGO_BIN_EXE_embed-thread"), &["--jobs", "3"]);
    let mut customer = shop.connect();
    customer.write_all(b"91\nninety\n97\n18446744").expect("the shop listens");
    let mut answers = BufReader::new(customer.try_clone().expect("a descriptor"));
    let refusal = "not a whole number from 1 to 18446744073709551615";
    let mut seen = [(); 3].map(|()| line(&mut answers));
    // The refusal comes from the network thread, which waits for nobody's arithmetic.
    seen.sort();
    assert_eq!(seen, ["91 = 7 * 13", "97 = 97", refusal]);

    customer.write_all(b"073709551615\n").expect("the shop listens");
    assert_eq!(
        line(&mut answers),
        "18446744073709551615 = 3 * 5 * 17 * 257 * 641 * 65537 * 6700417"
    );
    assert_eq!(line(&mut answers), "", "the loop was shut down");
    drop((customer, answers));
    assert_eq!(shop.line(), "1 customers, 0 bytes for those who had left");
    assert!(shop.line().starts_with("shut down in "));
    shop.ends_well();
}

#[test]
fn a_thread_that_cannot_listen_says_why() {
    let shop = Program::start(env!("CARGO_BIN_EXE_embed-thread"), &[]);
    let output = Command::new(env!("CARGO_BIN_EXE_embed-thread"))
        .args(["--listen", &shop.address])
        .output()
        .expect("the program is built");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    let expected = format!("embed-thread: address already in use: {}", shop.address);
    assert!(error.starts_with(&expected), "{error}");
}

/// In another event loop, where the reactor is a descriptor that it can watch.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod nested {
    use super::*;

    #[test]
    fn a_nested_loop_passes_on_what_is_typed_and_prints_what_is_heard() {
        let mut room = Program::start(env!("CARGO_BIN_EXE_embed-poll"), &[]);
        let guests = [(); 2].map(|()| {
            let mut guest = room.connect();
            let name = guest.local_addr().expect("it is connected");
            guest.write_all(b"hello\x1b[2J\n").expect("the room listens");
            assert_eq!(room.line(), format!("{name} joined"));
            assert_eq!(room.line(), format!("{name}: hello\\x1b[2J"));
            guest
        });
        room.types("good evening\n");
        for guest in &guests {
            assert_eq!(line(&mut BufReader::new(guest)), "good evening");
        }
        room.stops_typing();
        for guest in guests {
            assert_eq!(rest_of(guest), "");
            assert!(room.line().contains(" left: "));
        }
        assert!(room.line().starts_with("shut down in "));
        room.ends_well();
    }

    #[test]
    fn a_nested_loop_wakes_for_a_timer_without_any_event() {
        let mut room = Program::start(env!("CARGO_BIN_EXE_embed-poll"), &["--seconds", "0"]);
        assert!(room.line().contains("0 connections finished"));
        room.ends_well();
    }

    impl Program {
        fn types(&mut self, text: &str) {
            let stdin = self.child.stdin.as_mut().expect("it is still open");
            stdin.write_all(text.as_bytes()).expect("the program reads");
        }

        fn stops_typing(&mut self) {
            self.child.stdin = None;
        }
    }
}

/// One of the examples, running; killed when the test is over.
struct Program {
    child: Child,
    /// What it prints, line by line.
    lines: Receiver<String>,
    address: String,
}

impl Program {
    /// Starts it on a port of its own, and waits until it listens.
    fn start(path: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(path)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (print, lines) = channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| print.send(line))
        });
        let mut program = Self { child, lines, address: String::new() };
        let first = program.line();
        program.address = first.strip_prefix("listening on ").expect(&first).to_owned();
        program
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
        stream
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("another line is printed")
    }

    /// It prints nothing more, and exits with success.
    fn ends_well(mut self) {
        assert!(self.lines.recv_timeout(PATIENCE).is_err(), "nothing comes after the report");
        assert!(self.child.wait().expect("it is ours").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails if the program has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line without its end; empty when the peer has ended.
fn line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line arrives in time");
    line.trim_end().to_owned()
}

/// The next picture of the game: each begins where the line does.
fn picture(stream: &mut TcpStream) -> String {
    let (mut picture, mut byte) = (String::new(), [0]);
    while picture.matches('|').count() < 2 {
        stream.read_exact(&mut byte).expect("pictures go on");
        picture.push(char::from(byte[0]));
    }
    picture.trim_start_matches('\r').to_owned()
}

/// Everything until the peer ends; then this side says goodbye too.
fn rest_of(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the peer says goodbye");
    // It fails if the peer is gone altogether.
    let _ = stream.shutdown(Shutdown::Both);
    rest
}
