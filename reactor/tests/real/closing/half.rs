//! Half closed.

use super::*;

#[test]
fn a_large_slow_reply_follows_the_peers_goodbye() {
    const CHUNK: usize = 200_000;
    const CHUNKS: usize = 20;
    let mut stage = Stage::new();
    let reply = pattern(CHUNK * CHUNKS);
    let whole = reply.clone();
    let mut sent = 0;
    // Each chunk waits for a timer, and each fifth for the client to have taken the others too.
    let address = stage.listen(once(
        Probe::new("server")
            .on_end(|transport, _| transport.set_timer(TimerKey(1), Duration::ZERO))
            .on_timer(move |transport, key, _| {
                transport.write(&whole[sent * CHUNK..(sent + 1) * CHUNK]);
                sent += 1;
                if sent == CHUNKS {
                    transport.close();
                } else if sent % 5 != 0 || transport.queued_bytes() <= 64 * 1024 {
                    transport.set_timer(key, Duration::from_millis(1));
                }
            })
            .on_drain(|transport, _| transport.set_timer(TimerKey(1), Duration::from_millis(1))),
    ));
    let mut caller = client(address);
    caller.write_all(b"tell me everything").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    let seen = read_all(&mut stage, caller);
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    let told = stage.log.of("server");
    assert_eq!(told[..3], ["open", "data 18", "end"]);
    assert_eq!(told.iter().filter(|line| **line == "end").count(), 1, "{told:?}");
    assert_eq!(told.last(), Some(&PEER_CLOSED));
}

#[test]
fn after_our_goodbye_the_peer_goes_on_and_is_read() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"over to you");
            transport.end();
        })
    });
    let mut caller = client(address);
    let telling = stage.peer(move || {
        let mut greeting = Vec::new();
        caller.read_to_end(&mut greeting).unwrap();
        caller.write_all(&pattern(2 * MIB)).unwrap();
        greeting
    });
    let greeting = stage.join(telling);
    assert_eq!(greeting, b"over to you");
    stage.until_closed("server");
    assert_same_bytes(stage.log.bytes("server"), &pattern(2 * MIB));
    assert_eq!(stage.log.of("server"), ["open", "data 2097152", "end", "close closed"]);
}

#[test]
fn a_connection_can_be_ended_by_its_id_and_the_peer_goes_on() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    let id = stage.log.id("server");
    let _ = stage.registry().send(id, Bytes::from_static(b"over to you")).unwrap();
    stage.registry().end(id).unwrap();
    stage.until_quiet();
    let mut greeting = Vec::new();
    caller.read_to_end(&mut greeting).unwrap();
    assert_eq!(greeting, b"over to you");
    caller.write_all(b"thank you").unwrap();
    drop(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 9", "end", "close closed"]);
}

#[test]
fn our_goodbye_waits_for_what_is_queued() {
    let mut stage = Stage::new();
    let reply = pattern(4 * MIB);
    let large = reply.clone();
    let server = once(Probe::new("server").on_open(move |transport, _| {
        transport.write(&large);
        transport.end();
    }));
    let address = stage.listen_with(&narrow(), server);
    let caller = client(address);
    let seen = read_all(&mut stage, caller);
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", "close closed"]);
}

#[test]
fn both_ends_of_a_half_closed_pair_meet_again() {
    let mut stage = Stage::new();
    // Both say goodbye at once, and neither waits for the other.
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"bye");
            transport.end();
        })
    });
    let probe = Probe::new("client").on_open(|transport, _| {
        transport.write(b"goodbye");
        transport.end();
    });
    stage.connect(address, probe);
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("server"), ["open", "data 7", "end", "close closed"]);
    assert_eq!(stage.log.of("client"), ["open", "data 3", "end", "close closed"]);
}
