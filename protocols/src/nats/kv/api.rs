//! The JSON of JetStream, as far as a bucket needs it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::config::{Config, Storage};
use super::entry::Entry;
use super::failure::KvError;
use crate::nats::Message;
use crate::nats::wire::Headers;

/// What JetStream answers: an error, or what was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reply {
    error: Option<Refusal>,
    /// The number of what was written.
    pub(super) seq: Option<u64>,
    /// How many messages a consumer has still to bring.
    pub(super) num_pending: u64,
}

/// What JetStream says of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    /// When it was made, to the billionth of a second.
    pub(super) created: String,
}

impl Info {
    pub(super) fn read(json: &[u8]) -> Result<Self, KvError> {
        Reply::read(json)?;
        serde_json::from_slice(json).map_err(|error| KvError::Answer(error.to_string()))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    err_code: u32,
    description: String,
}

const NO_MESSAGE_FOUND: u32 = 10_037;
const STREAM_NOT_FOUND: u32 = 10_059;
const STREAM_NAME_IN_USE: u32 = 10_058;
const WRONG_LAST_SEQUENCE: u32 = 10_071;

impl Reply {
    pub(super) fn read(json: &[u8]) -> Result<Self, KvError> {
        let reply: Self =
            serde_json::from_slice(json).map_err(|error| KvError::Answer(error.to_string()))?;
        let Some(Refusal { err_code, description }) = reply.error else {
            return Ok(reply);
        };
        Err(match err_code {
            STREAM_NOT_FOUND => KvError::NoBucket,
            STREAM_NAME_IN_USE => KvError::OtherBucket,
            WRONG_LAST_SEQUENCE => KvError::WrongRevision,
            code => KvError::Refused { code, description },
        })
    }
}

/// Which message is asked for: the last of a subject.
pub(super) fn get_last(subject: &str) -> Vec<u8> {
    json!({ "last_by_subj": subject }).to_string().into_bytes()
}

/// A message of a stream, as JetStream gives it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    subject: String,
    sequence: u64,
    payload: Vec<u8>,
    headers: Vec<u8>,
}

/// The same in its JSON; what is bytes is in base64.
#[derive(Deserialize)]
struct Encoded {
    message: EncodedMessage,
}

#[derive(Deserialize)]
struct EncodedMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: String,
}

impl Stored {
    /// Reads an answer; `None` if there is no such message.
    pub(super) fn read(json: &[u8]) -> Result<Option<Self>, KvError> {
        match Reply::read(json) {
            Ok(_) => {}
            Err(KvError::Refused { code: NO_MESSAGE_FOUND, .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let unreadable = |error: String| KvError::Answer(error);
        let Encoded { message } =
            serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        let bytes =
            |text: &str| STANDARD.decode(text).map_err(|error| unreadable(error.to_string()));
        Ok(Some(Self {
            payload: bytes(&message.data)?,
            headers: bytes(&message.hdrs)?,
            subject: message.subject,
            sequence: message.seq,
        }))
    }

    /// What it says of a key.
    pub(super) fn entry(&self, prefix: &str) -> Result<Entry<'_>, KvError> {
        let message = Message::new(&self.subject, &self.payload);
        let message = message.with_headers(Headers::new(&self.headers));
        Entry::new(&message, self.sequence, prefix)
    }
}

/// JetStream counts times in billionths of a second.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The stream that a bucket is, as all NATS clients make it.
pub(super) fn create_stream(bucket: &str, config: &Config) -> Vec<u8> {
    let Config { history, ttl, storage, replicas, max_value_size, max_bytes } = config;
    let unlimited = -1;
    // What is written twice within that time, under one id, is written once. It may not be longer than a value is kept.
    let duplicates = Duration::from_secs(120);
    json!({
        "name": format!("KV_{bucket}"),
        "subjects": [format!("$KV.{bucket}.>")],
        "max_msgs_per_subject": (*history).clamp(1, 64),
        "max_age": ttl.map_or(0, nanoseconds),
        "duplicate_window": nanoseconds(ttl.map_or(duplicates, |ttl| ttl.min(duplicates))),
        "storage": match storage { Storage::File => "file", Storage::Memory => "memory" },
        "num_replicas": (*replicas).clamp(1, 5),
        "max_msg_size": max_value_size.map_or(unlimited, i64::from),
        "max_bytes": max_bytes.map_or(unlimited, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        "max_msgs": unlimited,
        "max_consumers": unlimited,
        "retention": "limits",
        "discard": "new",
        "allow_rollup_hdrs": true,
        "deny_delete": true,
        "allow_direct": true,
    })
    .to_string()
    .into_bytes()
}

/// From where a watch is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// The last of each key.
    Last,
    /// Everything from this revision on.
    Revision(u64),
}

/// A consumer that sends there what it has, in its order, once, and tells now and then that it is there.
pub(super) fn create_consumer(
    bucket: &str,
    filter: &str,
    deliver: &str,
    since: Since,
    heartbeat: Duration,
) -> Vec<u8> {
    let (policy, start) = match since {
        Since::Last => ("last_per_subject", None),
        Since::Revision(revision) => ("by_start_sequence", Some(revision)),
    };
    let mut config = json!({
        "deliver_subject": deliver,
        "deliver_policy": policy,
        "ack_policy": "none",
        "max_deliver": 1,
        "filter_subject": filter,
        "replay_policy": "instant",
        "flow_control": true,
        "idle_heartbeat": nanoseconds(heartbeat),
        "inactive_threshold": nanoseconds(heartbeat.saturating_mul(4)),
        "mem_storage": true,
        "num_replicas": 1,
    });
    if let Some(start) = start {
        config["opt_start_seq"] = start.into();
    }
    json!({ "stream_name": format!("KV_{bucket}"), "config": config }).to_string().into_bytes()
}

/// Where in its consumer a message is, as the address for its acknowledgement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its number in the stream.
    pub(super) stream: u64,
    /// Its number in the consumer.
    pub(super) consumer: u64,
    /// How many are behind it that the consumer has still to bring.
    pub(super) pending: u64,
}

impl Position {
    /// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or with a domain and a
    /// hash in front of the stream, and maybe more behind.
    pub(super) fn read(reply: &str) -> Option<Self> {
        let words: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let numbers = match words.len() {
            7 => words.get(3..)?,
            9.. => words.get(5..)?,
            _ => return None,
        };
        let [stream, consumer, _time, pending, ..] = numbers else { return None };
        Some(Self {
            stream: stream.parse().ok()?,
            consumer: consumer.parse().ok()?,
            pending: pending.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_in_both_forms() {
        let expected = Some(Position { stream: 7, consumer: 3, pending: 2 });
        assert_eq!(Position::read("$JS.ACK.KV_a.c.1.7.3.1700000000000000000.2"), expected);
        assert_eq!(Position::read("$JS.ACK.hub.ACC.KV_a.c.1.7.3.1700000000000000000.2"), expected);
        assert_eq!(Position::read("$JS.ACK._.ACC.KV_a.c.1.7.3.1700000000000000000.2.x"), expected);
        for text in ["", "$JS.ACK.", "$JS.ACK.a.b.1.x.3.4.5", "$JS.FC.a", "$JS.ACK.a.b.c.1.2.3.4.5"]
        {
            assert_eq!(Position::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_message_of_a_stream_is_read_or_is_not_there() {
        let json = br#"{"message":{"subject":"$KV.a.b","seq":4,"data":"eA==",
            "hdrs":"TkFUUy8xLjANCktWLU9wZXJhdGlvbjogREVMDQoNCg=="}}"#;
        let stored = Stored::read(json).expect("it is well").expect("it is there");
        let entry = stored.entry("$KV.a.").expect("it is a key");
        assert_eq!((entry.key, entry.value, entry.revision), ("b", &b"x"[..], 4));
        assert_eq!(entry.operation, super::super::Operation::Delete);
        assert!(stored.entry("$KV.c.").is_err());
        let missing =
            br#"{"error":{"code":404,"err_code":10037,"description":"no message found"}}"#;
        assert_eq!(Stored::read(missing), Ok(None));
        for json in [&br#"{"message":{"subject":"a","seq":1,"data":"?"}}"#[..], b"{}", b"x"] {
            assert!(matches!(Stored::read(json), Err(KvError::Answer(_))));
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let read = |code: u32| {
            let json =
                format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"no"}}}}"#);
            Reply::read(json.as_bytes()).expect_err("it is one")
        };
        assert_eq!(read(WRONG_LAST_SEQUENCE), KvError::WrongRevision);
        assert_eq!(read(STREAM_NOT_FOUND), KvError::NoBucket);
        assert_eq!(read(1), KvError::Refused { code: 1, description: "no".to_owned() });
        assert!(matches!(Reply::read(b"+OK"), Err(KvError::Answer(_))));
        let reply = Reply::read(br#"{"stream":"KV_a","seq":5}"#).expect("it is well");
        assert_eq!(reply.seq, Some(5));
    }
}
