//! A server that ends in the middle of an upload, by whatever signal, and one that begins in its place: with
//! `--keep` every client goes on.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;

use super::scene::{directory, write};
use crate::outside::program;
use crate::support::{PATIENCE, Program, TRANSFER, noise, run};

const LENGTH: usize = 4_000_000;

/// A server of that directory, and its address.
fn serve(root: &Path, more: &[&str]) -> (Program, String) {
    let root = root.to_str().expect("it is text");
    let options = ["--write", "--user", "ann:secret", "--keep"];
    let words = [&["serve", "--root", root, "--ftp", "127.0.0.1:0"], &options[..], more].concat();
    let server = Program::start(TRANSFER, &words);
    let address = server.told("ftp listening on ");
    (server, address)
}

/// Waits until a part of a file has arrived; as many bytes as are in the tree then.
fn until_begun(root: &Path) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let entries = fs::read_dir(root).expect("it is there");
        let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|it| it.len());
        let bytes = sizes.sum();
        if bytes > 100_000 {
            return bytes;
        }
        assert!(Instant::now() < deadline, "nothing arrives");
        std::thread::yield_now();
    }
}

/// Has a client bring a file, ends the server with this signal in the middle of it, and the client then
/// go on at another server.
#[track_caller]
fn cut_off(signal: Signal, client: &[&str], resume: &[&str]) {
    let (place, here) = (directory(), directory());
    let source = here.path().join("file");
    write(&source, &noise(LENGTH));
    let source = source.to_str().expect("it is text").to_owned();
    let words = |words: &[&str], address: &str| -> Vec<String> {
        let url = format!("ftp://ann:secret@{address}/up");
        words.iter().map(|word| word.replace("FILE", &source).replace("URL", &url)).collect()
    };
    // It takes longer than a server that is stopped gives it.
    let (server, address) = serve(place.path(), &["--rate", "500000"]);
    let begin = words(client, &address);
    let sending = Program::start(&begin[0], &texts(&begin[1..]));
    until_begun(place.path());
    server.signal(signal);
    drop(server.ended());
    assert_ne!(sending.ended().code, Some(0), "{begin:?}");
    let target = place.path().join("up");
    assert!(!target.exists(), "a part is no file");

    let (server, address) = serve(place.path(), &[]);
    let before = until_begun(place.path());
    let listed = run(TRANSFER, &["list", &format!("ftp://ann:secret@{address}/")], b"");
    assert_eq!((listed.code, listed.text().as_str()), (Some(0), ""), "nobody sees it");
    let resume = words(resume, &address);
    let ended = run(&resume[0], &texts(&resume[1..]), b"");
    assert_eq!(ended.code, Some(0), "{resume:?}: {}\n{}", ended.text(), ended.errors);
    assert!(fs::read(&target).expect("it is there") == noise(LENGTH), "{resume:?}");
    assert_eq!(fs::read_dir(place.path()).expect("it is there").count(), 1, "nothing else is left");
    let report = server.stop();
    let sent = format!("1 uploads ({} bytes)", LENGTH as u64 - before);
    assert!(report.contains(&sent), "it goes on behind {before} bytes: {report}");
}

fn texts(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

const OURS: [&str; 4] = [TRANSFER, "put", "FILE", "URL"];
const OURS_AGAIN: [&str; 5] = [TRANSFER, "put", "-c", "FILE", "URL"];

#[test]
fn an_upload_goes_on_behind_a_server_that_was_killed() {
    cut_off(Signal::KILL, &OURS, &OURS_AGAIN);
}

#[test]
fn an_upload_goes_on_behind_a_server_that_was_stopped() {
    cut_off(Signal::TERM, &OURS, &OURS_AGAIN);
}

#[test]
fn curl_goes_on_behind_a_server_that_was_killed() {
    let Some(curl) = program("curl") else { return };
    let begin = [curl, "-sS", "-T", "FILE", "URL"];
    cut_off(Signal::KILL, &begin, &[curl, "-sS", "-C", "-", "-T", "FILE", "URL"]);
}

#[test]
fn lftp_goes_on_behind_a_server_that_was_killed() {
    let Some(lftp) = program("lftp") else { return };
    let begin = [lftp, "--norc", "-c", "set net:max-retries 1; put FILE -o URL"];
    let resume = [lftp, "--norc", "-c", "set net:max-retries 1; put -c FILE -o URL"];
    cut_off(Signal::KILL, &begin, &resume);
}
