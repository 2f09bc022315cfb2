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
    /// What a message of the bucket's stream says.
    pub(super) fn new(message: &Message<'a>, revision: u64, prefix: &str) -> Result<Self, KvError> {
        let key = message.subject.strip_prefix(prefix);
        let key = key.ok_or_else(|| KvError::Answer(format!("{} is no key", message.subject)))?;
        let operation = match message.header(OPERATION) {
            Some("DEL") => Operation::Delete,
            Some("PURGE") => Operation::Purge,
            _ => Operation::Put,
        };
        Ok(Self { key, value: message.payload, revision, operation })
    }
}
