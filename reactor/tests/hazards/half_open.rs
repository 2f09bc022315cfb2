//! 17: half open.

use super::*;

/// Hazard 17: after the peer's FIN the socket stays readable for ever, which must not repeat the end;
/// and the reply that is still to come may be large, and its reader slow.
#[test]
fn a_half_closed_peer_hears_a_large_slow_answer_and_its_end_is_told_once() {
    const PIECE: usize = 200_000;
    const PIECES: usize = 5;
    let mut stage = Stage::new();
    let options = ListenOptions {
        stream: StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() },
        ..ListenOptions::default()
    };
    let address = stage.listen_with(&options, || {
        let mut pieces = 0;
        Probe::new("server")
            .on_end(|transport, _| transport.set_timer(TimerKey(1), Duration::ZERO))
            .on_timer(move |transport, key, _| {
                transport.set_timer(key, Duration::from_millis(1));
                // One piece after the other, each with a pause in which nothing is queued.
                if transport.queued_bytes() == 0 {
                    transport.write(&pattern(PIECE));
                    pieces += 1;
                }
                if pieces == PIECES {
                    transport.close();
                }
            })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        theirs.write_all(b"tell me everything").expect("it has room");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    let all = stage.join(peer);
    assert_eq!(all.len(), PIECE * PIECES);
    let piece = pattern(PIECE);
    all.chunks(PIECE).for_each(|seen| assert_same_bytes(seen, &piece));
    stage.until_closed("server");
    assert_eq!(stage.log.count("server", "end"), 1);
    assert!(stage.log.has("server", "close the peer closed the connection"));
}

/// Hazard 17, the other half: after our FIN the peer may go on for as long as it likes.
#[test]
fn a_peer_is_heard_to_its_end_after_we_have_sent_ours() {
    const LENGTH: usize = 500_000;
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"that is all from me");
            transport.end();
        })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it ends its side");
        theirs.write_all(&pattern(LENGTH)).expect("it is read");
        all
    });
    assert_eq!(stage.join(peer), b"that is all from me");
    stage.until_closed("server");
    assert_same_bytes(stage.log.bytes("server"), &pattern(LENGTH));
    let data = format!("data {LENGTH}");
    assert_eq!(stage.log.of("server"), ["open", &data, "end", "close closed"]);
}
