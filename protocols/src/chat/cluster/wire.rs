//! What nodes say to each other, and under which subjects: an envelope in JSON with one word of this table in it, and behind
//! it effects, a line each, in JSON or, of what is said, as a line of chat. So the envelope tells whether they are wanted before any is read, and each is read once.
//!
//! | word | to | what it says |
//! |---|---|---|
//! | `who` | itself | I begin: is there another one of my name? |
//! | `hello` | all | here I am, again or for the first time: answer |
//! | `here` | all, or one | I am there, and have come so far |
//! | `effects` | all | what my users have done; its number is the sequence |
//! | `direct` | one | what my users have done, for one of yours |
//! | `ask` | one | I miss something of yours: a snapshot, please |
//! | `part` | one | a part of my snapshot, as of that sequence |
//! | `gone` | all | goodbye |
//!
//! ```json
//! {"v":3,"from":"fra","epoch":7226892288000123,"sequence":17,"body":"effects"}
//! PRIVMSG 0c3f5d21a-1 c3f5d21a-7 1764000000000 #room :hi
//! {"quit":{"user":"0c3f5d21a-1","reason":"Bye"}}
//! ```
//!
//! `v` is the number of this format. What bears another, or none, as in the first, would be misunderstood, and is not
//! heard: nodes of two formats do not see each other. Within one, a version adds words, effects and fields. What another does
//! not know it skips, and what it does not say is taken for not known: so nodes of several versions are one network while they
//! are replaced one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chat::wire::node::NodeName;
use crate::decimal::{read_number, write_number};

/// What is around everything: who says it, in which life, and the number of what it has published last for all.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) v: Format,
    pub(super) from: NodeName,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    /// How often it says that it is there, in milliseconds. This and what follows is said only with what says no more than
    /// that it is there, and with parts of snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) beat: Option<u64>,
    /// What its clock shows: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<u64>,
    /// The last [`nth`](Body::Direct) of those to whom it has said something alone lately.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) told: BTreeMap<NodeName, u64>,
    pub(super) body: Body,
    /// As they are written, each behind the end of a line: what reads them may not know them all.
    #[serde(skip)]
    pub(super) effects: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body {
    Who,
    Hello,
    Here,
    Effects,
    /// Its number, among all that this node has said to one alone, and among what it has said to this one, if it knows
    /// that one.
    Direct {
        number: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64>,
    },
    Ask,
    Part {
        index: usize,
        count: usize,
    },
    Gone,
}

impl<'a> Envelope<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        let end = memchr(b'\n', payload).unwrap_or(payload.len());
        let (head, effects) = payload.split_at_checked(end)?;
        Some(Self { effects, ..serde_json::from_slice(head).ok()? })
    }

    /// The message. `None` if it cannot be written, which is so of no type there is.
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        let mut payload = Vec::with_capacity(HEAD + self.effects.len());
        serde_json::to_writer(&mut payload, self).ok()?;
        payload.extend_from_slice(self.effects);
        Some(payload)
    }
}

/// How the envelopes begin that are around a node's effects for all, in one of its lives: up to the number of each. They are
/// nearly all there are, so they are written from this, and known by it.
#[derive(Debug)]
pub(super) struct Head(Box<[u8]>);

/// How they go on behind it.
const TAIL: &[u8] = br#","body":"effects"}"#;

impl Head {
    pub(super) fn of(node: &NodeName, epoch: u64) -> Self {
        let head = format!(r#"{{"v":{FORMAT},"from":"{node}","epoch":{epoch},"sequence":"#);
        Self(head.into_bytes().into())
    }

    /// Appends the envelope of this number.
    pub(super) fn write(&self, sequence: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        write_number(out, sequence);
        out.extend_from_slice(TAIL);
    }

    /// The number of a message, and its effects; `None` if it is another one's, or says something else.
    pub(super) fn read<'a>(&self, payload: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let (sequence, rest) = read_number(payload.strip_prefix(&*self.0)?)?;
        let effects = rest.strip_prefix(TAIL)?;
        matches!(effects, [] | [b'\n', ..]).then_some((sequence, effects))
    }
}

/// The number of this format.
const FORMAT: u32 = 3;

/// That it is this format.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "u32", into = "u32")]
pub(super) struct Format;

impl TryFrom<u32> for Format {
    type Error = &'static str;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number == FORMAT { Ok(Self) } else { Err("another format") }
    }
}

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        FORMAT
    }
}

/// What is understood of a message in another format: all have had this.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) from: NodeName,
    pub(super) epoch: u64,
    /// `Here`, if it says more.
    pub(super) body: Body,
}

impl Foreign {
    /// `None` if it is in this format, or nothing that a node says.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head<'a> {
            v: Option<u32>,
            from: NodeName,
            epoch: u64,
            #[serde(borrow)]
            body: &'a RawValue,
        }
        let end = memchr(b'\n', payload).unwrap_or(payload.len());
        let Head { v, from, epoch, body } = serde_json::from_slice(payload.get(..end)?).ok()?;
        let body = match body.get() {
            "\"who\"" => Body::Who,
            "\"gone\"" => Body::Gone,
            _ => Body::Here,
        };
        (v != Some(FORMAT)).then_some(Self { from, epoch, body })
    }
}

/// Bytes of most envelopes.
const HEAD: usize = 192;

/// Each of some effects, as it is written.
pub(super) fn each(effects: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = effects;
    std::iter::from_fn(move || {
        let (_, behind) = rest.split_first()?;
        let end = memchr(b'\n', behind).unwrap_or(behind.len());
        let (effect, next) = behind.split_at_checked(end)?;
        rest = next;
        Some(effect)
    })
    .filter(|effect| !effect.is_empty())
}

/// The subjects of a network, for one of its nodes.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    network: NodeName,
    own: Arc<str>,
}

impl Subjects {
    pub(super) fn of(network: NodeName, node: &NodeName) -> Self {
        let own = ["chat.", network.as_str(), ".node.", node.as_str()].concat().into();
        Self { network, own }
    }

    /// What this node says to all.
    pub(super) fn to_all(&self) -> Arc<str> {
        Arc::clone(&self.own)
    }

    /// What is said to a node alone.
    pub(super) fn to_node(&self, node: &NodeName) -> Arc<str> {
        ["chat.", self.network.as_str(), ".to.", node.as_str()].concat().into()
    }

    /// What all say to all.
    pub(super) fn of_all(&self) -> String {
        format!("chat.{}.node.*", self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let text = concat!(
            r#"{"v":3,"from":"fra","epoch":7,"sequence":17,"body":{"part":{"index":0,"count":1}}}"#,
            "\n{\"a\":1}\n\"b\""
        );
        let envelope = Envelope::read(text.as_bytes()).expect("it is one");
        assert_eq!(envelope.write().as_deref(), Some(text.as_bytes()));
        assert_eq!(envelope.body, Body::Part { index: 0, count: 1 });
        let effects: Vec<_> = each(envelope.effects).collect();
        assert_eq!(effects, [&br#"{"a":1}"#[..], br#""b""#]);
        for text in [
            "",
            "{}",
            r#"{"v":3,"from":"a.b","epoch":7,"sequence":1,"body":"here"}"#,
            r#"{"v":3,"from":"a","epoch":-1,"sequence":1,"body":"here"}"#,
            r#"{"v":3,"from":"a","epoch":1,"sequence":1,"body":"sing"}"#,
        ] {
            assert!(Envelope::read(text.as_bytes()).is_none(), "{text}");
            assert!(Foreign::read(text.as_bytes()).is_none(), "{text}");
        }
        let later = r#"{"v":3,"from":"a","epoch":1,"sequence":1,"body":"here","mood":"good"}"#;
        assert!(Envelope::read(later.as_bytes()).is_some(), "a later version says more");
    }

    /// Those around what is said most take a shorter way.
    #[test]
    fn an_envelope_around_effects_is_that_of_serde() {
        for epoch in [0, 7, u64::MAX] {
            let envelope = Envelope {
                v: Format,
                from: NodeName::new("fra").expect("it is a name"),
                epoch,
                sequence: 17,
                beat: None,
                clock: None,
                told: BTreeMap::new(),
                body: Body::Effects,
                effects: b"",
            };
            let json = serde_json::to_vec(&envelope).expect("it can be written");
            let head = Head::of(&envelope.from, epoch);
            let mut written = Vec::new();
            head.write(17, &mut written);
            assert_eq!(written, json);
            assert_eq!(head.read(&json), Some((17, &b""[..])));
            let read = Envelope::read(&json).expect("it can be read");
            let told = (read.from.as_str(), read.epoch, read.sequence, read.body);
            assert_eq!(told, ("fra", epoch, 17, Body::Effects));
        }
        let head = Head::of(&NodeName::new("fra").expect("it is a name"), 7);
        let mut with = Vec::new();
        head.write(17, &mut with);
        with.extend_from_slice(b"\n\"a\"");
        assert_eq!(head.read(&with), Some((17, &b"\n\"a\""[..])));
        for other in [
            r#"{"v":4,"from":"fra","epoch":7,"sequence":17,"body":"effects"}"#,
            r#"{"v":3,"from":"ams","epoch":7,"sequence":17,"body":"effects"}"#,
            r#"{"v":3,"from":"fra","epoch":8,"sequence":17,"body":"effects"}"#,
            r#"{"v":3,"from":"fra","epoch":7,"sequence":-1,"body":"effects"}"#,
            r#"{"v":3,"from":"fra","epoch":7,"sequence":17,"body":"effects"} "#,
            r#"{"v":3,"from":"fra","epoch":7,"sequence":17,"body":"here"}"#,
        ] {
            assert_eq!(head.read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn of_another_format_it_is_read_who_says_it_and_whether_it_goes() {
        for (text, is_gone) in [
            (r#"{"from":"a","epoch":1,"sequence":1,"body":"here"}"#, false),
            (r#"{"from":"a","epoch":1,"sequence":1,"body":{"effects":[1]}}"#, false),
            (r#"{"from":"a","epoch":1,"sequence":1,"body":"gone"}"#, true),
            ("{\"v\":4,\"from\":\"a\",\"epoch\":1,\"mood\":1,\"body\":\"gone\"}\n1", true),
        ] {
            assert!(Envelope::read(text.as_bytes()).is_none(), "{text}");
            let foreign = Foreign::read(text.as_bytes()).expect(text);
            assert_eq!((foreign.from.as_str(), foreign.epoch), ("a", 1));
            assert_eq!(matches!(foreign.body, Body::Gone), is_gone, "{text}");
        }
    }
}
