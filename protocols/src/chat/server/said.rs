//! How a line that is said on a channel goes from one server to another: nearly all that a network carries, so it goes as a
//! line and not as JSON, without names to look for and escapes. What has several lines is an effect like all others.
//!
//! ```text
//! [@TAGS ]COMMAND SPEAKER ID TIME CHANNEL[ :TEXT]
//! PRIVMSG 0c3f5d21a-1 c3f5d21a-7 1764000000000 #room :hi
//! ```

use memchr::memchr;

use super::effect::{Effect, Happened, Words};
use super::line::ClientTags;
use super::post::{Kind, Text};
use crate::chat::wire::message::Tags;
use crate::chat::wire::timestamp::Timestamp;
use crate::decimal::{read_number, write_number};

impl Effect {
    /// Appends what was said as a line. `None`: it is another effect, or none that stands on a line; what was appended then
    /// is to be taken back.
    pub(in crate::chat) fn write_said(&self, out: &mut Vec<u8>) -> Option<()> {
        let Self::Said { by, channel, words, told } = self else { return None };
        let Words { kind, text, client_tags } = words;
        let begin = out.len();
        if !client_tags.is_empty() {
            put(out, b"@", client_tags.as_str().as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(kind.command().as_bytes());
        put(out, b" ", by.spell().as_bytes());
        put(out, b" ", told.id.spell().as_bytes());
        out.push(b' ');
        write_number(out, told.at.millis());
        put(out, b" ", channel.as_bytes());
        match text {
            Text::None => {}
            Text::Line(text) => put(out, b" :", text.as_bytes()),
            Text::Lines(_) => return None,
        }
        let is_line = memchr(b'\n', out.get(begin..)?).is_none();
        let is_word = |text: &str| !text.is_empty() && memchr(b' ', text.as_bytes()).is_none();
        let has_words =
            is_word(channel) && (client_tags.is_empty() || is_word(client_tags.as_str()));
        (is_line && has_words).then_some(())
    }

    /// Reads what that writes. `None` if it is anything else.
    pub(in crate::chat) fn read_said(line: &[u8]) -> Option<Self> {
        if line.first() == Some(&b'{') {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?;
        let (tags, line) = match line.strip_prefix('@') {
            Some(line) => split(line)?,
            None => ("", line),
        };
        let (command, line) = split(line)?;
        let (by, line) = split(line)?;
        let (id, line) = split(line)?;
        let (at, line) = split(line)?;
        let (channel, text) = match line.split_once(' ') {
            Some((channel, text)) => (channel, Text::Line(text.strip_prefix(':')?.into())),
            None => (line, Text::None),
        };
        let (at, []) = read_number(at.as_bytes())? else { return None };
        let words = Words {
            kind: Kind::of_command(command)?,
            text,
            client_tags: ClientTags::of(Tags::new(tags)),
        };
        let told = Happened { id: id.parse().ok()?, at: Timestamp::of_millis(at) };
        Some(Self::Said { by: by.parse().ok()?, channel: channel.into(), words, told })
    }
}

fn put(out: &mut Vec<u8>, mark: &[u8], text: &[u8]) {
    out.extend_from_slice(mark);
    out.extend_from_slice(text);
}

/// A word, and what is behind the blank. Words are short, so that looking for the blank in any quicker way takes longer.
fn split(line: &str) -> Option<(&str, &str)> {
    let end = line.bytes().position(|byte| byte == b' ')?;
    Some((line.get(..end)?, line.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::server::effect::UserId;
    use crate::chat::server::line::MessageId;
    use crate::chat::server::post::Part;
    use crate::chat::wire::message::Tags;

    fn said() -> impl Strategy<Value = Effect> {
        let id = || (any::<u64>(), any::<u64>());
        let kind = prop_oneof![Just(Kind::Privmsg), Just(Kind::Notice), Just(Kind::Tagmsg)];
        let text = || "[ -~]{0,9}|\\PC{0,9}|[\"\\\\\u{0}-\u{20}]{0,9}";
        let parts = proptest::collection::vec((text(), any::<bool>()), 0..3);
        let words = (kind, parts, prop_oneof![Just(String::new()), "\\+a=[ -~]{0,9}"]);
        (id(), text(), words, id(), any::<u64>()).prop_map(|(by, channel, words, id, at)| {
            let (kind, parts, tags) = words;
            let part = |(text, concat)| Part { text, concat };
            let text = parts.into_iter().map(part).collect::<Vec<_>>().into();
            let words = Words { kind, text, client_tags: ClientTags::of(Tags::new(&tags)) };
            let told = Happened {
                id: MessageId { life: id.0, serial: id.1 },
                at: Timestamp::of_millis(at),
            };
            Effect::Said {
                by: UserId { life: by.0, serial: by.1 },
                channel: channel.into(),
                words,
                told,
            }
        })
    }

    #[test]
    fn what_is_said_is_a_line() {
        for line in [
            "PRIVMSG 0c3f5d21a-1 c3f5d21a-7 1764000000000 #room :how \"are\" \\ you",
            "NOTICE 0c3f5d21a-1 c3f5d21a-7 0 @#room :",
            "@+typing=active;+a=b\\:c TAGMSG 0c3f5d21a-1 c3f5d21a-7 1764000000000 #room",
        ] {
            let effect = Effect::read_said(line.as_bytes()).expect(line);
            let mut written = Vec::new();
            assert_eq!(effect.write_said(&mut written), Some(()));
            assert_eq!(String::from_utf8_lossy(&written), line);
        }
        for other in [
            "",
            "{}",
            "JOIN 0c3f5d21a-1 c3f5d21a-7 1 #room :hi",
            "PRIVMSG c3f5d21a-1 c3f5d21a-7 1 #room :hi",
            "PRIVMSG 0c3f5d21a-1 c3f5d21a-7 -1 #room :hi",
            "PRIVMSG 0c3f5d21a-1 c3f5d21a-7 1 #room hi",
            "PRIVMSG 0c3f5d21a-1 c3f5d21a-7 1",
            "PRIVMSG  0c3f5d21a-1 c3f5d21a-7 1 #room :hi",
        ] {
            assert_eq!(Effect::read_said(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written_or_is_left_to_serde(effect in said()) {
            let json = serde_json::to_vec(&effect).expect("it can be written");
            prop_assert_eq!(&serde_json::from_slice::<Effect>(&json).expect("it can be read"), &effect);
            prop_assert_eq!(Effect::read_said(&json), None);
            let mut line = Vec::new();
            if effect.write_said(&mut line).is_some() {
                prop_assert!(!line.contains(&b'\n'), "it would be two");
                prop_assert_eq!(Effect::read_said(&line), Some(effect));
            }
        }

        #[test]
        fn any_line_is_one_or_none(line in proptest::collection::vec(any::<u8>(), 0..99)) {
            if let Some(effect) = Effect::read_said(&line) {
                let mut written = Vec::new();
                prop_assert!(effect.write_said(&mut written).is_none() || !written.is_empty());
            }
        }
    }
}
