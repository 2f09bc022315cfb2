//! Files: sent in their place among what is written, reported in order, never held in memory.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::TcpStream;
use std::rc::Rc;

use crate::support;
use reactor::{
    Closed, Input, ListenOptions, Protocol, Registry, SendFileError, SentFile, StreamOptions,
    Transport,
};
use support::*;

/// A file with this in it, which vanishes with its descriptor.
fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("the disk has room");
    file
}

fn read_all(mut theirs: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).expect("it says goodbye");
    all
}

/// A listener's options for connections whose kernel buffers hold little, so that queues grow here.
fn tight() -> ListenOptions {
    let stream = StreamOptions { send_buffer: Some(128 * 1024), ..StreamOptions::default() };
    ListenOptions { stream, ..ListenOptions::default() }
}

#[test]
fn a_file_leaves_behind_what_was_written_before_it_and_in_front_of_what_was_later() {
    for length in [1, 100, 20_000, 3_000_000] {
        let mut stage = Stage::new();
        let content = pattern(length + 20);
        let source = content.clone();
        let address = stage.listen(move || {
            let source = source.clone();
            Probe::new("server").on_open(move |transport, _| {
                transport.write(b"head ");
                transport.send_file(file(&source), 10, length as u64);
                transport.write(b" tail");
                transport.end();
            })
        });
        let peer = stage.peer(move || read_all(client(address)));
        let all = stage.join(peer);
        assert_same_bytes(&all, &[b"head ", &content[10..length + 10], b" tail"].concat());
        stage.until_closed("server");
        let told = ["open", &format!("file {length} of {length}"), "end", "close closed"];
        assert_eq!(stage.log.of("server"), told);
    }
}

#[test]
fn every_file_is_reported_once_in_the_order_they_were_given() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(), || {
        Probe::new("server").on_open(|transport, _| {
            for length in [300_000_usize, 0, 1, 700_000, 2] {
                transport.send_file(file(&pattern(length)), 0, length as u64);
                transport.write(b"|");
            }
            transport.end();
        })
    });
    let peer = stage.peer(move || read_all(client(address)));
    let expected: Vec<u8> = [300_000, 0, 1, 700_000, 2]
        .into_iter()
        .flat_map(|length| [pattern(length), b"|".to_vec()].concat())
        .collect();
    assert_same_bytes(&stage.join(peer), &expected);
    stage.until_closed("server");
    let told = [
        "open",
        "file 300000 of 300000",
        "file 0 of 0",
        "file 1 of 1",
        "file 700000 of 700000",
        "file 2 of 2",
        "end",
        "close closed",
    ];
    assert_eq!(stage.log.of("server"), told);
}

#[test]
fn a_file_that_is_shorter_than_was_said_ends_early_and_the_rest_follows() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.send_file(file(b"0123456789"), 4, 1_000_000);
            transport.write(b"|");
            transport.send_file(file(b"0123456789"), 10, 5);
            transport.write(b"|");
            transport.send_file(file(b""), 0, 1);
            transport.end();
        })
    });
    let peer = stage.peer(move || read_all(client(address)));
    assert_eq!(stage.join(peer), b"456789||");
    stage.until_closed("server");
    let told = ["open", "file 6 of 1000000", "file 0 of 5", "file 0 of 1", "end", "close closed"];
    assert_eq!(stage.log.of("server"), told);
}

/// Sends one file after the other, each when the one before is gone.
struct Playlist {
    files: Vec<File>,
    handed_back: Rc<RefCell<Vec<(u64, u64)>>>,
}

impl Playlist {
    fn next(&mut self, transport: &mut Transport<'_, Log>) {
        match self.files.pop() {
            Some(file) => transport.send_file(file, 0, 1_000_000),
            None => transport.end(),
        }
    }
}

impl Protocol<Log> for Playlist {
    fn on_open(&mut self, transport: &mut Transport<'_, Log>, _: &mut Log) {
        self.next(transport);
    }

    fn on_data(&mut self, _: &mut Transport<'_, Log>, _: &mut Input<'_>, _: &mut Log) {}

    fn on_file_sent(&mut self, transport: &mut Transport<'_, Log>, sent: SentFile, _: &mut Log) {
        let SentFile { mut file, sent, requested, .. } = sent;
        assert_eq!(requested, 1_000_000);
        let position = file.stream_position().expect("it is a file");
        let length = file.metadata().expect("it is open").len();
        assert_eq!(sent, length);
        self.handed_back.borrow_mut().push((sent, position));
        transport.write(b"|");
        self.next(transport);
    }

    fn on_close(&mut self, _: &mut Registry<Log>, closed: &Closed, log: &mut Log) {
        log.note("playlist", format!("close {}", closed.reason));
    }
}

#[test]
fn a_file_comes_back_when_it_was_sent_and_the_next_may_follow() {
    let mut stage = Stage::new();
    let handed_back: Rc<RefCell<Vec<(u64, u64)>>> = Rc::default();
    let back = Rc::clone(&handed_back);
    let registry = stage.registry();
    let id = registry
        .listen(any_port(), move |_, _| Playlist {
            files: [3_000, 2_000, 1_000].map(|length| file(&pattern(length))).into(),
            handed_back: Rc::clone(&back),
        })
        .expect("loopback has a free port");
    let address = registry.listener_address(id).expect("it is open");
    stage.will_close(id);
    let address = address.socket_addr().expect("it is an IP address");
    let peer = stage.peer(move || read_all(client(address)));
    let expected = [1_000, 2_000, 3_000].map(|length| [pattern(length), b"|".to_vec()].concat());
    assert_same_bytes(&stage.join(peer), &expected.concat());
    stage.until(|log| log.has("playlist", "close closed"));
    // Sending does not move the file's own position: it may be shared.
    assert_eq!(*handed_back.borrow(), [(1_000, 1_000), (2_000, 2_000), (3_000, 3_000)]);
}

#[test]
fn a_large_file_for_a_slow_reader_is_never_in_memory_and_delays_nobody() {
    const LENGTH: usize = 8 << 20;
    let mut stage = Stage::new();
    let content = pattern(LENGTH);
    let movie = file(&content);
    let address = stage.listen_with(&tight(), move || {
        let movie = movie.try_clone().expect("there are descriptors");
        Probe::new("server").on_data(move |transport, input, _| match input.take_all() {
            b"movie" => {
                let movie = movie.try_clone().expect("there are descriptors");
                transport.send_file(movie, 0, LENGTH as u64);
            }
            ping => transport.write(ping),
        })
    });
    let mut slow = client(address);
    slow.write_all(b"movie").expect("it has room");
    stage.until(|log| log.bytes("server") == b"movie");
    stage.until_quiet();
    let written = stage.reactor.stats().written_bytes;
    assert!(written < LENGTH as u64, "the kernel took {written}");

    // Nobody reads it, and others are served.
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        for _ in 0..10 {
            theirs.write_all(b"ping").expect("it has room");
            theirs.read_exact(&mut [0; 4]).expect("it answers");
        }
    });
    stage.join(peer);
    assert!(!stage.log.has("server", &format!("file {LENGTH} of {LENGTH}")));

    let peer = stage.peer(move || {
        let mut all = vec![0; LENGTH];
        all.chunks_mut(50_000).try_for_each(|chunk| slow.read_exact(chunk)).expect("it comes");
        all
    });
    let mut peak = 0;
    while !peer.is_done() {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
        peak = peak.max(stage.reactor.stats().queued_bytes);
    }
    assert_same_bytes(&peer.join(), &content);
    assert!(peak < 1_000, "{peak} bytes were held in memory");
    assert_eq!(stage.log.count("server", &format!("file {LENGTH} of {LENGTH}")), 1);
    stage.until(|log| log.ends.len() == 2);
}

#[test]
#[cfg(unix)]
fn a_file_that_cannot_be_read_ends_its_connection_with_the_systems_error() {
    use std::io::ErrorKind;
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().to_owned();
    let address = stage.listen(move || {
        let path = path.clone();
        Probe::new("server").on_open(move |transport, _| {
            transport.write(b"head");
            // It opens, and that is all that can be done with it.
            transport.send_file(File::open(&path).expect("it is there"), 0, 100);
            transport.write(b"tail");
        })
    });
    let mut theirs = client(address);
    stage.until_closed("server");
    let end = stage.log.end("server").expect("it has ended").clone();
    assert!(end.reason.starts_with("a file that was being sent could not be read: "), "{end:?}");
    assert!(end.error.is_some_and(|error| error != ErrorKind::WouldBlock), "{end:?}");
    assert_eq!(end.side, reactor::Side::System);
    assert_eq!(end.unsent, 104, "the file and what stood behind it");
    assert_eq!(stage.reactor.stats().lost_bytes, 104);
    let mut heard = Vec::new();
    let error = theirs.read_to_end(&mut heard).expect_err("it was reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// What is queued behind a file is in memory, and counts.
#[test]
fn what_waits_behind_a_file_holds_back_the_reading_and_drains_after_it() {
    const LENGTH: usize = 3 << 20;
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(), || {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.send_file(file(&pattern(LENGTH)), 0, LENGTH as u64);
            transport.write(&pattern(100_000));
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"!").expect("it has room");
    stage.until(|log| log.bytes("server") == b"!");
    theirs.write_all(b"?").expect("it has room");
    stage.until_quiet();
    assert_eq!(stage.log.bytes("server"), b"!", "it is held");

    let peer = stage.peer(move || {
        let mut all = vec![0; 2 * (LENGTH + 100_000)];
        theirs.read_exact(&mut all).expect("it all comes");
        all
    });
    let all = stage.join(peer);
    let once = [pattern(LENGTH), pattern(100_000)].concat();
    assert_same_bytes(&all, &once.repeat(2));
    stage.until_closed("server");
    let sent = format!("file {LENGTH} of {LENGTH}");
    let told = ["open", "data 1", &sent, "drain", "data 1", &sent, "drain", "end"];
    assert_eq!(stage.log.of("server")[..8], told);
}

#[test]
fn a_file_that_is_being_sent_when_its_peer_resets_is_given_up_and_counted() {
    const LENGTH: u64 = 8 << 20;
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.send_file(file(&pattern(LENGTH as usize)), 0, LENGTH);
        })
    });
    let theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    let written = stage.reactor.stats().written_bytes;
    let linger = Some(std::time::Duration::ZERO);
    socket2::SockRef::from(&theirs).set_linger(linger).expect("it is a socket");
    drop(theirs);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close the peer reset the connection"]);
    let end = stage.log.end("server").expect("it has ended");
    assert_eq!(end.unsent + written, LENGTH);
}

#[test]
fn a_close_waits_for_the_file_and_says_nothing_more() {
    const LENGTH: usize = 2 << 20;
    let mut stage = Stage::new();
    let address = stage.listen_with(&tight(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.send_file(file(&pattern(LENGTH)), 0, LENGTH as u64);
            transport.close();
        })
    });
    let peer = stage.peer(move || read_all(client(address)));
    assert_same_bytes(&stage.join(peer), &pattern(LENGTH));
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
}

#[test]
fn a_file_for_a_connection_that_sends_no_more_is_dropped_and_counted() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.close();
            transport.send_file(file(b"too late"), 0, 8);
        })
    });
    let peer = stage.peer(move || read_all(client(address)));
    assert_eq!(stage.join(peer), b"");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    assert_eq!(stage.reactor.stats().discarded_bytes, 8);
}

/// Small budgets, so that a file takes many turns; and a Unix socket, where sendfile works too.
#[test]
#[cfg(unix)]
fn a_file_takes_as_many_turns_as_its_budget_allows_and_loses_nothing() {
    use reactor::{Limits, StreamLimits};
    use std::os::unix::net::UnixStream;
    const LENGTH: usize = 2 << 20;
    let mut stage = Stage::with_limits(Limits { write_budget: 1, ..Limits::default() });
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    let probe = Probe::new("ours").on_open(|transport, _| {
        transport.write(b"head");
        transport.send_file(file(&pattern(LENGTH)), 0, LENGTH as u64);
        transport.write(b"tail");
        transport.end();
    });
    stage.adopt(ours, &StreamLimits::default(), probe);
    let peer = stage.peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    let expected = [b"head", &pattern(LENGTH)[..], b"tail"].concat();
    assert_same_bytes(&stage.join(peer), &expected);
    stage.until_closed("ours");
}

/// A file that somebody else gives a connection to send, and one that it gives itself by its id.
#[test]
fn a_file_is_sent_by_id() {
    let mut stage = Stage::new();
    let content = pattern(300_000);
    let (own, id) = (content.clone(), Rc::new(RefCell::new(None)));
    let told = Rc::clone(&id);
    let address = stage.listen(move || {
        let (own, told) = (own.clone(), Rc::clone(&told));
        Probe::new("server").on_open(move |transport, _| {
            let id = transport.id();
            transport.write(b"head ");
            transport.registry().send_file(id, file(&own), 0, 7).expect("it is open");
            told.replace(Some(id));
        })
    });
    let peer = stage.peer(move || read_all(client(address)));
    stage.until(|_| id.borrow().is_some());
    let id = id.borrow().expect("it is open");
    let registry = stage.reactor.registry();
    let _ = registry.send(id, " then ".into()).expect("it is open");
    registry.send_file(id, file(&content), 10, 200_000).expect("it is open");
    registry.end(id).expect("it is open");
    let refused = registry.send_file(id, file(b"x"), 0, 1);
    assert!(matches!(&refused, Err(SendFileError::Closing(_))), "{refused:?}");
    drop(refused);
    let all = stage.join(peer);
    assert_same_bytes(&all, &[b"head ", &content[..7], b" then ", &content[10..200_010]].concat());
    stage.until_closed("server");
    let told = ["open", "file 7 of 7", "file 200000 of 200000", "end", "close closed"];
    assert_eq!(stage.log.of("server"), told);
    let refused = stage.reactor.registry().send_file(id, file(b"x"), 0, 1);
    assert!(matches!(&refused, Err(SendFileError::Stale(_))), "{refused:?}");
}
