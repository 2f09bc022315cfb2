//! One message for many connections: everybody hears it, in its place, and nobody is held up by another.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use crate::support;
use bytes::Bytes;
use reactor::{ConnectionId, Limits, ListenOptions, SendError, StreamLimits};
use support::*;

/// A room of so many, with both ends of each.
fn room(stage: &mut Stage, members: usize) -> (Vec<ConnectionId>, Vec<TcpStream>) {
    room_of(stage, members, &ListenOptions::default(), || Probe::new("member"))
}

fn room_of(
    stage: &mut Stage,
    members: usize,
    options: &ListenOptions,
    probe: impl FnMut() -> Probe + 'static,
) -> (Vec<ConnectionId>, Vec<TcpStream>) {
    let address = stage.listen_with(options, probe);
    let theirs = (0..members).map(|_| client(address)).collect();
    stage.until(|log| log.opened.len() == members);
    (stage.log.opened.iter().map(|(_, id)| *id).collect(), theirs)
}

#[track_caller]
fn assert_hears(theirs: &mut TcpStream, expected: &[u8]) {
    let mut seen = vec![0; expected.len()];
    theirs.read_exact(&mut seen).expect("it is told");
    assert_same_bytes(&seen, expected);
}

#[track_caller]
fn finish(mut stage: Stage, theirs: Vec<TcpStream>) {
    assert_eq!(stage.reactor.stats().queued_bytes, 0);
    let members = stage.log.opened.len();
    drop(theirs);
    stage.until(|log| log.ends.len() == members);
}

#[test]
fn everybody_hears_it_but_who_has_ended_or_is_closing() {
    let mut stage = Stage::new();
    let (ids, mut theirs) = room(&mut stage, 5);
    let registry = stage.registry();
    registry.abort(ids[1]).expect("it is open");
    registry.close(ids[3]).expect("it is open");

    let before = registry.stats().writes;
    assert_eq!(registry.broadcast(ids.iter().copied(), Bytes::from_static(b"hello")), 3);
    assert_eq!(registry.stats().writes, before, "it waits for the end of the turn");
    assert_eq!(registry.queued_bytes(ids[0]), Ok(5));
    assert_eq!(registry.broadcast(ids.iter().copied(), Bytes::new()), 0);
    assert_eq!(registry.broadcast([], Bytes::from_static(b"nobody")), 0);
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().writes - before, 3);
    for heard in [0, 2, 4] {
        assert_hears(&mut theirs[heard], b"hello");
    }
    assert_eq!(retry(|| theirs[3].read(&mut [0])).expect("it is closed in order"), 0);
    finish(stage, theirs);
}

#[test]
fn to_whoever_calls_it_is_a_write_of_its_own() {
    let mut stage = Stage::new();
    let (_, mut theirs) = room_of(&mut stage, 3, &ListenOptions::default(), || {
        Probe::new("member").on_data(|transport, input, log| {
            let said = Bytes::copy_from_slice(input.take_all());
            let everybody: Vec<ConnectionId> = log.opened.iter().map(|(_, id)| *id).collect();
            transport.write(b"you say: ");
            assert_eq!(transport.registry().broadcast(everybody, said), 3);
            transport.write(b"!");
        })
    });
    let before = stage.reactor.stats().writes;
    theirs[1].write_all(b"hello").expect("it has room");
    stage.until(|log| log.bytes("member").len() == 5);
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().writes - before, 3);
    assert_hears(&mut theirs[0], b"hello");
    assert_hears(&mut theirs[1], b"you say: hello!");
    assert_hears(&mut theirs[2], b"hello");
    finish(stage, theirs);
}

/// However a member is written to in a turn, by one write it hears all of it in the order in which it
/// was said.
#[test]
fn it_keeps_its_place_among_what_else_is_sent_and_leaves_with_it() {
    let mut stage = Stage::new();
    let (ids, mut theirs) = room(&mut stage, 3);
    let before = stage.reactor.stats().writes;
    let registry = stage.registry();
    let all = || ids.iter().copied();
    assert_eq!(registry.broadcast(all(), Bytes::from_static(b"one ")), 3);
    let _ = registry.send(ids[1], Bytes::from_static(b"for you ")).expect("it is open");
    assert_eq!(registry.broadcast(all(), Bytes::from_static(b"two ")), 3);
    assert_eq!(registry.broadcast([ids[2], ids[2]], Bytes::from_static(b"twice ")), 2);
    registry.close(ids[0]).expect("it is open");
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().writes - before, 3);
    assert_hears(&mut theirs[0], b"one two ");
    assert_hears(&mut theirs[1], b"one for you two ");
    assert_hears(&mut theirs[2], b"one two twice twice ");
    finish(stage, theirs);
}

/// Where nothing else happens in a turn nobody waits for its end: not for the first line, and the rest
/// leave together. (kqueue tells of the two directions of a socket in two events, so there it depends on
/// what else it tells whether a turn is a quiet one.)
#[test]
#[cfg(target_os = "linux")]
fn the_first_of_a_quiet_turn_leaves_at_once() {
    let mut stage = Stage::new();
    let (_, mut theirs) = room_of(&mut stage, 3, &ListenOptions::default(), || {
        Probe::new("member").on_data(|transport, input, log| {
            let everybody: Vec<ConnectionId> = log.opened.iter().map(|(_, id)| *id).collect();
            let others: Vec<ConnectionId> =
                everybody.into_iter().filter(|id| *id != transport.id()).collect();
            for (at, word) in input.take_all().split(|byte| *byte == b' ').enumerate() {
                let registry = transport.registry();
                let before = registry.stats().writes;
                assert_eq!(registry.broadcast(others.clone(), word.to_vec().into()), 2);
                assert_eq!(registry.stats().writes - before, if at == 0 { 2 } else { 0 });
            }
        })
    });
    stage.until_quiet();
    for times in 1..=2 {
        let before = stage.reactor.stats();
        theirs[1].write_all(b"one two three").expect("it has room");
        stage.until(|log| log.bytes("member").len() == times * 13);
        stage.until_quiet();
        let after = stage.reactor.stats();
        assert_eq!(after.writes - before.writes, 2 * 2, "{after}");
        assert_hears(&mut theirs[0], b"onetwothree");
        assert_hears(&mut theirs[2], b"onetwothree");
    }
    finish(stage, theirs);
}

/// More is likely to follow from the next who has something to say: one write brings all of it. (A Unix
/// socket delivers within the call that sends, so that all of it lies in front of the loop when it turns.)
#[test]
#[cfg(unix)]
fn where_several_speak_in_a_turn_all_of_it_is_gathered() {
    use std::os::unix::net::UnixStream;
    let mut stage = Stage::new();
    let mut theirs = Vec::new();
    // The first who is adopted listens. (Who is told first that it is open is the poller's to say.)
    let listener = Rc::new(Cell::new(None));
    for _ in 0..4 {
        let (ours, other) = UnixStream::pair().expect("there are descriptors");
        let listens = Rc::clone(&listener);
        let probe = Probe::new("member").on_data(move |transport, input, _| {
            let said = Bytes::copy_from_slice(input.take_all());
            assert_eq!(transport.registry().broadcast(listens.get(), said), 1);
        });
        let id = stage.adopt(ours, &StreamLimits::default(), probe);
        listener.set(listener.get().or(Some(id)));
        theirs.push(other);
    }
    stage.until_quiet();
    let before = stage.reactor.stats();
    for speaker in &mut theirs[1..] {
        speaker.write_all(b"hi").expect("it has room");
    }
    stage.until_quiet();
    let after = stage.reactor.stats();
    assert_eq!(after.writes - before.writes, 1, "{after}");
    let mut heard = [0; 6];
    theirs[0].read_exact(&mut heard).expect("it is told");
    assert_same_bytes(&heard, b"hihihi");
    drop(theirs);
    stage.until(|log| log.ends.len() == 4);
}

/// What waits for the end of the turn alone is not held against who would read it.
#[test]
fn much_that_is_said_in_one_turn_cuts_nobody_off_who_can_take_it() {
    let limits =
        StreamLimits { outbox: 8 * 1024, outbox_high: 4 * 1024, ..StreamLimits::default() };
    let options = ListenOptions { limits, ..ListenOptions::default() };
    let mut stage = Stage::new();
    let (ids, mut theirs) = room_of(&mut stage, 3, &options, || Probe::new("member"));
    let registry = stage.registry();
    for number in 0..40_u8 {
        let message = Bytes::from(vec![number; 1024]);
        assert_eq!(registry.broadcast(ids.iter().copied(), message), 3, "message {number}");
    }
    stage.until_quiet();
    let expected: Vec<u8> = (0..40_u8).flat_map(|number| vec![number; 1024]).collect();
    for member in &mut theirs {
        assert_hears(member, &expected);
    }
    finish(stage, theirs);
}

/// A member whose peer has just reset the connection ends; the others hear what was said, and the speaker
/// what it had written itself.
#[test]
fn who_cannot_be_written_to_ends_and_the_others_hear_it() {
    let mut stage = Stage::new();
    let leaver: Rc<Cell<Option<TcpStream>>> = Rc::default();
    let leaves = Rc::clone(&leaver);
    let (ids, mut theirs) = room_of(&mut stage, 3, &ListenOptions::default(), move || {
        let leaves = Rc::clone(&leaves);
        Probe::new("member").on_data(move |transport, input, log| {
            transport.write(b"you say: ");
            drop(leaves.take());
            let said = Bytes::copy_from_slice(input.take_all());
            let everybody: Vec<ConnectionId> = log.opened.iter().map(|(_, id)| *id).collect();
            assert_eq!(transport.registry().broadcast(everybody, said.clone()), 2);
            assert!(matches!(
                transport.registry().send(log.opened[2].1, said),
                Err(SendError::Stale(_))
            ));
        })
    });
    stage.until_quiet();
    let gone = theirs.pop().expect("there are three");
    socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    leaver.set(Some(gone));
    theirs[1].write_all(b"hello").expect("it has room");
    stage.until(|log| log.bytes("member").len() == 5 && log.ends.len() == 1);
    assert_eq!(stage.log.ends[0].id, ids[2]);
    assert_eq!(stage.log.ends[0].reason, "the peer reset the connection");
    assert_hears(&mut theirs[0], b"hello");
    assert_hears(&mut theirs[1], b"you say: hello");
    finish(stage, theirs);
}

/// Of a message longer than the kernel's buffers each takes another part at first: what one has yet to
/// hear is nothing to the others.
#[test]
#[cfg(unix)]
fn who_takes_it_slowly_does_not_take_it_from_the_others() {
    // Between turns all of it is queued; in a quiet one the kernel is asked at once.
    broadcast_to_slow_members(|stage, ids, long| {
        assert_eq!(stage.registry().broadcast(ids.iter().copied(), long), ids.len());
    });
    broadcast_to_slow_members(|stage, ids, long| {
        let ids = ids.to_vec();
        stage.registry().defer(move |registry, _| {
            assert_eq!(registry.broadcast(ids.iter().copied(), long), ids.len());
            let queued = |id| registry.queued_bytes(id).expect("it is open");
            assert!(ids.iter().all(|id| queued(*id) < LONG));
        });
    });
}

const LONG: usize = 100_000;

#[cfg(unix)]
fn broadcast_to_slow_members(broadcast: impl FnOnce(&mut Stage, &[ConnectionId], Bytes)) {
    use std::os::unix::net::UnixStream;
    const MEMBERS: usize = 4;
    const END: &[u8] = b"and the end";
    let mut stage = Stage::new();
    let mut ids = Vec::new();
    let mut theirs = Vec::new();
    for at in 0..MEMBERS {
        let (ours, other) = UnixStream::pair().expect("there are descriptors");
        let buffer = (4 * 1024) << at;
        socket2::SockRef::from(&ours).set_send_buffer_size(buffer).expect("it is a socket");
        ids.push(stage.adopt(ours, &StreamLimits::default(), Probe::new("member")));
        theirs.push(other);
    }
    stage.until(|log| log.opened.len() == MEMBERS);

    let long = Bytes::from(pattern(LONG));
    let last = Bytes::from_static(END);
    broadcast(&mut stage, &ids, long.clone());
    stage.until_quiet();
    let left: Vec<usize> =
        ids.iter().map(|id| stage.registry().queued_bytes(*id).expect("it is open")).collect();
    assert!(left.iter().all(|left| (1..LONG).contains(left)), "{left:?}");
    assert!(left.windows(2).all(|two| two[0] > two[1]), "each has taken another part: {left:?}");
    assert_eq!(stage.registry().broadcast(ids.iter().copied(), last.clone()), MEMBERS);

    let peers: Vec<_> = theirs
        .into_iter()
        .map(|mut theirs| {
            stage.peer(move || {
                let mut all = vec![0; LONG + END.len()];
                theirs.read_exact(&mut all).expect("it is told everything");
                all
            })
        })
        .collect();
    for peer in peers {
        let all = stage.join(peer);
        assert_same_bytes(&all, &[&long[..], &last].concat());
    }
    assert_eq!(stage.reactor.stats().queued_bytes, 0);
    stage.until(|log| log.ends.len() == MEMBERS);
}

#[test]
fn who_has_no_room_for_it_ends_and_the_others_hear_it() {
    let mut stage = Stage::new();
    let (ids, mut theirs) = room(&mut stage, 3);
    // Charged are the bytes, and 64 more for each piece.
    let limits = StreamLimits { outbox: 263, ..StreamLimits::default() };
    let set = stage.registry().with_transport(ids[1], |transport, _| transport.set_limits(limits));
    set.expect("it is open");
    stage.until_quiet();
    let registry = stage.registry();
    assert_eq!(registry.broadcast(ids.iter().copied(), Bytes::from(vec![b'y'; 200])), 2);
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(stage.log.ends[0].id, ids[1]);
    assert_eq!(
        stage.log.ends[0].reason,
        "its outbox is full: more was written than the peer has taken"
    );
    assert_hears(&mut theirs[0], &[b'y'; 200]);
    assert_hears(&mut theirs[2], &[b'y'; 200]);
    finish(stage, theirs);
}

/// A message that is shared is charged to each, as if it had a copy.
#[test]
fn the_cap_of_all_outboxes_counts_it_for_each() {
    let mut stage = Stage::with_limits(Limits { outboxes: 2 * 1_064, ..Limits::default() });
    let (ids, theirs) = room(&mut stage, 3);
    assert_eq!(stage.registry().broadcast(ids, Bytes::from(vec![b'x'; 1_000])), 2);
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(stage.log.ends[0].reason, "the outboxes of the loop are full");
    finish(stage, theirs);
}
