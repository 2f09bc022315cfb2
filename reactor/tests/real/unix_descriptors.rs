//! What a Unix connection has of its system: a descriptor, credentials, and descriptors that pass through it.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::support;
use reactor::{ConnectOptions, PassError, StreamLimits, StreamOptions};
use support::{Log, Probe, Stage};

/// A file with something in it, as a descriptor.
fn file(text: &str) -> OwnedFd {
    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(text.as_bytes()).expect("there is room");
    file.into()
}

fn text(descriptor: OwnedFd) -> String {
    let mut text = String::new();
    let mut file = File::from(descriptor);
    file.rewind().expect("it is a file");
    file.read_to_string(&mut text).expect("it can be read");
    text
}

/// Notes with which byte of the stream each file has come, and what is in it.
fn receiver(most: usize) -> Probe {
    let mut heard = 0;
    Probe::new("receiver")
        .on_open(move |transport, _| transport.pass_descriptors(most).expect("it is of Unix"))
        .on_data(move |transport, input, log: &mut Log| {
            heard += input.take_all().len();
            for descriptor in transport.take_descriptors() {
                log.note("files", format!("{} by {heard}", text(descriptor)));
            }
        })
}

/// Two ends of one connection, on one loop.
fn join(stage: &mut Stage, sender: Probe, receiver: Probe) {
    let (one, other) = UnixStream::pair().expect("there are descriptors");
    let (options, limits) = (StreamOptions::default(), StreamLimits::default());
    stage.registry().adopt(one, &options, &limits, receiver).expect("it is open");
    stage.registry().adopt(other, &options, &limits, sender).expect("it is open");
}

#[test]
fn a_descriptor_arrives_with_the_byte_it_was_sent_with() {
    let mut stage = Stage::new();
    let sender = Probe::new("sender").on_open(|transport, _| {
        transport.pass_descriptors(0).expect("it is of Unix");
        transport.write(b"before ");
        transport.write_with_descriptors(b"one", vec![file("first")]).expect("it passes them");
        transport
            .write_with_descriptors(b" two", vec![file("second"), file("third")])
            .expect("also");
        transport.write(b" after");
        transport.close();
    });
    join(&mut stage, sender, receiver(3));
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.bytes("receiver"), b"before one two after");
    let files = stage.log.of("files");
    assert_eq!(files.len(), 3, "{files:?}");
    for (file, earliest) in
        files.iter().zip([("first by ", 8), ("second by ", 11), ("third by ", 11)])
    {
        let by: usize = file.strip_prefix(earliest.0).expect("in order").parse().expect("a number");
        assert!(by >= earliest.1, "{files:?}");
    }
    assert!(stage.log.ends.iter().all(|end| end.unsent == 0));
}

/// What waits in the outbox is in front of them.
#[test]
fn descriptors_wait_behind_bytes_that_a_peer_has_yet_to_take() {
    const MUCH: usize = 4 << 20;
    let mut stage = Stage::new();
    let sender = Probe::new("sender").on_open(|transport, _| {
        transport.pass_descriptors(0).expect("it is of Unix");
        transport.write(&vec![b'x'; MUCH]);
        assert!(transport.queued_bytes() > 0, "the system takes less");
        for name in ["one", "two"] {
            let sent = transport.write_with_descriptors(name.as_bytes(), vec![file(name)]);
            sent.expect("they wait");
        }
        transport.close();
    });
    join(&mut stage, sender, receiver(2));
    stage.until(|log| log.ends.len() == 2);
    let expected = [format!("one by {}", MUCH + 3), format!("two by {}", MUCH + 6)];
    let files = stage.log.of("files").join(", ");
    // The last bytes may come with one read.
    assert!(
        files == expected.join(", ") || files == expected.join(", ").replacen("3,", "6,", 1),
        "{files}"
    );
}

#[test]
fn what_cannot_be_passed_comes_back() {
    let mut stage = Stage::new();
    let sender = Probe::new("sender").on_open(|transport, log| {
        let refused = transport.write_with_descriptors(b"x", vec![file("a")]).unwrap_err();
        let why = format!("{refused:?}");
        log.note("refused", format!("{why} {}", text(refused.into_descriptors().remove(0))));
        transport.pass_descriptors(0).expect("it is of Unix");
        assert_eq!(transport.pass_descriptors(0).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let refused = transport.write_with_descriptors(b"", vec![file("b")]).unwrap_err();
        log.note("refused", format!("{refused}"));
        let many = (0..254).map(|_| file("")).collect();
        let refused = transport.write_with_descriptors(b"x", many).unwrap_err();
        assert!(matches!(&refused, PassError::Full(many) if many.len() == 254));
        transport.close();
        assert!(transport.write_with_descriptors(b"x", Vec::new()).is_err());
    });
    join(&mut stage, sender, receiver(0));
    stage.until(|log| log.ends.len() == 2);
    let refused = stage.log.of("refused");
    assert_eq!(refused[0], "NotPassing(..) a");
    assert!(refused[1].contains("leave with bytes"), "{refused:?}");
    assert_eq!(stage.log.bytes("receiver"), b"");
}

#[test]
fn a_peer_that_sends_more_descriptors_than_it_may_is_ended() {
    let mut stage = Stage::new();
    let sender = Probe::new("sender").on_open(|transport, _| {
        transport.pass_descriptors(0).expect("it is of Unix");
        let two = vec![file("one"), file("two")];
        transport.write_with_descriptors(b"x", two).expect("they leave");
    });
    join(&mut stage, sender, receiver(1));
    stage.until(|log| log.ends.len() == 2);
    let end = stage.log.end("receiver").expect("it has ended");
    assert!(end.reason.contains("more descriptors than it may"), "{end:?}");
}

#[test]
fn a_tcp_connection_has_a_descriptor_and_passes_none() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, log| {
            assert!(transport.descriptor().is_some_and(|descriptor| descriptor.as_raw_fd() > 2));
            let credentials = transport.peer_credentials().unwrap_err();
            let passing = transport.pass_descriptors(9).unwrap_err();
            log.note("refused", format!("{} {}", credentials.kind(), passing.kind()));
            transport.close();
        })
    });
    let options = ConnectOptions::default();
    let client = stage.registry().connect_with(address.into(), &options, Probe::new("client"));
    client.expect("it begins");
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("refused"), ["unsupported unsupported"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_unix_peer_is_known_by_its_process_and_user() {
    let mut stage = Stage::new();
    let sender = Probe::new("sender").on_open(|transport, log| {
        let peer = transport.peer_credentials().expect("it is of Unix");
        let user = rustix::process::getuid().as_raw();
        log.note("peer", format!("{} {}", peer.process == std::process::id(), peer.user == user));
        transport.close();
    });
    join(&mut stage, sender, Probe::new("receiver"));
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("peer"), ["true true"]);
}
