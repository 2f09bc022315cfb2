//! What was sent and has yet to come back: pure, so any cut and any order can be tried.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use protocols::echo::{Exchange, Mismatch, Sent};

const WINDOW: usize = 4_096;

fn sending(payloads: &[&'static str], now: Instant) -> Exchange {
    let mut exchange = Exchange::new(WINDOW);
    for payload in payloads {
        exchange.handle_sent(Bytes::from_static(payload.as_bytes()), now);
    }
    exchange
}

/// Everything that one read returns.
fn returns(exchange: &mut Exchange, mut input: &[u8], now: Instant) -> Vec<(u64, Bytes)> {
    let mut replies = Vec::new();
    while let Some(sent) = exchange.handle_bytes(&mut input, now).expect("no mismatch") {
        replies.push((sent.sequence, sent.payload));
    }
    replies
}

#[test]
fn payloads_come_back_in_order_however_they_are_cut() {
    let now = Instant::now();
    let mut exchange = sending(&["one", "two", "three"], now);
    assert_eq!(returns(&mut exchange, b"on", now), []);
    assert_eq!(exchange.missing(), 9);
    assert_eq!(returns(&mut exchange, b"etwoth", now), [(0, "one".into()), (1, "two".into())]);
    assert_eq!(returns(&mut exchange, b"ree", now), [(2, "three".into())]);
    assert_eq!((exchange.outstanding(), exchange.missing()), (0, 0));
}

#[test]
fn the_first_wrong_byte_is_named() {
    let now = Instant::now();
    let mut exchange = sending(&["one", "two"], now);
    let mut input = &b"onetXo"[..];
    assert!(matches!(exchange.handle_bytes(&mut input, now), Ok(Some(_))));
    let expected = Mismatch::Different { at: 4, expected: b'w', found: b'X' };
    assert_eq!(exchange.handle_bytes(&mut input, now), Err(expected));
    assert_eq!(input, b"Xo", "what was right has been taken");
}

#[test]
fn what_nobody_asked_for_is_named() {
    let now = Instant::now();
    let mut exchange = sending(&["one"], now);
    let mut input = &b"one!"[..];
    assert!(matches!(exchange.handle_bytes(&mut input, now), Ok(Some(_))));
    assert_eq!(exchange.handle_bytes(&mut input, now), Err(Mismatch::Unasked { at: 3 }));
}

#[test]
fn the_window_counts_short_payloads_too() {
    let now = Instant::now();
    let mut exchange = Exchange::new(1_000);
    let mut count = 0;
    while exchange.room() >= 1 {
        exchange.handle_sent(Bytes::from_static(b"x"), now);
        count += 1;
    }
    assert_eq!(count, 15);
    assert_eq!(returns(&mut exchange, b"x", now).len(), 1);
    assert!(exchange.room() >= 1);
}

#[test]
fn datagrams_come_back_in_any_order_or_are_lost() {
    let now = Instant::now();
    let mut exchange = sending(&["one", "two", ""], now);
    let sent = exchange.handle_datagram(b"two").expect("it was sent");
    assert_eq!((sent.sequence, sent.at), (1, now));
    assert_eq!(exchange.handle_datagram(b"two"), None, "twice");
    assert_eq!(exchange.handle_datagram(b"onE"), None, "changed");
    assert_eq!(exchange.handle_datagram(b"").map(|sent| sent.sequence), Some(2));

    assert_eq!(exchange.waiting_since(None), Some(now));
    assert_eq!(exchange.lose(), Some(Sent { sequence: 0, payload: "one".into(), at: now }));
    assert_eq!(exchange.lose(), None);
    assert_eq!(exchange.handle_datagram(b"one"), None, "late");
    assert_eq!(exchange.strays(), 3);
}

#[test]
fn a_stream_that_makes_progress_is_not_late() {
    let (now, timeout) = (Instant::now(), Duration::from_secs(1));
    let mut exchange = sending(&["one"], now);
    assert_eq!(exchange.waiting_since(None), Some(now));
    assert_eq!(returns(&mut exchange, b"o", now + timeout), []);
    assert_eq!(exchange.waiting_since(None), Some(now + timeout));
    assert!(exchange.lose().is_some());
    assert_eq!(exchange.waiting_since(None), None);
    assert_eq!(exchange.waiting_since(Some(now)), Some(now + timeout));
}

proptest! {
    /// Any payloads, returned in pieces of any length: the same replies as in one piece.
    #[test]
    fn any_cut_returns_the_same(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..20),
        cuts in proptest::collection::vec(1..30_usize, 1..50),
    ) {
        let now = Instant::now();
        let mut exchange = Exchange::new(usize::MAX);
        for payload in &payloads {
            exchange.handle_sent(payload.clone().into(), now);
        }
        let stream = payloads.concat();
        let (mut rest, mut replies) = (&stream[..], Vec::new());
        let mut cuts = cuts.into_iter().cycle();
        while let (false, Some(cut)) = (rest.is_empty(), cuts.next()) {
            let (piece, later) = rest.split_at(cut.min(rest.len()));
            replies.extend(returns(&mut exchange, piece, now));
            rest = later;
        }
        let expected: Vec<(u64, Bytes)> =
            (0..).zip(payloads.into_iter().map(Bytes::from)).collect();
        prop_assert_eq!(replies, expected);
        prop_assert_eq!((exchange.outstanding(), exchange.missing()), (0, 0));
    }

    /// Whatever a peer sends, in whatever order with what was sent: never a panic, and nothing
    /// is accepted that is not equal.
    #[test]
    fn any_input_is_judged(
        sent in proptest::collection::vec(any::<u8>(), 1..40),
        input in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let now = Instant::now();
        let mut exchange = Exchange::new(usize::MAX);
        exchange.handle_sent(sent.clone().into(), now);
        let mut rest = &input[..];
        let result = exchange.handle_bytes(&mut rest, now);
        let taken = input.len() - rest.len();
        prop_assert_eq!(&input[..taken], &sent[..taken]);
        prop_assert_eq!(result.is_err(), taken < sent.len().min(input.len()));
    }
}
