//! Many who log in at once, and those whose names are none. The server is in the test's own loop: what
//! comes in one turn is decided here.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::password::PasswordHash;
use protocols::transfer::ftp::users::{Permissions, User, Users};
use protocols::transfer::ftp::{self, Limits, Server, Settings};
use protocols::transfer::store::{Access, Store, VirtualPath};
use reactor::{ListenOptions, Reactor};
use tempfile::TempDir;

use crate::kit::PATIENCE;

struct Stage {
    reactor: Reactor<Server>,
    server: Server,
    address: SocketAddr,
    log: Rc<RefCell<String>>,
    _directory: TempDir,
}

struct Peer {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Stage {
    /// With `ann`, whose password is `secret`, and hashes that cost what they usually do.
    fn new(limits: Limits, reactor: Reactor<Server>) -> Self {
        let mut users = Users::anonymous_only();
        let password = PasswordHash::of("secret").expect("a hash");
        let ann = User::new(password, VirtualPath::root(), Permissions::ALL);
        users.insert("ann", ann).expect("a name");
        Self::with_users(limits, users, reactor)
    }

    fn with_users(limits: Limits, users: Users, mut reactor: Reactor<Server>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path(), Access::ReadOnly).expect("it is there");
        let settings = Settings {
            limits: Limits { login_delay: Duration::ZERO, login_attempts: 100, ..limits },
            ..Settings::default()
        };
        let registry = reactor.registry();
        let any = "127.0.0.1:0".parse().expect("an address");
        let id = ftp::listen(registry, any, &ListenOptions::default()).expect("a free port");
        let address = registry.listener_address(id).expect("it listens");
        let address = address.socket_addr().expect("it is TCP");
        let mut server = Server::new(settings, users, store);
        let log = Rc::new(RefCell::new(String::new()));
        let lines = Rc::clone(&log);
        server.set_log(move |event| {
            writeln!(lines.borrow_mut(), "{event}").expect("there is memory");
        });
        Self { reactor, server, address, log, _directory: directory }
    }

    fn peer(&mut self) -> Peer {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_nonblocking(true).expect("it is set");
        let mut peer = Peer { stream, heard: Vec::new() };
        self.hears(&mut peer, "220 ");
        peer
    }

    /// One whose name is known.
    fn named(&mut self, name: &str) -> Peer {
        let mut peer = self.peer();
        self.asks(&mut peer, &format!("USER {name}"), "331 ");
        peer
    }

    fn asks(&mut self, peer: &mut Peer, line: &str, answer: &str) -> String {
        peer.says(line);
        self.hears(peer, answer)
    }

    /// The next line, which has to begin like this.
    #[track_caller]
    fn hears(&mut self, peer: &mut Peer, beginning: &str) -> String {
        let line = self.line(peer).expect("it has not ended");
        assert!(line.starts_with(beginning), "{line}");
        line
    }

    #[track_caller]
    fn line(&mut self, peer: &mut Peer) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = peer.heard.iter().position(|&byte| byte == b'\n') {
                let line: Vec<_> = peer.heard.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            assert!(Instant::now() < deadline, "waited in vain");
            self.turn();
            let mut buffer = [0; 1_024];
            match peer.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => peer.heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    fn turn(&mut self) {
        let patience = Some(Duration::from_millis(1));
        let _ = self.reactor.turn(patience, &mut self.server).expect("it turns");
    }
}

impl Peer {
    fn says(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).expect("there is room");
    }
}

fn idle() -> Reactor<Server> {
    Reactor::new().expect("a loop")
}

#[test]
fn of_many_logins_at_once_those_beyond_the_queue_are_told_to_come_back_and_not_that_they_are_wrong()
{
    let limits = Limits { passwords_waiting: 2, ..Limits::default() };
    let mut stage = Stage::new(limits, idle());
    let mut peers: Vec<_> = (0..6).map(|_| stage.named("ann")).collect();
    peers.iter_mut().for_each(|peer| peer.says("PASS wrong"));
    // Two at a time, and two wait; whose words come first is the system's to say, and a wait of poll(2)
    // may report some of them later than others.
    let mut put_off = 0;
    for peer in &mut peers {
        let answer = stage.line(peer).expect("an answer");
        if answer.starts_with("421 ") {
            put_off += 1;
            assert!(answer.contains("try again later"), "{answer}");
            assert_eq!(stage.line(peer), None, "it is closed");
        } else {
            assert!(answer.starts_with("530 "), "{answer}");
        }
    }
    assert!((1..=2).contains(&put_off), "{put_off}");
    let counters = *stage.server.counters();
    assert_eq!(
        (counters.failed_logins, counters.turned_away),
        (6 - put_off, put_off),
        "{counters}"
    );
    assert!(stage.log.borrow().contains("has to come back to log in as ann"));
    let mut ann = stage.named("ann");
    stage.asks(&mut ann, "PASS secret", "230 ");
}

#[test]
fn a_pool_that_is_full_is_no_wrong_password() {
    let limits = reactor::Limits { offloads: 0, ..reactor::Limits::default() };
    let reactor = Reactor::with_limits(limits).expect("a loop");
    let mut stage = Stage::new(Limits::default(), reactor);
    let mut ann = stage.named("ann");
    stage.asks(&mut ann, "PASS secret", "421 ");
    assert_eq!(stage.line(&mut ann), None, "it is closed");
    assert_eq!(stage.server.counters().failed_logins, 0);
}

#[test]
fn who_is_gone_while_its_password_waits_is_waited_for_by_nobody() {
    let mut stage = Stage::new(Limits::default(), idle());
    let mut peers: Vec<_> = (0..9).map(|_| stage.named("ann")).collect();
    peers.iter_mut().for_each(|peer| peer.says("PASS wrong"));
    stage.turn();
    for Peer { stream, .. } in peers {
        // A reset: whoever only says no more may still listen.
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&stream).set_linger(linger).expect("it is set");
    }
    let mut ann = stage.named("ann");
    stage.asks(&mut ann, "PASS secret", "230 ");
    let computed = stage.server.hashes_computed();
    assert!(computed <= 6, "nobody is there to be told, of {computed}");
}

#[test]
fn a_name_that_is_none_is_told_as_late_as_a_wrong_password_and_anonymous_waits_for_nothing() {
    // How many hashes are computed is how late it is.
    for users in [false, true] {
        let mut stage = if users {
            Stage::new(Limits::default(), idle())
        } else {
            Stage::with_users(Limits::default(), Users::anonymous_only(), idle())
        };
        let mut peer = stage.peer();
        for (at, name) in ["ann", "bob", "aaa", "zzz", ""].into_iter().enumerate() {
            stage.asks(&mut peer, &format!("USER x{name}"), "331 ");
            // The right password of somebody else lets nobody in.
            stage.asks(&mut peer, "PASS secret", "530 ");
            assert_eq!(stage.server.hashes_computed(), at as u64 + 1, "{name}");
        }
        let before = stage.server.hashes_computed();
        stage.asks(&mut peer, "USER anonymous", "331 ");
        stage.asks(&mut peer, "PASS me@example", "230 ");
        assert_eq!(stage.server.hashes_computed(), before);
    }
}
