//! A hundred who log in at once, to the programs as they are: what they take of the machine's memory.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{self, CHAT, PATIENCE, Program, TRANSFER, connect, run_with};

const AT_ONCE: usize = 100;
/// What a hundred logins may add to it.
const MOST: u64 = 64_000_000;

/// A hundred connections that say something, each a line after the answer to the one before; then all
/// at once the last line, and the answers to it.
#[track_caller]
fn at_once(address: &str, lines: &[(&str, &str)], last: &str, answers: &[&str]) {
    let wait = |client: &mut BufReader<TcpStream>, answers: &[&str]| {
        let mut line = String::new();
        while !answers.iter().any(|answer| line.contains(answer)) {
            line.clear();
            let length = client.read_line(&mut line).expect("it answers in time");
            assert!(length > 0, "it has ended before {answers:?}");
        }
    };
    let mut clients: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let mut client = BufReader::new(connect(address));
            for (line, answer) in lines {
                client.get_mut().write_all(line.as_bytes()).expect("it reads");
                wait(&mut client, &[answer]);
            }
            client
        })
        .collect();
    for client in &mut clients {
        client.get_mut().write_all(last.as_bytes()).expect("it reads");
    }
    clients.iter_mut().for_each(|client| wait(client, answers));
}

/// The memory grows by no more than it may, and is given back.
#[track_caller]
fn is_bounded(server: &Program, before: u64) {
    let (_, most) = server.memory();
    assert!(most.saturating_sub(before) <= MOST, "from {before} to {most} bytes");
    let deadline = Instant::now() + PATIENCE;
    while server.memory().0.saturating_sub(before) > MOST / 4 {
        assert!(Instant::now() < deadline, "it stays at {} bytes", server.memory().0);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_hundred_wrong_passwords_of_chat_do_not_take_the_memory_for_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8");
    support::run(CHAT, &["account", "add", "jilles", "--data", data], b"sesame\n").with_code(0);
    let server = Program::start(CHAT, &["serve", "--listen", "127.0.0.1:0", "--data", data]);
    let address = server.line().replace("listening on ", "");
    let (before, _) = server.memory();
    let begin = [("CAP REQ :sasl\r\nAUTHENTICATE PLAIN\r\n", "AUTHENTICATE +")];
    at_once(&address, &begin, "AUTHENTICATE AGppbGxlcwBtaWxsZXQ=\r\n", &[" 904 "]);
    is_bounded(&server, before);
    server.stop();
}

#[test]
fn a_hundred_wrong_passwords_of_ftp_do_not_take_the_memory_for_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().to_str().expect("UTF-8");
    let users = format!("{root}/users.txt");
    let words = ["user", "add", "ann", "--users", &users];
    run_with(TRANSFER, &words, b"", &[("TRANSFER_PASSWORD", "secret")]).with_code(0);
    let many = ["--max-per-address", "1000", "--max-per-user", "1000"];
    let words = [&["serve", "--root", root, "--ftp", "127.0.0.1:0", "--users", &users], &many[..]];
    let server = Program::start(TRANSFER, &words.concat());
    let address = server.line().replace("ftp listening on ", "");
    let (before, _) = server.memory();
    let begin = [("", "220 "), ("USER ann\r\n", "331 ")];
    at_once(&address, &begin, "PASS wrong\r\n", &["530 ", "421 "]);
    is_bounded(&server, before);
    server.stop();
}

/// A limit on the length of files is a disk that is full, for this process alone.
#[cfg(target_os = "linux")]
#[test]
fn who_registers_while_the_disk_is_full_is_told_that_it_may_be_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8");
    support::run(CHAT, &["account", "add", "jilles", "--data", data], b"sesame\n").with_code(0);
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let serve = ["-c", script, "sh", CHAT, "serve", "--listen", "127.0.0.1:0", "--data", data];
    let server = Program::start("sh", &serve);
    let mut client = BufReader::new(connect(&server.line().replace("listening on ", "")));
    let lines = b"NICK ann\r\nUSER ann 0 * :Ann\r\nNS REGISTER sesame12\r\n";
    client.get_mut().write_all(lines).expect("it reads");
    let answers: Vec<_> = client
        .lines()
        .map(|line| line.expect("it answers in time"))
        .take_while(|line| !line.contains("Account created"))
        .collect();
    let told = ":chat.local NOTICE ann :The next answer is true until the server ends";
    assert!(answers.iter().any(|line| line.starts_with(told)), "{answers:?}");
    server.error_with("accounts not saved: ");
}
