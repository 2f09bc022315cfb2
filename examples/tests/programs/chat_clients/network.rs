//! Three of our servers that are one network over `nats-server`: people on different ones meet, and whatever can be
//! killed is killed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Ann, CHAT, irssi, weechat};
use crate::nats_server::Store;
use crate::outside::free_port;
use crate::support::{PATIENCE, Program, connect};

/// A network, whose servers take each other for lost after a second.
struct Network {
    nats: Store,
}

/// One of its servers, and the port of its clients, which it has again when it is started again.
struct Node {
    program: Program,
    name: &'static str,
    port: u16,
}

impl Network {
    #[track_caller]
    fn starts(&self, name: &'static str, port: u16, options: &[&str]) -> Node {
        let (listen, nats) =
            (format!("127.0.0.1:{port}"), format!("nats://127.0.0.1:{}", self.nats.port));
        let words = ["serve", "--listen", &listen, "--cluster", &nats, "--node", name];
        let words = [&words[..], &["--silence", "1"], options].concat();
        let node = Node { program: Program::start(CHAT, &words), name, port };
        node.logs("the network has 0 accounts");
        node
    }

    /// These servers, each of which sees the others.
    #[track_caller]
    fn of<const N: usize>(names: [&'static str; N], options: &[&str]) -> Option<(Self, [Node; N])> {
        let network = Self { nats: Store::start()? };
        let nodes = names.map(|name| network.starts(name, free_port(), options));
        // Those that are there say so to one that comes, which says so in turn.
        for (at, node) in nodes.iter().enumerate() {
            nodes[at + 1..].iter().for_each(|_| node.logs(" is there"));
        }
        Some((network, nodes))
    }
}

impl Node {
    #[track_caller]
    fn logs(&self, text: &str) {
        eprintln!("{} logs: {}", self.name, self.program.error_with(text));
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

#[test]
fn irssi_and_weechat_meet_on_different_servers_and_whatever_can_be_killed_is() {
    let Some((mut network, [a, b, c])) = Network::of(["a", "b", "c"], &[]) else { return };
    let mut ann = Ann::connect(&a.address(), &[]);
    let Ok(mut iris) = irssi::open("127.0.0.1", b.port) else { return };
    iris.join("#room");
    ann.sees("-- guest (");
    iris.nick("iris");
    ann.sees("-- guest is now known as iris");
    // The nick is free for who wants it, on whatever server.
    let Ok(mut guest) = weechat::open("127.0.0.1", c.port) else { return };
    guest.join("#room");
    ann.sees("-- guest (");
    iris.sees_member("guest");

    guest.say("#room", "one network, is it");
    ann.sees("#room <guest> one network, is it");
    iris.sees("one network, is it");
    ann.types("/topic Three servers");
    iris.sees("Three servers");
    guest.sees("Three servers");
    iris.say("#room", "it is");
    guest.sees("it is");

    // A server is killed: nobody says goodbye.
    let port = c.port;
    drop(c);
    ann.sees("-- guest has quit");
    let c = network.starts("c", port, &[]);
    // Its nick is free again, though nobody has given it back.
    guest.come_back();
    guest.join("#room");
    ann.sees("-- guest (");

    // NATS is killed: each server is alone.
    network.nats.kill();
    ann.sees_all(&["-- guest has quit", "-- iris has quit"]);
    ann.types("is anybody there?");
    network.nats.again();
    // What is said before the speaker's server is back is lost elsewhere.
    ann.sees_all(&["-- guest (", "-- iris ("]);
    iris.say("#room", "there you are");
    ann.sees("#room <iris> there you are");
    guest.sees("there you are");

    iris.quit();
    ann.sees("-- iris has quit");
    guest.quit();
    ann.sees("-- guest has quit");
    [a, b, c].into_iter().for_each(|node| drop(node.program.stop()));
}

/// Users without a program: each is a connection that has said who it is.
struct Crowd {
    _connections: Vec<TcpStream>,
}

impl Crowd {
    #[track_caller]
    fn enter(node: &Node, count: usize) -> Self {
        let enter = |number| {
            let mut stream = TcpStream::connect(node.address()).expect("it listens");
            let (name, room) = (node.name, number % 10);
            let lines = format!("NICK {name}{number}\r\nUSER x 0 * :x\r\nJOIN #room{room}\r\n");
            stream.write_all(lines.as_bytes()).expect("it reads");
            stream
        };
        Self { _connections: (0..count).map(enter).collect() }
    }
}

/// Somebody who asks how many there are.
struct Watcher(BufReader<TcpStream>);

impl Watcher {
    #[track_caller]
    fn enter(node: &Node) -> Self {
        let mut stream = connect(&node.address());
        let lines = format!("NICK watcher-{}\r\nUSER x 0 * :x\r\n", node.name);
        stream.write_all(lines.as_bytes()).expect("it reads");
        let mut watcher = Self(BufReader::new(stream));
        watcher.hears(" 422 ");
        watcher
    }

    #[track_caller]
    fn hears(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("it says something");
            assert!(!line.is_empty(), "it has hung up");
            if let Some(token) = line.strip_prefix("PING ") {
                let answer = format!("PONG {token}");
                self.0.get_mut().write_all(answer.as_bytes()).expect("it reads");
            }
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until there are so many in the whole network.
    #[track_caller]
    fn counts(&mut self, count: usize) {
        let deadline = Instant::now() + 4 * PATIENCE;
        loop {
            self.0.get_mut().write_all(b"LUSERS\r\n").expect("it reads");
            let line = self.hears(" 266 ");
            let found = line.split(' ').nth(3).and_then(|word| word.parse::<usize>().ok());
            if found == Some(count) {
                return;
            }
            assert!(Instant::now() < deadline, "there are not {count}: {line}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn three_thousand_users_on_three_servers_are_seen_on_each() {
    const EACH: usize = 1_000;
    let options = ["--flood", "off"];
    let Some((mut network, [a, b, c])) = Network::of(["a", "b", "c"], &options) else { return };
    let [mut at_a, mut at_b, mut at_c] = [&a, &b, &c].map(Watcher::enter);
    let crowds = [&a, &b].map(|node| Crowd::enter(node, EACH));
    let last = Crowd::enter(&c, EACH);
    for watcher in [&mut at_a, &mut at_b, &mut at_c] {
        watcher.counts(3 * EACH + 3);
    }
    // A server is killed, and a third is gone everywhere, once.
    drop(c);
    drop(last);
    [&mut at_a, &mut at_b].into_iter().for_each(|watcher| watcher.counts(2 * EACH + 2));
    // NATS is killed, and comes back to everybody.
    network.nats.kill();
    [&mut at_a, &mut at_b].into_iter().for_each(|watcher| watcher.counts(EACH + 1));
    network.nats.again();
    [&mut at_a, &mut at_b].into_iter().for_each(|watcher| watcher.counts(2 * EACH + 2));
    drop((crowds, at_a, at_b));
    [a, b].into_iter().for_each(|node| drop(node.program.stop()));
}
