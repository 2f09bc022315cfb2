//! How a bucket is made.

use std::time::Duration;

/// How a bucket is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many values of a key are kept, 1 to 64. Default 1: the last.
    pub history: u8,
    /// How long a value is kept. Default `None`: for ever. A claim that is to end with whoever made it has one, and is
    /// [updated](super::KeyValue::update) before it is over.
    pub ttl: Option<Duration>,
    /// Where values are kept. Default: in files.
    pub storage: Storage,
    /// How many servers of the cluster have it, 1 to 5. Default 1.
    pub replicas: u8,
    /// Bytes of a value. Default `None`: as long as a message may be.
    pub max_value_size: Option<u32>,
    /// Bytes of the bucket. Default `None`: as many as the server has.
    pub max_bytes: Option<u64>,
}

/// Where values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In files: they outlast the server.
    #[default]
    File,
    /// In memory.
    Memory,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            history: 1,
            ttl: None,
            storage: Storage::default(),
            replicas: 1,
            max_value_size: None,
            max_bytes: None,
        }
    }
}
