//! Rules: what a test decides of each segment and datagram.

use super::*;

/// Judges what carries a byte, and nothing else.
fn about(byte: u8, verdict: Verdict) -> impl FnMut(&reactor::sim::Segment<'_>) -> Verdict {
    move |segment| match segment.payload {
        Payload::Bytes(bytes) | Payload::Datagram(bytes) if bytes.first() == Some(&byte) => verdict,
        _ => Verdict::Pass,
    }
}

#[test]
fn a_rule_decides_what_becomes_of_a_datagram() {
    let mut pair = Pair::new();
    let verdicts = [
        (b'd', Verdict::Drop),
        (b'l', Verdict::Delay(50 * MS)),
        (b't', Verdict::Duplicate),
        (b'c', Verdict::Corrupt),
        (b'r', Verdict::Reset),
    ];
    for (byte, verdict) in verdicts {
        pair.network.rule(about(byte, verdict));
        // Whoever comes first decides.
        pair.network.rule(about(byte, Verdict::Drop));
    }
    for message in [&b"pass"[..], b"dropped", b"late", b"twice", b"corrupted", b"reset"] {
        pair.send_datagram(message);
    }
    assert_eq!(pair.until("echo", "datagram 4"), LATENCY);
    let server = pair.server;
    elapsed(&mut pair.network, |network| {
        network.app(server).unwrap().datagrams.iter().any(|(_, bytes, _)| bytes == b"late")
    });
    assert_eq!(pair.network.now(), SECOND + 50 * MS + LATENCY);
    run(&mut pair.network, SECOND);
    let mut arrived = pair.datagrams("echo");
    arrived.sort_unstable();
    let corrupted = arrived.iter().position(|bytes| bytes.len() == 9).expect("it arrives");
    let corrupted = arrived.remove(corrupted);
    let bits = corrupted.iter().zip(b"corrupted").map(|(seen, sent)| (seen ^ sent).count_ones());
    assert_eq!(bits.sum::<u32>(), 1);
    assert_eq!(arrived, [&b"late"[..], b"pass", b"twice", b"twice"]);
}

#[test]
fn a_rule_decides_what_becomes_of_a_stream() {
    let mut pair = Pair::new();
    for (byte, verdict) in [
        (b'd', Verdict::Drop),
        (b'l', Verdict::Delay(50 * MS)),
        (b't', Verdict::Duplicate),
        (b'c', Verdict::Corrupt),
        (b'r', Verdict::Reset),
    ] {
        pair.network.rule(about(byte, verdict));
    }
    // It is sent again; and its answer meets the same rule.
    pair.send(b"dropped");
    assert_eq!(pair.until("server", "data 7"), 200 * MS + LATENCY);
    assert_eq!(pair.until("client", "data 7"), 200 * MS + LATENCY);
    // What comes behind something late is late with it.
    run(&mut pair.network, MS);
    pair.send(b"late");
    run(&mut pair.network, MS);
    pair.send(b"behind");
    assert_eq!(pair.until("server", "data 17"), 50 * MS);
    run(&mut pair.network, SECOND);
    // A stream is neither doubled nor corrupted.
    pair.send(b"twice");
    assert_eq!(pair.until("client", "data 22"), 2 * LATENCY);
    run(&mut pair.network, MS);
    pair.send(b"corrupted");
    assert_eq!(pair.until("client", "data 31"), 2 * LATENCY);
    assert_eq!(pair.log(pair.client).bytes("client"), b"droppedlatebehindtwicecorrupted");
    run(&mut pair.network, MS);
    pair.send(b"reset");
    let reset = "close the peer reset the connection";
    assert_eq!(pair.until("server", reset), LATENCY);
    assert_eq!(pair.until("client", reset), Duration::ZERO);
}

#[test]
fn a_rule_sees_who_sends_what_to_whom_and_when() {
    let mut pair = Pair::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&seen);
    pair.network.rule(move |segment| {
        let what = match segment.payload {
            Payload::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Payload::Datagram(bytes) => format!("a datagram of {}", bytes.len()),
            Payload::Fin => "FIN".to_owned(),
            Payload::Reset => "RST".to_owned(),
        };
        let ports = (segment.from.port() == Some(7), segment.to.port() == Some(7));
        notes.borrow_mut().push((segment.at - SECOND, ports, what));
        Verdict::Pass
    });
    let (to_server, to_client) = ((false, true), (true, false));
    pair.send(b"hello");
    pair.until("client", "data 5");
    pair.send_datagram(b"hi");
    pair.until("socket", "datagram 2");
    // A host that has just turned is busy for a moment.
    run(&mut pair.network, MS);
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry.close(pair.connection).expect("it is open");
    pair.until("client", "close closed");
    let seen = seen.borrow();
    let seen: Vec<_> = seen.iter().map(|(at, ports, what)| (*at, *ports, &**what)).collect();
    assert_eq!(
        seen,
        [
            (Duration::ZERO, to_server, "5 bytes"),
            (MS, to_client, "5 bytes"),
            (2 * MS, to_server, "a datagram of 2"),
            (3 * MS, to_client, "a datagram of 2"),
            (5 * MS, to_server, "FIN"),
            (6 * MS, to_client, "FIN"),
        ]
    );
}
