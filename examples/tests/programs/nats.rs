//! The program `nats`, as people meet it, on a server of their own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::nats_server;
use crate::outside::{self, Process, free_port};
use crate::support::{Ended, NATS, PROXY, Program, run, run_with, write_certificate};

/// `nats-server`, and its URL; it ends with the test.
struct Server {
    _process: Process,
    url: String,
}

/// A server of its own, if there is such a program.
#[track_caller]
fn server(arguments: &[&str]) -> Option<Server> {
    outside::program("nats-server")?;
    let port = free_port();
    let process = nats_server::server(port, arguments);
    Some(Server { _process: process, url: format!("nats://127.0.0.1:{port}") })
}

impl Server {
    /// `nats`, to its end.
    #[track_caller]
    fn nats(&self, words: &[&str], input: &[u8]) -> Ended {
        run_with(NATS, words, input, &[("NATS_URL", &self.url)])
    }

    #[track_caller]
    fn start(&self, words: &[&str]) -> Program {
        Program::start_with(NATS, words, &[("NATS_URL", &self.url)])
    }

    /// `nats sub` or `nats reply`, once it has said that it is ready.
    #[track_caller]
    fn ready(&self, words: &[&str]) -> Program {
        let program = self.start(words);
        program.error_with("nats: ");
        program
    }
}

#[test]
fn what_one_publishes_another_prints_a_payload_a_line() {
    let Some(server) = server(&[]) else { return };
    let (all, three) =
        (server.ready(&["sub", "a.>"]), server.ready(&["sub", "--count", "3", "a.*"]));
    let said = server.nats(&["pub", "a.b", "hello", "-H", "One: 1"], b"");
    assert_eq!((said.code, &*said.errors), (Some(0), "published 5 bytes to a.b"));
    let said = server.nats(&["pub", "a.c", "-"], b"from a pipe");
    assert_eq!((said.code, &*said.errors), (Some(0), "published 11 bytes to a.c"));
    let said = server.nats(&["pub", "a.d", "--lines"], b"one\ntwo\n\nlast");
    assert_eq!((said.code, &*said.errors), (Some(0), "published 4 messages, 10 bytes, to a.d"));
    let ended = three.ended();
    assert_eq!((ended.code, ended.text()), (Some(0), "hello\nfrom a pipe\none".to_owned()));
    let said = server.nats(&["pub", "a.e", "x", "--count", "20000"], b"");
    assert_eq!(said.errors, "published 20000 messages, 20000 bytes, to a.e");
    let lines: Vec<_> = (0..20_006).map(|_| all.line()).collect();
    assert_eq!(lines[..6], ["hello", "from a pipe", "one", "two", "", "last"]);
    assert!(lines[6..].iter().all(|line| line == "x"));
    all.stop();
}

#[test]
fn a_request_is_answered_by_one_of_those_who_share_the_work() {
    let Some(server) = server(&[]) else { return };
    let (echo, fixed) = (
        server.ready(&["reply", "--echo", "say"]),
        server.ready(&["reply", "--count", "1", "answer", "42"]),
    );
    let other = server.ready(&["reply", "--echo", "say"]);
    for _ in 0..8 {
        let ended = server.nats(&["request", "say", "hello"], b"");
        assert_eq!((ended.code, ended.text()), (Some(0), "hello".to_owned()));
    }
    assert_eq!(server.nats(&["request", "answer"], b"").text(), "42");
    assert_eq!(fixed.ended().code, Some(0));
    let ended = server.nats(&["request", "answer"], b"");
    assert_eq!((ended.code, &*ended.errors), (Some(3), "nats: nobody is there to answer"));
    let silent = server.ready(&["sub", "silent"]);
    let ended = server.nats(&["request", "silent", "--timeout", "0.1"], b"");
    assert_eq!((ended.code, &*ended.errors), (Some(3), "nats: no answer in 100ms"));
    let asking = server.start(&["request", "silent", "--timeout", "60"]);
    silent.line();
    silent.line();
    asking.interrupt();
    let ended = asking.ended();
    let stopped = "nats: it was stopped before it was done";
    assert!(ended.code == Some(1) && ended.errors.ends_with(stopped), "{ended:?}");
    silent.stop();
    let heard = echo.stop().lines().count() + other.stop().lines().count();
    assert_eq!(heard, 8);
}

#[test]
fn what_cannot_be_is_told_in_a_line() {
    let nowhere = format!("nats://127.0.0.1:{}", free_port());
    for (words, code, message) in [
        (&["pub", "a", "x"][..], 1, "Connection refused"),
        (&["request", "a"], 1, "Connection refused"),
        (&["sub", "a"], 1, "Connection refused"),
        (&["pub", "a.*", "x"], 2, "has a wildcard where there can be none"),
        (&["sub", "a..b"], 2, "a word in it is empty"),
        (&["request", "a b"], 2, "there are blanks in it"),
        (&["pub", "a", "-H", "nothing"], 2, "expected NAME:VALUE"),
        (&["pub", "a", "-H", "a b:c"], 2, "a header cannot be called 'a b'"),
        (&["pub", "a", "-s", "http://h"], 2, "expected nats://HOST[:PORT]"),
        (&["reply", "a"], 2, "required"),
    ] {
        let ended = run_with(NATS, words, b"", &[("NATS_URL", &nowhere)]);
        assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
        assert!(ended.errors.contains(message), "{words:?}: {ended:?}");
    }
}

#[test]
fn a_user_is_let_in_by_the_address_or_by_the_environment() {
    let Some(server) = server(&["--user", "ann", "--pass", "s3cret"]) else { return };
    server.nats(&["pub", "a", "x"], b"").with_code(1).complains("does not let this client in");
    let with_user = server.url.replace("nats://", "nats://ann:s3cret@");
    assert_eq!(run(NATS, &["pub", "a", "x", "-s", &with_user], b"").code, Some(0));
    let variables = [("NATS_URL", &*server.url), ("NATS_USER", "ann"), ("NATS_PASSWORD", "s3cret")];
    assert_eq!(run_with(NATS, &["pub", "a", "x"], b"", &variables).code, Some(0));
}

#[test]
fn a_user_is_let_in_by_a_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    // Of the documentation of NATS.
    let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let config = format!("authorization {{ users: [ {{ nkey: {public} }} ] }}");
    std::fs::write(path("keys.conf"), config).expect("it can be written");
    std::fs::write(path("seed"), format!("# a comment\n{seed}\n")).expect("it can be written");
    std::fs::write(path("none"), "nothing").expect("it can be written");
    let Some(server) = server(&["-c", &path("keys.conf")]) else { return };
    assert_eq!(server.nats(&["pub", "a", "x", "--nkey", &path("seed")], b"").code, Some(0));
    server.nats(&["pub", "a", "x"], b"").with_code(1).complains("does not let");
    let ended = server.nats(&["pub", "a", "x", "--nkey", &path("none")], b"").with_code(1);
    ended.complains("no seed of a user's key");
}

#[test]
fn a_server_that_wants_tls_is_spoken_to_in_tls_and_in_nothing_else() {
    let folder = tempfile::tempdir().expect("a directory");
    let (certificate, key) = &write_certificate(&folder, &["localhost"]);
    let Some(server) = server(&["--tls", "--tlscert", certificate, "--tlskey", key]) else {
        return;
    };
    let port = server.url.rsplit_once(':').expect("a port").1;
    let secure = format!("tls://localhost:{port}");
    let heard =
        Program::start(NATS, &["sub", "a", "--count", "1", "-s", &secure, "--tls-ca", certificate]);
    heard.error_with("subscribed");
    let payload = "x".repeat(300_000);
    run(NATS, &["pub", "a", "-", "-s", &secure, "--tls-ca", certificate], payload.as_bytes())
        .with_code(0);
    assert!(heard.ended().text() == payload);
    server.nats(&["pub", "a", "x"], b"").with_code(1).complains("the server wants TLS");
    // By its number it is not whom the certificate is for.
    let by_number = format!("tls://127.0.0.1:{port}");
    run(NATS, &["pub", "a", "x", "-s", &by_number, "--tls-ca", certificate], b"")
        .with_code(1)
        .complains("certificate");
}

/// As a server with `handshake_first` has it, which those of 2.10 and newer can be told to.
#[test]
fn a_server_behind_tls_is_spoken_to_in_tls_from_the_first_byte() {
    let folder = tempfile::tempdir().expect("a directory");
    let (certificate, key) = &write_certificate(&folder, &["localhost"]);
    let Some(server) = server(&["--user", "ann", "--pass", "s3cret"]) else { return };
    let backend = server.url.strip_prefix("nats://").expect("it is so");
    let proxy =
        Program::start(PROXY, &["--listen", "127.0.0.1:0", "--tls", certificate, key, backend]);
    let line = proxy.line();
    let port = line.rsplit_once(':').expect("it listens at a port").1;
    let url = format!("nats://ann:s3cret@localhost:{port}");
    let words = ["-s", &url, "--tls-ca", certificate, "--tls-first"];
    let heard = Program::start(NATS, &[&["sub", "a", "--count", "1"], &words[..]].concat());
    heard.error_with("subscribed");
    let said = run(NATS, &[&["pub", "a", "hello"], &words[..]].concat(), b"");
    assert_eq!((said.code, heard.ended().text()), (Some(0), "hello".to_owned()), "{said:?}");
    // What waits for the server's word waits in vain, as the server side waits for its own.
    let late = [&["pub", "a", "x", "--timeout", "0.2"], &words[..4]].concat();
    run(NATS, &late, b"").with_code(1).complains("in time");
    // A server that begins by itself does not speak TLS then.
    let plain = [&["pub", "a", "x", "-s", &server.url], &words[2..]].concat();
    run(NATS, &plain, b"").with_code(1).complains("TLS");
    drop(proxy);
}

#[test]
fn who_wants_tls_says_nothing_to_a_server_that_does_not_speak_it() {
    let Some(server) = server(&[]) else { return };
    let secure = server.url.replace("nats://127.0.0.1", "tls://localhost");
    let pin = "00".repeat(32);
    run(NATS, &["pub", "a", "x", "-s", &secure, "--tls-pin", &pin], b"")
        .with_code(1)
        .complains("does not speak TLS");
}

#[test]
fn a_subscriber_goes_on_when_its_server_was_away() {
    let Some(first) = server(&[]) else { return };
    let port = first.url.rsplit_once(':').expect("a port").1.to_owned();
    let listener = first.ready(&["sub", "a"]);
    drop(first);
    listener.error_with("connecting again");
    let again = Program::start("nats-server", &["-a", "127.0.0.1", "-p", &port]);
    listener.error_with("connected again");
    let url = format!("nats://127.0.0.1:{port}");
    assert_eq!(run(NATS, &["pub", "a", "still", "-s", &url], b"").code, Some(0));
    assert_eq!(listener.line(), "still");
    listener.stop();
    drop(again);
}

#[test]
fn who_has_answered_enough_ends_even_if_nobody_knows_whether_it_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let url = format!("nats://{}", listener.local_addr().expect("it is bound"));
    let replies = Program::start(NATS, &["reply", "--count", "1", "ask", "42", "-s", &url]);
    let (mut server, _) = listener.accept().expect("it connects");
    let mut lines = BufReader::new(server.try_clone().expect("it can be")).lines();
    let mut heard_until = |last: &str| -> Vec<String> {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|line| line != last) {
            heard.push(lines.next().expect("there is more").expect("it can be read"));
        }
        heard
    };
    server.write_all(b"INFO {\"headers\":true}\r\n").expect("it reads");
    heard_until("PING");
    server.write_all(b"PONG\r\n").expect("it reads");
    let heard = heard_until("PING");
    assert!(heard.contains(&"UNSUB 1 1".to_owned()), "others get what follows: {heard:?}");
    server.write_all(b"PONG\r\nMSG ask 1 back 0\r\n\r\n").expect("it reads");
    assert!(heard_until("PING").contains(&"PUB back 2".to_owned()));
    server.shutdown(std::net::Shutdown::Both).expect("it is open");
    let ended = replies.ended().with_code(1);
    assert!(ended.errors.ends_with("nats: the connection was lost"), "{ended:?}");
}

#[test]
fn a_watch_ends_with_3_where_there_is_no_jetstream() {
    let Some(server) = server(&[]) else { return };
    server.nats(&["kv", "watch", "nicks"], b"").with_code(3).complains("JetStream");
}

#[test]
fn keys_are_written_claimed_read_and_watched() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(server) = server(&["-js", "-sd", &directory.path().display().to_string()]) else {
        return;
    };
    let kv = |words: &[&str]| server.nats(&[&["kv"], words].concat(), b"from a pipe");
    assert_eq!(kv(&["add", "nicks", "--history", "2"]).code, Some(0));
    assert_eq!(kv(&["put", "nicks", "ann", "here"]).text(), "1");
    let watch = server.start(&["kv", "watch", "nicks"]);
    assert_eq!(watch.line(), "[1] ann: here");
    let taken = kv(&["create", "nicks", "ann", "there"]);
    assert_eq!((taken.code, &*taken.errors), (Some(1), "nats: there is a value already"));
    assert_eq!(kv(&["create", "nicks", "bob", "-"]).text(), "2");
    assert_eq!(kv(&["get", "nicks", "bob"]).output, b"from a pipe");
    assert_eq!(
        kv(&["update", "nicks", "bob", "x", "1"]).errors,
        "nats: the last revision is another one"
    );
    assert_eq!(kv(&["update", "nicks", "bob", "x", "2"]).text(), "3");
    assert_eq!(kv(&["del", "nicks", "ann"]).code, Some(0));
    let gone = kv(&["get", "nicks", "ann"]);
    assert_eq!((gone.code, &*gone.errors), (Some(1), "nats: ann has no value"));
    let lines: Vec<_> = (0..3).map(|_| watch.line()).collect();
    assert_eq!(lines, ["[2] bob: from a pipe", "[3] bob: x", "[4] ann is deleted"]);
    watch.stop();
    assert_eq!(kv(&["get", "no.bucket", "a"]).code, Some(2));
    assert_eq!(kv(&["put", "nowhere", "a", "x"]).code, Some(3));
}
