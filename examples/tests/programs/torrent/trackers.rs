//! Trackers that bring peers together: ours, for other people's programs; and other people's, for ours.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use super::peers::{self, TORRENT_HERE, gets, is_filled, seed, text, wait_for};
use super::{Network, TORRENT, free_place, made, outside, value_of, wait_until};
use crate::support::{PATIENCE, Program, connect, retry, run, write_certificate};

#[test]
fn a_tracker_brings_a_seed_and_a_leecher_together() {
    let tracker = Program::start(TORRENT, &["tracker", "--listen", "127.0.0.1:0"]);
    brings_ours_together(&tracker.line());
}

/// Starts a program to which names lead where a file says, as far as that may be done.
#[cfg(target_os = "linux")]
const NAMED: &str = r#"
    unshare --mount true || { echo none; exit; }
    exec unshare --mount sh -c 'mount --bind "$0" /etc/hosts || { echo none; exit; }; exec "$@"' "$@""#;

/// The name leads to both families, to one of them first: a tracker that is asked by the other lists an address where nobody
/// listens.
#[cfg(target_os = "linux")]
#[test]
fn who_listens_by_one_family_asks_a_tracker_by_that() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return outside::left_out("this machine has no ::1");
    }
    let port = outside::free_port();
    let [v4, v6] = ["127.0.0.1", "[::1]"].map(|ip| format!("{ip}:{port}"));
    let words = ["tracker", "--listen", &v4, "--listen", &v6, "--udp", &v4, "--udp", &v6];
    let tracker = Program::start(TORRENT, &words);
    let _ = [(); 4].map(|()| tracker.line());
    for scheme in ["http", "udp"] {
        let url = |place: &str| format!("{scheme}://{place}/announce");
        let (here, file, _) = made(&["--tracker", &url(&format!("both.test:{port}"))]);
        let names = here.path().join("names");
        fs::write(&names, "127.0.0.1 both.test\n::1 both.test\n").expect("a file");
        let names = names.to_str().expect("it is text");
        for (everywhere, at, one) in [("0.0.0.0:0", &v4, "127.0.0.1:0"), ("[::]:0", &v6, "[::1]:0")]
        {
            let words = ["-c", NAMED, "sh", names, TORRENT, "seed", &file, "--data"];
            let more = [&text(&here), "--listen", everywhere, "--allow-inside"];
            let seed = Program::start("sh", &[&words[..], &more].concat());
            if !seed.line().starts_with("listening on ") {
                return outside::left_out("no file of names can be mounted here");
            }
            // The same torrent, since where it is told of is no part of it.
            let (_there, named_otherwise, _) = made(&["--tracker", &url(at)]);
            until_listed(&named_otherwise, 1);
            gets(&here, &named_otherwise, &["--listen", one]);
            let _ = seed.stop();
        }
    }
}

/// Ours share and fetch what nobody but a tracker tells them of.
fn brings_ours_together(url: &str) {
    let (here, file, link) = made(&["--tracker", url]);
    let (seed, _) = seed(&file, &here, &[]);
    until_listed(&file, 1);
    for torrent in [&file, &link] {
        gets(&here, torrent, &[]);
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
    tracker.signal(Signal::HUP).error_with("read anew (SIGHUP)");
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

/// Waits until its tracker knows so many seeds, or more. Whoever asks before there is one would ask again much later.
#[track_caller]
fn until_listed(file: &str, seeds: usize) {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        let asked = run(TORRENT, &["show", file, "--ask"], b"").text();
        let listed =
            value_of("peers ", &asked).and_then(|told| told.split(' ').next()?.parse().ok());
        if listed.is_some_and(|listed: usize| listed >= seeds) {
            return;
        }
        assert!(Instant::now() < deadline, "it does not list {seeds} seeds: {asked}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Debian's takes only torrents that it was told of.
#[test]
fn opentracker_brings_a_seed_and_a_leecher_together() {
    let Some(program) = outside::program("opentracker") else { return };
    let _network = Network::enter();
    for scheme in ["http", "udp"] {
        let (at, place) = (free_place(), tempfile::tempdir().expect("a folder"));
        let port = at.port().to_string();
        let (_here, _, link) = made(&[]);
        let hash = link.split(['&', ':']).nth(3).expect("a hash");
        fs::write(place.path().join("known"), format!("{hash}\n")).expect("a file");
        open_to_all(&place);
        let words =
            ["-i", "127.0.0.1", "-p", &port, "-P", &port, "-d", &text(&place), "-w", "known"];
        let mut tracker = Program::start(program, &words);
        outside::until_listening(tracker.child(), at.port());
        brings_ours_together(&format!("{scheme}://{at}/announce"));
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
    let _network = Network::enter();
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
    words: impl Fn(&str, SocketAddr) -> Vec<String>,
) {
    let _network = Network::enter();
    for scheme in schemes {
        let (_tracker, url) = our_tracker(scheme);
        let (here, file, _) = made(&["--tracker", &url]);
        let (_seed, _) = seed(&file, &here, ours);
        until_listed(&file, 1);
        let there = tempfile::tempdir().expect("a folder");
        let _theirs = peers::start(program, words(&text(&there), free_place()), &there, &file);
        wait_for(&here, &there);
    }
}

/// It asks trackers over UDP only if it takes part in the DHT.
#[test]
fn aria2_finds_ours_by_our_tracker() {
    let Some(program) = outside::program("aria2c") else { return };
    finds_ours_by_our_tracker(program, &["http", "udp"], &[], |folder, at| {
        let dht = format!("--dht-file-path={folder}/.dht");
        let port = format!("--dht-listen-port={}", at.port());
        peers::aria2(folder, at, &["--enable-dht=true", &dht, &port])
    });
}

/// It connects to nobody at 127.0.0.1 of whom a tracker tells it, so ours finds it. It takes its time, so both ways at once.
#[test]
fn ours_finds_transmission_by_our_tracker() {
    let Some(program) = outside::program("transmission-cli") else { return };
    let finds = |scheme| {
        let _network = Network::enter();
        let (_tracker, url) = our_tracker(scheme);
        let (here, file, link) = made(&["--tracker", &url]);
        let words = peers::transmission(&text(&here), free_place(), "-et");
        let _theirs = peers::start(program, words, &here, &file);
        until_listed(&file, 1);
        gets(&here, &link, &[]);
    };
    thread::scope(|scope| {
        scope.spawn(|| finds("http"));
        finds("udp");
    });
}

#[test]
fn rtorrent_finds_ours_by_our_tracker() {
    let Some(_) = outside::program("rtorrent") else { return };
    finds_ours_by_our_tracker("sh", &["http", "udp"], &[], |folder, at| {
        peers::rtorrent(folder, at, "none")
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
    finds_ours_by_our_tracker(python, &["http", "udp"], &[], peers::shared_by_libtorrent);
}

#[test]
fn webtorrent_finds_ours_by_our_tracker() {
    let Some(node) = peers::webtorrent() else { return };
    finds_ours_by_our_tracker(node, &["http", "udp"], &[], |folder, _| {
        ["-e", peers::WEBTORRENT, TORRENT_HERE, folder].map(str::to_owned).to_vec()
    });
}

/// Each is at an address of its own, as people are: some know a peer by that alone, and some connect to nobody at 127.… whom a
/// tracker names. The seed leaves when one of them has everything; and they tell the tracker when they have.
#[cfg(target_os = "linux")]
#[test]
fn leechers_of_every_kind_find_a_seed_and_each_other_by_our_tracker() {
    type Words = fn(&str, SocketAddr) -> Vec<String>;
    let Some(_network) = Network::enter() else { return };
    let tracker = Program::start(TORRENT, &["tracker", "--listen", "192.0.2.1:0"]);
    let (here, file, _) = made(&["--tracker", &tracker.line()]);
    let (seed, _) = seed(&file, &here, &["--listen", "192.0.2.2:0"]);
    until_listed(&file, 1);
    let rtorrent = outside::program("rtorrent").and(Some("sh"));
    let ctorrent = outside::program("ctorrent");
    let kinds: [(Option<&str>, Words); 6] = [
        (Some(TORRENT), |folder, at| {
            let words = ["get", TORRENT_HERE, "--output", folder, "--listen", &at.to_string()];
            words.map(str::to_owned).to_vec()
        }),
        (outside::program("aria2c"), |folder, at| {
            peers::aria2(folder, at, &["--enable-dht=false", "--seed-ratio=0.0"])
        }),
        (peers::libtorrent(), peers::shared_by_libtorrent),
        (rtorrent, |folder, at| peers::rtorrent(folder, at, "none")),
        (outside::program("transmission-cli"), |folder, at| peers::transmission(folder, at, "-et")),
        (ctorrent, peers::ctorrent),
    ];
    let there: Vec<(Program, TempDir)> = (3..)
        .zip(kinds)
        .filter_map(|(last, (program, words))| {
            let folder = tempfile::tempdir().expect("a folder");
            let words = words(&text(&folder), ([192, 0, 2, last], 6881).into());
            Some((peers::start(program?, words, &folder, &file), folder))
        })
        .collect();
    wait_until(PATIENCE, "somebody has got everything", || {
        there.iter().any(|(_, folder)| is_filled(&here, folder))
    });
    let _ = seed.stop();
    for (_, folder) in &there {
        wait_for(&here, folder);
    }
    // Two say so when they may ask again, after a minute.
    let late = [rtorrent, ctorrent].iter().flatten().count();
    until_listed(&file, there.len() - late);
}
