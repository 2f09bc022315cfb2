//! Deadlines of closing.

use super::*;

#[test]
fn a_peer_that_never_reads_is_reset_at_the_deadline() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&hasty(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.close();
        })
    });
    let mut caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!(end.side, Side::Limit);
    assert!(end.unsent > 0);
    assert_eq!(stage.reactor.stats().lost_bytes, end.unsent);
    let cut = caller.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset, "it learns that something is missing");
}

#[test]
fn a_peer_that_never_says_goodbye_is_reset_at_the_deadline() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&hasty(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"goodbye");
            transport.close();
        })
    });
    let _caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    assert_eq!(stage.log.end("server").unwrap().unsent, 0, "everything has left");
}

#[test]
fn a_peer_that_trickles_for_ever_does_not_hold_up_a_close() {
    let mut stage = Stage::new();
    let address = stage
        .listen_with(&hasty(), || Probe::new("server").on_open(|transport, _| transport.close()));
    let mut caller = client(address);
    let trickling = stage.peer(move || while caller.write_all(b"and another thing").is_ok() {});
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    stage.join(trickling);
}

#[test]
fn both_have_said_goodbye_and_the_peer_never_reads_the_rest() {
    let mut stage = Stage::new();
    // The program ends, then the peer does; it is still read, since the high mark is higher.
    let mut options = hasty();
    options.limits.outbox_high = 4 * MIB;
    let address = stage.listen_with(&options, || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.end();
        })
    });
    let ours_first = client(address);
    stage.until(|log| log.has("server", "open"));
    ours_first.shutdown(Shutdown::Write).unwrap();
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(stage.log.of("server"), ["open", "end", "close closing took too long"]);

    // The peer ends, then the program does.
    let address = stage.listen_with(&hasty(), || {
        Probe::new("other").on_end(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.end();
        })
    });
    let peers_first = client(address);
    peers_first.shutdown(Shutdown::Write).unwrap();
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("other"), ["open", "end", "close closing took too long"]);
}
