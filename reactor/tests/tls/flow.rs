//! What is decrypted is announced by nobody: pauses, budgets, files, broadcasts, and what TLS says by itself.

use super::*;

use std::net::Shutdown;
use std::time::Duration;

use reactor::TimerKey;

const MIB: usize = 1 << 20;

/// Sends all of it in as few writes as there can be, ends, and returns what came back.
fn say(peer: &mut Rustls, bytes: &[u8]) {
    peer.write_all(bytes).expect("it is read");
    peer.flush().expect("it is read");
}

#[test]
fn what_was_decrypted_is_delivered_after_a_pause_though_nothing_new_comes() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
        Probe::new("server")
            .on_data(|transport, input, _| {
                input.take_front(input.len().min(5_000));
                transport.pause();
                transport.set_timer(TimerKey(1), Duration::from_millis(1));
            })
            .on_timer(|transport, _, _| transport.resume())
    });
    let peer = caller(&stage, &keys, address, move |mut peer| {
        say(&mut peer, &pattern(150_000));
        // Open, and silent.
        peer
    });
    let mut peer = stage.join(peer);
    stage.until(|log| log.bytes("server").len() == 150_000);
    assert_same_bytes(stage.log.bytes("server"), &pattern(150_000));
    say_goodbye(&mut peer);
    stage.until_closed("server");
}

/// Its event has come, and its visit comes at the end of the turn: what others write to it meanwhile is for TLS too.
#[test]
fn what_is_written_between_the_event_and_the_visit_goes_through_tls() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let peer = caller(&stage, &keys, address, |mut peer| {
        say(&mut peer, b"hello");
        peer.read_exact(&mut [0; 5]).expect("it answers");
        peer
    });
    let mut peer = stage.join(peer);
    stage.until_quiet();
    let id = stage.log.id("server");
    let registry = stage.registry();
    registry.pause(id).expect("it is open");
    registry.resume(id).expect("it is open");
    registry.with_transport(id, |transport, _| transport.write(b"secret")).expect("it is open");
    say(&mut peer, b" and more");
    stage.until(|log| log.bytes("server") == b"hello and more");
    let mut heard = [0; 15];
    peer.read_exact(&mut heard).expect("it can be read");
    assert_eq!(&heard, b"secret and more");
    say_goodbye(&mut peer);
    stage.until_closed("server");
}

/// A second one, to find nothing there, would be a third more of what a small message costs.
#[test]
#[cfg(not(mio_unsupported_force_poll_poll))]
fn a_message_takes_one_read() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let peer = caller(&stage, &keys, address, move |mut peer| {
        for _ in 0..100 {
            say(&mut peer, b"hello");
            peer.read_exact(&mut [0; 5]).expect("it answers");
        }
        peer
    });
    let mut peer = stage.join(peer);
    let reads = stage.reactor.stats().reads;
    // Those of the handshake come on top.
    assert!((100..120).contains(&reads), "{reads}");
    say_goodbye(&mut peer);
    stage.until_closed("server");
}

#[test]
fn much_goes_both_ways_at_once() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let keys = Keys::new();
        let mut stage = Stage::new();
        let address = echo_server(&mut stage, &keys);
        let config = keys.rustls_of(&[version]);
        let peer = stage.peer(move || {
            let mut peer = rustls(address, &config);
            let (said, mut heard) = (pattern(3 * MIB), Vec::new());
            for chunk in said.chunks(60_000) {
                say(&mut peer, chunk);
                let before = heard.len();
                heard.resize(before + chunk.len(), 0);
                peer.read_exact(&mut heard[before..]).expect("it comes back");
            }
            say_goodbye(&mut peer);
            (said, heard)
        });
        let (said, heard) = stage.join(peer);
        assert_same_bytes(&heard, &said);
        stage.until_closed("server");
    }
}

#[test]
fn who_does_not_read_is_not_read_and_nothing_grows() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let peer = caller(&stage, &keys, address, move |mut peer| {
        say(&mut peer, b"x");
        peer.read_exact(&mut [0]).expect("it comes back");
        peer
    });
    let mut peer = stage.join(peer);
    // It asks for more and more, and takes none of it.
    peer.sock.set_nonblocking(true).expect("it is a socket");
    let (mut said, mut stuck) = (1, 0);
    while stuck < 3 {
        match peer.write(&[b'x'; 10_000]) {
            Ok(length) => (said, stuck) = (said + length, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stuck += 1,
            Err(error) => panic!("{error}"),
        }
        stage.until_quiet();
        assert!(stage.reactor.stats().queued_bytes < MIB as u64, "{}", stage.reactor.snapshot());
    }
    assert!(said > 100_000);
    // Then it takes all.
    peer.sock.set_nonblocking(false).expect("it is a socket");
    let rest = stage.peer(move || {
        let mut heard = 1;
        let mut buffer = vec![0; 100_000];
        peer.conn.send_close_notify();
        while heard < said {
            match peer.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => heard += length,
                Err(error) => panic!("after {heard} of {said}: {error}"),
            }
        }
        heard
    });
    // What rustls had taken and not sent by then comes too.
    let heard = stage.join(rest);
    assert!(heard >= said, "{heard} of {said}");
    stage.until_closed("server");
}

#[test]
fn a_file_is_sent_through_tls() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let whole = pattern(2 * MIB + 17);
    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(&whole).expect("there is room");
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), move || {
        let file = file.try_clone().expect("it is open");
        let mut file = Some(file);
        Probe::new("server").on_open(move |transport, _| {
            transport.write(b"here:");
            let file = file.take().expect("once");
            transport.send_file(file, 1_000, 2 * 1024 * 1024 - 1_000);
            transport.write(b":there");
        })
    });
    let peer = caller(&stage, &keys, address, move |mut peer| {
        let mut heard = vec![0; 5 + 2 * MIB - 1_000 + 6];
        peer.read_exact(&mut heard).expect("it comes");
        say_goodbye(&mut peer);
        heard
    });
    let heard = stage.join(peer);
    assert_same_bytes(&heard, &[b"here:", &whole[1_000..2 * MIB], b":there"].concat());
    stage.until_closed("server");
    let sent = format!("file {0} of {0}", 2 * MIB - 1_000);
    assert!(stage.log.has("server", &sent), "{:?}", stage.log);
}

#[test]
fn a_broadcast_reaches_those_with_tls_and_those_without() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let secure = echo_server(&mut stage, &keys);
    let plain = stage.listen(|| echo("plain"));
    let config = keys.rustls();
    let listen = move || {
        let mut peers: Vec<_> = (0..3).map(|_| rustls(secure, &config)).collect();
        for peer in &mut peers {
            say(peer, b"x");
            peer.read_exact(&mut [0]).expect("it comes back");
        }
        peers
    };
    let listening = stage.peer(listen);
    let mut peers = stage.join(listening);
    let mut bare = client(plain);
    stage.until(|log| log.opened.len() == 4);
    let ids: Vec<_> = stage.log.opened.iter().map(|(_, id)| *id).collect();
    let message = pattern(100_000);
    stage.registry().broadcast(ids, message.clone().into());
    let hearing = stage.peer(move || {
        let mut heard = vec![0; 100_000];
        bare.read_exact(&mut heard).expect("it comes");
        let mut all = vec![heard];
        for peer in &mut peers {
            let mut heard = vec![0; 100_000];
            peer.read_exact(&mut heard).expect("it comes");
            all.push(heard);
            say_goodbye(peer);
        }
        all
    });
    for heard in stage.join(hearing) {
        assert_same_bytes(&heard, &message);
    }
    stage.until(|log| log.ends.len() == 4);
}

#[test]
fn an_idle_protocol_has_its_keys_changed() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), || Probe::new("server"));
    let peer = caller(&stage, &keys, address, move |mut peer| {
        say(&mut peer, b"x");
        // The tickets come first.
        peer.conn.complete_io(&mut peer.sock).expect("it reads");
        peer.sock.set_nonblocking(true).expect("it is a socket");
        while !matches!(peer.conn.read_tls(&mut peer.sock), Err(error) if error.kind() == ErrorKind::WouldBlock)
        {
            peer.conn.process_new_packets().expect("it is TLS");
        }
        peer.sock.set_nonblocking(false).expect("it is a socket");
        // Nobody above TLS has anything to say, and it has to answer this.
        peer.conn.refresh_traffic_keys().expect("it is version 1.3");
        peer.conn.write_tls(&mut peer.sock).expect("it has room");
        let answered = peer.conn.read_tls(&mut peer.sock).expect("it answers");
        peer.conn.process_new_packets().expect("it is TLS");
        say(&mut peer, b"y");
        say_goodbye(&mut peer);
        answered
    });
    assert!(stage.join(peer) > 0);
    stage.until_closed("server");
    assert_eq!(stage.log.bytes("server"), b"xy");
}

#[test]
fn more_than_all_buffers_hold_arrives_before_the_end() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(&pattern(5 * MIB));
            transport.close();
        })
    });
    let peer = caller(&stage, &keys, address, move |mut peer| {
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("it ends as it should");
        peer.sock.shutdown(Shutdown::Both).expect("it is open");
        heard
    });
    assert_same_bytes(&stage.join(peer), &pattern(5 * MIB));
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", CLOSED]);
}
