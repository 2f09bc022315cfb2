//! The program `torrent`, as a person meets it, beside what others make of its torrents.
#![cfg(unix)]

#[path = "../../protocols/tests/outside/mod.rs"]
mod outside;
mod support;

use std::fs;

use support::{noise, run};
use tempfile::TempDir;

const TORRENT: &str = env!("CARGO_BIN_EXE_torrent");

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
    let ended = run(TORRENT, &[&["create", data, "--output", &file], more].concat(), b"");
    assert_eq!(ended.code, Some(0), "{ended:?}");
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

fn value_of<'t>(label: &str, text: &'t str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(label)).map(str::trim)
}

#[test]
fn what_is_made_is_shown_and_right_until_somebody_changes_it() {
    let (here, file, link) = made(&["--tracker", "http://t.test/announce", "--private"]);
    let shown = run(TORRENT, &["show", &file], b"").text();
    assert_eq!(value_of("magnet ", &shown), Some(&*link));
    assert_eq!(value_of("tracker ", &shown), Some("http://t.test/announce"));
    assert!(shown.contains("private") && shown.contains(" 5 B data/deep/small\n"), "{shown}");
    let linked = run(TORRENT, &["show", &link], b"").text();
    assert_eq!(value_of("info hash ", &linked), value_of("info hash ", &shown));
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
    let again = run(TORRENT, &["create", data, "--output", &file, "--private"], b"");
    assert!(again.code == Some(1) && again.errors.contains("--force"), "{again:?}");
    assert_eq!(fs::read(&file).expect("a file"), before);
    let forced = run(TORRENT, &["create", data, "--output", &file, "--private", "--force"], b"");
    assert_eq!(forced.code, Some(0), "{forced:?}");
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
