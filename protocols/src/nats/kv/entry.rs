//! A value, and what becomes of a key.

use super::failure::KvError;
use crate::nats::Message;

/// The header that says what becomes of a key, if it is not given a value.
pub(super) const OPERATION: &str = "KV-Operation";

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// Which key.
    pub key: &'a str,
    /// Its value; empty if it was deleted.
    pub value: &'a [u8],
    /// The number of this entry in its bucket: a later one has a larger one.
    pub revision: u64,
    /// What has become of it.
    pub operation: Operation,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It was given a value.
    Put,
    /// It was deleted.
    Delete,
    /// It was deleted, and all that was kept of it.
    Purge,
}

impl<'a> Entry<'a> {
    /// What is behind a key, as a server answers.
    pub(super) fn of_answer(answer: &Message<'a>, prefix: &str) -> Result<Self, KvError> {
        let missing = |name: &str| KvError::Answer(format!("{name} is missing"));
        let subject = answer.header("Nats-Subject").ok_or_else(|| missing("Nats-Subject"))?;
        let revision = answer.header("Nats-Sequence").and_then(|text| text.parse().ok());
        let revision = revision.ok_or_else(|| missing("Nats-Sequence"))?;
        Self::new(answer, subject, revision, prefix)
    }

    /// What is behind a subject.
    pub(super) fn new(
        message: &Message<'a>,
        subject: &'a str,
        revision: u64,
        prefix: &str,
    ) -> Result<Self, KvError> {
        let key = subject.strip_prefix(prefix);
        let key = key.ok_or_else(|| KvError::Answer(format!("{subject} is no key")))?;
        let operation = match message.header(OPERATION) {
            Some("DEL") => Operation::Delete,
            Some("PURGE") => Operation::Purge,
            _ => Operation::Put,
        };
        Ok(Self { key, value: message.payload, revision, operation })
    }
}
