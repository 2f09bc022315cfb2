//! A process without descriptors: nobody spins, nobody stalls, and whoever waits is let in when there
//! are some again. They belong to the whole process, hence a program of its own.

#![cfg(unix)]

mod support;

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use reactor::{Limits, OpenError, Reactor};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{DatagramProbe, Log, Probe, Stage, any_port, client, until};

const HOUR: Duration = Duration::from_secs(3_600);

fn server() -> Probe {
    Probe::new("server")
}

/// All descriptors that the process may still open.
struct Hoard {
    files: Vec<File>,
    before: Rlimit,
}

impl Hoard {
    /// Takes them. Few are allowed meanwhile, so that it does not take long.
    fn take_all() -> Self {
        let before = getrlimit(Resource::Nofile);
        let few = Rlimit { current: Some(100), maximum: before.maximum };
        setrlimit(Resource::Nofile, few).unwrap();
        let mut hoard = Self { files: Vec::new(), before };
        hoard.take_rest();
        hoard
    }

    /// Takes what others have given back.
    fn take_rest(&mut self) {
        while let Ok(file) = File::open("/dev/null") {
            self.files.push(file);
        }
    }

    fn give_back(&mut self, count: usize) {
        self.files.truncate(self.files.len() - count);
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

/// How many have been closed without a word.
fn turned_away(callers: &[TcpStream]) -> usize {
    let is_closed = |mut caller: &TcpStream| {
        caller.set_nonblocking(true).unwrap();
        matches!(caller.read(&mut [0]), Ok(0))
    };
    callers.iter().filter(|caller| is_closed(caller)).count()
}

#[test]
fn accepting_goes_on_without_a_new_client_when_descriptors_are_freed() {
    let limits = Limits { accept_rest: Duration::from_millis(20), ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let address = stage.listen(server);
    let callers: Vec<_> = (0..10).map(|_| client(address)).collect();
    let mut hoard = Hoard::take_all();

    // One is told, by way of the spare descriptor; the others wait, and the loop sleeps.
    let before = stage.reactor.stats().turns;
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().accept_rests == 4);
    let stats = stage.reactor.stats();
    let turns = stats.turns - before;
    assert!(turns <= 16, "{turns} turns for four rests: it spins");
    assert_eq!((stats.accepted, stats.refused_no_descriptor), (0, 4), "one a rest is told");
    assert!(stats.accept_errors >= 4);
    assert_eq!(turned_away(&callers), 4);

    // Somebody else gives descriptors back, which nothing tells the loop.
    hoard.give_back(10);
    stage.until(|log| log.opened.len() == 6);
    drop(hoard);
    let stats = stage.reactor.stats();
    assert_eq!((stats.accepted, stats.refused_no_descriptor), (6, 4));
    drop(callers);
    stage.until(|log| log.ends.len() == 6);
}

#[test]
fn a_connection_that_ends_makes_room_for_one_that_waits() {
    let mut stage = Stage::with_limits(Limits { accept_rest: HOUR, ..Limits::default() });
    let address = stage.listen(server);
    let early = client(address);
    stage.until(|log| log.opened.len() == 1);
    let callers = [client(address), client(address)];
    let mut hoard = Hoard::take_all();
    stage.until_quiet();
    let stats = stage.reactor.stats();
    assert_eq!((stats.accepted, stats.refused_no_descriptor, stats.accept_rests), (1, 1, 1));

    // Its own descriptor is the client's end; only the server's is free, for long enough.
    early.shutdown(std::net::Shutdown::Write).unwrap();
    stage.until(|log| log.opened.len() == 2);
    hoard.take_rest();
    drop((hoard, early, callers));
    stage.until(|log| log.ends.len() == 2);
    assert!(stage.reactor.stats().accept_rests <= 2);
}

#[test]
fn others_are_served_while_there_are_none() {
    let mut stage = Stage::with_limits(Limits { accept_rest: HOUR, ..Limits::default() });
    let echo = || server().on_data(|transport, input, _| transport.write(input.take_all()));
    let address = stage.listen(echo);
    let mut inside = client(address);
    stage.until(|log| log.opened.len() == 1);
    let outside = client(address);
    let hoard = Hoard::take_all();
    std::io::Write::write_all(&mut inside, b"hello").unwrap();
    stage.until(|log| log.bytes("server") == b"hello");
    inside.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(stage.reactor.stats().accept_rests, 1);
    drop((hoard, inside, outside));
    stage.until(|log| log.ends.len() == 1);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let mut stage = Stage::new();
    let address = stage.listen(server);
    let _hoard = Hoard::take_all();
    let registry = stage.reactor.registry();
    let path: reactor::Address = std::path::Path::new("/tmp/reactor-never-made").into();
    let local = path.clone();
    let errors = [
        registry.listen(any_port(), |_, _: &mut Log| server()).map(drop),
        registry.listen(path.clone(), |_, _: &mut Log| server()).map(drop),
        registry.bind_datagram(any_port(), DatagramProbe::new("socket")).map(drop),
        registry.bind_datagram(path, DatagramProbe::new("socket")).map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, OpenError::NoDescriptors(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("no file descriptors left to open "), "{text}");
    }
    // Who connects is told where all other ends are told.
    registry.connect(address.into(), Probe::new("ip")).expect("it is told later");
    registry.connect(local, Probe::new("path")).expect("it is told later");
    assert!(Reactor::<Log>::new().is_err());
    for who in ["ip", "path"] {
        stage.until_closed(who);
        let why = &stage.log.end(who).expect("it has ended").reason;
        assert!(why.starts_with("could not connect: no file descriptors left to open "), "{why}");
    }
}
