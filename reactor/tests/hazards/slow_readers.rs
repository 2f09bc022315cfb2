//! 19: slow readers.

use super::*;

/// Hazard 19: a broadcast to many, of whom most have stopped reading. What is queued stays under the
/// caps; who is over its cap goes, and everybody else hears everything.
#[test]
#[cfg(unix)]
fn a_broadcast_to_a_thousand_stalled_readers_stays_under_the_caps_and_reaches_the_others() {
    use std::os::unix::net::UnixStream;
    const STALLED: usize = 1_000;
    const LISTENING: usize = 5;
    const CAP: usize = 64 * 1024;
    const MESSAGE: usize = 8 * 1024;
    const MESSAGES: usize = 100;
    more_descriptors(2 * (STALLED + LISTENING) + 100);

    let mut stage = Stage::new();
    let limits = StreamLimits { outbox: CAP, ..StreamLimits::default() };
    let options = StreamOptions { send_buffer: Some(4 * 1024), ..StreamOptions::default() };
    let mut join = |who| {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        let registry = stage.reactor.registry();
        let id = registry.adopt(ours, &options, &limits, Probe::new(who)).expect("it is taken");
        (id, theirs)
    };
    let stalled: Vec<_> = (0..STALLED).map(|_| join("stalled")).collect();
    let listening: Vec<_> = (0..LISTENING).map(|_| join("listening")).collect();
    let mut room: Vec<ConnectionId> = stalled.iter().chain(&listening).map(|(id, _)| *id).collect();
    let peers: Vec<Peer<Vec<u8>>> = listening
        .into_iter()
        .map(|(_, mut theirs)| {
            stage.peer(move || {
                let mut all = vec![0; MESSAGES * MESSAGE];
                for message in all.chunks_mut(MESSAGE) {
                    theirs.read_exact(message).expect("it is told everything");
                    theirs.write_all(b".").expect("it has room");
                }
                assert_eq!(retry(|| theirs.read(&mut [0; 1])).expect("it says goodbye"), 0);
                all
            })
        })
        .collect();
    stage.until(|log| log.opened.len() == STALLED + LISTENING);

    let message = Bytes::from(pattern(MESSAGE));
    for count in 1..=MESSAGES {
        let registry = stage.reactor.registry();
        // By either way, so that they share it, and need a queue of their own, in turn.
        if count % 3 == 0 {
            room.retain(|&id| registry.send(id, message.clone()).is_ok());
        } else {
            let heard = registry.broadcast(room.iter().copied(), message.clone());
            room.retain(|&id| registry.is_connected(id));
            assert_eq!(heard, room.len());
        }
        // Those who listen have read it when they have nodded.
        stage.until(|log| log.bytes("listening").len() == count * LISTENING);
        let queued = stage.reactor.stats().queued_bytes;
        assert!(queued <= (STALLED * CAP) as u64, "{queued} bytes are queued");
    }
    assert_eq!(room.len(), LISTENING, "who did not read is gone");
    stage.until(|log| log.ends.len() == STALLED);
    assert!(stage.log.ends.iter().all(|end| end.who == "stalled"));
    let full = "close its outbox is full: more was written than the peer has taken";
    assert_eq!(stage.log.count("stalled", full), STALLED);
    assert_eq!(stage.reactor.stats().queued_bytes, 0);

    for id in room {
        stage.registry().close(id).expect("it is open");
    }
    for peer in peers {
        let all = stage.join(peer);
        assert_eq!(all.len(), MESSAGE * MESSAGES);
        all.chunks(MESSAGE).for_each(|seen| assert_same_bytes(seen, &message));
    }
    drop(stalled);
    stage.until(|log| log.ends.len() == STALLED + LISTENING);
}

/// Raises the number of descriptors this process may open, as far as it may.
#[cfg(unix)]
fn more_descriptors(wanted: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = Some(wanted as u64);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some() && limit.current < wanted {
        limit.current = wanted;
        setrlimit(Resource::Nofile, limit).expect("the hard limit is higher");
    }
}
