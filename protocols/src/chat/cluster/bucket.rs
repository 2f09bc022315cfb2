//! The bucket of claims: what the claims want asked of it, and what it says.

use std::time::{Duration, Instant};

use reactor::{ConnectionId, Registry};

use super::claims::{Answer, Holder, Order, Standing};
use super::driver::Driver;
use crate::chat::server::{Event, NickAnswer, Server};
use crate::nats::kv::{Config, Entry, KeyValue, KvError, Operation, WatchEvent};

/// Whether there is a bucket for claims.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    No,
    Asked,
    Yes,
    /// It cannot be used. It is looked for again then.
    Again(Instant),
}

/// After how long it is looked again for a bucket that cannot be used: it is told each time.
const AGAIN: Duration = Duration::from_secs(60);

impl<App: AsMut<Server> + 'static> Driver<App> {
    /// Looks whether there is a bucket, and makes it if there is none.
    pub(super) fn find_bucket(&mut self, registry: &mut Registry<App>, app: &mut App) {
        let me = self.me.clone();
        self.is_found = Found::Asked;
        let asked = self.bucket.bind(registry, move |registry, app, found| {
            me.with(registry, app, |driver, registry, app| match found {
                Ok(()) => driver.use_bucket(),
                Err(KvError::NoBucket) => driver.make_bucket(registry, app),
                Err(error) => driver.miss_bucket(registry, app, &error),
            });
        });
        if let Err(error) = asked {
            self.miss_bucket(registry, app, &error);
        }
    }

    fn make_bucket(&mut self, registry: &mut Registry<App>, app: &mut App) {
        let me = self.me.clone();
        let config = Config::default();
        let asked = self.bucket.create_bucket(registry, &config, move |registry, app, made| {
            me.with(registry, app, |driver, registry, app| match made {
                Ok(()) => {
                    driver.claims.handle_empty();
                    driver.use_bucket();
                }
                Err(error) => driver.miss_bucket(registry, app, &error),
            });
        });
        if let Err(error) = asked {
            self.miss_bucket(registry, app, &error);
        }
    }

    fn use_bucket(&mut self) {
        if self.up_since.is_some() {
            self.is_found = Found::Yes;
            self.begin_claims();
        }
    }

    /// Claims what users have, and goes on doing so; not before it is known that no other node has this one's name, whose
    /// claims would be taken over.
    pub(super) fn begin_claims(&mut self) {
        if self.cluster.is_up() {
            self.claims.handle_connected();
        }
    }

    fn miss_bucket(&mut self, registry: &mut Registry<App>, app: &mut App, error: &KvError) {
        if self.up_since.is_some() {
            self.is_found = Found::Again(registry.now() + AGAIN);
            app.as_mut().log(&Event::NoClaims { error: &error.to_string() });
        }
    }

    pub(super) fn handle_order(
        &mut self,
        registry: &mut Registry<App>,
        order: Order<Option<ConnectionId>>,
    ) {
        let bucket = self.bucket.clone();
        let (key, number, asked) = match order {
            Order::Tell { ticket: None, .. } => return,
            Order::Tell { ticket: Some(connection), answer } => {
                return answer_later(registry, connection, answer);
            }
            Order::Delete { key, revision } => {
                return self.delete(registry, &bucket, key, revision);
            }
            Order::Create { key, holder, number } => {
                let (me, name, store) = (self.me.clone(), key.clone(), bucket.clone());
                let asked =
                    bucket.create(registry, &key, &value(&holder), move |registry, app, told| {
                        me.with(registry, app, |driver, registry, _| match told {
                            Err(KvError::Exists) => driver.look(registry, &store, name, number),
                            told => driver.answer(registry, &name, number, written(told)),
                        });
                    });
                (key, number, asked)
            }
            Order::Update { key, holder, revision, number } => {
                let (me, name) = (self.me.clone(), key.clone());
                let done = move |registry: &mut Registry<App>, app: &mut App, told| {
                    me.with(registry, app, |driver, registry, _| {
                        driver.answer(registry, &name, number, written(told));
                    });
                };
                let asked = bucket.update(registry, &key, &value(&holder), revision, done);
                (key, number, asked)
            }
        };
        if asked.is_err() {
            self.answer(registry, &key, number, Answer::Failed);
        }
    }

    /// Looks whose claim there is.
    fn look(
        &mut self,
        registry: &mut Registry<App>,
        bucket: &KeyValue<App>,
        key: String,
        number: u64,
    ) {
        let (me, name) = (self.me.clone(), key.clone());
        let asked = bucket.entry(registry, &key, move |registry, app, told| {
            let answer = match told {
                Ok(Some(Entry { operation: Operation::Put, value, revision, .. })) => {
                    Answer::Exists { holder: serde_json::from_slice(value).ok(), revision }
                }
                // It was deleted meanwhile, and will be free for who asks again.
                Ok(Some(Entry { revision, .. })) => Answer::Exists { holder: None, revision },
                Ok(None) => Answer::Exists { holder: None, revision: 0 },
                Err(_) => Answer::Failed,
            };
            me.with(registry, app, |driver, registry, _| {
                driver.answer(registry, &name, number, answer);
            });
        });
        if asked.is_err() {
            self.answer(registry, &key, number, Answer::Failed);
        }
    }

    fn delete(
        &mut self,
        registry: &mut Registry<App>,
        bucket: &KeyValue<App>,
        key: String,
        revision: u64,
    ) {
        let (me, name) = (self.me.clone(), key.clone());
        let asked = bucket.delete(registry, &key, Some(revision), move |registry, app, told| {
            match told {
                // Somebody has taken it over.
                Ok(_) | Err(KvError::WrongRevision) => {}
                Err(_) => me.with(registry, app, |driver, _, _| {
                    driver.claims.handle_not_deleted(name, revision);
                }),
            }
        });
        if asked.is_err() {
            self.claims.handle_not_deleted(key, revision);
        }
    }

    fn answer(&mut self, registry: &Registry<App>, key: &str, number: u64, answer: Answer) {
        let Self { cluster, claims, up_since, .. } = self;
        // Who has not been heard within that time of this connection is not there.
        let is_settled =
            up_since.is_some_and(|since| since + cluster.limits().silence <= registry.now());
        claims.handle_answer(key, number, answer, |node| match cluster.is_shown(node) {
            true => Standing::Seen,
            // Its users are not seen, but they are there, if it is.
            false if is_settled && !cluster.is_there(node) => Standing::Gone,
            false => Standing::Unknown,
        });
    }

    /// Has it told what there is in the bucket; not before it would be known that another node has this one's name,
    /// whose claims those may be.
    pub(super) fn watch_bucket(&mut self, registry: &mut Registry<App>) {
        let heartbeat = self.cluster.limits().heartbeat;
        let is_settled = self.up_since.is_some_and(|since| since + heartbeat <= registry.now());
        if self.watch.is_some() || !is_settled || !self.cluster.is_up() {
            return;
        }
        let me = self.me.clone();
        let watch = self.bucket.watch(registry, ">", move |registry, app, event| {
            me.with(registry, app, |driver, registry, _| match event {
                WatchEvent::Entry(entry) => driver.handle_entry(&entry),
                WatchEvent::CaughtUp => driver.claims.handle_all_told(),
                // It is gone, or was made anew. What is in that one another watch tells.
                WatchEvent::Ended(_) => driver.leave_bucket(registry, Duration::ZERO),
            });
        });
        self.watch = watch.ok();
        if self.watch.is_some() {
            self.claims.handle_watch();
        }
    }

    /// Over the next connection all is told again: the bucket may be another one then.
    pub(super) fn stop_watching(&mut self, registry: &mut Registry<App>) {
        if let Some(watch) = self.watch.take() {
            watch.stop(registry);
        }
    }

    fn handle_entry(&mut self, entry: &Entry<'_>) {
        let is_put = entry.operation == Operation::Put;
        // What cannot be read is nobody's.
        let holder: Option<Holder> =
            if is_put { serde_json::from_slice(entry.value).ok() } else { None };
        self.claims.handle_entry(entry.key, holder.as_ref(), entry.revision);
    }

    /// The bucket is gone, or not for this node; it is looked for again after a while.
    pub(super) fn leave_bucket(&mut self, registry: &mut Registry<App>, pause: Duration) {
        self.stop_watching(registry);
        self.claims.handle_disconnected();
        if self.up_since.is_some() {
            self.is_found = Found::Again(registry.now() + pause);
        }
    }
}

/// A session is not called from within the driver, which it may ask for something.
fn answer_later<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    connection: ConnectionId,
    answer: NickAnswer,
) {
    registry.defer(move |registry, _| {
        // Whoever has gone has released it.
        Server::answer_claim(registry, connection, answer);
    });
}

fn value(holder: &Holder) -> Vec<u8> {
    // It is names and a number, which can be written; and what cannot be read is nobody's claim.
    serde_json::to_vec(holder).unwrap_or_default()
}

fn written(told: Result<u64, KvError>) -> Answer {
    match told {
        Ok(revision) => Answer::Written(revision),
        Err(KvError::WrongRevision | KvError::Exists) => Answer::Overtaken,
        Err(_) => Answer::Failed,
    }
}
