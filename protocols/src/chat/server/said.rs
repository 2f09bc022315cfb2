//! How what is said on a channel goes from one server to another: nearly all that a network carries, so it does not take
//! the way of all other effects. The bytes are the same.
//!
//! ```json
//! {"said":{"by":"0c3f5d21a-1","channel":"#room","words":{"command":"PRIVMSG","lines":[["hi",false]]},"told":{"id":"c3f5d21a-7","at":1764000000000}}}
//! ```

use super::effect::{Effect, Happened, Words};
use super::line::ClientTags;
use super::post::{Kind, Part};
use crate::chat::wire::json::{Reader, write_text};
use crate::chat::wire::timestamp::Timestamp;
use crate::decimal::write_number;

impl Effect {
    /// Appends one line that was said, without tags. `None`: it is another effect, or takes an escape; what was appended
    /// then is to be taken back.
    pub(in crate::chat) fn write_said(&self, out: &mut Vec<u8>) -> Option<()> {
        let Self::Said { by, channel, words, told } = self else { return None };
        let Words { kind, parts, client_tags } = words;
        let Happened { id, at } = told;
        let [Part { text, concat: false }] = &**parts else { return None };
        if !client_tags.is_empty() {
            return None;
        }
        out.extend_from_slice(br#"{"said":{"by":""#);
        out.extend_from_slice(by.spell().as_bytes());
        out.extend_from_slice(br#"","channel":"#);
        write_text(out, channel)?;
        out.extend_from_slice(br#","words":{"command":""#);
        out.extend_from_slice(kind.command().as_bytes());
        out.extend_from_slice(br#"","lines":[["#);
        write_text(out, text)?;
        out.extend_from_slice(br#",false]]},"told":{"id":""#);
        out.extend_from_slice(id.spell().as_bytes());
        out.extend_from_slice(br#"","at":"#);
        write_number(out, at.millis());
        out.extend_from_slice(b"}}}");
        Some(())
    }

    /// Reads what that writes. `None` if it is anything else.
    pub(in crate::chat) fn read_said(json: &[u8]) -> Option<Self> {
        let mut json = Reader::new(json)?;
        json.skip(r#"{"said":{"by":""#)?;
        let by = json.word()?.parse().ok()?;
        json.skip(r#","channel":""#)?;
        let channel = json.text()?;
        json.skip(r#","words":{"command":""#)?;
        let kind = Kind::of_command(json.word()?)?;
        json.skip(r#","lines":[[""#)?;
        let text = json.text()?;
        json.skip(r#",false]]},"told":{"id":""#)?;
        let id = json.word()?.parse().ok()?;
        json.skip(r#","at":"#)?;
        let at = Timestamp::of_millis(json.number()?);
        json.skip("}}}")?;
        json.is_at_end().then(|| {
            let parts = [Part { text: text.to_owned(), concat: false }].into();
            let words = Words { kind, parts, client_tags: ClientTags::default() };
            Self::Said { by, channel: channel.into(), words, told: Happened { id, at } }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::server::effect::UserId;
    use crate::chat::server::line::MessageId;
    use crate::chat::wire::message::Tags;

    fn said() -> impl Strategy<Value = Effect> {
        let id = || (any::<u64>(), any::<u64>());
        let kind = prop_oneof![Just(Kind::Privmsg), Just(Kind::Notice), Just(Kind::Tagmsg)];
        let text = || "[ -~]{0,9}|\\PC{0,9}|[\"\\\\\u{0}-\u{20}]{0,9}";
        let parts = proptest::collection::vec((text(), any::<bool>()), 0..3);
        let words = (kind, parts, prop_oneof![Just(String::new()), "\\+a=[ -~]{0,9}"]);
        (id(), text(), words, id(), any::<u64>()).prop_map(|(by, channel, words, id, at)| {
            let (kind, parts, tags) = words;
            let parts = parts.into_iter().map(|(text, concat)| Part { text, concat }).collect();
            let words = Words { kind, parts, client_tags: ClientTags::of(Tags::new(&tags)) };
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
    fn a_line_takes_the_short_way() {
        let text = r##"{"said":{"by":"0c3f5d21a-1","channel":"#room","words":{"command":"PRIVMSG","lines":[["hi",false]]},"told":{"id":"c3f5d21a-7","at":1764000000000}}}"##;
        let effect = Effect::read_said(text.as_bytes()).expect("it is one");
        let mut written = Vec::new();
        assert_eq!(effect.write_said(&mut written), Some(()));
        assert_eq!(String::from_utf8_lossy(&written), text);
    }

    proptest! {
        #[test]
        fn it_is_written_and_read_as_by_serde(effect in said()) {
            let json = serde_json::to_vec(&effect).expect("it can be written");
            prop_assert_eq!(&serde_json::from_slice::<Effect>(&json).expect("it can be read"), &effect);
            let mut out = Vec::new();
            if effect.write_said(&mut out).is_some() {
                prop_assert_eq!(&out, &json);
            }
            if let Some(read) = Effect::read_said(&json) {
                prop_assert_eq!(read, effect);
            }
        }

        #[test]
        fn what_is_read_so_is_read_by_serde_as_well(
            effect in said(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut json = serde_json::to_vec(&effect).expect("it can be written");
            let at = at.index(json.len());
            json[at] = byte;
            if let Some(read) = Effect::read_said(&json) {
                prop_assert_eq!(serde_json::from_slice::<Effect>(&json).ok(), Some(read));
            }
        }
    }
}
