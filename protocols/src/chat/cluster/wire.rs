//! What nodes say to each other, and under which subjects: JSON, an envelope with one word of this table in it.
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
//! {"from":"fra","epoch":1764378000000,"sequence":17,"body":{"effects":[{"quit":{"user":"fra-1","reason":"Bye"}}]}}
//! ```
//!
//! What a version does not know it does not read, and what an earlier one does not say is taken for not known: so nodes of
//! several versions are one network while they are replaced one by one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chat::wire::node::NodeName;

/// What is around everything: who says it, in which life, and the number of what it has published last for all.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Envelope<'a> {
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
    #[serde(borrow)]
    pub(super) body: Body<'a>,
}

/// Effects as they are written: what reads them may not know them all.
pub(super) type Effects<'a> = Vec<&'a RawValue>;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Body<'a> {
    Who,
    Hello,
    Here,
    #[serde(borrow)]
    Effects(Effects<'a>),
    /// Its number, among all that this node has said to one alone, and among what it has said to this one; none in
    /// earlier versions.
    Direct {
        number: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64>,
        #[serde(borrow)]
        effects: Effects<'a>,
    },
    Ask,
    Part {
        index: usize,
        count: usize,
        #[serde(borrow)]
        effects: Effects<'a>,
    },
    Gone,
}

impl<'a> Envelope<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    /// `None` if it cannot be written, which is so of no type there is.
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }
}

/// The subjects of a network.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    network: NodeName,
}

impl Subjects {
    pub(super) fn of(network: NodeName) -> Self {
        Self { network }
    }

    /// What a node says to all.
    pub(super) fn of_node(&self, node: &NodeName) -> String {
        format!("chat.{}.node.{node}", self.network)
    }

    /// What is said to a node alone.
    pub(super) fn to_node(&self, node: &NodeName) -> String {
        format!("chat.{}.to.{node}", self.network)
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
            r#"{"from":"fra","epoch":7,"sequence":17,"#,
            r#""body":{"part":{"index":0,"count":1,"effects":[{"a":1},"b"]}}}"#
        );
        let envelope = Envelope::read(text.as_bytes()).expect("it is one");
        assert_eq!(envelope.write().as_deref(), Some(text.as_bytes()));
        let Body::Part { effects, .. } = envelope.body else { panic!("it is a part") };
        assert_eq!(effects[0].get(), r#"{"a":1}"#);
        for text in [
            "",
            "{}",
            r#"{"from":"a.b","epoch":7,"sequence":1,"body":"here"}"#,
            r#"{"from":"a","epoch":-1,"sequence":1,"body":"here"}"#,
            r#"{"from":"a","epoch":1,"sequence":1,"body":"sing"}"#,
        ] {
            assert!(Envelope::read(text.as_bytes()).is_none(), "{text}");
        }
        let later = r#"{"from":"a","epoch":1,"sequence":1,"body":"here","mood":"good"}"#;
        assert!(Envelope::read(later.as_bytes()).is_some(), "a later version says more");
    }
}
