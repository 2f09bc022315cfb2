//! Any bytes are a message of chat or an error, and what is a message is one for everybody: printed and
//! written anew it means the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::chat::message::{MAX_BODY, MAX_PARAMS, MAX_TAGS};
use protocols::chat::{Builder, Message, ParseError};

fuzz_target!(|line: &[u8]| {
    let Ok(message) = Message::parse(line) else { return };
    assert!(!message.command.is_empty());
    assert!(message.params().len() <= MAX_PARAMS);
    assert!(line.len() <= MAX_TAGS + MAX_BODY - 2);

    let printed = message.to_string();
    assert!(!printed.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
    // The colon before the last parameter, which may not have had one, can be one byte too many.
    match Message::parse(printed.as_bytes()) {
        Ok(again) => assert_eq!(again, message),
        Err(error) => assert_eq!(error, ParseError::BodyTooLong, "{printed:?}"),
    }

    let Some(written) = write(&message) else { return };
    let written = written.strip_suffix(b"\r\n").expect("a line has its end");
    let again = Message::parse(written).expect("what is written is a message");
    assert_eq!((again.command, again.params()), (message.command, message.params()));
});

/// The same message, part by part; `None` if a part cannot be written where it stands.
fn write(message: &Message<'_>) -> Option<Vec<u8>> {
    let mut line = Builder::new();
    for (key, value) in message.tags.iter() {
        line = line.tag(key, &value);
    }
    if let Some(source) = message.source {
        line = line.source(source);
    }
    line = line.command(message.command);
    if let Some((last, front)) = message.params().split_last() {
        line = front.iter().fold(line, |line, param| line.param(param)).text(last);
    }
    line.finish().ok()
}
