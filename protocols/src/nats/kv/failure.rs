//! How it can fail.

use thiserror::Error;

use crate::nats::{RequestError, SubscribeError};

/// Why something of a bucket is not known, or not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KvError {
    /// No bucket, or no key, can be called this.
    #[error("'{0}' is no name of a bucket or a key")]
    Name(String),
    /// The key has a value.
    #[error("there is a value already")]
    Exists,
    /// The last entry has another revision.
    #[error("the last revision is another one")]
    WrongRevision,
    /// There is no such bucket.
    #[error("there is no such bucket")]
    NoBucket,
    /// There is a bucket of this name that was made in another way, or, for a watch, since it began.
    #[error("there is another bucket of this name")]
    OtherBucket,
    /// Nobody is there to answer: JetStream is off, or there is no such bucket.
    #[error("JetStream does not answer: it is off, or there is no such bucket")]
    NoJetStream,
    /// There is no answer.
    #[error(transparent)]
    Request(RequestError),
    /// It cannot be subscribed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// JetStream refuses, for another reason.
    #[error("{description} ({code})")]
    Refused {
        /// Its number for it.
        code: u32,
        /// Its words for it.
        description: String,
    },
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
}
