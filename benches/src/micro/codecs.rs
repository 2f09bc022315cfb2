//! Wire formats: of each a text, how many messages it has, and everyone who finds them.

use std::hint::black_box;
use std::io::BufRead;

use bytes::BytesMut;
use protocols::chat::Message;
use protocols::transfer::ftp::command::Command;
use protocols::transfer::tftp::Packet;
use reactor::Input;
use reactor::framing::{Line, Lines};
use tokio_util::codec::{Decoder, LinesCodec};

use super::{Microbenchmark, rival};

/// Finds every message in a text, and returns how many there are.
type Decode = fn(&[u8]) -> usize;

/// Every codec.
pub fn all() -> Vec<Microbenchmark> {
    vec![lines(), irc(), ftp(), tftp()]
}

/// Who finds so many messages in a text, again and again.
fn codec(
    name: &str,
    text: &[u8],
    messages: usize,
    decoders: &[(&'static str, Decode)],
) -> Microbenchmark {
    let decoder = |&(name, decode): &(&'static str, Decode)| {
        assert_eq!(decode(text), messages, "{name} does not find them all");
        let text = text.to_vec();
        rival(name, move || {
            let text = text.clone();
            move |units| {
                let times = units.div_ceil(messages as u64);
                (0..times).map(|_| decode(black_box(&text)) as u64).sum()
            }
        })
    };
    let rivals = decoders.iter().map(decoder).collect();
    Microbenchmark { name: name.to_owned(), unit: "message", rivals }
}

/// The longest line that is allowed.
const CEILING: usize = 512;

const LINES: usize = 1_000;

/// Lines, as chat and FTP have them, of lengths as people type them.
fn lines() -> Microbenchmark {
    let decoders: [(_, Decode); 4] = [
        ("std", std_lines),
        ("reactor", our_lines),
        ("read-until", read_until),
        ("tokio-util", tokio_util),
    ];
    codec("lines", &text_of_lines(), LINES, &decoders)
}

/// Lines of 10 to 109 bytes, each length as often as the others, in no order that could be guessed.
fn text_of_lines() -> Vec<u8> {
    let line = |number: usize| {
        let mut line = vec![b'a' + (number % 26) as u8; 8 + number * 37 % 100];
        line.extend_from_slice(b"\r\n");
        line
    };
    (0..LINES).flat_map(line).collect()
}

/// A byte after the other; it keeps an empty rest behind the last line end.
fn std_lines(text: &[u8]) -> usize {
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r"));
    lines.map(black_box).count() - 1
}

fn our_lines(text: &[u8]) -> usize {
    let (mut lines, mut input) = (Lines::new(CEILING), Input::new(text));
    let mut count = 0;
    while let Line::Whole(line) = lines.next(&mut input) {
        black_box(line);
        count += 1;
    }
    count
}

/// Copies each line, and does not bound it.
fn read_until(mut text: &[u8]) -> usize {
    let (mut line, mut count) = (Vec::new(), 0);
    while text.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        black_box(&line);
        line.clear();
        count += 1;
    }
    count
}

/// Copies each line into a string, having checked that it is one; the buffer is filled by a copy, as a
/// stream fills it.
fn tokio_util(text: &[u8]) -> usize {
    let (mut codec, mut buffer) = (LinesCodec::new_with_max_length(CEILING), BytesMut::from(text));
    let mut count = 0;
    while let Ok(Some(line)) = codec.decode(&mut buffer) {
        black_box(line);
        count += 1;
    }
    count
}

const ROUNDS: usize = 100;

/// IRC's messages, as clients send them, one of each kind, as often as the others: what is said, and what they do
/// beside.
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

/// FTP's commands, as clients send them in a session.
const COMMANDS: [&str; 8] = [
    "USER ann\r\n",
    "TYPE I\r\n",
    "EPSV\r\n",
    "SIZE /pub/linux/README\r\n",
    "REST 1048576\r\n",
    "RETR /pub/linux/README\r\n",
    "PORT 127,0,0,1,156,64\r\n",
    "MLSD /pub/linux\r\n",
];

fn irc() -> Microbenchmark {
    repeated("irc", MESSAGES, std_irc, |text| {
        ended(text).filter_map(|it| Message::parse(it).ok()).map(black_box).count()
    })
}

fn ftp() -> Microbenchmark {
    repeated("ftp", COMMANDS, std_ftp, |text| {
        ended(text).filter_map(|it| Command::parse(it).ok()).map(black_box).count()
    })
}

fn repeated(name: &str, lines: [&str; 8], std: Decode, ours: Decode) -> Microbenchmark {
    let text: Vec<u8> = (0..ROUNDS).flat_map(|_| lines).flat_map(str::bytes).collect();
    codec(name, &text, ROUNDS * lines.len(), &[("std", std), ("reactor", ours)])
}

fn ended(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"))
}

/// Words between spaces, and what follows a colon: no limits, and no errors.
fn std_irc(text: &[u8]) -> usize {
    let words = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let (words, last) = text.split_once(" :").unwrap_or((&text, ""));
        black_box(last);
        words.split(' ').map(black_box).count()
    };
    ended(text).map(words).filter(|count| *count > 0).count()
}

/// A word and what follows it: no commands, and no errors.
fn std_ftp(text: &[u8]) -> usize {
    let words = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let (word, argument) = text.split_once(' ').unwrap_or((&text, ""));
        black_box((word.len(), argument.len())).0
    };
    ended(text).map(words).filter(|length| *length > 0).count()
}

const BLOCKS: u16 = 200;
/// Opcode, block number, and 512 bytes (RFC 1350, 5).
const DATAGRAM: usize = 4 + 512;

/// TFTP's datagrams, as a transfer sends them: blocks of a file.
fn tftp() -> Microbenchmark {
    let decoders: [(_, Decode); 2] = [("std", std_tftp), ("reactor", our_tftp)];
    codec("tftp", &text_of_blocks(), usize::from(BLOCKS), &decoders)
}

fn text_of_blocks() -> Vec<u8> {
    let datagram = |block: u16| {
        let [high, low] = block.to_be_bytes();
        let mut bytes = vec![b'x'; DATAGRAM];
        bytes[..4].copy_from_slice(&[0, 3, high, low]);
        bytes
    };
    (1..=BLOCKS).flat_map(datagram).collect()
}

/// The opcode and the number of the block: no other packets, and no errors.
fn std_tftp(text: &[u8]) -> usize {
    let block = |datagram: &[u8]| match datagram {
        [0, 3, high, low, ..] => Some(black_box(u16::from_be_bytes([*high, *low]))),
        _ => None,
    };
    text.chunks(DATAGRAM).filter_map(block).count()
}

fn our_tftp(text: &[u8]) -> usize {
    text.chunks(DATAGRAM).filter_map(|datagram| Packet::parse(datagram).ok()).map(black_box).count()
}
