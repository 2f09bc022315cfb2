//! What the loop tells of itself: counters that say what was done, and a table that netstat's readers
//! know.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::support;
use bytes::Bytes;
use reactor::{
    DatagramOptions, ListenOptions, Rows, SocketRow, Stats, StreamLimits, StreamOptions, TimerKey,
};
use support::*;

/// The rows of the closes that are not zero.
fn closes(stats: &Stats) -> Vec<(&'static str, u64)> {
    stats.closes().filter(|&(_, count)| count > 0).collect()
}

// ── counters ────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_loop_that_has_done_nothing_counts_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.reactor.stats(), Stats::default());
    let text = "\
0 turns (0.0ns the longest), 0 events (0 stale)
0 connections; 0 accepted, 0 begun, 0 refused, 0 ended
0 bytes in 0 reads, 0 bytes in 0 writes, 0 queued, 0 lost
0 datagrams received, 0 sent, 0 dropped, 0 errors
0 timers, 0 fired; 0 tasks, 0 wake-ups; 0 panics
";
    assert_eq!(Stats::default().to_string(), text);
}

#[test]
fn connections_and_their_bytes_are_counted_as_they_come_and_go() {
    let mut stage = Stage::new();
    let address = stage.listen(echo);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| client(address)).collect();
    stage.until(|log| log.opened.len() == 3);
    let stats = stage.reactor.stats();
    assert_eq!((stats.accepted, stats.connections, stats.closed()), (3, 3, 0), "{stats}");

    for theirs in &mut clients {
        theirs.write_all(b"hello").expect("it has room");
        theirs.flush().expect("it has room");
    }
    stage.until(|log| log.bytes("server").len() == 15);
    for theirs in &mut clients {
        theirs.read_exact(&mut [0; 5]).expect("it answers");
    }
    let stats = stage.reactor.stats();
    assert_eq!((stats.read_bytes, stats.written_bytes), (15, 15), "{stats}");
    assert_eq!(stats.writes, 3, "{stats}");
    assert!(stats.reads >= 3, "{stats}");

    drop(clients);
    stage.until(|log| log.ends.len() == 3);
    let stats = stage.reactor.stats();
    assert_eq!((stats.accepted, stats.connections, stats.closed()), (3, 0, 3), "{stats}");
    assert_eq!(closes(&stats), [("peer closed", 3)]);
    // And what did not happen was not counted.
    let nothing = [
        stats.stale_events,
        stats.connects,
        stats.refused_full,
        stats.refused_address,
        stats.refused_by_factory,
        stats.refused_no_descriptor,
        stats.accept_rests,
        stats.accept_errors,
        stats.discarded_bytes,
        stats.lost_bytes,
        stats.datagrams_received,
        stats.datagrams_sent,
        stats.timers_fired,
        stats.tasks,
        stats.wakeups,
        stats.panics,
        stats.queued_bytes,
        stats.timers,
    ];
    assert_eq!(nothing, [0; 18], "{stats}");
    assert!(stats.turns > 0 && stats.events > 0 && stats.longest_turn > Duration::ZERO, "{stats}");
}

#[test]
fn every_end_is_counted_under_its_reason() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&ListenOptions::default(), || {
        Probe::new("server").on_data(|transport, input, _| match input.take_all() {
            b"abort" => transport.abort(),
            b"close" => transport.close(),
            b"detach" => transport.detach(|detached, _, _| drop(detached)),
            _ => {}
        })
    });
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let dead = nobody.local_addr().expect("it is bound");
    drop(nobody);
    stage.connect(dead, Probe::new("caller"));
    stage.until_closed("caller");

    for said in [&b"abort"[..], b"close", b"close", b"detach"] {
        let mut theirs = client(address);
        theirs.write_all(said).expect("it has room");
        let before = stage.log.bytes("server").len();
        stage.until(|log| log.bytes("server").len() == before + said.len());
        drop(theirs);
    }
    drop(client(address));
    stage.until(|log| log.ends.len() == 6);
    let stats = stage.reactor.stats();
    assert_eq!(
        closes(&stats),
        [("peer closed", 1), ("closed", 2), ("aborted", 1), ("detached", 1), ("connect failed", 1)]
    );
    assert_eq!((stats.connects, stats.accepted, stats.closed()), (1, 5, 6));
    let last = stats.to_string();
    let last = last.lines().last().expect("it has lines");
    let text = "ended: peer closed 1, closed 2, aborted 1, detached 1, connect failed 1";
    assert_eq!(last, text);
}

#[test]
fn a_peer_that_is_refused_is_counted_and_nobody_is_told() {
    let mut stage = Stage::new();
    let registry = stage.registry();
    let id = registry
        .listen_with(any_port(), &ListenOptions::default(), |_, _| None)
        .expect("loopback has a free port");
    let address = registry.listener_address(id).expect("it is open");
    stage.will_close(id);
    let _clients = [(); 3].map(|()| client(address.socket_addr().expect("it is an IP address")));
    until(&mut stage.reactor, &mut stage.log, |_, registry| {
        registry.stats().refused_by_factory == 3
    });
    let stats = stage.reactor.stats();
    assert_eq!((stats.accepted, stats.connections, stats.closed()), (0, 0, 0), "{stats}");
    assert!(stats.to_string().contains("0 accepted, 0 begun, 3 refused, 0 ended"), "{stats}");
}

#[test]
fn bytes_that_were_written_in_vain_are_counted_apart() {
    let mut stage = Stage::new();
    let options = ListenOptions {
        stream: StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() },
        ..ListenOptions::default()
    };
    let address = stage.listen_with(&options, || {
        Probe::new("server").on_data(|transport, input, _| match input.take_all() {
            b"much" => transport.write(&pattern(3 << 20)),
            _ => {
                transport.close();
                transport.write(b"too late");
                transport.send(Bytes::from_static(b"much too late"));
            }
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"much").expect("it has room");
    stage.until(|log| log.bytes("server") == b"much");
    stage.until_quiet();
    let stats = stage.reactor.stats();
    let queued = row(&stage, &theirs).send_queue as u64;
    assert_eq!(stats.written_bytes + queued, 3 << 20, "{stats}");
    assert!(stats.queued_bytes >= queued && stats.queued_bytes <= queued + 1_024, "{stats}");
    let id = stage.log.id("server");
    stage.registry().abort(id).expect("it is open");
    stage.until_closed("server");
    let stats = stage.reactor.stats();
    assert_eq!((stats.lost_bytes, stats.discarded_bytes, stats.queued_bytes), (queued, 0, 0));
    drop(theirs);

    let mut theirs = client(address);
    theirs.write_all(b"close").expect("it has room");
    stage.until(|log| log.bytes("server").len() == 9);
    theirs.read_to_end(&mut Vec::new()).expect("it says goodbye");
    drop(theirs);
    stage.until(|log| log.ends.len() == 2);
    let stats = stage.reactor.stats();
    assert_eq!((stats.lost_bytes, stats.discarded_bytes), (queued, 21), "{stats}");
}

#[test]
fn datagrams_are_counted_with_their_bytes() {
    let mut stage = Stage::new();
    let probe = DatagramProbe::new("socket").on_datagram(|socket, datagram, _| {
        let twice = [datagram.bytes, datagram.bytes].concat();
        socket.send_to(&twice, &datagram.from).expect("it leaves");
    });
    let registry = stage.registry();
    let id = registry.bind_datagram(any_port(), probe).expect("it binds");
    let address = registry.socket_address(id).expect("it is bound");
    stage.will_close_socket(id);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    for length in [0, 1, 10, 100] {
        let address = address.socket_addr().expect("it is UDP");
        peer.send_to(&pattern(length), address).expect("it leaves");
    }
    stage.until(|log| log.datagrams.len() == 4);
    let stats = stage.reactor.stats();
    assert_eq!((stats.datagrams_received, stats.datagram_bytes_received), (4, 111), "{stats}");
    assert_eq!((stats.datagrams_sent, stats.datagram_bytes_sent), (4, 222), "{stats}");
    assert_eq!((stats.datagrams_dropped, stats.datagram_errors), (0, 0), "{stats}");
    // They are no stream's.
    assert_eq!((stats.reads, stats.writes, stats.connections), (0, 0, 0), "{stats}");
}

#[test]
fn timers_tasks_and_wakeups_are_counted() {
    let mut stage = Stage::new();
    let registry = stage.registry();
    for _ in 0..3 {
        registry.after(Duration::ZERO, |_, _| {}).expect("there is room");
    }
    let later = registry.after(Duration::MAX, |_, _| {}).expect("there is room");
    registry.defer(|_, _| {});
    assert_eq!(registry.stats().timers, 4);
    stage.until_quiet();
    let stats = stage.reactor.stats();
    assert_eq!((stats.timers, stats.timers_fired, stats.tasks), (1, 3, 1), "{stats}");
    assert!(stage.registry().cancel(later));
    for count in 1..=3 {
        stage.handle().run(|_, log| log.note("handle", "run")).expect("the loop is running");
        stage.until(|log| log.count("handle", "run") == count);
    }
    let stats = stage.reactor.stats();
    assert_eq!((stats.timers, stats.tasks, stats.wakeups), (0, 4, 3), "{stats}");
    assert_eq!(stats.events, 3, "{stats}");
}

// ── the snapshot ────────────────────────────────────────────────────────────────────────────

/// The row of the connection with this peer.
fn row(stage: &Stage, theirs: &TcpStream) -> SocketRow {
    let peer = theirs.local_addr().expect("it is connected").into();
    let snapshot = stage.reactor.snapshot();
    let mut rows = snapshot.sockets.into_iter();
    rows.find(|row| row.peer.as_ref() == Some(&peer)).expect("it is open")
}

/// The text with ports named in the order in which they appear, each as wide as it was; and without
/// what is different on each run.
fn normalised(text: &str) -> String {
    let mut ports: Vec<&str> = Vec::new();
    let mut names = text.to_owned();
    for word in text.split_whitespace() {
        if let Some(port) = word.strip_prefix("127.0.0.1:")
            && !ports.contains(&port)
        {
            ports.push(port);
            let name = format!(":{:P<width$}", ports.len(), width = port.len());
            names = names.replace(&format!(":{port} "), &format!("{name} "));
        }
    }
    let lines = names.lines().map(|line| match line.split_once(" turns (") {
        Some(_) => "… turns",
        None if line.contains(" reads, ") => "… reads",
        None => line.trim_end(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_snapshot_prints_like_netstat() {
    let mut stage = Stage::new();
    let options = ListenOptions {
        stream: StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() },
        ..ListenOptions::default()
    };
    // Leaves what is no line.
    let address = stage.listen_with(&options, || {
        Probe::new("server").on_data(|_, input, _| {
            if input.ends_with(b"\n") {
                input.take_all();
            }
        })
    });
    let mut first = client(address);
    let second = client(address);
    stage.until(|log| log.opened.len() == 2);
    first.write_all(b"half a line").expect("it has room");
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().read_bytes == 11);
    let registry = stage.registry();
    let socket = registry.bind_datagram(any_port(), DatagramProbe::new("socket"));
    let socket = socket.expect("it binds");
    let bound = registry.socket_address(socket).expect("it is bound");
    let options = DatagramOptions { peer: Some(bound), ..DatagramOptions::default() };
    let connected = registry
        .bind_datagram_with(any_port(), &options, DatagramProbe::new("connected"))
        .expect("it binds");
    stage.will_close_socket(socket);
    stage.will_close_socket(connected);
    let never = stage.registry().after(Duration::MAX, |_, _| {}).expect("there is room");
    stage.until_quiet();
    let id = stage.log.opened[1].1;
    stage.registry().pause(id).expect("it is open");
    // Not flushed yet.
    let _ = stage.registry().send(id, Bytes::from_static(b"twelve bytes")).expect("it is open");

    let expected = "\
proto       recv-q   send-q  local                        peer                         state
tcp              0        0  127.0.0.1:1PPPP              *                            listening
tcp             11        0  127.0.0.1:1PPPP              127.0.0.1:2PPPP              open
tcp              0       12  127.0.0.1:1PPPP              127.0.0.1:3PPPP              open, held
udp              0        0  127.0.0.1:4PPPP              *                            bound
udp              0        0  127.0.0.1:5PPPP              127.0.0.1:4PPPP              bound
… turns
2 connections; 2 accepted, 0 begun, 0 refused, 0 ended
… reads
0 datagrams received, 0 sent, 0 dropped, 0 errors
1 timers, 0 fired; 0 tasks, 0 wake-ups; 0 panics";
    let text = stage.reactor.snapshot().to_string();
    assert_eq!(normalised(&text), expected, "{text}");

    assert!(stage.registry().cancel(never));
    stage.registry().resume(id).expect("it is open");
    drop((first, second));
    stage.until(|log| log.ends.len() == 2);
    let text = stage.reactor.snapshot().to_string();
    assert!(text.ends_with("0 panics\nended: peer closed 2\n"), "{text}");
}

/// Telling of all in one go keeps a loop with many from its work.
#[test]
fn a_long_list_of_sockets_is_told_in_slices_and_each_of_them_once() {
    let mut stage = Stage::new();
    let address = stage.listen(echo);
    let mut clients: Vec<TcpStream> = (0..10).map(|_| client(address)).collect();
    stage.until(|log| log.opened.len() == 10);
    // Two of the slots are empty.
    clients.drain(3..5);
    stage.until(|log| log.ends.len() == 2);

    let (mut from, mut rows) = (Rows::default(), Vec::new());
    loop {
        let slice = stage.registry().socket_rows(&mut from, 4);
        assert!(slice.len() <= 4);
        if slice.is_empty() {
            break;
        }
        rows.extend(slice);
    }
    assert_eq!(rows, stage.reactor.snapshot().sockets);
    assert_eq!(rows.len(), 9);
    assert!(stage.registry().socket_rows(&mut Rows::default(), 0).is_empty());
    drop(clients);
    stage.until(|log| log.ends.len() == 10);
}

#[test]
#[cfg(unix)]
fn a_snapshot_knows_unix_sockets_by_their_paths() {
    use std::os::unix::net::{UnixDatagram, UnixStream};
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("s");
    let registry = stage.registry();
    let id = registry.listen(path.clone().into(), |_, _| echo()).expect("the path is free");
    let datagrams = folder.path().join("d");
    let socket = registry
        .bind_datagram(datagrams.clone().into(), DatagramProbe::new("socket"))
        .expect("the path is free");
    stage.will_close(id);
    stage.will_close_socket(socket);
    let theirs = UnixStream::connect(&path).expect("somebody listens");
    let sender = UnixDatagram::unbound().expect("there are descriptors");
    stage.until(|log| log.has("server", "open"));
    let rows: Vec<String> = stage
        .reactor
        .snapshot()
        .sockets
        .iter()
        .map(|row| {
            let peer = row.peer.as_ref().map_or_else(String::new, ToString::to_string);
            let text = format!("{} {} {peer} {}", row.protocol, row.local, row.state);
            text.replace(&folder.path().display().to_string(), "")
        })
        .collect();
    let expected =
        ["unix unix:/s  listening", "unixgram unix:/d  bound", "unix unix:/s unix:(unnamed) open"];
    assert_eq!(rows, expected);
    drop((theirs, sender));
    stage.until_closed("server");
}

/// Every state a person may find in the table, reached one after the other.
#[test]
fn a_connections_state_is_told_in_words() {
    let mut stage = Stage::new();
    let options = ListenOptions {
        limits: StreamLimits { close_timeout: Duration::MAX, ..StreamLimits::default() },
        ..ListenOptions::default()
    };
    let address = stage.listen_with(&options, || {
        Probe::new("server")
            .on_data(|transport, input, _| match input.take_all() {
                b"pause" => transport.pause(),
                b"end" => transport.end(),
                b"close" => transport.close(),
                b"queue and end" => {
                    transport.write(&pattern(7 << 20));
                    transport.end();
                }
                b"queue and close" => {
                    transport.write(&pattern(7 << 20));
                    transport.close();
                }
                _ => {}
            })
            .outlives_its_peer()
            .on_timer(|transport, _: TimerKey, _| transport.abort())
    });
    let mut clients = Vec::new();
    for (said, state) in [
        ("hello", "open"),
        ("pause", "open, held"),
        ("end", "ended"),
        ("close", "lingering"),
        ("queue and end", "ending"),
        ("queue and close", "draining"),
    ] {
        let mut theirs = client(address);
        theirs.write_all(said.as_bytes()).expect("it has room");
        let before = stage.log.bytes("server").len();
        stage.until(|log| log.bytes("server").len() == before + said.len());
        stage.until_quiet();
        assert_eq!(row(&stage, &theirs).state, state, "after {said:?}");
        clients.push(theirs);
    }
    let theirs = client(address);
    theirs.shutdown(Shutdown::Write).expect("it is connected");
    stage.until(|log| log.has("server", "end"));
    assert_eq!(row(&stage, &theirs).state, "peer ended");
    clients.push(theirs);

    let connecting = stage.connect(address, Probe::new("caller"));
    let states: Vec<&str> = stage.reactor.snapshot().sockets.iter().map(|row| row.state).collect();
    assert!(states.contains(&"connecting"), "{states:?}");
    stage.registry().abort(connecting).expect("it is there");
    let states: Vec<&str> = stage.reactor.snapshot().sockets.iter().map(|row| row.state).collect();
    assert!(states.contains(&"closed"), "{states:?}");

    let ids: Vec<_> = stage.log.opened.iter().map(|(_, id)| *id).collect();
    for id in ids {
        stage.registry().abort(id).expect("it is open");
    }
    drop(clients);
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().connections == 0);
    // The caller's other end may have been accepted.
    stage.until_quiet();
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().connections == 0);
}
