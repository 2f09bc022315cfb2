//! FTP's commands, as clients send them in a session.

use std::hint::black_box;
use std::rc::Rc;

use protocols::transfer::ftp::command::Command;

use super::Codec;

const ROUNDS: usize = 100;

/// One of each kind, as often as the others.
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

pub(super) fn codec() -> Codec {
    Codec {
        name: "ftp",
        text: (0..ROUNDS).flat_map(|_| COMMANDS).flat_map(str::bytes).collect::<Rc<[u8]>>(),
        messages: ROUNDS * COMMANDS.len(),
        decoders: vec![("std", std), ("reactor", ours)],
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"))
}

/// A word and what follows it: no commands, and no errors.
fn std(text: &[u8]) -> usize {
    let words = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let (word, argument) = text.split_once(' ').unwrap_or((&text, ""));
        black_box((word.len(), argument.len())).0
    };
    lines(text).map(words).filter(|length| *length > 0).count()
}

fn ours(text: &[u8]) -> usize {
    lines(text).filter_map(|line| Command::parse(line).ok()).map(black_box).count()
}
