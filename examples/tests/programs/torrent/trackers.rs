//! Trackers that bring peers together: ours, for other people's programs; and other people's, for ours.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use super::peers::{self, TORRENT_HERE, are_same, get, seed, text, wait_for};
use super::{TORRENT, free_port, made, outside};
use crate::support::{PATIENCE, Program, connect, retry, run, write_certificate};

#[test]
fn a_tracker_brings_a_seed_and_a_leecher_together() {
    let tracker = Program::start(TORRENT, &["tracker", "--listen", "127.0.0.1:0"]);
    brings_ours_together(&tracker.line());
}

/// Ours share and fetch what nobody but a tracker tells them of.
fn brings_ours_together(url: &str) {
    let (here, file, link) = made(&["--tracker", url]);
    let (seed, _) = seed(&file, &here, &[]);
    until_listed(&file);
    for torrent in [&file, &link] {
        let (code, there) = get(torrent, &[]);
        assert_eq!(code, Some(0), "{url}");
        assert!(are_same(&here, &there));
    }
    let asked = run(TORRENT, &["show", &file, "--ask"], b"").text();
    assert!(
        asked.contains("1 have it, 0 do not, "),
        "the seed is one, and the others are gone: {asked}"
    );
    // So that it is listed no more.
    let _ = seed.stop();
}

/// As every server: over TLS, behind a proxy that it believes, and replaced in place.
#[test]
fn a_tracker_has_what_servers_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = write_certificate(&folder, &["127.0.0.1"]);
    let words = ["tracker", "--listen", "127.0.0.1:0", "--tls", &certificate, &key, "--drain", "0"];
    let tracker = Program::start(TORRENT, &words);
    let (url, told) = (tracker.line(), tracker.line());
    assert!(url.starts_with("https://") && told.starts_with("certificate "), "{url} {told}");
    let (_here, file, _) = made(&["--tracker", &url]);
    let trusted = [("SSL_CERT_FILE", &*certificate)];
    let ask = || Program::start_with(TORRENT, &["show", &file, "--ask"], &trusted).ended().text();
    assert!(ask().contains("0 have it, 0 do not, "), "{}", ask());
    write_certificate(&folder, &["127.0.0.1"]);
    tracker.signal(Signal::HUP);
    tracker.error_with("read anew (SIGHUP)");
    assert!(ask().contains("0 have it, 0 do not, "), "{}", ask());
    let successor = tracker.upgrade(tracker.id());
    assert!(ask().contains("0 have it, 0 do not, "), "{}", ask());
    kill_process(successor, Signal::INT).expect("it runs");
    assert_eq!(tracker.ended().code, Some(0));
}

#[test]
fn a_tracker_behind_a_proxy_tells_peers_of_each_others_own_addresses() {
    let words = ["tracker", "--listen", "127.0.0.1:0", "--accept-proxy", "127.0.0.1"];
    let tracker = Program::start(TORRENT, &words);
    let url = tracker.line();
    let address = url.trim_start_matches("http://").trim_end_matches("/announce");
    let announce = |from: &str, id: char| {
        let mut stream = connect(address);
        let (hash, id) = ("h".repeat(20), id.to_string().repeat(20));
        write!(
            stream,
            "PROXY TCP4 {from} 192.0.2.1 4000 80\r\n\
             GET /announce?info_hash={hash}&peer_id={id}&port=7&left=1&compact=1 HTTP/1.0\r\n\r\n"
        )
        .expect("it is open");
        let mut answer = Vec::new();
        retry(|| stream.read_to_end(&mut answer)).expect("it answers");
        answer
    };
    announce("192.0.2.7", 'a');
    let answer = announce("192.0.2.8", 'b');
    assert!(answer.windows(8).any(|it| it == [b'6', b':', 192, 0, 2, 7, 0, 7]), "{answer:?}");
    tracker.stop();
}

/// Waits until its tracker knows a seed. Whoever asks before that would ask again much later.
#[track_caller]
fn until_listed(file: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !run(TORRENT, &["show", file, "--ask"], b"").text().contains("1 have it") {
        assert!(Instant::now() < deadline, "it does not list the seed");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Debian's takes only torrents that it was told of.
#[test]
fn opentracker_brings_a_seed_and_a_leecher_together() {
    let Some(program) = outside::program("opentracker") else { return };
    for scheme in ["http", "udp"] {
        let (port, place) = (free_port(), tempfile::tempdir().expect("a folder"));
        let (_here, _, link) = made(&[]);
        let hash = link.split(['&', ':']).nth(3).expect("a hash");
        fs::write(place.path().join("known"), format!("{hash}\n")).expect("a file");
        open_to_all(&place);
        let words =
            ["-i", "127.0.0.1", "-p", &port, "-P", &port, "-d", &text(&place), "-w", "known"];
        let mut tracker = Program::start(program, &words);
        outside::until_listening(tracker.child(), port.parse().expect("a port"));
        brings_ours_together(&format!("{scheme}://127.0.0.1:{port}/announce"));
    }
}

/// It lays its rights down, and reads the list then.
fn open_to_all(folder: &TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let all = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), all).expect("it is ours");
}

/// The one that comes with webtorrent: newer ones want WebRTC, which is compiled for each system.
const BITTORRENT_TRACKER: &str = "
    const place = require.resolve('bittorrent-tracker', { paths: [require.resolve('webtorrent')] })
    const { Server } = require(place)
    const server = new Server({ http: true, udp: true, ws: false, stats: false })
    server.on('error', error => { console.error(error.message); process.exit(1) })
    const here = { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }
    server.listen(0, here, () => {
        console.log(`http://127.0.0.1:${server.http.address().port}/announce`)
        console.log(`udp://127.0.0.1:${server.udp.address().port}/announce`)
    })";

#[test]
fn the_tracker_of_npm_brings_a_seed_and_a_leecher_together() {
    let Some(node) = peers::webtorrent() else { return };
    let modules = outside::node_modules();
    let words = ["-e", BITTORRENT_TRACKER];
    let tracker = Program::start_with(node, &words, &[("NODE_PATH", &modules)]);
    for url in [tracker.line(), tracker.line()] {
        brings_ours_together(&url);
    }
}

/// Ours, and how it is asked by this scheme.
fn our_tracker(scheme: &str) -> (Program, String) {
    let words = ["tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"];
    let tracker = Program::start(TORRENT, &words);
    let urls = [tracker.line(), tracker.line()];
    let url = urls.into_iter().find(|url| url.starts_with(scheme)).expect("it is one of two");
    (tracker, url)
}

/// A program that fetches finds our seed by our tracker, which is asked by each of these schemes.
pub(super) fn finds_ours_by_our_tracker(
    program: &str,
    schemes: &[&str],
    ours: &[&str],
    words: impl Fn(&str, &str) -> Vec<String>,
) {
    for scheme in schemes {
        let (_tracker, url) = our_tracker(scheme);
        let (here, file, _) = made(&["--tracker", &url]);
        let (_seed, _) = seed(&file, &here, ours);
        until_listed(&file);
        let there = tempfile::tempdir().expect("a folder");
        let _theirs = peers::start(program, words(&text(&there), &free_port()), &there, &file);
        wait_for(&here, &there);
    }
}

/// It asks trackers over UDP only if it takes part in the DHT.
#[test]
fn aria2_finds_ours_by_our_tracker() {
    let Some(aria2) = outside::program("aria2c") else { return };
    finds_ours_by_our_tracker(aria2, &["http", "udp"], &[], |folder, port| {
        let dht = format!("--dht-file-path={folder}/.dht");
        let words = ["--no-conf", "--quiet", "--enable-dht=true", "--enable-dht6=false", &dht];
        let place = ["--dht-listen-port", port, "--listen-port", port, "--dir", folder];
        let more = ["--bt-enable-lpd=false", "--interface=127.0.0.1"];
        words.iter().chain(&more).chain(&place).map(ToString::to_string).collect()
    });
}

/// It connects to nobody at 127.0.0.1 of whom a tracker tells it, so ours finds it.
#[test]
fn ours_finds_transmission_by_our_tracker() {
    let Some(program) = outside::program("transmission-cli") else { return };
    for scheme in ["http", "udp"] {
        let (_tracker, url) = our_tracker(scheme);
        let (here, file, link) = made(&["--tracker", &url]);
        let words = peers::transmission(&text(&here), &free_port(), "-et");
        let _theirs = peers::start(program, words, &here, &file);
        until_listed(&file);
        let (code, there) = get(&link, &[]);
        assert_eq!(code, Some(0), "{url}");
        assert!(are_same(&here, &there));
    }
}

#[test]
fn rtorrent_finds_ours_by_our_tracker() {
    let Some(_) = outside::program("rtorrent") else { return };
    finds_ours_by_our_tracker("sh", &["http", "udp"], &[], |folder, port| {
        peers::rtorrent(folder, port, "none")
    });
}

/// It knows HTTP only. Who comes from its own address is itself to it, so ours has another one.
#[cfg(target_os = "linux")]
#[test]
fn ctorrent_finds_ours_by_our_tracker() {
    let Some(program) = outside::program("ctorrent") else { return };
    let ours = ["--listen", "127.0.0.2:0"];
    finds_ours_by_our_tracker(program, &["http"], &ours, peers::ctorrent);
}

#[test]
fn libtorrent_finds_ours_by_our_tracker() {
    let Some(python) = peers::libtorrent() else { return };
    finds_ours_by_our_tracker(python, &["http", "udp"], &[], |folder, _| {
        ["-c", peers::LIBTORRENT, TORRENT_HERE, folder, "0"].map(str::to_owned).to_vec()
    });
}

#[test]
fn webtorrent_finds_ours_by_our_tracker() {
    let Some(node) = peers::webtorrent() else { return };
    finds_ours_by_our_tracker(node, &["http", "udp"], &[], |folder, _| {
        ["-e", peers::WEBTORRENT, TORRENT_HERE, folder].map(str::to_owned).to_vec()
    });
}
