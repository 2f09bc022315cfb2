//! Unix sockets that are connected to nobody, one of whose peers does not receive.
#![cfg(unix)]

use super::*;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use reactor::Registry;

use crate::support::Log;

/// What a peer that receives nothing is sent at least before its queue is full.
const MANY: usize = 2_000;

/// A peer of the test's own, with a path.
fn peer(folder: &tempfile::TempDir, name: &str) -> (UnixDatagram, Address) {
    let path = folder.path().join(name);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, Address::Path(path))
}

/// A socket of the loop that is connected to nobody.
fn speaker(stage: &mut Stage) -> SocketId {
    let probe = DatagramProbe::new("speaker");
    let id = stage.registry().bind_datagram(Address::Unnamed, probe).unwrap();
    stage.will_close_socket(id);
    stage.until(|log| log.has("speaker", "open"));
    id
}

/// Sends numbers until one is refused; how many were not.
fn fill(registry: &mut Registry<Log>, id: SocketId, to: &Address) -> u16 {
    let sent = |number: &u16| registry.send_to(id, &number.to_be_bytes(), Some(to)).is_err();
    (0..u16::MAX).find(sent).expect("its queue has an end")
}

fn receive(peer: &UnixDatagram) -> u16 {
    let mut buffer = [0; 2];
    assert_eq!(retry(|| peer.recv(&mut buffer)).unwrap(), 2);
    u16::from_be_bytes(buffer)
}

#[test]
fn a_peer_that_receives_nothing_wastes_no_turns_and_holds_nobody_up() {
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let ((deaf, to_deaf), (healthy, to_healthy)) =
        (peer(&folder, "deaf"), peer(&folder, "healthy"));
    let id = speaker(&mut stage);
    let queued = fill(stage.registry(), id, &to_deaf);

    // Whoever receives is not kept waiting, and there is room for its own queue.
    for number in 0..MANY {
        let number = number as u16;
        stage.registry().send_to(id, &number.to_be_bytes(), Some(&to_healthy)).unwrap();
        assert_eq!(receive(&healthy), number);
    }
    // For as long as nothing happens, nothing is done but to try again now and then.
    let before = stage.reactor.stats().turns;
    let over = |_: &mut Registry<Log>, log: &mut Log| log.note("clock", "over");
    stage.registry().after(Duration::from_millis(300), over).unwrap();
    stage.until(|log| log.has("clock", "over"));
    let turns = stage.reactor.stats().turns - before;
    assert!(turns < 100, "{turns} turns, for nothing");

    // What was taken for it arrives when it receives again, in order, and then there is room.
    let reading = stage.peer(move || (0..queued).all(|number| receive(&deaf) == number));
    assert!(stage.join(reading));
    stage.until(|log| log.has("speaker", "drain"));
    drop(healthy);
}

#[test]
fn a_peer_that_goes_away_takes_its_queue_along_and_no_more() {
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let ((deaf, to_deaf), (healthy, to_healthy)) =
        (peer(&folder, "deaf"), peer(&folder, "healthy"));
    let id = speaker(&mut stage);
    fill(stage.registry(), id, &to_deaf);
    drop(deaf);
    stage.until(|log| log.has("speaker", "drain"));
    assert!(stage.log.has("speaker", "error connection refused"), "{:?}", stage.log);
    stage.registry().send_to(id, &7_u16.to_be_bytes(), Some(&to_healthy)).unwrap();
    assert_eq!(receive(&healthy), 7);
    drop(healthy);
}

#[test]
fn closing_drops_what_waits_for_a_peer_and_tells_how_much() {
    let mut stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let (_deaf, to_deaf) = peer(&folder, "deaf");
    let id = speaker(&mut stage);
    let queued = fill(stage.registry(), id, &to_deaf);
    let waiting = stage.reactor.snapshot().sockets[0].send_queue / 2;
    assert!(waiting > 0 && waiting < queued.into());
    // It has been tried again, and a timer is set for the next time.
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().timers, 1);
    stage.registry().close_socket(id).unwrap();
    stage.until(|log| log.has("speaker", &format!("{waiting} unsent")));
    assert_eq!(stage.reactor.stats().timers, 0);
}
