//! A connection that moves to another loop takes its TLS along.

use reactor::Reactor;

use super::*;

#[test]
fn a_connection_moves_to_another_loop_in_the_middle_of_its_records() {
    const LARGE: usize = 1_000_000;
    let keys = Keys::common();
    let mut stage = Stage::new();
    let mut there = Reactor::<Log>::new().expect("there are descriptors");
    let mut log = Log::default();
    let to = there.handle();
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), move || {
        let to = to.clone();
        Probe::new("server").on_data(move |transport, input, _| {
            transport.write(input.take_front(1));
            let moved = transport.hand_off(&to, |_| {
                echo("there").on_open(|transport, log| {
                    let version = transport.tls().map(|tls| format!("{:?}", tls.version()));
                    log.note("there", version.unwrap_or_else(|| "no TLS".to_owned()));
                })
            });
            moved.expect("it is open");
        })
    });
    let peer = caller(&stage, &keys, address, move |mut peer| {
        let (sent, mut back) = (pattern(LARGE), vec![0; LARGE]);
        // So much that it is never all on its way: what comes back is read meanwhile.
        for (piece, back) in sent.chunks(5_000).zip(back.chunks_mut(5_000)) {
            peer.write_all(piece).expect("it has room");
            peer.read_exact(back).expect("it comes back");
        }
        assert_same_bytes(&back, &sent);
        say_goodbye(&mut peer);
        peer.read(&mut [0]).expect("it ends well")
    });
    stage.until_closed("server");
    until_outside(&mut there, &mut log, |_, _| peer.is_done());
    assert_eq!(peer.join(), 0);
    assert!(log.of("there")[1].contains("1"), "{log:?}");
    until(&mut there, &mut log, |_, registry| registry.stats().connections == 0);
}
