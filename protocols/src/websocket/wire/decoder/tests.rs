//! What a peer sends, and what that amounts to; the numbers are the cases of Autobahn's suite.

use proptest::prelude::*;

use super::*;
use crate::websocket::wire::{CloseCode, Context, Deflater, encode};

/// What came of a stream, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Wrong(Violation),
}
use Heard::{Binary, Close, Ping, Pong, Text, Wrong};

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Text(text.to_owned()),
            Event::Message(Message::Binary(bytes)) => Binary(bytes.to_vec()),
            Event::Ping(bytes) => Ping(bytes.to_vec()),
            Event::Pong(bytes) => Pong(bytes.to_vec()),
            Event::Close(close) => {
                Close(close.map(|(code, reason)| (code.get(), reason.to_owned())))
            }
        }
    }
}

/// What a server hears of a client that sends these pieces, up to the first thing that is wrong: the same, whether it
/// looks for short messages first or does not.
#[track_caller]
fn hear_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]> + Clone,
    deflate: bool,
    limits: &Limits,
) -> Vec<Heard> {
    let heard = hear_below(0, pieces.clone(), deflate, limits);
    let short = limits.frame.min(limits.message).min(125) as u8 + 1;
    assert_eq!(hear_below(short, pieces, deflate, limits), heard);
    heard
}

/// The same; short messages are those of fewer bytes.
fn hear_below<'a>(
    short: u8,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    deflate: bool,
    limits: &Limits,
) -> Vec<Heard> {
    let rules = Rules { sender: Role::Client, deflate, limits };
    let (mut scratch, mut inflater) = (Scratch::default(), Inflater::new(Context::Fresh));
    let mut decoder = Decoder::default();
    let (mut kept, mut heard) = (Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut input = Input::new(&kept);
        loop {
            let mut room = Room::default();
            let next = match decoder.next_short(&mut input, short, &mut room) {
                Some(read) => read.map(|message| Some(Event::Message(message))),
                None => decoder.next(&mut input, &rules, &mut scratch, &mut inflater),
            };
            match next {
                Ok(Some(event)) => heard.push(event.into()),
                Ok(None) => break,
                Err(violation) => {
                    heard.push(Wrong(violation));
                    return heard;
                }
            }
        }
        assert!(input.len() < 14 + 125, "it leaves no more than a header or a control frame");
        kept = input.to_vec();
    }
    heard
}

/// The same, whole and byte by byte, which must not differ.
#[track_caller]
fn hear(bytes: &[u8]) -> Vec<Heard> {
    let limits = Limits::default().with_messages_of(1 << 25);
    let whole = hear_pieces([bytes], true, &limits);
    if bytes.len() < 100_000 {
        assert_eq!(hear_pieces(bytes.chunks(1), true, &limits), whole);
    }
    whole
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame.
fn frame(fin: bool, rsv1: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    let mut frame = Header { fin, rsv1, opcode, mask: Some(KEY), length }.encode().to_vec();
    let from = frame.len();
    frame.extend_from_slice(payload);
    Mask::new(KEY).apply(&mut frame[from..]);
    frame
}

fn first(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(false, false, opcode, payload)
}

fn whole(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(true, false, opcode, payload)
}

fn more(payload: &[u8]) -> Vec<u8> {
    frame(false, false, Opcode::Continuation, payload)
}

fn last(payload: &[u8]) -> Vec<u8> {
    frame(true, false, Opcode::Continuation, payload)
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new(Context::Fresh, 15, 6).deflate(message, &mut out);
    out
}

#[test]
fn case_1_messages_of_every_way_to_write_a_length() {
    for length in (0..=130).chain([65_535, 65_536]) {
        let text = "*".repeat(length);
        assert_eq!(hear(&whole(Opcode::Text, text.as_bytes())), [Text(text)]);
        let bytes = vec![0xfe; length];
        assert_eq!(hear(&whole(Opcode::Binary, &bytes)), [Binary(bytes)]);
    }
}

#[test]
fn case_2_pings_and_pongs() {
    assert_eq!(hear(&whole(Opcode::Ping, b"")), [Ping(vec![])]);
    assert_eq!(hear(&whole(Opcode::Ping, &[0xff; 125])), [Ping(vec![0xff; 125])]);
    assert_eq!(hear(&whole(Opcode::Ping, &[0; 126])), [Wrong(Violation::LongControl)]);
    assert_eq!(hear(&whole(Opcode::Pong, b"unsolicited")), [Pong(b"unsolicited".to_vec())]);
}

#[test]
fn cases_3_and_4_reserved_bits_and_opcodes() {
    for (first, expected) in [
        (0x91, Violation::ReservedBits),
        (0xa2, Violation::ReservedBits),
        (0xb9, Violation::ReservedBits),
        (0xc9, Violation::ReservedBits),
        (0x83, Violation::ReservedOpcode(3)),
        (0x87, Violation::ReservedOpcode(7)),
        (0x8b, Violation::ReservedOpcode(11)),
        (0x8f, Violation::ReservedOpcode(15)),
    ] {
        let before = whole(Opcode::Text, b"well");
        let bytes = [&before[..], &[first, 0x80, 0, 0, 0, 0]].concat();
        assert_eq!(hear(&bytes), [Text("well".to_owned()), Wrong(expected)]);
    }
    let compressed = frame(true, true, Opcode::Text, b"x");
    let heard = hear_pieces([&compressed[..]], false, &Limits::default());
    assert_eq!(heard, [Wrong(Violation::ReservedBits)], "nothing was agreed on");
}

#[test]
fn case_5_fragments_and_what_comes_between_them() {
    let (text, hello) = (Opcode::Text, Text("Hello".to_owned()));
    let ping = whole(Opcode::Ping, b"?");
    for (frames, expected) in [
        (vec![first(Opcode::Ping, b"Hel"), last(b"lo")], vec![Wrong(Violation::FragmentedControl)]),
        (vec![first(text, b"Hel"), last(b"lo")], vec![hello.clone()]),
        (
            vec![first(text, b"Hel"), ping.clone(), last(b"lo")],
            vec![Ping(b"?".to_vec()), hello.clone()],
        ),
        (
            vec![
                first(text, b""),
                more(b"Hello"),
                ping,
                more(b""),
                last(b""),
                whole(text, b"Hello"),
            ],
            vec![Ping(b"?".to_vec()), hello.clone(), hello],
        ),
        (vec![last(b"Hello")], vec![Wrong(Violation::StrayContinuation)]),
        (vec![more(b"Hello")], vec![Wrong(Violation::StrayContinuation)]),
        (vec![first(text, b"a"), whole(text, b"b")], vec![Wrong(Violation::MessageWithinMessage)]),
        (vec![first(text, b"a"), first(text, b"b")], vec![Wrong(Violation::MessageWithinMessage)]),
    ] {
        assert_eq!(hear(&frames.concat()), expected);
    }
}

#[test]
fn case_6_text_is_utf_8_and_is_refused_at_the_first_byte_that_is_not() {
    let kosme = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}";
    let (front, back) = kosme.as_bytes().split_at(4);
    let parts = [first(Opcode::Text, front), last(back)].concat();
    assert_eq!(hear(&parts), [Text(kosme.to_owned())]);
    // 6.4: the rest of the message, and of its frame, is not waited for.
    let wrong = [kosme.as_bytes(), b"\xf4\x90\x80\x80", b"edited"].concat();
    let frame = whole(Opcode::Text, &wrong);
    let seen = 6 + kosme.len() + 2;
    let limits = Limits::default();
    assert_eq!(hear_pieces([&frame[..seen - 1]], false, &limits), []);
    assert_eq!(hear_pieces([&frame[..seen]], false, &limits), [Wrong(Violation::NotUtf8)]);
    for wrong in [
        &b"\xc0\xaf"[..],
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\x80",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce",
        b"\xfe",
    ] {
        assert_eq!(hear(&whole(Opcode::Text, wrong)), [Wrong(Violation::NotUtf8)], "{wrong:x?}");
        let parts = [first(Opcode::Text, b"well"), last(wrong)].concat();
        assert_eq!(hear(&parts), [Wrong(Violation::NotUtf8)], "{wrong:x?}");
    }
}

#[test]
fn case_7_goodbyes() {
    let close = |payload: &[u8]| hear(&whole(Opcode::Close, payload));
    assert_eq!(close(b""), [Close(None)]);
    assert_eq!(close(b"\x03"), [Wrong(Violation::CloseOfOneByte)]);
    assert_eq!(close(b"\x03\xe8"), [Close(Some((1000, String::new())))]);
    let longest = [&b"\x03\xe8"[..], &[b'*'; 123]].concat();
    assert_eq!(close(&longest), [Close(Some((1000, "*".repeat(123))))]);
    assert_eq!(close(&[&longest[..], b"*"].concat()), [Wrong(Violation::LongControl)]);
    assert_eq!(close(b"\x03\xe8\xce\xba\xed"), [Wrong(Violation::NotUtf8)]);
    assert_eq!(close(b"\x03\xee"), [Wrong(Violation::CloseCode(1006))]);
    assert_eq!(Violation::CloseCode(1006).code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn case_9_long_messages_in_one_frame_and_in_many() {
    let bytes: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_le_bytes).collect();
    assert!(hear(&whole(Opcode::Binary, &bytes)) == [Binary(bytes.clone())]);
    let fragments: Vec<u8> = bytes.chunks(64).flat_map(more).collect();
    let message = [first(Opcode::Binary, b""), fragments, last(b"")].concat();
    let limits = Limits { fragments: 65_538, ..Limits::default().with_messages_of(1 << 22) };
    for piece in [1_000, 100_000] {
        assert!(hear_pieces(message.chunks(piece), false, &limits) == [Binary(bytes.clone())]);
    }
}

#[test]
fn cases_12_and_13_compressed_messages() {
    let text = "a message that says a message ".repeat(100);
    let compressed = deflated(text.as_bytes());
    let in_one = frame(true, true, Opcode::Text, &compressed);
    assert_eq!(hear(&in_one), [Text(text.clone())]);
    let (front, back) = compressed.split_at(compressed.len() / 2);
    let in_two = |rsv1| {
        let back = frame(true, rsv1, Opcode::Continuation, back);
        [frame(false, true, Opcode::Text, front), whole(Opcode::Ping, b""), back].concat()
    };
    assert_eq!(hear(&in_two(false)), [Ping(vec![]), Text(text)]);
    assert_eq!(hear(&in_two(true)), [Ping(vec![]), Wrong(Violation::ReservedBits)]);
    let empty = frame(true, true, Opcode::Binary, &deflated(b""));
    assert_eq!(hear(&empty), [Binary(vec![])]);
    assert_eq!(
        hear(&frame(true, true, Opcode::Binary, b"\xff\xff")),
        [Wrong(Violation::NotDeflate)]
    );
    let no_text = frame(true, true, Opcode::Text, &deflated(b"\xff"));
    assert_eq!(hear(&no_text), [Wrong(Violation::NotUtf8)]);
}

#[test]
fn every_limit_is_kept_as_soon_as_it_can_be_seen() {
    let limits =
        Limits { frame: 10, message: 15, inflated: 100, fragments: 3, ..Limits::default() };
    let hear = |bytes: &[u8]| hear_pieces([bytes], true, &limits);
    let header =
        |length| Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: Some(KEY), length };
    assert_eq!(hear(&header(11).encode()), [Wrong(Violation::FrameTooLong)], "before it comes");
    let (ten, six) = (first(Opcode::Text, &[b'x'; 10]), last(&[b'x'; 6]));
    assert_eq!(hear(&[ten, six[..6].to_vec()].concat()), [Wrong(Violation::MessageTooLong)]);
    let bomb = deflated(&[0; 101]);
    assert!(bomb.len() <= 10);
    assert_eq!(
        hear(&frame(true, true, Opcode::Binary, &bomb)),
        [Wrong(Violation::InflatesTooLong)]
    );
    let fragments = [first(Opcode::Text, b""), more(b""), more(b""), more(b"")].concat();
    assert_eq!(hear(&fragments), [Wrong(Violation::TooManyFragments)]);
}

#[test]
fn each_side_masks_as_it_has_to() {
    let limits = Limits::default();
    let hear_server = |bytes: &[u8]| {
        let rules = Rules { sender: Role::Server, deflate: false, limits: &limits };
        let (mut scratch, mut inflater) = (Scratch::default(), Inflater::new(Context::Fresh));
        Decoder::default()
            .next(&mut Input::new(bytes), &rules, &mut scratch, &mut inflater)
            .map(|event| event.map(Heard::from))
    };
    let mut plain = Vec::new();
    encode(Opcode::Text, false, None, b"Hello", &mut plain);
    assert_eq!(hear_server(&plain), Ok(Some(Text("Hello".to_owned()))));
    assert_eq!(hear_server(&whole(Opcode::Text, b"Hello")), Err(Violation::Masked));
    assert_eq!(hear(&plain), [Wrong(Violation::NotMasked)]);
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcodes = [
        Opcode::Continuation,
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Ping,
        Opcode::Close,
    ];
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        "[a-zü€𝄞]{0,40}".prop_map(String::into_bytes),
        "[ab]{0,200}".prop_map(|text| deflated(text.as_bytes())),
    ];
    (
        any::<bool>(),
        proptest::bool::weighted(0.2),
        proptest::sample::select(opcodes.to_vec()),
        payload,
    )
        .prop_map(|(fin, rsv1, opcode, payload)| {
            let fin = fin || opcode.is_control();
            frame(fin, rsv1 && !opcode.is_control(), opcode, &payload)
        })
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_frames_arrive(
        frames in proptest::collection::vec(any_frame(), 0..8),
        cuts in proptest::collection::vec(0_usize..1_500, 0..8),
    ) {
        let bytes = frames.concat();
        let limits = Limits { message: 300, inflated: 300, ..Limits::default() };
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut from = 0;
        let pieces: Vec<_> =
            cuts.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect();
        let whole = hear_pieces([&bytes[..]], true, &limits);
        prop_assert_eq!(hear_pieces(pieces, true, &limits), whole);
    }

    #[test]
    fn a_text_in_any_fragments_is_the_same_text(
        text in "[a-zü€𝄞]{0,40}",
        cuts in proptest::collection::vec(0_usize..100, 0..6),
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(text.len())).collect();
        cuts.sort_unstable();
        let (mut from, mut bytes) = (0, first(Opcode::Text, b""));
        for to in cuts {
            bytes.extend(more(&text.as_bytes()[std::mem::replace(&mut from, to)..to]));
        }
        bytes.extend(last(&text.as_bytes()[from..]));
        prop_assert_eq!(hear_pieces([&bytes[..]], true, &Limits::default()), [Text(text)]);
    }

    #[test]
    fn any_bytes_are_heard_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        hear_pieces([&bytes[..]], true, &Limits::default());
    }
}
