//! Metadata: to whom a datagram was sent, with which ECN.

use super::*;

use reactor::Ecn;

/// A server on all addresses, which answers from the one that was asked.
fn answering(stage: &mut Stage, address: &str) -> SocketAddr {
    let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
    let probe = DatagramProbe::new("server").on_datagram(|socket, datagram, log| {
        let to = datagram.to.map(|ip| ip.to_canonical().to_string());
        log.note("server", format!("to {} {:?}", to.unwrap_or_default(), datagram.ecn));
        socket.answer(datagram, datagram.bytes).unwrap();
    });
    bind_with(stage, address.parse().unwrap(), &options, probe).1
}

/// Asks at one of the server's addresses, and hears that address alone.
#[track_caller]
fn ask(stage: &mut Stage, from: &str, to: SocketAddr) {
    let peer = UdpSocket::bind(from).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.connect(to).unwrap();
    let before = stage.log.datagrams.len();
    if to.is_ipv4() {
        SockRef::from(&peer).set_tos_v4(0b10).unwrap();
    }
    peer.send(b"hello").unwrap();
    stage.until(|log| log.datagrams.len() > before);
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 5);
}

#[test]
fn a_server_on_all_addresses_answers_from_the_one_that_was_asked() {
    let mut stage = Stage::new();
    let port = answering(&mut stage, "0.0.0.0:0").port();
    for last in 1..4 {
        ask(&mut stage, "127.0.0.1:0", (Ipv4Addr::new(127, 0, 0, last), port).into());
    }
    for last in 1..4 {
        let ect0 = Some(Ecn::Ect0);
        assert!(stage.log.has("server", &format!("to 127.0.0.{last} {ect0:?}")));
    }
}

#[test]
fn a_server_of_both_families_answers_from_the_one_that_was_asked() {
    let mut stage = Stage::new();
    if UdpSocket::bind("[::1]:0").is_err() {
        return eprintln!("SKIPPED: this machine has no IPv6 loopback");
    }
    let port = answering(&mut stage, "[::]:0").port();
    ask(&mut stage, "[::1]:0", (Ipv6Addr::LOCALHOST, port).into());
    ask(&mut stage, "127.0.0.1:0", (Ipv4Addr::new(127, 0, 0, 9), port).into());
    assert!(stage.log.has("server", "to ::1 None"));
    assert!(stage.log.has("server", "to 127.0.0.9 Some(Ect0)"));
}

/// Up to 64 datagrams leave by one call. A kernel that cannot do that takes them one by one, and
/// the peer cannot tell.
#[test]
fn a_run_leaves_by_few_calls_and_arrives_piece_by_piece() {
    let mut stage = Stage::new();
    let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
    let all = blocks(100_003);
    let (_, address) = bind_with(&mut stage, any_port(), &options, answering_runs(all.clone()));
    #[cfg(feature = "trace")]
    stage.reactor.trace(10_000);
    let peer = peer();
    SockRef::from(&peer).set_recv_buffer_size(1 << 20).unwrap();
    let size = 2_000;
    peer.send_to(&[200], address).unwrap();
    let reading = stage.peer(move || {
        let mut buffer = [0; 4_000];
        let next = |_| peer.recv(&mut buffer).map(|length| buffer[..length].to_vec()).unwrap();
        (0..100_003_usize.div_ceil(size)).map(next).collect::<Vec<_>>()
    });
    let heard = stage.join(reading);
    assert!(heard.iter().map(Vec::as_slice).eq(all.chunks(size)));
    assert_eq!(stage.reactor.stats().datagrams_sent, heard.len() as u64);
    #[cfg(feature = "trace")]
    {
        let trace = stage.reactor.take_trace().to_string();
        // 32 of 2,000 bytes are no longer than one datagram over IPv4 may be.
        let calls = trace.lines().filter(|line| line.contains("sent: ")).count();
        match calls {
            2 => assert!(trace.contains("sent: 64000 bytes"), "{trace}"),
            51 => eprintln!("SKIPPED: this kernel knows no segmentation offload"),
            _ => panic!("{calls} calls\n{trace}"),
        }
    }
}

#[test]
fn a_long_datagram_arrives_whole_and_an_empty_one_too() {
    let mut stage = Stage::new();
    let address = answering(&mut stage, "127.0.0.1:0");
    let peer = peer();
    for length in [65_507, 0, 1] {
        let before = stage.log.datagrams.len();
        peer.send_to(&vec![7; length], address).unwrap();
        stage.until(|log| log.datagrams.len() > before);
        assert_eq!(retry(|| peer.recv(&mut vec![0; 65_536])).unwrap(), length);
    }
}
