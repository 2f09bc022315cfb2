//! The ends of a connection: which of them are ends, and what comes after one's own.

use super::*;

use std::net::Shutdown;
use std::time::Duration;

use reactor::TimerKey;

/// How a server fares with a client that lets go of it so, after it has said hello.
fn end_of(let_go: fn(Rustls)) -> Vec<String> {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let peer = caller(&stage, &keys, address, move |mut peer| {
        peer.write_all(b"hello").expect("it is open");
        peer.read_exact(&mut [0; 5]).expect("it answers");
        let_go(peer);
    });
    stage.join(peer);
    stage.until_closed("server");
    let told = stage.log.of("server").into_iter().map(str::to_owned).collect();
    drop(stage);
    told
}

#[test]
fn an_end_a_truncation_and_a_reset_have_reasons_of_their_own() {
    let goodbye = end_of(|mut peer| {
        say_goodbye(&mut peer);
        peer.sock.read_to_end(&mut Vec::new()).expect("it ends too");
    });
    assert_eq!(goodbye, ["open", "data 5", "end", PEER_CLOSED]);
    let cut_off = end_of(|peer| {
        peer.sock.shutdown(Shutdown::Write).expect("it is open");
        let _ = (&peer.sock).read_to_end(&mut Vec::new());
    });
    let truncated = "close the peer's end was cut off: it did not say that it was done";
    assert_eq!(cut_off, ["open", "data 5", truncated]);
    let reset = end_of(|peer| {
        let socket = socket2::SockRef::from(&peer.sock);
        socket.set_linger(Some(Duration::ZERO)).expect("it is a socket");
    });
    assert_eq!(reset, ["open", "data 5", "close the peer reset the connection"]);
}

#[test]
fn an_end_is_told_before_any_fin() {
    let told = end_of(|mut peer| {
        say_goodbye(&mut peer);
        // It answers in kind, and only then FIN leaves here.
        assert_eq!(peer.read(&mut [0; 8]).expect("it says goodbye"), 0);
        peer.sock.read_to_end(&mut Vec::new()).expect("and FIN");
    });
    assert_eq!(told, ["open", "data 5", "end", PEER_CLOSED]);
}

#[test]
fn what_comes_with_the_end_comes_before_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
        Probe::new("server").outlives_its_peer()
    });
    let peer = caller(&stage, &keys, address, move |mut peer| {
        while peer.conn.is_handshaking() {
            peer.conn.complete_io(&mut peer.sock).expect("it shakes hands");
        }
        // In one piece: the last words, the goodbye, and FIN.
        let mut wire = Vec::new();
        peer.conn.writer().write_all(&pattern(40_000)).expect("it is kept");
        peer.conn.send_close_notify();
        while peer.conn.wants_write() {
            peer.conn.write_tls(&mut wire).expect("it is a Vec");
        }
        peer.sock.write_all(&wire).expect("it has room");
        peer.sock.shutdown(Shutdown::Write).expect("it is open");
        peer
    });
    let _peer = stage.join(peer);
    stage.until(|log| log.has("server", "end"));
    assert_same_bytes(stage.log.bytes("server"), &pattern(40_000));
    let id = stage.log.id("server");
    stage.registry().close(id).expect("it is open");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 40000", "end", PEER_CLOSED]);
}

/// However the network has cut it: what was said before is as good as if it had come alone.
#[test]
fn what_comes_with_something_broken_comes_before_it() {
    for cut in [false, true] {
        let keys = Keys::new();
        let mut stage = Stage::new();
        let address = echo_server(&mut stage, &keys);
        let peer = caller(&stage, &keys, address, move |mut peer| {
            while peer.conn.is_handshaking() {
                peer.conn.complete_io(&mut peer.sock).expect("it shakes hands");
            }
            let mut wire = wire_with(&mut peer, &pattern(40_000));
            if cut {
                peer.sock.write_all(&wire).expect("it has room");
                peer.read_exact(&mut [0; 40_000]).expect("it comes back");
                wire.clear();
            }
            wire.extend_from_slice(BROKEN);
            peer.sock.write_all(&wire).expect("it has room");
            peer.read_to_end(&mut Vec::new()).expect_err("it says what is wrong").to_string()
        });
        let told = stage.join(peer);
        assert_eq!(told, "received fatal alert: BadRecordMac");
        stage.until_closed("server");
        let told = stage.log.of("server").join(" · ");
        assert!(
            told.starts_with("open · data 40000 · close the peer does not speak TLS as it should"),
            "{told}"
        );
        drop(stage);
    }
}

/// A fatal alert is the last that is sent (RFC 8446, 6.2): what answers the words before it is lost.
#[test]
fn nothing_is_sent_behind_an_alert() {
    /// What a record with an alert in it begins with: two bytes of it, the kind, and the seal are behind that.
    const ALERT: &[u8] = b"\x17\x03\x03\x00\x13";
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
        Probe::new("server")
            .on_data(|transport, input, _| {
                transport.write(input.take_all());
                // So that there is time to send it.
                transport.pause();
                transport.set_timer(TimerKey(1), Duration::from_millis(1));
            })
            .on_timer(|transport, _, _| transport.resume())
    });
    let mut peer = all_but_shaken(&mut stage, address, &keys.rustls());
    let wire = [&wire_with(&mut peer, b"first"), BROKEN].concat();
    peer.sock.write_all(&wire).expect("it has room");
    stage.until_closed("server");
    peer.sock.set_nonblocking(false).expect("it is a socket");
    let mut heard = Vec::new();
    peer.sock.read_to_end(&mut heard).expect("it ends");
    let last = heard.len().saturating_sub(ALERT.len() + 0x13);
    assert!(heard[last..].starts_with(ALERT), "{} bytes, and no alert at last", heard.len());
}

/// The last of the handshake comes with the last words, and the tickets, which answer it, meet the reset. So does what
/// the server says first.
#[test]
fn what_came_before_a_reset_is_delivered_though_it_cannot_be_answered() {
    for greets in [false, true] {
        let keys = Keys::new();
        let mut stage = Stage::new();
        let tls = with_tls(&keys.server("a.example"));
        let address = stage.listen_with(&tls, move || {
            Probe::new("server").on_open(move |transport, _| {
                if greets {
                    transport.write(b"hello");
                }
            })
        });
        let mut peer = all_but_shaken(&mut stage, address, &keys.rustls());
        let wire = wire_with(&mut peer, &pattern(4_000));
        peer.sock.write_all(&wire).expect("it has room");
        let socket = socket2::SockRef::from(&peer.sock);
        socket.set_linger(Some(Duration::ZERO)).expect("it is a socket");
        drop(peer);
        stage.until_closed("server");
        assert_eq!(
            stage.log.of("server"),
            ["open", "data 4000", "close the peer reset the connection"],
            "it greets: {greets}"
        );
        drop(stage);
    }
}

#[test]
fn after_the_peers_goodbye_this_side_goes_on() {
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let keys = Keys::new();
        let mut stage = Stage::new();
        let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
            Probe::new("server").on_end(|transport, _| {
                transport.write(&pattern(300_000));
                transport.close();
            })
        });
        let config = keys.rustls_of(versions);
        let peer = stage.peer(move || {
            let mut peer = rustls(address, &config);
            peer.write_all(b"tell me").expect("it is open");
            say_goodbye(&mut peer);
            let mut reply = Vec::new();
            peer.read_to_end(&mut reply).expect("it ends as it should");
            reply
        });
        assert_same_bytes(&stage.join(peer), &pattern(300_000));
        stage.until_closed("server");
        assert_eq!(stage.log.of("server"), ["open", "data 7", "end", PEER_CLOSED]);
    }
}

#[test]
fn after_its_own_goodbye_a_side_listens_and_nothing_more_leaves_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
        Probe::new("server")
            .on_open(|transport, _| {
                transport.write(b"over to you");
                transport.end();
                transport.write(b"lost");
            })
            .on_data(|transport, input, _| {
                input.take_all();
                transport.write(b"lost too");
            })
    });
    let peer = caller(&stage, &keys, address, move |mut peer| {
        let mut greeting = Vec::new();
        peer.read_to_end(&mut greeting).expect("it ends as it should");
        // A question to which TLS itself has an answer: that would be behind the goodbye.
        peer.conn.refresh_traffic_keys().expect("it is version 1.3");
        peer.write_all(&pattern(100_000)).expect("it is read");
        say_goodbye(&mut peer);
        peer.sock.shutdown(Shutdown::Write).expect("it is open");
        let mut behind = Vec::new();
        peer.sock.read_to_end(&mut behind).expect("it ends");
        (greeting, behind)
    });
    let (greeting, behind) = stage.join(peer);
    assert_eq!(greeting, b"over to you");
    assert_eq!(behind, b"", "something was written behind the goodbye");
    stage.until_closed("server");
    assert_same_bytes(stage.log.bytes("server"), &pattern(100_000));
    assert_eq!(stage.log.of("server").last(), Some(&CLOSED));
    assert!(stage.reactor.stats().discarded_bytes >= 12);
}

/// FTP's client that sends an empty file, say: its goodbye comes with the last of its handshake, or before the server
/// has a use for it.
#[test]
fn who_says_goodbye_with_the_last_of_the_handshake_has_ended_well() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let keys = Keys::new();
        let mut stage = Stage::new();
        let address = stage.listen_with(&with_tls(&keys.server("a.example")), || {
            Probe::new("server")
                .on_open(|transport, _| {
                    transport.pause();
                    transport.set_timer(TimerKey(1), Duration::from_millis(1));
                })
                .on_timer(|transport, _, _| transport.resume())
        });
        let config = keys.rustls_of(&[version]);
        let peer = stage.peer(move || {
            let mut peer = rustls(address, &config);
            while peer.conn.is_handshaking() {
                while peer.conn.wants_write() && peer.conn.is_handshaking() {
                    peer.conn.write_tls(&mut peer.sock).expect("it has room");
                }
                if peer.conn.is_handshaking() {
                    peer.conn.read_tls(&mut peer.sock).expect("it is open");
                    peer.conn.process_new_packets().expect("it is TLS");
                }
            }
            peer.conn.send_close_notify();
            let mut last = Vec::new();
            while peer.conn.wants_write() {
                peer.conn.write_tls(&mut last).expect("it is memory");
            }
            peer.sock.write_all(&last).expect("it is open");
            peer.sock.shutdown(Shutdown::Write).expect("it is open");
            let _ = peer.sock.read_to_end(&mut Vec::new());
        });
        stage.join(peer);
        stage.until_closed("server");
        assert_eq!(stage.log.of("server"), ["open", "timer 1", "end", PEER_CLOSED], "{version:?}");
    }
}

#[test]
fn both_sides_of_this_crate_end_in_peace() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let said = Probe::new("client").on_open(|transport, _| {
        transport.write(b"hello");
        transport.end();
    });
    let options = to_tls(keys.client());
    stage.registry().connect_with(address.into(), &options, said).expect("it begins");
    stage.until_closed("client");
    stage.until_closed("server");
    assert_eq!(stage.log.of("client"), ["open", "data 5", "end", CLOSED]);
    assert_eq!(stage.log.of("server"), ["open", "data 5", "end", PEER_CLOSED]);
}
