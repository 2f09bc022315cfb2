//! The links that the playground prints and the bot says, given to other people's programs: those that take peers from
//! trackers only.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;

use tempfile::TempDir;

use super::peers::{self, text};
use super::{Network, outside, wait_until};
use crate::support::{BOT, CHAT, PATIENCE, PLAYGROUND, Program, connect, noise};

/// The playground, giving its files at an address that no program takes for loopback; and the link that it prints.
fn playground(ip: &str) -> (Program, String) {
    let (here, there) = ("127.0.0.1:0", format!("{ip}:0"));
    let services = ["--tcp", "--udp", "--chat", "--ftp", "--tftp", "--calls", "--web"];
    let mut words: Vec<&str> = services.iter().flat_map(|service| [service, here]).collect();
    words.extend(["--seed", &there, "--tracker", &there]);
    let playground = Program::start(PLAYGROUND, &words);
    let link = loop {
        let line = playground.line();
        if let Some(link) = line.split('\'').find(|word| word.starts_with("magnet:")) {
            break link.to_owned();
        }
    };
    (playground, link)
}

/// Another program that is given nothing but the link fetches the playground's files.
fn fetches_the_playground(
    network: Option<Network>,
    program: &str,
    words: fn(&str, SocketAddr) -> Vec<String>,
) {
    let [seed, at] = match network {
        Some(_) => ["192.0.2.1", "192.0.2.2"],
        None => ["127.0.0.1"; 2],
    };
    let (playground, link) = playground(seed);
    let there = tempfile::tempdir().expect("a folder");
    let at = SocketAddr::new(at.parse().expect("an address"), outside::free_port());
    let theirs = peers::start(program, words(&text(&there), at), &there, &link);
    wait_for(&there, "files/README", |file| file.starts_with(b"Fetch what you like."));
    wait_for(&there, "files/numbers/primes", |file| file.ends_with(b"\n9967\n9973\n"));
    drop(theirs);
    playground.stop();
}

#[track_caller]
fn wait_for(there: &TempDir, name: &str, is_right: impl Fn(&[u8]) -> bool) {
    let path = there.path().join(name);
    wait_until(2 * PATIENCE, &format!("{name} has come"), || {
        fs::read(&path).is_ok_and(|file| is_right(&file))
    });
}

fn aria2(folder: &str, at: SocketAddr) -> Vec<String> {
    peers::aria2(folder, at, &["--enable-dht=false"])
}

#[test]
fn aria2_fetches_the_playground_by_its_link() {
    let Some(program) = outside::program("aria2c") else { return };
    fetches_the_playground(Network::enter(), program, aria2);
}

/// It connects to nobody at 127.… of whom a tracker tells it.
#[test]
fn transmission_fetches_the_playground_by_its_link() {
    let Some(program) = outside::program("transmission-cli") else { return };
    let Some(network) = Network::enter() else { return };
    fetches_the_playground(Some(network), program, |folder, at| {
        peers::transmission(folder, at, "-et")
    });
}

#[test]
fn rtorrent_fetches_the_playground_by_its_link() {
    let Some(_) = outside::program("rtorrent") else { return };
    fetches_the_playground(Network::enter(), "sh", |folder, at| {
        peers::rtorrent(folder, at, "none")
    });
}

/// Whoever hears of it needs neither our program nor the chat any more.
#[test]
fn aria2_fetches_what_a_bot_gives_by_its_link() {
    let Some(program) = outside::program("aria2c") else { return };
    let _network = Network::enter();
    let server = Program::start(CHAT, &["serve", "--listen", "127.0.0.1:0"]);
    let line = server.line();
    let address = line.rsplit(' ').next().expect("an address");
    let mut ann = BufReader::new(connect(address));
    ann.get_mut().write_all(b"NICK ann\r\nUSER ann 0 * :ann\r\nJOIN #room\r\n").expect("sent");
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let photos = noise(300_000);
    fs::write(here.path().join("photos"), &photos).expect("a file");
    let path = format!("{}/photos", text(&here));
    let _bot = Program::start(BOT, &[address, "--channel", "#room", "--share", &path]);
    let said = ann.lines().map_while(Result::ok).find(|line| line.contains("magnet:"));
    let said = said.expect("the bot says it");
    let (_, link) = said.rsplit_once(' ').expect("there is a link");
    drop(server);
    let at = SocketAddr::new([127, 0, 0, 1].into(), outside::free_port());
    let _theirs = peers::start(program, aria2(&text(&there), at), &there, link);
    wait_for(&there, "photos", |file| file == photos);
}
