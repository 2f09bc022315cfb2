//! Without waiting for the peer.

use super::*;

#[test]
fn a_released_connection_ends_though_its_peer_never_does() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"all there is");
            transport.release();
            transport.write(b"nor later words");
        })
    });
    let mut caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean, end.unsent), (Side::Local, true, 0));
    let mut seen = Vec::new();
    caller.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"all there is");
}

/// Neither from here, nor from what the system holds when the loop has forgotten it.
#[test]
fn nothing_of_a_released_connection_is_lost_on_a_slow_peer() {
    for after_end in [false, true] {
        let mut stage = Stage::new();
        let reply = pattern(4 * MIB);
        let large = reply.clone();
        let server = once(Probe::new("server").on_open(move |transport, _| {
            transport.write(&large);
            if after_end {
                transport.end();
            }
            transport.release();
            assert!(transport.queued_bytes() > MIB, "the kernel does not take it all at once");
        }));
        let address = stage.listen_with(&narrow(), server);
        let mut caller = client(address);
        // It leaves some in the system until the connection has ended here.
        let most = reply.len() - 32 * 1024;
        let reading = stage.peer(move || {
            let mut seen = vec![0; most];
            caller.read_exact(&mut seen).map(|()| (caller, seen))
        });
        let (mut caller, mut seen) = stage.join(reading).expect("it is not reset");
        stage.until_closed("server");
        assert_eq!(stage.log.of("server"), ["open", "close closed"]);
        seen.resize(reply.len(), 0);
        caller.read_exact(&mut seen[most..]).expect("it is all there");
        assert_same_bytes(&seen, &reply);
        assert_eq!(caller.read(&mut [0]).unwrap(), 0, "FIN is behind it");
    }
}

#[test]
fn a_released_connection_whose_peer_takes_nothing_has_a_deadline() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&hasty(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.release();
        })
    });
    let _caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    assert!(stage.log.end("server").unwrap().unsent > 0);
}

#[test]
fn a_connection_is_released_in_whatever_state_it_is() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_end(|transport, _| {
            transport.write(b"goodbye");
            transport.release();
            transport.release();
            transport.close();
        })
    });
    let caller = client(address);
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"goodbye");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", "close closed"]);
    let lingering = stage.listen(|| {
        Probe::new("other").on_open(|transport, _| {
            transport.close();
            transport.release();
        })
    });
    let _caller = client(lingering);
    stage.until_closed("other");
    assert_eq!(stage.log.of("other"), ["open", "close closed"]);
}
