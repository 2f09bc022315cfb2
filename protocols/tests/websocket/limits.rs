//! Floods: what peers can make grow, and how far.

use protocols::websocket::wire::{Context, Deflater, Opcode};
use protocols::websocket::{Ending, Limits, Options, Violation};

use crate::stage::{Said, Stage, masked, plain, plain_close};

#[test]
fn a_bomb_ends_its_connection_and_the_next_message_of_another_inflates() {
    let mut stage = Stage::new();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (bad, good) = (stage.raw_client(offer, b""), stage.raw_client(offer, b""));
    let deflate = |message: &[u8]| {
        let mut deflated = Vec::new();
        Deflater::new(Context::Fresh, 15, 9).deflate(message, &mut deflated);
        deflated
    };
    let bomb = deflate(&vec![0; 5 << 20]);
    assert!(bomb.len() < 6_000, "{}", bomb.len());
    stage.says(bad, &masked(true, true, Opcode::Binary, &bomb));
    stage.says(good, &masked(true, true, Opcode::Text, &deflate(b"well")));
    stage.hears(good, &plain(Opcode::Text, b"well"));
    let violation = Violation::InflatesTooLong;
    stage.hears_last(bad, &plain_close(1009, &violation.to_string()));
}

#[test]
fn a_hundred_thousand_tiny_fragments_are_too_many() {
    let mut stage = Stage::new();
    let first = masked(false, false, Opcode::Text, b"");
    let more = masked(false, false, Opcode::Continuation, b"x").repeat(100_000);
    let peer = stage.raw_client("", &first);
    stage.says(peer, &more);
    let guest = stage.guest();
    assert_eq!(stage.ending(guest), Ending::Failed(Violation::TooManyFragments));
    stage.hears_last(peer, &plain_close(1008, &Violation::TooManyFragments.to_string()));
}

#[test]
fn a_frame_that_only_promises_to_be_long_is_refused_at_its_header() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", &[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    stage.hears_last(peer, &plain_close(1009, &Violation::FrameTooLong.to_string()));
}

#[test]
fn twenty_bombs_for_an_echo_are_answered_as_fast_as_the_answers_are_taken() {
    // Each asks for a thousand times what it is; all of them come in one read.
    let mut stage = Stage::with(Options { limits: Limits::default(), ..Options::default() });
    let peer = stage.raw_client("Sec-WebSocket-Extensions: permessage-deflate\r\n", b"");
    let guest = stage.guest();
    let (mut deflated, megabyte) = (Vec::new(), vec![b'x'; 1_000_000]);
    Deflater::new(Context::Fresh, 15, 9).deflate(&megabyte, &mut deflated);
    let bombs = masked(true, true, Opcode::Text, &deflated).repeat(20);
    stage.says(peer, &bombs);
    stage.until("all have come", |world| world.sides[&guest].messages.len() == 20);
    assert!(stage.world.sides[&guest].endings.is_empty(), "its outbox was never full");
    assert!(
        matches!(&stage.world.sides[&guest].messages[19], Said::Text(text) if text.len() == 1_000_000)
    );
}
