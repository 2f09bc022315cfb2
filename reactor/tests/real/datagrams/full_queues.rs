//! Full queues.
//!
//! UDP over loopback never makes its sender wait; a Unix socket does, when its peer does not receive.
#![cfg(unix)]

use super::*;

use crate::support::until;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;

/// A socket of the loop whose peer does not receive yet.
fn blocked(stage: &mut Stage, outbox: usize) -> (SocketId, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let limits = DatagramLimits { outbox };
    let probe = DatagramProbe::new("sender");
    let id = stage.registry().adopt_datagram(ours, &limits, probe).unwrap();
    stage.will_close_socket(id);
    stage.until(|log| log.has("sender", "open"));
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (id, theirs)
}

#[test]
fn datagrams_beyond_the_queue_are_dropped_and_counted() {
    let mut stage = Stage::new();
    let (id, peer) = blocked(&mut stage, 4_000);
    let mut refused = Vec::new();
    // The kernel takes some, the queue a few more.
    for number in 0..=u8::MAX {
        let sent = stage.registry().send_to(id, &[number; 1_000], None);
        if let Err(error) = sent {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            refused.push(number);
        }
    }
    assert!(refused.len() > 3, "the queue has an end");
    assert_eq!(stage.reactor.stats().datagrams_dropped, refused.len() as u64);
    let row = &stage.reactor.snapshot().sockets[0];
    assert_eq!(row.send_queue, 3_000, "three of 1,064 fit into 4,000");

    // What was accepted arrives, in order, when there is room again.
    let receiver = peer.try_clone().unwrap();
    let accepted: Vec<u8> = (0..=u8::MAX).filter(|number| !refused.contains(number)).collect();
    let expected = accepted.len();
    let reading = stage.peer(move || {
        let mut buffer = [0; 2_000];
        let next =
            |_| retry(|| receiver.recv(&mut buffer)).map(|length| (length, buffer[0])).unwrap();
        (0..expected).map(next).collect::<Vec<_>>()
    });
    let arrived = stage.join(reading);
    assert!(arrived.iter().all(|&(length, _)| length == 1_000));
    assert!(arrived.iter().map(|&(_, number)| number).eq(accepted));
    stage.until(|log| log.has("sender", "drain"));
}

#[test]
fn a_run_that_has_to_wait_keeps_its_order() {
    const PIECES: usize = 400;
    let mut stage = Stage::new();
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    let all = blocks(PIECES * 1_000 + 1);
    let said = all.clone();
    let (sent, is_sent) = mpsc::channel();
    let probe = DatagramProbe::new("sender").on_open(move |socket, _| {
        socket.send_run(&said, 1_000, None, Envelope::default()).unwrap();
        assert!(socket.queued() > 0, "the kernel takes less");
        sent.send(()).unwrap();
    });
    let limits = DatagramLimits { outbox: 1 << 20 };
    let id = stage.registry().adopt_datagram(ours, &limits, probe).unwrap();
    stage.will_close_socket(id);
    let reading = stage.peer(move || {
        let mut buffer = [0; 2_000];
        let mut heard = Vec::new();
        // Who reads meanwhile can take all of it.
        is_sent.recv().unwrap();
        for _ in 0..=PIECES {
            let length = retry(|| theirs.recv(&mut buffer)).unwrap();
            heard.extend_from_slice(&buffer[..length]);
        }
        heard
    });
    let heard = stage.join(reading);
    assert!(heard == all);
    stage.until(|log| log.has("sender", "drain"));
    assert_eq!(stage.reactor.stats().datagrams_sent, PIECES as u64 + 1);
}

#[test]
fn closing_drops_what_is_queued_and_tells_how_much() {
    let mut stage = Stage::new();
    let (id, _peer) = blocked(&mut stage, 4_000);
    while stage.registry().send_to(id, &[0; 1_000], None).is_ok() {}
    stage.registry().close_socket(id).unwrap();
    stage.until(|log| log.has("sender", "close closed"));
    stage.until(|log| log.has("sender", "3 unsent"));
}

#[test]
fn a_socket_that_queues_nothing_sends_again_when_there_is_room() {
    let mut stage = Stage::new();
    let (id, peer) = blocked(&mut stage, 0);
    while stage.registry().send_to(id, &[0; 1_000], None).is_ok() {}
    let mut buffer = [0; 2_000];
    peer.set_nonblocking(true).unwrap();
    until(&mut stage.reactor, &mut stage.log, |_, registry| {
        while peer.recv(&mut buffer).is_ok() {}
        registry.send_to(id, b"again", None).is_ok()
    });
    assert_eq!(retry(|| peer.recv(&mut buffer)).unwrap(), 5);
}
