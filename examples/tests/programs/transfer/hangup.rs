//! SIGHUP: users come and go, and nobody is dropped.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use super::scene::{Scene, directory};
use crate::support::{TRANSFER, connect, run_with};

/// A control connection.
struct Client(BufReader<TcpStream>);

impl Client {
    #[track_caller]
    fn connect(address: &str) -> Self {
        let mut client = Self(BufReader::new(connect(address)));
        client.hears("220");
        client
    }

    #[track_caller]
    fn asks(&mut self, line: &str, code: &str) {
        write!(self.0.get_mut(), "{line}\r\n").expect("it reads");
        self.hears(code);
    }

    #[track_caller]
    fn hears(&mut self, code: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it answers in time");
        assert!(line.starts_with(code), "{line}, not {code}");
    }

    #[track_caller]
    fn logs_in(address: &str, name: &str, code: &str) -> Self {
        let mut client = Self::connect(address);
        client.asks(&format!("USER {name}"), "331");
        client.asks("PASS secret", code);
        client
    }
}

#[test]
fn a_hang_up_has_the_users_read_anew_and_drops_nobody() {
    let place = directory();
    let users = place.path().join("users.txt");
    let file = users.to_str().expect("it is text");
    let change = |words: &[&str]| {
        let words = [&["user"], words, &["--users", file]].concat();
        run_with(TRANSFER, &words, b"", &[("TRANSFER_PASSWORD", "secret")]).with_code(0);
    };
    change(&["add", "ann"]);
    let scene = Scene::with(&["--users", file, "--user", "given:secret"]);
    let mut ann = Client::logs_in(&scene.ftp, "ann", "230");

    change(&["add", "bob"]);
    change(&["remove", "ann"]);
    Client::logs_in(&scene.ftp, "bob", "530");
    scene.server.signal(Signal::HUP).error_with("read the users anew (SIGHUP): 2 with a name");
    Client::logs_in(&scene.ftp, "bob", "230");
    Client::logs_in(&scene.ftp, "given", "230");
    Client::logs_in(&scene.ftp, "ann", "530");
    ann.asks("PWD", "257");

    let good = fs::read(&users).expect("it is there");
    fs::write(&users, "# people\nbob:secret:/:r:\n").expect("it is written");
    let told = scene.server.signal(Signal::HUP).error_with("the users stay as they were");
    assert!(told.contains("users.txt: line 2: not a password hash"), "{told}");
    fs::remove_file(&users).expect("it is there");
    scene.server.signal(Signal::HUP).error_with("the users stay as they were");
    Client::logs_in(&scene.ftp, "bob", "230");
    fs::write(&users, good).expect("it is written");
    scene.server.signal(Signal::HUP).error_with("read the users anew");
    ann.asks("QUIT", "221");
}

#[test]
fn a_hang_up_without_a_file_of_users_ends_nothing() {
    let scene = Scene::new();
    scene.server.signal(Signal::HUP).error_with("there is no file of --users");
    Client::logs_in(&scene.ftp, "anonymous", "230");
}

#[test]
fn a_changed_quota_and_home_count_at_the_next_login() {
    let place = directory();
    let users = place.path().join("users.txt");
    let file = users.to_str().expect("it is text");
    let change = |quota: &str| {
        let words = ["user", "add", "ann", "--users", file, "--quota", quota];
        run_with(TRANSFER, &words, b"", &[("TRANSFER_PASSWORD", "secret")]).with_code(0);
    };
    change("1000");
    let scene = Scene::with(&["--users", file, "--write"]);
    scene.place("there", &[0; 500]);
    let mut ann = Client::logs_in(&scene.ftp, "ann", "230");
    ann.asks("ALLO 501", "504");
    change("2000");
    scene.server.signal(Signal::HUP).error_with("read the users anew");
    ann.asks("ALLO 501", "504");
    let mut again = Client::logs_in(&scene.ftp, "ann", "230");
    again.asks("ALLO 501", "2");
    again.asks("ALLO 1501", "504");
}

#[test]
fn users_come_and_go_over_the_control_socket_and_nobody_is_dropped() {
    let place = directory();
    let path = |name: &str| place.path().join(name).to_str().expect("it is text").to_owned();
    let (file, control) = (path("users.txt"), path("control"));
    let change = |words: &[&str]| {
        let words = [&["user"], words, &["--users", &file]].concat();
        let ended =
            run_with(TRANSFER, &words, b"", &[("TRANSFER_PASSWORD", "secret")]).with_code(0);
        ended.text()
    };
    let orders =
        |words: &[&str]| run_with(TRANSFER, &[&["control", &control], words].concat(), b"", &[]);
    let order = |word: &str| orders(&[word]);
    change(&["add", "ann"]);
    let scene = Scene::with(&["--users", &file, "--control", &control]);
    let mut ann = Client::logs_in(&scene.ftp, "ann", "230");

    let said = change(&["add", "bob", "--control", &control]);
    assert!(said.ends_with("read the users anew: 2 with a name"), "{said}");
    Client::logs_in(&scene.ftp, "bob", "230");
    change(&["remove", "ann", "--control", &control]);
    assert_eq!(order("users").text(), "bob");
    Client::logs_in(&scene.ftp, "ann", "530");
    ann.asks("NOOP", "200");
    assert_eq!(order("sessions").text(), "ann");
    assert_eq!(orders(&["kick", "ann"]).text(), "ended sessions of ann: 1");
    ann.hears("421");
    let nobody = orders(&["kick", "eve"]);
    assert_eq!((nobody.code, &*nobody.errors), (Some(1), "transfer: eve is not logged in"));
    assert!(order("statistics").text().starts_with("ftp: "), "{:?}", order("statistics"));
    assert!(order("snapshot").text().contains("timers"), "{:?}", order("snapshot"));

    fs::write(&file, "bob:secret:/:r:\n").expect("it is written");
    order("reload").with_code(1).complains("line 1: not a password hash");
    assert_eq!(order("users").text(), "bob");
    drop(ann);
    scene.server.stop();
    assert!(!fs::exists(&control).expect("it can be asked"), "the socket is gone");
}
