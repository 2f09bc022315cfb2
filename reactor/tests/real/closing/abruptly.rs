//! Abruptly.

use super::*;

#[test]
fn an_abort_resets_the_peer_and_loses_what_is_queued() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&narrow(), || {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.write(&pattern(2 * MIB));
            transport.write(b"not even corked bytes leave");
            transport.abort();
            transport.write(b"nor later ones");
        })
    });
    let mut caller = client(address);
    caller.write_all(b"hello").unwrap();
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 5", "close aborted"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean), (Side::Local, false));
    assert!(end.unsent > 0);
    assert_eq!(stage.reactor.stats().lost_bytes, end.unsent);
    let cut = caller.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_peers_reset_is_its_doing() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    reset(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close the peer reset the connection"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean), (Side::Peer, false));
}

#[test]
fn a_reset_behind_a_goodbye_is_noticed_before_anything_is_written() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server").outlives_its_peer());
    let caller = client(address);
    caller.shutdown(Shutdown::Write).unwrap();
    stage.until(|log| log.has("server", "end"));
    stage.until_quiet();
    reset(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", "close the peer reset the connection"]);
}

#[test]
fn what_a_failed_write_leaves_behind_reaches_nobody_else() {
    let mut stage = Stage::new();
    let echo =
        || Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()));
    let address = stage.listen(echo);
    let mut gone = client(address);
    let mut living = client(address);
    stage.until(|log| log.count("server", "open") == 2);
    // Its data is read, and the answer meets the reset.
    gone.write_all(b"a secret").unwrap();
    reset(gone);
    living.write_all(b"hello").unwrap();
    stage.until(|log| log.bytes("server").ends_with(b"hello") || log.bytes("server").len() == 13);
    living.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, living), b"hello");
    stage.until(|log| log.ends.len() == 2);
    assert!(stage.log.has("server", "close the peer reset the connection"), "{:?}", stage.log);
}
