//! The key-value store of JetStream: what is to last, and claims that one of many gets.
//!
//! A bucket is a stream `KV_<bucket>` of the server, and a key the subject `$KV.<bucket>.<key>` in it, of which the last
//! message is the value. Its number in the stream is the **revision**: a write may demand that the last one has this
//! revision, or that there is none, and of several who demand the same at once one succeeds.
//!
//! | file | what it is |
//! |---|---|
//! | `failure` | how it can fail |
//! | `config` | how a bucket is made |
//! | `entry` | a value, and what becomes of a key |
//! | `api` | the JSON of JetStream |
//! | `watch` | being told of changes, without a gap |
//!
//! Everything is a request: answers are matched by the address that they come to, and never by their order. JetStream
//! itself answers in another order than it is asked.

mod api;
mod config;
mod entry;
mod failure;
mod watch;

use std::fmt;
use std::time::Duration;

use reactor::Registry;

use self::entry::OPERATION;
use super::{Client, HeaderMap, Message, RequestError};

pub use config::{Config, Storage};
pub use entry::{Entry, Operation};
pub use failure::KvError;
pub use watch::{Watch, WatchEvent};

/// A bucket of keys and values. It can be cloned and kept.
///
/// ```no_run
/// use std::time::Duration;
///
/// use protocols::nats::kv::{Config, KvError, KeyValue};
/// use protocols::nats::{Client, ClientOptions};
/// use reactor::Reactor;
///
/// let mut reactor = Reactor::<()>::new()?;
/// let registry = reactor.registry();
/// let options = ClientOptions::new(["nats://127.0.0.1:4222".parse()?]);
/// let client = Client::connect(registry, options, |_, _, _| {});
/// let nicks = KeyValue::new(&client, "nicks", Duration::from_secs(2))?;
/// let claims = nicks.clone();
/// nicks.create_bucket(registry, &Config::default(), move |registry, _, made| {
///     let claimed = made.and_then(|()| {
///         claims.create(registry, "ann", b"node 1", |_, _, claimed| match claimed {
///             Ok(revision) => println!("it is ours, as revision {revision}"),
///             Err(KvError::Exists) => println!("it is somebody else's"),
///             Err(error) => println!("nobody knows: {error}"),
///         })
///     });
///     if let Err(error) = claimed {
///         eprintln!("it cannot be claimed: {error}");
///     }
/// })?;
/// reactor.run(&mut ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyValue<App> {
    client: Client<App>,
    bucket: Box<str>,
    timeout: Duration,
}

/// What was asked for is told, or why there is none.
type Told<T> = Result<T, KvError>;

impl<App: 'static> KeyValue<App> {
    /// A bucket, which may be there or not: [`bind`](Self::bind) asks, and
    /// [`create_bucket`](Self::create_bucket) makes it. An answer may take as long as `timeout`.
    ///
    /// # Errors
    ///
    /// If no bucket can have this name: letters, digits, `-` and `_`.
    pub fn new(client: &Client<App>, bucket: &str, timeout: Duration) -> Result<Self, KvError> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if bucket.is_empty() || bucket.len() > MOST || !bucket.bytes().all(is_fit) {
            return Err(KvError::Name(bucket.to_owned()));
        }
        Ok(Self { client: client.clone(), bucket: bucket.into(), timeout })
    }

    /// Makes the bucket. One that is there and was made in the same way will do.
    ///
    /// # Errors
    ///
    /// If it cannot be asked. `done` is not told then; that is so of all of these.
    pub fn create_bucket(
        &self,
        registry: &mut Registry<App>,
        config: &Config,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<()>) + 'static,
    ) -> Result<(), KvError> {
        let body = api::create_stream(&self.bucket, config);
        self.manage(registry, "CREATE", &body, done)
    }

    /// Asks whether the bucket is there.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn bind(
        &self,
        registry: &mut Registry<App>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<()>) + 'static,
    ) -> Result<(), KvError> {
        self.manage(registry, "INFO", b"", done)
    }

    /// Deletes the bucket, and all that is in it.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn delete_bucket(
        &self,
        registry: &mut Registry<App>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<()>) + 'static,
    ) -> Result<(), KvError> {
        self.manage(registry, "DELETE", b"", done)
    }

    /// Reads a key: its last entry, or none if there is none; one that was deleted has an entry that says so.
    ///
    /// The server that leads answers, so it is what was written last; while none leads, nobody does.
    ///
    /// # Errors
    ///
    /// If it cannot be asked, or no key can be called this.
    pub fn entry(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<Option<Entry<'_>>>) + 'static,
    ) -> Result<(), KvError> {
        let (prefix, body) = (self.prefix(), api::get_last(&self.subject(key)?));
        let subject = format!("$JS.API.STREAM.MSG.GET.KV_{}", self.bucket);
        let read = |answer: &Message<'_>| api::Stored::read(answer.payload);
        let tell =
            move |registry: &mut Registry<App>, app: &mut App, told: Told<Option<api::Stored>>| {
                let entry = told.as_ref().map(|stored| stored.as_ref().map(|it| it.entry(&prefix)));
                let entry = entry.map_err(Clone::clone).and_then(Option::transpose);
                done(registry, app, entry);
            };
        self.ask(registry, &Message::new(&subject, &body), tell, read)
    }

    /// Reads a value: none if there is none, or the key was deleted.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    pub fn get(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<Option<&[u8]>>) + 'static,
    ) -> Result<(), KvError> {
        self.entry(registry, key, |registry, app, told| {
            let value = |entry: Entry<'_>| entry.operation == Operation::Put;
            done(registry, app, told.map(|entry| entry.filter(|it| value(*it)).map(|it| it.value)));
        })
    }

    /// Writes a value, whatever was there; its revision.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    pub fn put(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        value: &[u8],
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<u64>) + 'static,
    ) -> Result<(), KvError> {
        self.write(registry, key, value, &[], done)
    }

    /// Writes a value if the last one has this revision; its own. [`KvError::WrongRevision`] if it has another.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    pub fn update(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        value: &[u8],
        revision: u64,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<u64>) + 'static,
    ) -> Result<(), KvError> {
        self.write(registry, key, value, &[(EXPECTED, &revision.to_string())], done)
    }

    /// Writes a value if there is none; its revision. [`KvError::Exists`] if there is one: of several who claim a key
    /// at once, one gets it.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    pub fn create(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        value: &[u8],
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<u64>) + 'static,
    ) -> Result<(), KvError> {
        let (again, key_again, value_again) = (self.clone(), key.to_owned(), value.to_vec());
        self.update(registry, key, value, 0, move |registry, app, told| match told {
            // There is something. If it says that the key was deleted, it is as good as nothing.
            Err(KvError::WrongRevision) => {
                again.create_behind_end(registry, app, &key_again, value_again, Box::new(done));
            }
            told => done(registry, app, told),
        })
    }

    /// Writes a value, if the last entry says that there is none.
    fn create_behind_end(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        key: &str,
        value: Vec<u8>,
        done: Done<App>,
    ) {
        // It is told once, by whoever comes to it.
        let done = std::rc::Rc::new(std::cell::Cell::new(Some(done)));
        let (ours, store, name) = (std::rc::Rc::clone(&done), self.clone(), key.to_owned());
        let asked = self.entry(registry, key, move |registry, app, told| {
            let Some(done) = ours.take() else { return };
            let revision = match told {
                Ok(Some(Entry { operation: Operation::Put, .. })) => Err(KvError::Exists),
                Ok(Some(entry)) => Ok(entry.revision),
                // It has ended since, by its time.
                Ok(None) => Ok(0),
                Err(error) => Err(error),
            };
            let done = std::rc::Rc::new(std::cell::Cell::new(Some(done)));
            let tell = std::rc::Rc::clone(&done);
            let written = revision.and_then(|revision| {
                store.update(registry, &name, &value, revision, move |registry, app, told| {
                    let told = told.map_err(|error| match error {
                        KvError::WrongRevision => KvError::Exists,
                        error => error,
                    });
                    if let Some(done) = tell.take() {
                        done(registry, app, told);
                    }
                })
            });
            if let Err(error) = written
                && let Some(done) = done.take()
            {
                done(registry, app, Err(error));
            }
        });
        if let Err(error) = asked
            && let Some(done) = done.take()
        {
            done(registry, app, Err(error));
        }
    }

    /// Deletes a key, of which an entry stays that says so; the revision of that. With a revision, only if the last
    /// entry has that one.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    pub fn delete(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        revision: Option<u64>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<u64>) + 'static,
    ) -> Result<(), KvError> {
        let expected = revision.map(|revision| revision.to_string());
        let mut headers = vec![(OPERATION, "DEL")];
        headers.extend(expected.as_deref().map(|revision| (EXPECTED, revision)));
        self.write(registry, key, b"", &headers, done)
    }

    /// As [`delete`](Self::delete), and what was kept of the key before goes too.
    ///
    /// # Errors
    ///
    /// As [`entry`](Self::entry).
    pub fn purge(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<u64>) + 'static,
    ) -> Result<(), KvError> {
        self.write(registry, key, b"", &[(OPERATION, "PURGE"), ("Nats-Rollup", "sub")], done)
    }

    /// Tells of the last value of each key that this pattern stands for, and of each change from then on:
    /// [`WatchEvent`]. `>` stands for all. It goes on over losses of the connection, without a gap and without anything
    /// twice, until it is [ended](Watch::stop), or the bucket is gone, or made anew.
    ///
    /// # Errors
    ///
    /// If it cannot be subscribed, or the pattern is none.
    pub fn watch(
        &self,
        registry: &mut Registry<App>,
        keys: &str,
        on_event: impl FnMut(&mut Registry<App>, &mut App, WatchEvent<'_>) + 'static,
    ) -> Result<Watch<App>, KvError> {
        super::wire::subject::check_pattern(keys).map_err(|_| KvError::Name(keys.to_owned()))?;
        let filter = format!("{}{keys}", self.prefix());
        Watch::start(registry, self, filter, on_event)
    }

    /// The name of the bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    fn prefix(&self) -> String {
        format!("$KV.{}.", self.bucket)
    }

    fn subject(&self, key: &str) -> Result<String, KvError> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_=.".contains(&byte);
        let has_words = !key.split('.').any(str::is_empty);
        if key.len() > MOST || !key.bytes().all(is_fit) || !has_words {
            return Err(KvError::Name(key.to_owned()));
        }
        Ok(format!("{}{key}", self.prefix()))
    }

    fn write(
        &self,
        registry: &mut Registry<App>,
        key: &str,
        value: &[u8],
        headers: &[(&str, &str)],
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<u64>) + 'static,
    ) -> Result<(), KvError> {
        let subject = self.subject(key)?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value).map_err(|error| KvError::Answer(error.to_string()))?;
        }
        let mut message = Message::new(&subject, value);
        message.headers = (!headers.is_empty()).then(|| map.view());
        self.ask(registry, &message, done, |answer| {
            let reply = api::Reply::read(answer.payload)?;
            reply.seq.ok_or_else(|| KvError::Answer("a write has no number".to_owned()))
        })
    }

    /// Has something done with the stream that the bucket is.
    fn manage(
        &self,
        registry: &mut Registry<App>,
        verb: &str,
        body: &[u8],
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<()>) + 'static,
    ) -> Result<(), KvError> {
        let subject = format!("$JS.API.STREAM.{verb}.KV_{}", self.bucket);
        self.ask(registry, &Message::new(&subject, body), done, |answer| {
            api::Reply::read(answer.payload).map(drop)
        })
    }

    /// Asks, and tells what is read of the answer.
    fn ask<T: 'static>(
        &self,
        registry: &mut Registry<App>,
        message: &Message<'_>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Told<T>) + 'static,
        read: impl FnOnce(&Message<'_>) -> Told<T> + 'static,
    ) -> Result<(), KvError> {
        let asked = self.client.request_message(
            registry,
            message,
            self.timeout,
            |registry, app, answer| {
                done(registry, app, answer.map_err(KvError::from).and_then(|answer| read(&answer)));
            },
        );
        Ok(asked?)
    }
}

type Done<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Told<u64>)>;

/// Bytes of a name: with all that stands around it, it fits into a line.
const MOST: usize = 512;

/// The revision that the last entry is to have; 0 is that there is to be none.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

impl From<RequestError> for KvError {
    fn from(error: RequestError) -> Self {
        match error {
            // Nobody listens where JetStream, or the bucket's stream, would.
            RequestError::NoResponders => Self::NoJetStream,
            error => Self::Request(error),
        }
    }
}

impl<App> Clone for KeyValue<App> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), bucket: self.bucket.clone(), timeout: self.timeout }
    }
}

impl<App> fmt::Debug for KeyValue<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
