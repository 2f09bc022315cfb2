//! Runs: datagrams of one size to one peer.

use super::*;

/// Asks for runs of several sizes, and gets each in one piece after the other.
#[track_caller]
fn ask_for_runs(stage: &mut Stage, address: SocketAddr, all: &[u8]) {
    let peer = peer();
    SockRef::from(&peer).set_recv_buffer_size(1 << 20).unwrap();
    let mut buffer = [0; 4_000];
    for tens in [1, 50, 100, 255] {
        peer.send_to(&[tens], address).unwrap();
        let before = stage.log.datagrams.len();
        stage.until(|log| log.datagrams.len() > before);
        for piece in all.chunks(usize::from(tens) * 10) {
            let length = peer.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], piece);
        }
    }
}

#[test]
fn a_run_is_one_datagram_after_the_other() {
    let mut stage = Stage::new();
    let all = blocks(1_005);
    let (_, address) = bind(&mut stage, any_port(), answering_runs(all.clone()));
    let before = stage.reactor.stats();
    ask_for_runs(&mut stage, address, &all);
    let stats = stage.reactor.stats();
    assert_eq!(stats.datagrams_sent - before.datagrams_sent, 101 + 3 + 2 + 1);
    assert_eq!(stats.datagram_bytes_sent - before.datagram_bytes_sent, 4 * 1_005);
}

#[test]
fn a_run_without_a_size_is_an_error_and_one_without_bytes_is_nothing() {
    let mut stage = Stage::new();
    let peer = peer();
    let to = peer.local_addr().unwrap().into();
    let probe = DatagramProbe::new("sender").on_open(move |socket, _| {
        let error = socket.send_run(b"abc", 0, Some(&to), Envelope::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        socket.send_run(b"", 10, Some(&to), Envelope::default()).unwrap();
    });
    bind(&mut stage, any_port(), probe);
    stage.until(|log| log.has("sender", "open"));
    assert_eq!(stage.reactor.stats().datagrams_sent, 0);
}
