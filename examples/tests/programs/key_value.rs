//! The key-value server of the book, with real clients.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use crate::support::{PATIENCE, Program, connect, fill, is_readable};
use rustix::process::Signal;

const KEY_VALUE: &str = env!("CARGO_BIN_EXE_key-value");

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: &str) -> Self {
        Self(BufReader::new(connect(address)))
    }

    #[track_caller]
    fn says(&mut self, line: &str) -> String {
        writeln!(self.0.get_mut(), "{line}").expect("it listens");
        self.hears()
    }

    #[track_caller]
    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it answers");
        line
    }
}

/// The server, and where it listens and looks up.
fn serve() -> (Program, String, String) {
    let any = "127.0.0.1:0";
    let server = Program::start(KEY_VALUE, &["--listen", any, "--lookup", any]);
    let address = |before: &str| {
        let line = server.line();
        line.strip_prefix(before).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let (tcp, udp) = (address("listening on "), address("looking up on "));
    (server, tcp, udp)
}

#[test]
fn clients_share_what_is_kept_and_hear_of_changes_until_the_server_says_goodbye() {
    let (server, tcp, _) = serve();
    let (mut ann, mut bob) = (Client::new(&tcp), Client::new(&tcp));
    assert_eq!(bob.says("WATCH tea"), "OK\n");
    assert_eq!(ann.says("SET tea black"), "OK\n");
    assert_eq!(bob.hears(), "CHANGED tea\n");
    assert_eq!(bob.says("GET tea"), "VALUE black\n");
    assert_eq!(ann.says("QUIT"), "BYE\n");
    assert_eq!(ann.hears(), "");
    server.interrupt();
    assert_eq!(bob.hears(), "BYE this server ends\n");
    assert_eq!(bob.hears(), "");
    drop((ann, bob));
    let ended = server.ended().with_code(0);
    assert!(ended.text().contains("0 were cut off"), "{ended:?}");
}

#[test]
fn it_tells_what_it_has_done_and_ends_though_nobody_reads_its_output() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it is there").success());
    let mut held = File::options().read(true).write(true).open(&pipe).expect("it is there");
    let (pipe, any) = (pipe.to_str().expect("it is text"), "127.0.0.1:0");
    let script = r#"exec "$0" "$@" >"$PIPE""#;
    let words = ["-c", script, KEY_VALUE, "--listen", any, "--lookup", any];
    let server = Program::start_with("sh", &words, &[("PIPE", pipe)]);
    let mut lines = BufReader::new(held.try_clone().expect("a descriptor"));
    for _ in 0..2 {
        assert!(!lines.buffer().is_empty() || is_readable(lines.get_ref()), "it listens");
        lines.read_line(&mut String::new()).expect("it is open");
    }
    fill(&mut held);
    server.signal(Signal::USR1);
    server.error_with(" turns (");
    server.interrupt();
    server.ended().with_code(0);
}

#[test]
fn a_value_that_is_no_longer_than_its_key_can_be_looked_up_by_datagram() {
    let (server, tcp, udp) = serve();
    let mut ann = Client::new(&tcp);
    assert_eq!(ann.says("SET green tea"), "OK\n");
    assert_eq!(ann.says("SET tea far too long for a datagram"), "OK\n");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(&udp).expect("it is there");
    socket.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
    let mut answer = [0; 100];
    // Answers come in order on loopback, so what is not answered shows by the next that is.
    for (key, value) in [("green", Some("tea")), ("tea", None), ("milk", Some(""))] {
        socket.send(key.as_bytes()).expect("it goes out");
        if let Some(value) = value {
            let length = socket.recv(&mut answer).expect("it is answered");
            assert_eq!(answer.get(..length), Some(value.as_bytes()), "{key}");
        }
    }
    server.interrupt();
    drop(ann);
    assert_eq!(server.ended().code, Some(0));
}
