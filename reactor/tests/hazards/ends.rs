//! 3 and 4: ends that are reported before the data is read, or stand in its segment; and what stands
//! behind urgent data.

use super::*;

/// A connection that is paused, whose socket holds all that its peer has sent.
struct Unread {
    id: ConnectionId,
    theirs: TcpStream,
    /// The loop's socket once more.
    arrived: TcpStream,
    /// Bytes that were sent.
    length: usize,
}

fn send_to_paused(stage: &mut Stage) -> Unread {
    let (ours, mut theirs, length) = roomy_pair();
    let arrived = ours.try_clone().expect("there are descriptors");
    let probe = Probe::new("ours").on_open(|transport, _| transport.pause());
    let id = stage.adopt(ours, &StreamLimits::default(), probe);
    stage.until_quiet();
    let peer = stage.peer(move || {
        theirs.write_all(&pattern(length)).expect("it has room");
        theirs
    });
    let theirs = stage.join(peer);
    until_arrived(&arrived, length);
    stage.until_quiet();
    Unread { id, theirs, arrived, length }
}

/// Hazard 3: the kernel reports the end of the stream, or its failure, as soon as it knows, however
/// much is still to be read in front of it.
#[test]
fn everything_a_peer_sent_before_its_end_arrives_though_the_end_was_reported_first() {
    let mut stage = Stage::new();
    let Unread { id, theirs, arrived, length } = send_to_paused(&mut stage);
    let before = stage.reactor.stats().events;
    theirs.shutdown(Shutdown::Write).expect("it is connected");
    while stage.reactor.stats().events == before {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
    }
    assert_eq!(stage.log.of("ours"), ["open"], "it is paused");

    stage.registry().resume(id).expect("it is open");
    drop((theirs, arrived));
    stage.until_closed("ours");
    assert_same_bytes(stage.log.bytes("ours"), &pattern(length));
    let data = format!("data {length}");
    let told = ["open", &data, "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("ours"), told);
}

/// Hazard 3, with a reset. Linux keeps what had arrived before it; other systems throw it away.
#[test]
#[cfg(target_os = "linux")]
fn everything_a_peer_sent_before_its_reset_arrives_though_the_reset_was_reported_first() {
    let mut stage = Stage::new();
    let Unread { id, theirs, arrived, length } = send_to_paused(&mut stage);
    let before = stage.reactor.stats().events;
    SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    drop(theirs);
    while stage.reactor.stats().events == before {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
    }
    assert_eq!(stage.log.of("ours"), ["open"], "it is paused");

    stage.registry().resume(id).expect("it is open");
    drop(arrived);
    stage.until_closed("ours");
    assert_same_bytes(stage.log.bytes("ours"), &pattern(length));
    let data = format!("data {length}");
    assert_eq!(stage.log.of("ours"), ["open", &data, "close the peer reset the connection"]);
}

/// Hazards 3 and 7 together: a protocol that pauses after each sip, so that the end is reported while
/// most is unread, and every resumption has to look by itself.
#[test]
fn a_peer_that_sends_a_mebibyte_and_ends_is_heard_whole_by_one_that_pauses_all_the_time() {
    const LENGTH: usize = 1 << 20;
    let mut stage = Stage::with_limits(Limits { read_budget: 1, ..Limits::default() });
    let address = stage.listen(|| {
        Probe::new("sipper").on_data(|transport, input, _| {
            input.take_all();
            transport.pause();
            let id = transport.id();
            transport.registry().defer(move |registry, _| {
                registry.resume(id).expect("it does not end before it was read");
            });
        })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        theirs.write_all(&pattern(LENGTH)).expect("it is read");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        theirs.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    assert_eq!(stage.join(peer), 0);
    stage.until_closed("sipper");
    assert_same_bytes(stage.log.bytes("sipper"), &pattern(LENGTH));
    let data = format!("data {LENGTH}");
    let told = ["open", &data, "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("sipper"), told);
}

/// Hazard 4, as the network brings it: the FIN is in the segment of the last bytes.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn an_end_in_the_segment_of_the_last_bytes_is_seen() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    for _ in 0..20 {
        let mut theirs = client(address);
        SockRef::from(&theirs).set_tcp_cork(true).expect("it is TCP");
        theirs.write_all(b"all in one").expect("it has room");
        drop(theirs);
    }
    stage.until(|log| log.ends.len() == 20);
    assert_eq!(stage.log.bytes("server").len(), 200);
    assert_eq!(stage.log.count("server", "end"), 20);
}

/// A read stops in front of the urgent byte, short, whatever stands behind it (tcp(7)). All of it has
/// arrived before the loop looks, so no other event tells of the rest.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_stands_behind_urgent_data_is_heard() {
    for (urgent_inline, expected) in [(false, "before behind"), (true, "before !behind")] {
        let mut stage = Stage::new();
        let stream = StreamOptions { urgent_inline, ..StreamOptions::default() };
        let options = ListenOptions { stream, ..ListenOptions::default() };
        let address = stage.listen_with(&options, || Probe::new("server"));
        for round in 1..=20 {
            let theirs = client(address);
            let theirs = SockRef::from(&theirs);
            theirs.send(b"before ").expect("it has room");
            theirs.send_out_of_band(b"!").expect("it has room");
            theirs.send(b"behind").expect("it has room");
            stage.until(|log| log.bytes("server").len() == expected.len() * round);
            theirs.shutdown(Shutdown::Both).expect("it is connected");
        }
        assert_eq!(stage.log.bytes("server"), expected.repeat(20).as_bytes());
        stage.until(|log| log.ends.len() == 20);
    }
}
