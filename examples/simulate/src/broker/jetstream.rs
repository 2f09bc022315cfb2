//! Of JetStream what a bucket of keys and values is made of: streams that keep the last of each subject, writes that
//! demand a revision, and consumers that bring what is there and what comes.
//!
//! A write is answered at once, and a question when its time has come: as the real server does, in another order than
//! it was asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use protocols::nats::wire::{Headers, Publication, subject};
use reactor::Registry;
use serde_json::{Value, json};

use super::{Broker, text};

/// What outlives the server.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(super) Rc<RefCell<BTreeMap<String, Stream>>>);

impl Disk {
    /// The server starts again, without what it had in memory alone.
    pub(super) fn handle_boot(&self) {
        self.0.borrow_mut().retain(|_, stream| stream.config["storage"] != "memory");
    }

    /// The keys of a bucket, and their values and revisions.
    pub(crate) fn values(&self, bucket: &str) -> BTreeMap<String, (u64, Vec<u8>)> {
        let streams = self.0.borrow();
        let Some(stream) = streams.get(&format!("KV_{bucket}")) else { return BTreeMap::new() };
        let mut values = BTreeMap::new();
        for (&number, kept) in &stream.kept {
            let key = kept.subject.strip_prefix(&*stream.prefix).unwrap_or_default().to_owned();
            if !is_deletion((!kept.headers.is_empty()).then(|| Headers::new(&kept.headers))) {
                values.insert(key, (number, kept.payload.clone()));
            } else {
                values.remove(&key);
            }
        }
        values
    }
}

/// A stream: what was published under some subjects, numbered.
pub(super) struct Stream {
    config: Value,
    prefix: String,
    /// Of each subject, how many are kept.
    most: usize,
    age: Option<Duration>,
    last: u64,
    kept: BTreeMap<u64, Kept>,
}

#[derive(Clone)]
struct Kept {
    subject: String,
    headers: Vec<u8>,
    payload: Vec<u8>,
    at: Instant,
}

const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const OPERATION: &str = "KV-Operation";

/// Whether what is written with these headers ends what was there.
pub(super) fn is_deletion(headers: Option<Headers<'_>>) -> bool {
    headers.is_some_and(|headers| headers.get(OPERATION).is_some())
}

impl Stream {
    fn new(config: Value) -> Self {
        let prefix = config["subjects"][0].as_str().unwrap_or_default();
        let age = config["max_age"].as_u64().filter(|&age| age > 0).map(Duration::from_nanos);
        Self {
            prefix: prefix.trim_end_matches('>').to_owned(),
            most: config["max_msgs_per_subject"].as_u64().unwrap_or(1) as usize,
            age,
            last: 0,
            kept: BTreeMap::new(),
            config,
        }
    }

    /// The number of what was written last.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn has(&self, subject: &str) -> bool {
        subject.starts_with(&self.prefix)
    }

    /// Writes it, if the last of its subject is the one that is expected; its number.
    pub(super) fn write(
        &mut self,
        now: Instant,
        subject: &str,
        publication: &Publication<'_>,
        is_careless: bool,
    ) -> Result<u64, ()> {
        self.expire(now);
        let header = |name| publication.headers.and_then(|headers| headers.get(name));
        let expected = header(EXPECTED).and_then(|number| number.parse::<u64>().ok());
        let last = self.numbers_of(subject).last().copied().unwrap_or_default();
        if expected.is_some_and(|expected| expected != last) && !is_careless {
            return Err(());
        }
        let older = if header("Nats-Rollup").is_some() { 0 } else { self.most - 1 };
        let numbers = self.numbers_of(subject);
        let gone = numbers.len().saturating_sub(older);
        numbers[..gone].iter().for_each(|number| drop(self.kept.remove(number)));
        self.last += 1;
        let headers = publication.headers.map_or(Vec::new(), |it| it.as_bytes().to_vec());
        let (subject, payload) = (subject.to_owned(), publication.payload.to_vec());
        self.kept.insert(self.last, Kept { subject, headers, payload, at: now });
        Ok(self.last)
    }

    fn expire(&mut self, now: Instant) {
        if let Some(age) = self.age {
            self.kept.retain(|_, kept| now.saturating_duration_since(kept.at) < age);
        }
    }

    fn numbers_of(&self, subject: &str) -> Vec<u64> {
        self.kept
            .iter()
            .filter(|(_, it)| it.subject == subject)
            .map(|(&number, _)| number)
            .collect()
    }

    fn last_of(&mut self, now: Instant, subject: &str) -> Option<(u64, &Kept)> {
        self.expire(now);
        let number = self.numbers_of(subject).last().copied()?;
        self.kept.get(&number).map(|kept| (number, kept))
    }

    /// What a new consumer brings first: the last of each subject, or all from a number on.
    fn first_of(&mut self, now: Instant, filter: &str, since: Option<u64>) -> Vec<u64> {
        self.expire(now);
        let kept = self.kept.iter().filter(|(_, kept)| subject::matches(filter, &kept.subject));
        let mut numbers: Vec<u64> = match since {
            Some(since) => kept.map(|(&number, _)| number).filter(|&it| it >= since).collect(),
            None => {
                let last: BTreeMap<_, _> = kept.map(|(&at, kept)| (&kept.subject, at)).collect();
                last.into_values().collect()
            }
        };
        numbers.sort_unstable();
        numbers
    }
}

/// Whoever watches a stream.
pub(super) struct Consumer {
    stream: String,
    filter: String,
    deliver: String,
    sent: u64,
}

impl Consumer {
    pub(super) fn wants(&self, stream: &str, subject: &str) -> bool {
        self.stream == stream && subject::matches(&self.filter, subject)
    }
}

const NO_MESSAGE_FOUND: u64 = 10_037;
const STREAM_NAME_IN_USE: u64 = 10_058;
const STREAM_NOT_FOUND: u64 = 10_059;
pub(super) const WRONG_LAST_SEQUENCE: u64 = 10_071;

/// The most that an answer of the API takes, in microseconds.
const SLOWEST: u64 = 5_000;

pub(super) fn acknowledgement(stream: &str, number: u64) -> String {
    json!({ "stream": stream, "seq": number }).to_string()
}

pub(super) fn refusal(code: u64, description: &str) -> String {
    json!({ "error": { "code": 400, "err_code": code, "description": description } }).to_string()
}

impl Broker {
    /// A question of JetStream's own: it is answered a little later.
    pub(super) fn handle_api(
        &mut self,
        registry: &mut Registry<Self>,
        request: &str,
        publication: &Publication<'_>,
    ) {
        let body = serde_json::from_slice(publication.payload).unwrap_or_default();
        let answer = self.answer(registry, request, body);
        let Some(reply) = publication.reply.map(text) else { return };
        let wait = Duration::from_micros(registry.random() % SLOWEST);
        // Without a timer nobody is answered, as if the server were busy for too long.
        let _ = registry.after(wait, move |registry, broker| {
            broker.tell(registry, &reply, None, answer.as_bytes());
        });
    }

    fn answer(&mut self, registry: &mut Registry<Self>, request: &str, body: Value) -> String {
        let (verb, name) = request.rsplit_once('.').unwrap_or_default();
        let now = registry.now();
        let mut streams = self.disk.0.borrow_mut();
        if verb == "STREAM.CREATE" {
            let stream =
                streams.entry(name.to_owned()).or_insert_with(|| Stream::new(body.clone()));
            return match stream.config == body {
                true => json!({ "config": body }).to_string(),
                false => refusal(STREAM_NAME_IN_USE, "stream name already in use"),
            };
        }
        let Some(stream) = streams.get_mut(name) else {
            return refusal(STREAM_NOT_FOUND, "stream not found");
        };
        match verb {
            "STREAM.INFO" => json!({ "config": stream.config }).to_string(),
            "STREAM.MSG.GET" => {
                match stream.last_of(now, body["last_by_subj"].as_str().unwrap_or_default()) {
                    None => refusal(NO_MESSAGE_FOUND, "no message found"),
                    Some((number, kept)) => json!({ "message": {
                        "subject": kept.subject,
                        "seq": number,
                        "data": STANDARD.encode(&kept.payload),
                        "hdrs": STANDARD.encode(&kept.headers),
                    } })
                    .to_string(),
                }
            }
            "CONSUMER.CREATE" => {
                let config = &body["config"];
                let field = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
                let (filter, deliver) = (field("filter_subject"), field("deliver_subject"));
                let first = stream.first_of(now, &filter, config["opt_start_seq"].as_u64());
                drop(streams);
                self.made += 1;
                let consumer = Consumer { stream: name.to_owned(), filter, deliver, sent: 0 };
                self.consumers.insert(self.made, consumer);
                self.bring(registry, self.made, &first);
                json!({ "num_pending": first.len() }).to_string()
            }
            other => panic!("JetStream is asked for {other}, which is not simulated"),
        }
    }

    /// A consumer brings these. One that nobody hears is over.
    pub(super) fn bring(&mut self, registry: &mut Registry<Self>, id: u64, numbers: &[u64]) {
        for (at, number) in numbers.iter().enumerate() {
            let Some(consumer) = self.consumers.get_mut(&id) else { return };
            let (stream, deliver) = (&consumer.stream, consumer.deliver.clone());
            let kept = self.disk.0.borrow().get(stream).and_then(|it| it.kept.get(number).cloned());
            let Some(kept) = kept else { continue };
            consumer.sent += 1;
            let (sent, pending) = (consumer.sent, numbers.len() - at - 1);
            let place = format!("$JS.ACK.{stream}.{id}.1.{number}.{sent}.0.{pending}");
            // It comes under its own subject, by the subscription of whoever watches.
            let publication = Publication {
                subject: kept.subject.as_bytes(),
                reply: Some(place.as_bytes()),
                headers: (!kept.headers.is_empty()).then(|| Headers::new(&kept.headers)),
                payload: &kept.payload,
            };
            if self.deliver(registry, None, &deliver, &publication) == 0 {
                self.consumers.remove(&id);
            }
        }
    }

    /// Those who watch are told that the server is there, and how much it has sent.
    pub(super) fn beat(&mut self, registry: &mut Registry<Self>) {
        let beats = self.consumers.iter().map(|(&id, it)| (id, it.deliver.clone(), it.sent));
        let beats: Vec<_> = beats.collect();
        for (id, deliver, sent) in beats {
            let headers =
                format!("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: {sent}\r\n\r\n");
            let headers = Headers::new(headers.as_bytes());
            if self.tell(registry, &deliver, Some(headers), b"") == 0 {
                self.consumers.remove(&id);
            }
        }
    }
}
