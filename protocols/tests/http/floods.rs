//! Peers that send without end, or hardly at all: each is bounded, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use protocols::http::ServerLimits;
use protocols::http::server::{Session, Settings, Site};
use reactor::sim::Harness;

use crate::stage::{PATIENCE, Peer, Stage, statuses};

/// Answers `/long` with a hundred thousand bytes, `/huge` with ten million, and everything else with as many as it got.
fn site(limits: ServerLimits) -> Site<()> {
    let huge = Bytes::from(vec![b'x'; HUGE]);
    Site::new(move |request, exchange, app| match request.path() {
        "/long" => exchange.answer(StatusCode::OK).bytes(&[b'x'; LONG]),
        "/huge" => exchange.answer(StatusCode::OK).shared(huge.clone()),
        _ => exchange.gather(1 << 20, app, |exchange, (), body| {
            exchange.answer(StatusCode::OK).text(&format!("{} bytes", body.len()));
        }),
    })
    .with_settings(Settings { limits, ..Settings::default() })
}

const LONG: usize = 100_000;
const HUGE: usize = 10_000_000;

/// Somebody who does as one should is answered.
#[track_caller]
fn serves_others(stage: &Stage) {
    let mut peer = stage.connect();
    for _ in 0..10 {
        peer.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(statuses(&peer.hear("5 bytes")), [200]);
    }
}

/// Says one byte more on each, again and again, until this is true.
fn drip(peers: &mut [Peer], mut is_over: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_over() {
        assert!(Instant::now() < deadline, "it goes on for ever");
        for peer in &mut *peers {
            // It may have been closed.
            let _ = peer.stream.write_all(b"a");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What drips is cut off when its time is over, however often it drips.
#[track_caller]
fn slow_ones_are_cut_off(beginning: &str) {
    let stage = Stage::serve(|| {
        site(ServerLimits {
            head_time: Duration::from_millis(800),
            body_time: Duration::from_millis(800),
            // Each byte allows for as much as a millisecond more.
            body_rate: 1_000,
            ..ServerLimits::default()
        })
    });
    let mut peers: Vec<_> = (0..100).map(|_| stage.hears(beginning)).collect();
    serves_others(&stage);
    let mut last = peers[99].stream.try_clone().expect("a descriptor");
    last.set_nonblocking(true).expect("an option");
    let mut heard = Vec::new();
    drip(&mut peers, || {
        let mut bytes = [0; 4096];
        match last.read(&mut bytes) {
            Ok(count) => heard.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => {}
        }
        true
    });
    assert_eq!(statuses(&String::from_utf8_lossy(&heard)), [408]);
    serves_others(&stage);
}

#[test]
fn a_hundred_heads_that_drip_are_cut_off_in_time() {
    slow_ones_are_cut_off("GET / HTTP/1.1\r\nHost: h\r\nX: ");
}

#[test]
fn a_hundred_bodies_that_drip_are_cut_off_in_time() {
    slow_ones_are_cut_off("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
}

#[test]
fn who_asks_and_asks_and_reads_nothing_waits_and_loses_nothing() {
    const REQUESTS: usize = 300;
    let stage = Stage::serve(|| site(ServerLimits::default()));
    let mut peer = stage.hears("GET /long HTTP/1.1\r\nHost: h\r\n\r\n".repeat(REQUESTS - 1));
    peer.say("GET /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stage.until_nothing_moves();
    // Of thirty megabytes there are as many as one outbox and one answer have room for.
    assert!(stage.queued() < 1_000_000, "{} bytes are held", stage.queued());
    serves_others(&stage);
    let answers = peer.rest();
    assert_eq!(statuses(&answers).len(), REQUESTS);
    assert_eq!(answers.bytes().filter(|&byte| byte == b'x').count(), REQUESTS * LONG);
}

#[test]
fn who_reads_slowly_has_little_of_a_long_answer_waiting() {
    const READERS: usize = 40;
    let stage = Stage::serve(|| site(ServerLimits::default()));
    let ask = "GET /huge HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut peers: Vec<_> = (0..READERS).map(|_| stage.hears(ask)).collect();
    stage.until_nothing_moves();
    let each = stage.queued() / READERS as u64;
    assert!(each < 500_000, "{each} bytes are held of each");
    serves_others(&stage);
    assert_eq!(statuses(&peers[0].hear("\r\n\r\n")), [200]);
    assert!(peers[0].take(HUGE).iter().all(|&byte| byte == b'x'));
    serves_others(&stage);
}

#[test]
fn a_body_in_tiny_chunks_is_a_body() {
    let stage = Stage::serve(|| site(ServerLimits::default()));
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut peer = stage.hears(head.to_owned() + &"1\r\na\r\n".repeat(50_000) + "0\r\n\r\n");
    assert!(peer.hear("50000 bytes").contains("200 OK"));
    // What is around the chunks is no way to say more.
    let extended = head.to_owned() + &"1;abcdefgh=ijklmnop\r\na\r\n".repeat(1_000);
    assert_eq!(statuses(&stage.ask_until_closed(extended)), [400]);
    let trailing = format!("{head}0\r\n{}", "X: 0123456789\r\n".repeat(1_000));
    assert_eq!(statuses(&stage.ask_until_closed(trailing)), [431]);
    serves_others(&stage);
}

/// Says this again and again until the server says something, or closes; what it says.
fn pour(stage: &Stage, beginning: &str, piece: &str) -> String {
    let mut peer = stage.hears(beginning);
    let mut writer: TcpStream = peer.stream.try_clone().expect("a descriptor");
    writer.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let piece = piece.repeat(100);
    let deadline = Instant::now() + PATIENCE;
    let pouring = std::thread::spawn(move || {
        while writer.write_all(piece.as_bytes()).is_ok() {
            assert!(Instant::now() < deadline, "the server never has enough");
        }
    });
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    while !heard.ends_with(b".\n") {
        match peer.stream.read(&mut bytes) {
            Ok(count @ 1..) => heard.extend_from_slice(&bytes[..count]),
            _ => break,
        }
    }
    // It has been heard, so nobody need say more.
    let _ = peer.stream.shutdown(std::net::Shutdown::Both);
    pouring.join().expect("the server has had enough");
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn a_head_without_end_is_refused_when_it_is_too_long() {
    let stage = Stage::serve(|| site(ServerLimits::default()));
    for (beginning, piece, status) in [
        ("GET /", "a", 414),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: ", "a", 431),
        ("GET / HTTP/1.1\r\nHost: h\r\n", "X: y\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: h\r\n", ":\r\n", 400),
    ] {
        let heard = pour(&stage, beginning, piece);
        assert_eq!(statuses(&heard), [status], "{beginning:?}{piece:?}: {heard}");
        serves_others(&stage);
    }
    // Empty lines are nothing, however many, and do not begin a head.
    let head_time = Duration::from_millis(600);
    let stage = Stage::serve(move || site(ServerLimits { head_time, ..ServerLimits::default() }));
    let heard = pour(&stage, "", "\r\n");
    assert!(heard.is_empty() || statuses(&heard) == [408], "{heard}");
    serves_others(&stage);
}

/// One that is cut in its middle is empty all the same.
#[test]
fn empty_lines_count_as_nothing_wherever_they_are_cut() {
    let session = Session::new(Rc::new(site(ServerLimits::default())));
    let mut session = Harness::open(session, ());
    let longer_than_a_head = b"\n\r".repeat(20_000);
    session.receive(b"\r");
    session.receive(&longer_than_a_head);
    session.receive(b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(statuses(&String::from_utf8_lossy(&session.sent())), [200]);
}
