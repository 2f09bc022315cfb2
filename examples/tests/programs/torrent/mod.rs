//! The program `torrent`, as a person meets it, beside what others make of its torrents.
mod links;
mod peers;
mod trackers;

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::network::Network;
use crate::outside;
use crate::support::{
    PATIENCE, Program, TORRENT, connect, fill, is_readable, listener, noise, run,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A folder with three files in it, and a torrent of them beside it; with the magnet link.
fn made(more: &[&str]) -> (TempDir, String, String) {
    let here = tempfile::tempdir().expect("a folder");
    let data = here.path().join("data");
    fs::create_dir_all(data.join("deep")).expect("a folder");
    fs::write(data.join("large"), noise(200_000)).expect("a file");
    fs::write(data.join("deep/small"), b"small").expect("a file");
    fs::write(data.join("empty"), b"").expect("a file");
    let file = here.path().join("a.torrent").to_str().expect("it is text").to_owned();
    let data = data.to_str().expect("it is text");
    let ended =
        run(TORRENT, &[&["create", data, "--output", &file], more].concat(), b"").with_code(0);
    let text = ended.text();
    assert!(text.contains("a.torrent: 195.32 KiB in 3 files, 13 pieces of 16.00 KiB\n"), "{text}");
    let link = text.lines().last().expect("two lines").to_owned();
    (here, file, link)
}

fn check(file: &str, here: &TempDir) -> (Option<i32>, String) {
    let here = here.path().to_str().expect("it is text");
    let ended = run(TORRENT, &["check", file, "--data", here], b"");
    (ended.code, ended.text())
}

/// Waits for what another program does, of which nothing tells us: it is looked at again and again.
#[track_caller]
fn wait_until(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn value_of<'t>(label: &str, text: &'t str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(label)).map(str::trim)
}

#[cfg(unix)]
#[test]
fn a_torrent_that_cannot_be_written_leaves_nothing_and_what_was_there() {
    let (here, file, _) = made(&[]);
    let before = fs::read(&file).expect("it is there");
    let place = here.path().to_str().expect("it is text");
    let (data, new) = (format!("{place}/data"), format!("{place}/new.torrent"));
    // No file may have a byte: each write fails, as on a full disk.
    let script = r#"trap "" XFSZ; ulimit -f 0; exec "$0" create "$@""#;
    for words in [&[&*new][..], &[&*file, "--force"]] {
        let words = [&["-c", script, TORRENT, &data, "--output"], words].concat();
        let ended = run("sh", &words, b"");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.errors.contains("too large"), "{}", ended.errors);
    }
    assert_eq!(fs::read(&file).expect("it is there"), before);
    let left = fs::read_dir(here.path()).expect("it is there").count();
    assert_eq!(left, 2, "the data and the torrent");
}

/// On its way to peers it does not wait for whoever is to read how it goes.
#[cfg(target_os = "linux")]
#[test]
fn a_seed_serves_though_nobody_reads_how_it_goes() {
    let (here, file, _) = made(&[]);
    let (reader, mut writer) = std::io::pipe().expect("descriptors");
    fill(&mut writer);
    for reader in [Some(reader), None] {
        let (output, (peer, address)) = (writer.try_clone().expect("a descriptor"), listener());
        let place = here.path().to_str().expect("it is text");
        let mut seed = Command::new(TORRENT)
            .args(["seed", &file, "--data", place, "--peer", &address])
            .stdout(output)
            .spawn()
            .expect("it starts");
        let comes = is_readable(&peer);
        let pid = Pid::from_child(&seed);
        // Who stands still hears no other.
        kill_process(pid, if comes { Signal::INT } else { Signal::KILL }).expect("it runs");
        let ended = seed.wait().expect("it is ours");
        assert!(comes && ended.success(), "{ended}, read: {}", reader.is_some());
    }
}

#[test]
fn what_is_made_is_shown_and_right_until_somebody_changes_it() {
    let (here, file, link) = made(&["--tracker", "http://t.test/announce", "--private"]);
    let shown = run(TORRENT, &["show", &file], b"").text();
    assert_eq!(value_of("magnet ", &shown), Some(&*link));
    assert_eq!(value_of("tracker ", &shown), Some("http://t.test/announce"));
    assert!(shown.contains("private") && shown.contains(" 5 B data/deep/small\n"), "{shown}");
    for link in [&link, &link.replace("magnet:", "MAGNET:")] {
        let linked = run(TORRENT, &["show", link], b"").text();
        assert_eq!(value_of("info hash ", &linked), value_of("info hash ", &shown));
    }
    assert_eq!(check(&file, &here), (Some(0), "13 of 13 pieces are right".to_owned()));

    fs::write(here.path().join("data/deep/small"), b"other").expect("a file");
    fs::remove_file(here.path().join("data/empty")).expect("it was there");
    let (code, text) = check(&file, &here);
    assert_eq!(code, Some(1));
    let expected = "data/deep/small: 1 of 1 pieces is missing or wrong\n\
                    data/large: 1 of 13 pieces is missing or wrong\n\
                    data/empty: not there\n12 of 13 pieces are right";
    assert_eq!(text, expected);
}

#[test]
fn a_torrent_that_is_there_is_not_replaced_unless_it_is_to_be() {
    let (here, file, _) = made(&[]);
    let before = fs::read(&file).expect("a file");
    let data = here.path().join("data");
    let data = data.to_str().expect("it is text");
    run(TORRENT, &["create", data, "--output", &file, "--private"], b"")
        .with_code(1)
        .complains("--force");
    assert_eq!(fs::read(&file).expect("a file"), before);
    run(TORRENT, &["create", data, "--output", &file, "--private", "--force"], b"").with_code(0);
    assert_ne!(fs::read(&file).expect("a file"), before);
}

#[test]
fn what_makes_no_sense_is_said_in_one_line() {
    let here = tempfile::tempdir().expect("a folder");
    let file = here.path().join("a");
    fs::write(&file, b"d4:infod6:lengthi5ee").expect("a file");
    let file = file.to_str().expect("it is text");
    for (words, says) in [
        (vec!["show", file], "ends too early"),
        (vec!["show", "/nonexistent"], "No such file"),
        (vec!["show", "magnet:?xt=urn:btih:0"], "hash is none"),
        (vec!["check", file], "ends too early"),
        (vec!["create", "/nonexistent"], "No such file"),
        (vec!["create", file, "--piece-size", "17000"], "17000 bytes are none of these"),
    ] {
        let ended = run(TORRENT, &words, b"");
        assert!(ended.code == Some(1) && ended.errors.contains(says), "{words:?}: {ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
    }
    for words in [["--tracker", "nowhere"], ["--web-seed", "ftp://h/"], ["--piece-size", "1.5"]] {
        let ended = run(TORRENT, &[&["create", file], &words[..]].concat(), b"");
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
    }
}

#[test]
fn aria2_reads_our_torrents_and_finds_their_files_right() {
    let Some(aria2) = outside::program("aria2c") else { return };
    let (here, file, link) = made(&["--tracker", "http://127.0.0.1:9/announce"]);
    let shown = run(aria2, &["--show-files", &file], b"").text();
    let hash = value_of("Info Hash: ", &shown).expect("it shows one");
    assert!(link.contains(hash), "{link}\n{shown}");
    assert!(shown.contains("|./data/deep/small\n") && shown.contains("(200,000)"), "{shown}");

    let verify = || {
        let words =
            ["--check-integrity", "--hash-check-only=true", "--enable-dht=false", "--no-conf"];
        let here = here.path().to_str().expect("it is text");
        let ended = run(aria2, &[&words[..], &["--quiet", "--dir", here, &file]].concat(), b"");
        ended.code == Some(0)
    };
    assert!(verify());
    fs::write(here.path().join("data/deep/small"), b"other").expect("a file");
    assert!(!verify());
}

/// A place of this machine that is free now, for programs that take no port of zero.
fn free_place() -> SocketAddr {
    ([127, 0, 0, 1], outside::free_port()).into()
}

#[test]
fn two_of_aria2_find_each_other_by_our_tracker() {
    let Some(aria2) = outside::program("aria2c") else { return };
    let _network = Network::enter();
    let tracker =
        Program::start(TORRENT, &["tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    let (http, udp) = (tracker.line(), tracker.line());
    assert!(http.ends_with("/announce") && udp.starts_with("udp://127.0.0.1:"), "{http} {udp}");
    let (here, file, link) = made(&["--tracker", &http]);
    let hash = link.split([':', '&']).nth(3).expect("it has one").to_owned();
    let start = |folder: &str, more: &[&str]| {
        let port = outside::free_port().to_string();
        let words =
            ["--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--no-conf"];
        let place = ["--listen-port", &port, "--interface=127.0.0.1", "--dir", folder, &file];
        Program::start(aria2, &[&words[..], more, &place].concat())
    };
    let here = here.path().to_str().expect("it is text");
    let there = tempfile::tempdir().expect("a folder");
    let seed = start(here, &["--check-integrity", "--seed-ratio=0.0"]);
    // It may ask before the other one is there, and would ask again after half an hour: so it comes second.
    // Not more often than the tracker lets one address ask: it is that of aria2, too.
    wait_until(PATIENCE, "aria2 asks the tracker", || {
        scraped(&http, &hash).contains("8:completei1e")
    });
    let to = there.path().to_str().expect("it is text");
    start(to, &["--seed-time=0", "--quiet"]).ended().with_code(0);
    for name in ["large", "deep/small", "empty"] {
        let [theirs, ours] = [to, here].map(|folder| fs::read(format!("{folder}/data/{name}")));
        assert_eq!(theirs.expect("it is there"), ours.expect("it is there"), "{name}");
    }
    let asked = run(TORRENT, &["show", &file, "--ask"], b"").text();
    let told = value_of("peers ", &asked).expect("it is answered");
    assert!(told.starts_with("1 have it, 0 do not, ") && told.contains(&http), "{told}");
    drop(seed);
    assert!(
        tracker.stop().starts_with("1 torrents, 1 peers"),
        "one of them has said that it stops"
    );
}

/// What the tracker says of a torrent.
fn scraped(announce: &str, hash: &str) -> String {
    let pairs = hash.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair));
    let query: String = pairs.map(|pair| format!("%{pair}")).collect();
    let address = announce.trim_start_matches("http://").trim_end_matches("/announce");
    let mut stream = connect(address);
    write!(stream, "GET /scrape?info_hash={query} HTTP/1.0\r\n\r\n").expect("it is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}
