//! IRC's messages, as clients send them: what is said, and what they do beside.

use std::hint::black_box;
use std::rc::Rc;

use protocols::chat::Message;

use super::Codec;

const ROUNDS: usize = 100;

/// One of each kind, as often as the others.
const MESSAGES: [&str; 8] = [
    "PRIVMSG #room :how are you today, and is the build green again?\r\n",
    ":ann!~a@192.0.2.1 PRIVMSG #room :it is, since an hour ago\r\n",
    "PING 1788123456\r\n",
    "JOIN #room,#another secret\r\n",
    "MODE #room +ov ann ben\r\n",
    "@time=2026-01-01T00:00:00.000Z;+typing=active :ben!~b@192.0.2.2 TAGMSG #room\r\n",
    "NICK someone\r\n",
    "TOPIC #room :what this is about\r\n",
];

pub(super) fn codec() -> Codec {
    Codec {
        name: "irc",
        text: text(),
        messages: ROUNDS * MESSAGES.len(),
        decoders: vec![("std", std), ("reactor", ours)],
    }
}

fn text() -> Rc<[u8]> {
    (0..ROUNDS).flat_map(|_| MESSAGES).flat_map(str::bytes).collect()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"))
}

/// Words between spaces, and what follows a colon: no limits, and no errors.
fn std(text: &[u8]) -> usize {
    let words = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let (words, last) = text.split_once(" :").unwrap_or((&text, ""));
        black_box(last);
        words.split(' ').map(black_box).count()
    };
    lines(text).map(words).filter(|count| *count > 0).count()
}

fn ours(text: &[u8]) -> usize {
    lines(text).filter_map(|line| Message::parse(line).ok()).map(black_box).count()
}
