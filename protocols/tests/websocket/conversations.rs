//! Messages, both ways.

use bytes::Bytes;
use protocols::websocket::wire::{Context, Deflater, Inflater, Opcode};
use protocols::websocket::{CloseCode, DeflateOptions, Frame, Options};
use reactor::{ListenOptions, StreamLimits};

use crate::stage::{Said, Stage, masked, masked_close, masked_text, plain, plain_close};

#[test]
fn text_and_bytes_come_back_as_they_were() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    stage.with_socket(client, |socket| {
        socket.text("grüß dich");
        socket.binary(&[0, 255]);
        socket.text("");
    });
    let expected = [Said::text("grüß dich"), Said::Binary(vec![0, 255]), Said::text("")];
    assert_eq!(stage.messages(client, 3), expected);
    stage.finish();
}

#[test]
fn what_is_sent_with_the_handshake_is_a_message() {
    let mut stage = Stage::new();
    let frames = [masked_text("at once"), masked_text("and again")].concat();
    let peer = stage.raw_client("", &frames);
    let answer = [plain(Opcode::Text, b"at once"), plain(Opcode::Text, b"and again")].concat();
    stage.hears(peer, &answer);
    stage.says(peer, &masked_close(1000));
    stage.hears_last(peer, &plain_close(1000, ""));
}

#[test]
fn a_ping_is_answered_between_the_fragments_of_a_message() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", &masked(false, false, Opcode::Text, b"one "));
    stage.says(peer, &masked(true, false, Opcode::Ping, b"there?"));
    stage.hears(peer, &plain(Opcode::Pong, b"there?"));
    stage.says(peer, &masked(true, false, Opcode::Continuation, b"message"));
    stage.hears(peer, &plain(Opcode::Text, b"one message"));
    assert_eq!(stage.endpoint.counters().open, 1);
}

#[test]
fn a_ping_is_answered_though_the_handler_never_hears_of_it() {
    let mut stage = Stage::new();
    let client = stage.client("/listen");
    stage.with_socket(client, |socket| socket.ping(b"there?"));
    stage.until("the pong has come", |world| world.sides[&client].pongs == [b"there?"]);
    let guest = stage.guest();
    stage.with_socket(guest, |socket| socket.ping(&[7; 200]));
    stage.until("the pong has come", |world| world.sides[&guest].pongs == [[7; 125]]);
    stage.finish();
}

#[test]
fn one_frame_reaches_everybody_whatever_each_has_agreed_on() {
    let mut stage = Stage::new();
    let compressing = stage.client("/listen");
    let plain_one = stage.raw_client("", b"");
    stage.until("both are there", |world| world.guests.len() == 2);
    let text = "news ".repeat(1_000);
    let frame: Bytes = Frame::text(&text).into();
    let guests = stage.world.guests.clone();
    assert_eq!(stage.reactor.registry().broadcast(guests, frame.clone()), 2);
    assert_eq!(stage.messages(compressing, 1), [Said::Text(text)]);
    stage.hears(plain_one, &frame);
}

#[test]
fn compressed_messages_come_back_in_either_way_to_keep_a_context() {
    for context_takeover in [false, true] {
        let deflate = DeflateOptions { context_takeover, from: 0, ..DeflateOptions::default() };
        let mut stage = Stage::with(Options { deflate: Some(deflate), ..Options::default() });
        let (one, other) = (stage.client("/"), stage.client("/"));
        let text = "a message that says a message ".repeat(200);
        let mut expected = Vec::new();
        for round in 0..5 {
            // Two in turns: what is shared must not mix them up.
            for client in [one, other] {
                let text = format!("{round} {text}");
                stage.with_socket(client, move |socket| {
                    socket.text(&text);
                    socket.binary(b"");
                });
            }
            expected.extend([Said::Text(format!("{round} {text}")), Said::Binary(vec![])]);
        }
        assert_eq!(stage.messages(one, 10), expected);
        assert_eq!(stage.messages(other, 10), expected);
        stage.finish();
    }
}

#[test]
fn a_compressed_answer_is_smaller_and_inflates_with_the_window_that_was_asked_for() {
    let mut stage = Stage::new();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n";
    let peer = stage.raw_client(offer, b"");
    // Repeats itself at a distance that a window of 512 bytes does not reach.
    let message: Vec<u8> = (0..10_000_u32).flat_map(|at| (at % 700).to_le_bytes()).collect();
    let mut deflated = Vec::new();
    Deflater::new(Context::Fresh, 15, 6).deflate(&message, &mut deflated);
    stage.says(peer, &masked(true, true, Opcode::Binary, &deflated));
    stage.until("an answer has begun", |world| world.raw[&peer].len() > 4);
    let header = stage.world.raw[&peer][..4].to_vec();
    assert_eq!(header[..2], [0xc2, 126], "a compressed message in one frame");
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    assert!(length > deflated.len() && length < message.len(), "{length}");
    stage.until("the answer is whole", |world| world.raw[&peer].len() == 4 + length);
    let mut inflated = Vec::new();
    let inflater = &mut Inflater::new(Context::Fresh);
    inflater.inflate(&stage.world.raw[&peer][4..], message.len(), &mut inflated).expect("it does");
    assert!(inflated == message);
}

#[test]
fn a_message_of_sixteen_mebibytes_comes_back() {
    let limits = StreamLimits { outbox: 40 << 20, ..StreamLimits::default() };
    let mut options = Options { deflate: None, ..Options::default() };
    options.limits = options.limits.with_messages_of(16 << 20);
    let listen = ListenOptions { limits, ..ListenOptions::default() };
    let mut stage = Stage::listening(options, &listen);
    let client = stage.client("/");
    stage.with_socket(client, |socket| {
        // The client's own outbox has eight.
        socket.binary(&vec![7; 7 << 20]);
    });
    assert!(stage.messages(client, 1) == [Said::Binary(vec![7; 7 << 20])]);
    let guest = stage.guest();
    stage.with_socket(guest, |socket| socket.binary(&vec![8; 16 << 20]));
    assert!(stage.messages(client, 2)[1] == Said::Binary(vec![8; 16 << 20]));
    stage.finish();
}

#[test]
fn whoever_pauses_hears_nothing_until_it_goes_on() {
    let mut stage = Stage::new();
    let client = stage.client("/listen");
    let guest = stage.guest();
    stage.with_socket(guest, |socket| socket.pause());
    stage.with_socket(client, |socket| {
        for _ in 0..100 {
            socket.text("x");
        }
    });
    // By the time another conversation is through, this one would have been heard too.
    let other = stage.client("/");
    stage.with_socket(other, |socket| socket.text("y"));
    stage.messages(other, 1);
    assert_eq!(stage.world.sides[&guest].messages, []);
    stage.with_socket(guest, |socket| socket.resume());
    assert_eq!(stage.messages(guest, 100), vec![Said::text("x"); 100]);
    stage.finish();
}

#[test]
fn whoever_does_not_read_its_echoes_is_not_read_and_loses_none() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    let text = "x".repeat(1 << 20);
    stage.with_socket(client, |socket| socket.pause());
    for _ in 0..7 {
        let text = text.clone();
        stage.with_socket(client, move |socket| socket.text(&text));
    }
    let other = stage.client("/");
    stage.with_socket(other, |socket| socket.text("y"));
    stage.messages(other, 1);
    stage.with_socket(client, |socket| socket.resume());
    assert!(stage.messages(client, 7) == vec![Said::Text(text); 7]);
    stage.close(client, CloseCode::NORMAL, "");
    stage.ending(client);
    stage.finish();
}
