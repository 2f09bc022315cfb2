//! `torrent seed` and `torrent get`, with each other and with other people's programs, both ways.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use protocols::torrent::wire::DhtTable;
use protocols::torrent::wire::message::Handshake;
use protocols::torrent::{InfoHash, PeerId};
use rustix::process::Signal;

use super::trackers::finds_ours_by_our_tracker;
use super::{Network, TORRENT, free_place, made, outside, wait_until};
use crate::support::{PATIENCE, Program, connect, is_ended_by_peer, listener, noise, run};
use tempfile::TempDir;

/// `torrent seed`, and where it listens.
pub(super) fn seed(file: &str, here: &TempDir, more: &[&str]) -> (Program, String) {
    let seed = Program::start(TORRENT, &[&["seed", file, "--data", &text(here)], more].concat());
    let address = seed.told("listening on ");
    (seed, address)
}

/// `torrent get --once`, to its end: what it has fetched.
#[track_caller]
fn get(torrent: &str, more: &[&str]) -> TempDir {
    let there = tempfile::tempdir().expect("a folder");
    let words = ["get", torrent, "--output", &text(&there), "--once"];
    run(TORRENT, &[&words[..], more].concat(), b"").with_code(0);
    there
}

/// Fetches by this torrent, or by this link, what is here.
#[track_caller]
pub(super) fn gets(here: &TempDir, torrent: &str, more: &[&str]) {
    assert!(are_same(here, &get(torrent, more)), "{torrent} {more:?}");
}

/// The nodes that were kept in a file.
fn nodes_in(kept: &str) -> Vec<SocketAddr> {
    let table = fs::read(kept).expect("it is written");
    DhtTable::parse(&table).expect("it is a table").nodes
}

pub(super) fn text(folder: &TempDir) -> String {
    folder.path().to_str().expect("it is text").to_owned()
}

/// The files that have bytes.
const FILLED: [&str; 2] = ["large", "deep/small"];

fn are_same(here: &TempDir, there: &TempDir) -> bool {
    FILLED.iter().chain(&["empty"]).all(|name| is_same(here, there, name))
}

fn is_same(here: &TempDir, there: &TempDir, name: &str) -> bool {
    let read = |folder: &TempDir| fs::read(folder.path().join("data").join(name)).ok();
    let file = read(here);
    file.is_some() && file == read(there)
}

/// Transmission makes no empty files.
pub(super) fn is_filled(here: &TempDir, there: &TempDir) -> bool {
    FILLED.iter().all(|name| is_same(here, there, name))
}

/// Waits until what another program fetches there is what is here.
#[track_caller]
pub(super) fn wait_for(here: &TempDir, there: &TempDir) {
    wait_until(2 * PATIENCE, &format!("{there:?} has got everything"), || is_filled(here, there));
}

#[test]
fn what_is_seeded_is_got_by_the_torrent_and_by_its_link() {
    let (here, file, link) = made(&[]);
    let (seed, address) = seed(&file, &here, &[]);
    gets(&here, &file, &["--peer", &address]);
    // One that is nowhere does not keep the others out.
    gets(&here, &format!("{link}&x.pe=nowhere&x.pe={address}"), &["--json"]);
    assert!(seed.stop().contains("seeding 195.32 KiB"));
}

#[test]
fn our_web_server_has_it_where_no_peer_is() {
    let at = free_place().to_string();
    let (here, file, _) = made(&["--web-seed", &format!("http://{at}/")]);
    let server = env!("CARGO_BIN_EXE_web");
    let server = Program::start(server, &["serve", &text(&here), "--listen", &at]);
    let _ = server.line();
    let there = get(&file, &[]);
    assert!(are_same(&here, &there));
    drop(server);
    // Nobody is there any more: that is said, and it goes on.
    let words = ["get", &file, "--output", &text(&tempfile::tempdir().expect("a folder"))];
    let alone = Program::start(TORRENT, &words);
    assert!(alone.line().starts_with("listening"));
    let _ = alone.line();
    alone.interrupt();
    alone.ended().with_code(1).complains("again in ");
}

#[test]
fn ours_find_each_other_on_the_network_and_libtorrent_finds_them() {
    let _network = Network::enter();
    let (here, file, link) = made(&[]);
    let (_seed, _) = seed(&file, &here, &["--lan"]);
    for torrent in [&file, &link] {
        gets(&here, torrent, &["--lan"]);
    }
    let Some(python) = libtorrent() else { return };
    let there = tempfile::tempdir().expect("a folder");
    let words = ["-c", LIBTORRENT, &file, &text(&there), ANYWHERE];
    let _theirs = Program::start_with(python, &words, &[("LAN", "")]);
    wait_for(&here, &there);
}

#[test]
fn who_knows_one_node_of_the_dht_finds_a_seed_by_its_link() {
    let (here, file, link) = made(&[]);
    let (_seed, node) = seed(&file, &here, &["--dht"]);
    gets(&here, &link, &["--dht-node", &node]);
    gets(&here, &link, &["--dht-node", &node, "--dht-read-only"]);
    run(TORRENT, &["get", &link, "--dht-node", "nowhere"], b"").with_code(2);
}

/// The first run is told of a node, or of none but by its peer; the next needs neither.
#[test]
fn what_a_node_has_known_is_a_way_in_the_next_time() {
    let (here, file, link) = made(&[]);
    let (seed, node) = seed(&file, &here, &["--dht"]);
    let folder = tempfile::tempdir().expect("a folder");
    let kept = format!("{}/nodes", text(&folder));
    // One that is empty is none.
    fs::write(&kept, "").expect("there is room");
    get(&file, &["--peer", &node, "--dht-file", &kept]);
    assert_eq!(nodes_in(&kept), [node.parse().expect("an address")]);
    gets(&here, &link, &["--dht-file", &kept]);
    drop(seed);
    // Another file is not written over.
    let words = ["get", &link, "--output", &text(&folder), "--dht-file", &file];
    run(TORRENT, &words, b"").with_code(1).complains("no table");
    let words = ["get", &link, "--output", &text(&folder), "--dht-file", "/nonexistent/nodes"];
    run(TORRENT, &words, b"").with_code(1).complains("No such file");
}

/// Its node is asked by ours, and knows what ours has told it; and the other way around.
#[test]
fn nodes_of_libtorrent_and_ours_find_each_other_and_the_seed() {
    let Some(python) = libtorrent() else { return };
    let _network = Network::enter();
    let (here, file, link) = made(&[]);
    let words = ["-c", LIBTORRENT, &file, &text(&here), ANYWHERE];
    let theirs = Program::start_with(python, &words, &[("DHT", "")]);
    let node = format!("127.0.0.1:{}", theirs.line());
    gets(&here, &link, &["--dht-node", &node]);
    // A peer of it says where its node is.
    let folder = tempfile::tempdir().expect("a folder");
    let kept = format!("{}/nodes", text(&folder));
    get(&file, &["--peer", &node, "--dht-file", &kept]);
    let nodes = nodes_in(&kept);
    assert!(nodes.contains(&node.parse().expect("an address")), "{nodes:?}");
    drop(theirs);
    let (_seed, node) = seed(&file, &here, &["--dht"]);
    let there = tempfile::tempdir().expect("a folder");
    let words = ["-c", LIBTORRENT, &link, &text(&there), ANYWHERE];
    let _theirs = Program::start_with(python, &words, &[("DHT", &*node)]);
    wait_for(&here, &there);
}

/// Its two nodes are of two DHTs; each leecher knows one of them, and is at an address of that kind only.
#[test]
fn who_listens_at_two_addresses_is_found_by_peers_of_ipv4_and_of_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return outside::left_out("this machine has no ::1");
    }
    let (here, file, link) = made(&[]);
    let (seed, v4) =
        seed(&file, &here, &["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--dht"]);
    let v6 = seed.told("listening on ");
    let folder = tempfile::tempdir().expect("a folder");
    let kept = format!("{}/nodes", text(&folder));
    for (listen, node) in [("127.0.0.1:0", &v4), ("[::1]:0", &v6)] {
        let words = ["--listen", listen, "--dht-node", node, "--dht-file", &kept];
        gets(&here, &link, &words);
    }
    let expected = [&v4, &v6].map(|at| at.parse().expect("an address"));
    assert_eq!(nodes_in(&kept), expected, "what the first run has known is kept");
    let words = ["get", &file, "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    run(TORRENT, &words, b"").with_code(1).complains("one address of IPv4");
}

/// As on a server: at all addresses of the machine, at one port.
#[test]
fn who_listens_everywhere_at_one_port_takes_part_in_both_dhts() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return outside::left_out("this machine has no ::1");
    }
    let (here, file, _) = made(&[]);
    let port = outside::free_port();
    let [v4, v6] = ["0.0.0.0", "[::]"].map(|ip| format!("{ip}:{port}"));
    let (_seed, _) = seed(&file, &here, &["--listen", &v4, "--listen", &v6, "--dht"]);
    for ip in ["127.0.0.1", "[::1]"] {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = format!("{}/nodes", text(&folder));
        let (peer, listen) = (format!("{ip}:{port}"), format!("{ip}:0"));
        get(&file, &["--listen", &listen, "--peer", &peer, "--dht-file", &kept]);
        assert_eq!(nodes_in(&kept), [peer.parse().expect("an address")]);
    }
}

#[test]
fn one_file_of_several_is_got_alone() {
    let (here, file, _) = made(&[]);
    let (_seed, address) = seed(&file, &here, &[]);
    // The second is as it is shown.
    for name in ["deep/*", "data/deep/small"] {
        let there = get(&file, &["--peer", &address, "--select", name]);
        assert_eq!(fs::read(there.path().join("data/deep/small")).expect("a file"), b"small");
        assert!(!there.path().join("data/empty").exists(), "nobody asked for it");
    }
    let there = tempfile::tempdir().expect("a folder");
    run(TORRENT, &["get", &file, "--output", &text(&there), "--select", "*.mkv"], b"")
        .with_code(1)
        .complains("no file");
}

#[test]
fn what_is_there_is_not_fetched_again_and_what_is_wrong_is() {
    let (here, file, _) = made(&[]);
    {
        let (_seed, address) = seed(&file, &here, &[]);
        get(&file, &["--peer", &address]);
    }
    // A copy of which the end is missing, as a program leaves it that was killed.
    let there = tempfile::tempdir().expect("a folder");
    fs::create_dir(there.path().join("data")).expect("a folder");
    let half = &noise(200_000)[..100_000];
    fs::write(there.path().join("data/large"), half).expect("a file");
    let (_seed, address) = seed(&file, &here, &[]);
    let words = ["get", &file, "--output", &text(&there), "--once", "--json", "--peer", &address];
    run(TORRENT, &words, b"").with_code(0);
    assert!(are_same(&here, &there));
}

/// On a file system as small as it can be, if this machine lets us have one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_of_and_it_goes_on_when_there_is_room() {
    let (here, file, _) = made(&[]);
    let there = tempfile::tempdir().expect("a folder");
    let mount = |arguments: &[&str]| {
        let mut command = Command::new(arguments[0]);
        command.args(&arguments[1..]).arg(there.path());
        command.output().is_ok_and(|output| output.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]) {
        return outside::left_out("no tmpfs can be mounted here");
    }
    let (_seed, address) = seed(&file, &here, &[]);
    let words = ["get", &file, "--output", &text(&there), "--once", "--peer", &address];
    // Who wants the room beforehand is told that there is none.
    let beforehand = run(TORRENT, &[&words[..], &["--preallocate"]].concat(), b"");
    let get = Program::start(TORRENT, &words);
    let told = get.error_line();
    let enlarged = mount(&["mount", "-o", "remount,size=1M"]);
    let ended = get.ended();
    let are_same = are_same(&here, &there);
    let unmounted = mount(&["umount"]);
    let expected = "no room on the disk for data/";
    assert!(beforehand.code == Some(1) && beforehand.errors.contains(expected), "{beforehand:?}");
    assert!(told.contains(expected), "{told}");
    assert!(ended.code == Some(0) && are_same, "{ended:?}");
    // Not for each piece: again only where one was kept meanwhile, for which there is hardly room.
    assert!(ended.errors.lines().count() <= 4, "{}", ended.errors);
    assert!(enlarged && unmounted);
}

/// A way to `to`, on which no more than so many bytes come back; how many have.
fn gate(to: &str, most: u64) -> (String, Arc<AtomicU64>) {
    let (listener, address) = listener();
    let (to, passed) = (to.to_owned(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&passed);
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(&to) else { return };
            let ends = (near.try_clone(), far.try_clone());
            let (Ok(near_too), Ok(far_too)) = ends else { return };
            thread::spawn(move || io::copy(&mut &near, &mut &far));
            let count = Arc::clone(&count);
            thread::spawn(move || {
                let mut bytes = [0; 16 * 1024];
                while count.load(Ordering::Relaxed) < most
                    && let Ok(length @ 1..) = (&far_too).read(&mut bytes)
                    && (&near_too).write_all(&bytes[..length]).is_ok()
                {
                    count.fetch_add(length as u64, Ordering::Relaxed);
                }
                let _ = near_too.shutdown(Shutdown::Both);
            });
        }
    });
    (address, passed)
}

#[test]
fn who_is_killed_in_the_middle_fetches_again_only_what_is_not_there() {
    const ALL: usize = 4_000_000;
    let here = tempfile::tempdir().expect("a folder");
    fs::create_dir(here.path().join("data")).expect("a folder");
    fs::write(here.path().join("data/large"), noise(ALL)).expect("a file");
    let file = format!("{}/a.torrent", text(&here));
    let data = format!("{}/data", text(&here));
    run(TORRENT, &["create", &data, "--output", &file, "--piece-size", "16KiB"], b"").with_code(0);
    let (_seed, address) = seed(&file, &here, &[]);
    let there = tempfile::tempdir().expect("a folder");
    let words = |gate: &str| {
        let words = ["get", &file, "--output", &text(&there), "--once", "--peer", gate];
        words.map(str::to_owned)
    };
    let right = || {
        let ended = run(TORRENT, &["check", &file, "--data", &text(&there)], b"");
        let last = ended.text().lines().last().unwrap_or_default().to_owned();
        last.split(' ').next().and_then(|right| right.parse::<usize>().ok()).unwrap_or(0)
    };
    let (half, _) = gate(&address, ALL as u64 / 2);
    let words_of = words(&half);
    let get = Program::start(TORRENT, &words_of.each_ref().map(String::as_str));
    let deadline = Instant::now() + PATIENCE;
    while right() == 0 {
        assert!(Instant::now() < deadline, "nothing comes");
    }
    get.signal(Signal::KILL);
    let _ = get.ended();
    let (kept, pieces) = (right(), ALL.div_ceil(16 * 1024));
    assert!((1..pieces).contains(&kept), "{kept} of {pieces}");
    let (whole, passed) = gate(&address, u64::MAX);
    let words_of = words(&whole);
    run(TORRENT, &words_of.each_ref().map(String::as_str), b"").with_code(0);
    assert!(is_same(&here, &there, "large"));
    // Each block has 13 bytes in front of it; and there is what is said besides.
    let (passed, missing) = (passed.load(Ordering::Relaxed) as usize, pieces - kept);
    assert!(passed <= missing * (16 * 1024 + 13) + 10_000, "{passed} for {missing} pieces");
}

/// As few as a small machine gives a program.
#[test]
fn five_hundred_files_are_given_and_fetched_with_sixty_four_descriptors() {
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let name = |at: usize| format!("data/{}/{at}", at % 7);
    for at in 0..500 {
        let path = here.path().join(name(at));
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(path, noise(1_000 + at)).expect("a file");
    }
    let (file, data) = (format!("{}/a.torrent", text(&here)), format!("{}/data", text(&here)));
    assert_eq!(run(TORRENT, &["create", &data, "--output", &file], b"").code, Some(0));
    let limited = |words: &[&str]| {
        let limit = ["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", TORRENT];
        Program::start("sh", &[&limit[..], words].concat())
    };
    let seed = limited(&["seed", &file, "--data", &text(&here)]);
    let address = seed.told("listening on ");
    limited(&["get", &file, "--output", &text(&there), "--once", "--peer", &address])
        .ended()
        .with_code(0);
    for at in 0..500 {
        let [one, other] = [&here, &there].map(|it| fs::read(it.path().join(name(at))).ok());
        assert!(one.is_some() && one == other, "{at}");
    }
}

/// What a peer says first, to get what a link is to.
fn greeting(link: &str, number: u8) -> [u8; 68] {
    let hash = link.split(['&', ':']).nth(3).and_then(|hash| hash.parse::<InfoHash>().ok());
    let (fast, extended, dht) = Default::default();
    let peer_id = PeerId::new([number; 12]);
    Handshake { fast, extended, dht, info_hash: hash.expect("it is in it"), peer_id }.to_bytes()
}

/// Whether a peer is greeted in its turn, and not turned away.
fn is_greeted(mut peer: &TcpStream) -> bool {
    let mut answer = [0; 68];
    peer.read_exact(&mut answer).is_ok() && answer.starts_with(b"\x13BitTorrent protocol")
}

#[test]
fn a_hundred_who_connect_at_once_are_all_answered() {
    let (here, file, link) = made(&[]);
    let (_seed, address) = seed(&file, &here, &[]);
    let peers: Vec<_> = (0..100).map(|_| connect(&address)).collect();
    for (number, mut peer) in (0..).zip(&peers) {
        peer.write_all(&greeting(&link, number)).expect("it is open");
    }
    assert!(peers.iter().all(is_greeted));
}

#[test]
fn no_more_peers_are_let_in_than_are_wanted() {
    let (here, file, link) = made(&[]);
    let (_seed, address) = seed(&file, &here, &["--max-peers", "2"]);
    let greeted = [1, 2, 3].map(|number| {
        let mut peer = connect(&address);
        peer.write_all(&greeting(&link, number)).expect("it is open");
        (is_greeted(&peer), peer)
    });
    assert_eq!(greeted.each_ref().map(|(is_greeted, _)| *is_greeted), [true, true, false]);
    assert!(is_ended_by_peer(&greeted[2].1));
}

#[test]
fn what_is_not_complete_ends_with_another_code() {
    let (_here, file, link) = made(&[]);
    for torrent in [&file, &link] {
        let there = tempfile::tempdir().expect("a folder");
        let get = Program::start(TORRENT, &["get", torrent, "--output", &text(&there)]);
        assert!(get.line().starts_with("listening on 127.0.0.1:"));
        let _ = get.line();
        get.interrupt();
        get.ended().with_code(1).complains("not complete");
    }
    let nowhere = tempfile::tempdir().expect("a folder");
    run(TORRENT, &["seed", &file, "--data", &text(&nowhere)], b"")
        .with_code(1)
        .complains("nothing of it");
    let ended = run(TORRENT, &["seed", &file, "--data", "/nonexistent"], b"");
    let expected = "torrent: there is no folder /nonexistent";
    assert!(ended.code == Some(1) && ended.errors == expected, "{ended:?}");
}

// ── other people's programs ─────────────────────────────────────────────────────────────────────

/// Where the torrent stands among the words of a program that does not want it last.
pub(super) const TORRENT_HERE: &str = "TORRENT";

/// Starts another program with a torrent: as its last word, in a variable, and in the place that was kept for it.
pub(super) fn start(program: &str, words: Vec<String>, home: &TempDir, torrent: &str) -> Program {
    let mut words = words;
    match words.iter_mut().find(|word| *word == TORRENT_HERE) {
        Some(place) => torrent.clone_into(place),
        None => words.push(torrent.to_owned()),
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let modules = if program == "node" { outside::node_modules() } else { String::new() };
    let variables =
        [("HOME", &*text(home)), ("TERM", "xterm"), ("TORRENT", torrent), ("NODE_PATH", &modules)];
    Program::start_with(program, &words, &variables)
}

/// Another program fetches from ours, which connects to it. It is told where to put it, and where to listen.
fn is_fetched_from_ours(program: &str, words: impl Fn(&str, SocketAddr) -> Vec<String>) {
    is_fetched_from(program, words, &[]);
}

/// The same, and what ours is told besides.
fn is_fetched_from(program: &str, words: impl Fn(&str, SocketAddr) -> Vec<String>, ours: &[&str]) {
    let _network = Network::enter();
    // Some will not have a torrent without a tracker.
    let (here, file, link) = made(&["--tracker", "http://127.0.0.1:9/announce"]);
    // One of the first days knows no links.
    let torrent = if program.ends_with("ctorrent") { &file } else { &link };
    let (at, there) = (free_place(), tempfile::tempdir().expect("a folder"));
    let _theirs = start(program, words(&text(&there), at), &there, torrent);
    let (_seed, _) = seed(&file, &here, &[&["--peer", &at.to_string()], ours].concat());
    wait_for(&here, &there);
}

/// How ours is told what to fetch.
#[derive(Clone, Copy, Debug)]
enum By {
    Torrent,
    Link,
}

/// Ours fetches from another program, by the torrent and by its link. It is started anew for each: one that knows peers by
/// their address alone takes the second for the first, which has everything.
fn is_seeded_to_ours(program: &str, words: impl Fn(&str, SocketAddr) -> Vec<String>) {
    for by in [By::Torrent, By::Link] {
        is_seeded(program, &words, by, &[]);
    }
}

/// One of them, and what ours is told besides.
fn is_seeded(
    program: &str,
    words: impl Fn(&str, SocketAddr) -> Vec<String>,
    by: By,
    ours: &[&str],
) {
    let _network = Network::enter();
    let (here, file, link) = made(&["--tracker", "http://127.0.0.1:9/announce"]);
    let at = free_place();
    let _theirs = start(program, words(&text(&here), at), &here, &file);
    let torrent = match by {
        By::Torrent => &file,
        By::Link => &link,
    };
    gets(&here, torrent, &[ours, &["--peer", &at.to_string()]].concat());
}

/// It asks nobody but those that are named.
pub(super) fn aria2(folder: &str, at: SocketAddr, more: &[&str]) -> Vec<String> {
    let place = [("--interface", at.ip().to_string()), ("--listen-port", at.port().to_string())];
    let place = place.map(|(name, value)| format!("{name}={value}"));
    let quiet = ["--no-conf", "--quiet", "--enable-dht6=false", "--bt-enable-lpd=false"];
    let folder = ["--dir", folder];
    let words = quiet.iter().chain(more).chain(&folder);
    words.map(ToString::to_string).chain(place).collect()
}

/// It has what it gives.
const ARIA2_SEEDS: [&str; 3] = ["--enable-dht=false", "--check-integrity", "--seed-ratio=0.0"];

#[test]
fn aria2_fetches_from_ours() {
    let Some(program) = outside::program("aria2c") else { return };
    is_fetched_from_ours(program, |there, at| aria2(there, at, &["--enable-dht=false"]));
}

#[test]
fn aria2_seeds_to_ours() {
    let Some(program) = outside::program("aria2c") else { return };
    is_seeded_to_ours(program, |here, at| aria2(here, at, &ARIA2_SEEDS));
}

/// It greets nobody in plain, and enciphers everything: once without being asked to, and once since ours does.
#[test]
fn aria2_that_wants_everything_enciphered_fetches_from_ours_and_seeds_to_it() {
    let Some(program) = outside::program("aria2c") else { return };
    let wants = ["--bt-require-crypto=true", "--bt-min-crypto-level=arc4"];
    is_fetched_from_ours(program, |there, at| {
        aria2(there, at, &[&["--enable-dht=false"], &wants[..]].concat())
    });
    is_seeded_to_ours(program, |here, at| aria2(here, at, &[&ARIA2_SEEDS[..], &wants].concat()));
}

/// It asks nobody but those that are named, and remembers nobody from the last time.
pub(super) fn transmission(folder: &str, at: SocketAddr, encryption: &str) -> Vec<String> {
    let (ip, port) = (at.ip(), &*at.port().to_string());
    let config = format!("{folder}/.config-{port}");
    fs::create_dir_all(&config).expect("a folder");
    let settings = format!(
        r#"{{"dht-enabled": false, "lpd-enabled": false, "bind-address-ipv4": "{ip}",
        "port-forwarding-enabled": false, "utp-enabled": false}}"#
    );
    fs::write(format!("{config}/settings.json"), settings).expect("a file");
    ["-w", folder, "-p", port, "-g", &config, encryption].map(str::to_owned).to_vec()
}

/// What it is greeted with in plain it hangs up at, so that it is greeted again.
#[test]
fn transmission_that_wants_everything_encrypted_fetches_from_ours() {
    let Some(program) = outside::program("transmission-cli") else { return };
    is_fetched_from_ours(program, |there, at| transmission(there, at, "-er"));
}

/// It takes its time, so both ways at once.
#[test]
fn transmission_seeds_to_ours() {
    let Some(program) = outside::program("transmission-cli") else { return };
    let seeds = |by| is_seeded(program, |here, at| transmission(here, at, "-et"), by, &[]);
    thread::scope(|scope| {
        scope.spawn(|| seeds(By::Torrent));
        seeds(By::Link);
    });
}

/// rtorrent wants a terminal, which `script` lends it; and that wants its command in one word.
pub(super) fn rtorrent(folder: &str, at: SocketAddr, encryption: &str) -> Vec<String> {
    let session = format!("{folder}/.session");
    fs::create_dir_all(&session).expect("a folder");
    let (ip, port) = (at.ip(), at.port());
    let options = [
        format!("network.port_range.set={port}-{port}"),
        "network.port_random.set=no".to_owned(),
        format!("network.bind_address.set={ip}"),
        "dht.mode.set=disable".to_owned(),
        format!("protocol.encryption.set={encryption}"),
        format!("session.path.set={session}"),
        format!("directory.default.set={folder}"),
    ];
    let options: String = options.iter().map(|option| format!("-O \"{option}\" ")).collect();
    let command = format!("rtorrent -n {options}\"$TORRENT\"");
    vec!["-c".to_owned(), format!("exec script -qfc '{command}' /dev/null")]
}

#[test]
fn rtorrent_that_wants_everything_enciphered_fetches_from_ours() {
    let Some(_) = outside::program("rtorrent") else { return };
    is_fetched_from_ours("sh", |there, at| {
        rtorrent(there, at, "allow_incoming,require,require_RC4")
    });
}

#[test]
fn rtorrent_seeds_to_ours() {
    let Some(_) = outside::program("rtorrent") else { return };
    is_seeded_to_ours("sh", |here, at| rtorrent(here, at, "none"));
}

/// It asks nobody but those that are named.
pub(super) fn qbittorrent(folder: &str, at: SocketAddr) -> Vec<String> {
    let (ip, port) = (at.ip(), at.port());
    let profile = format!("{folder}/.profile-{port}");
    let config = format!("{profile}/qBittorrent/config");
    fs::create_dir_all(&config).expect("a folder");
    let session = [
        &*format!("Port={port}"),
        &format!("DefaultSavePath={folder}"),
        &format!("InterfaceAddress={ip}"),
        "BTProtocol=TCP",
        "DHTEnabled=false",
        "LSDEnabled=false",
        "PeXEnabled=false",
    ];
    let session = session.map(|it| format!("Session\\{it}\n")).concat();
    let settings = format!(
        "[LegalNotice]\nAccepted=true\n[BitTorrent]\n{session}[Preferences]\nWebUI\\Enabled=false\n"
    );
    fs::write(format!("{config}/qBittorrent.conf"), settings).expect("a file");
    vec![format!("--profile={profile}")]
}

/// One after the other: a user has one of it at a time, and a second only tells the first what it was started for.
#[test]
fn qbittorrent_fetches_from_ours_and_seeds_to_it() {
    let Some(program) = outside::program("qbittorrent-nox") else { return };
    is_fetched_from_ours(program, qbittorrent);
    is_seeded_to_ours(program, qbittorrent);
    finds_ours_by_our_tracker(program, &["http", "udp"], &[], qbittorrent);
}

/// Its ways are those of 2008: BEP 3 and nothing else. Who comes from its own address is itself to it, so ours has
/// another one, as only Linux gives it without being asked.
#[cfg(target_os = "linux")]
pub(super) fn ctorrent(folder: &str, at: SocketAddr) -> Vec<String> {
    let (ip, port) = (&*at.ip().to_string(), &*at.port().to_string());
    let (data, bits) = (format!("{folder}/data"), format!("{folder}/.bits-{port}"));
    ["-i", ip, "-p", port, "-s", &data, "-b", &bits].map(str::to_owned).to_vec()
}

#[cfg(target_os = "linux")]
#[test]
fn ctorrent_fetches_from_ours_and_seeds_to_it() {
    let Some(program) = outside::program("ctorrent") else { return };
    let ours = ["--listen", "127.0.0.2:0"];
    is_fetched_from(program, ctorrent, &ours);
    is_seeded(program, ctorrent, By::Torrent, &ours);
}

/// libtorrent has no program of its own: Python lends it one.
pub(super) fn libtorrent() -> Option<&'static str> {
    let python = outside::program("python3")?;
    let ask = ["-c", "import libtorrent; print(libtorrent.version)"];
    if !Command::new(python).args(ask).output().is_ok_and(|output| output.status.success()) {
        outside::left_out("libtorrent (python3-libtorrent) is not installed");
        return None;
    }
    Some(python)
}

pub(super) const LIBTORRENT: &str = include_str!("libtorrent.py");
/// Any port that is free.
const ANYWHERE: &str = "127.0.0.1:0";

pub(super) fn shared_by_libtorrent(folder: &str, at: SocketAddr) -> Vec<String> {
    ["-c", LIBTORRENT, TORRENT_HERE, folder, &at.to_string()].map(str::to_owned).to_vec()
}

#[test]
fn libtorrent_fetches_from_ours() {
    let Some(python) = libtorrent() else { return };
    let _network = Network::enter();
    let (here, file, link) = made(&[]);
    let (_seed, address) = seed(&file, &here, &[]);
    for torrent in [&file, &link] {
        let there = tempfile::tempdir().expect("a folder");
        let words = ["-c", LIBTORRENT, torrent, &text(&there), ANYWHERE, &address];
        let _theirs = Program::start(python, &words);
        wait_for(&here, &there);
    }
}

/// A library of Node.
pub(super) fn webtorrent() -> Option<&'static str> {
    let node = outside::program("node")?;
    let is_there = &mut outside::node("require('webtorrent')");
    outside::is_there("the JavaScript library webtorrent, of version 1", is_there).then_some(node)
}

pub(super) const WEBTORRENT: &str = include_str!("webtorrent.js");

#[test]
fn webtorrent_fetches_from_ours_and_seeds_to_it() {
    let Some(node) = webtorrent() else { return };
    let _network = Network::enter();
    let (here, file, link) = made(&[]);
    let words = |folder: &TempDir, peer: &str| {
        ["-e", WEBTORRENT, TORRENT_HERE, &text(folder), peer].map(str::to_owned).to_vec()
    };
    let ours = seed(&file, &here, &[]);
    for torrent in [&file, &link] {
        let there = tempfile::tempdir().expect("a folder");
        let _theirs = start(node, words(&there, &ours.1), &there, torrent);
        wait_for(&here, &there);
    }
    let theirs = start(node, words(&here, ""), &here, &file);
    let address = format!("127.0.0.1:{}", theirs.line());
    for torrent in [&file, &link] {
        gets(&here, torrent, &["--peer", &address]);
    }
}

/// Its policies, and the methods it allows: only plain behind the greeting, or only RC4.
const ENCRYPTED: [&str; 2] = ["forced pe_plaintext", "forced pe_rc4"];

#[test]
fn libtorrent_that_wants_everything_encrypted_fetches_from_ours() {
    let Some(python) = libtorrent() else { return };
    let _network = Network::enter();
    let (here, file, _) = made(&[]);
    for (ours, theirs) in
        [("allow", ENCRYPTED[0]), ("allow", ENCRYPTED[1]), ("require", ENCRYPTED[1])]
    {
        let (_seed, address) = seed(&file, &here, &["--encryption", ours]);
        let there = tempfile::tempdir().expect("a folder");
        let words = ["-c", LIBTORRENT, &file, &text(&there), ANYWHERE, &address];
        let _theirs = Program::start_with(python, &words, &[("ENCRYPTION", theirs)]);
        wait_for(&here, &there);
    }
}

#[test]
fn libtorrent_seeds_to_ours_however_each_wants_it_encrypted() {
    let Some(python) = libtorrent() else { return };
    let _network = Network::enter();
    let (here, file, _) = made(&[]);
    for (ours, theirs) in [
        ("allow", ENCRYPTED[0]),
        ("allow", ENCRYPTED[1]),
        ("require", "enabled pe_both"),
        // Nothing is encrypted there, so that ours has to greet again.
        ("prefer", "disabled pe_both"),
    ] {
        let words = ["-c", LIBTORRENT, &file, &text(&here), ANYWHERE];
        let theirs = Program::start_with(python, &words, &[("ENCRYPTION", theirs)]);
        let address = format!("127.0.0.1:{}", theirs.line());
        gets(&here, &file, &["--peer", &address, "--encryption", ours]);
    }
}

#[test]
fn libtorrent_seeds_to_ours() {
    let Some(python) = libtorrent() else { return };
    let _network = Network::enter();
    let (here, file, link) = made(&[]);
    let _theirs = Program::start(python, &["-c", LIBTORRENT, &file, &text(&here), ANYWHERE]);
    let address = format!("127.0.0.1:{}", _theirs.line());
    for torrent in [&file, &link] {
        gets(&here, torrent, &["--peer", &address]);
    }
    assert!(Path::new(&file).exists());
}
