//! The key-value store, on `nats-server` with JetStream, where that is installed.

use std::fmt::Debug;
use std::time::Duration;

use protocols::nats::kv::{Config, Entry, KeyValue, KvError, Storage, Watch, WatchEvent};
use protocols::nats::{Client, RequestError};
use reactor::Registry;

pub(crate) use crate::nats_server::Store;
use crate::outside;
use crate::stage::{PATIENCE, Stage, World, free_port, options, server};

impl Stage {
    /// A bucket that is there.
    #[track_caller]
    pub(crate) fn bucket(
        &mut self,
        client: &Client<World>,
        name: &str,
        config: &Config,
    ) -> KeyValue<World> {
        let store = KeyValue::new(client, name, PATIENCE).expect("it may be called this");
        self.told(|registry, done| store.create_bucket(registry, config, done))
            .expect("JetStream is on");
        store
    }

    /// What is told of a call.
    #[track_caller]
    fn told<T: 'static>(
        &mut self,
        call: impl FnOnce(
            &mut Registry<World>,
            Box<dyn FnOnce(&mut Registry<World>, &mut World, Result<T, KvError>)>,
        ) -> Result<(), KvError>,
    ) -> Result<T, KvError> {
        let told = std::rc::Rc::new(std::cell::Cell::new(None));
        let ours = std::rc::Rc::clone(&told);
        call(self.registry(), Box::new(move |_, _, result| ours.set(Some(result))))
            .expect("it can be asked");
        let mut result = None;
        self.until("it is told", |_| {
            result = told.take();
            result.is_some()
        });
        result.expect("it is told")
    }

    #[track_caller]
    fn put(&mut self, store: &KeyValue<World>, key: &str, value: &str) -> u64 {
        self.told(|registry, done| store.put(registry, key, value.as_bytes(), done))
            .expect("it is written")
    }

    #[track_caller]
    pub(crate) fn create(
        &mut self,
        store: &KeyValue<World>,
        key: &str,
        value: &str,
    ) -> Result<u64, KvError> {
        self.told(|registry, done| store.create(registry, key, value.as_bytes(), done))
    }

    #[track_caller]
    pub(crate) fn value(
        &mut self,
        store: &KeyValue<World>,
        key: &str,
    ) -> Result<Option<String>, KvError> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        self.told(|registry, done| {
            store.get(registry, key, move |registry, world, told| {
                done(registry, world, told.map(|value| value.map(text)));
            })
        })
    }

    #[track_caller]
    fn watch(&mut self, store: &KeyValue<World>, keys: &str) -> Watch<World> {
        let watch = store.watch(self.registry(), keys, |_, world, event| {
            world.seen.push(match event {
                WatchEvent::Entry(Entry { key, value, revision, operation, .. }) => {
                    format!("{revision} {operation:?} {key} {}", String::from_utf8_lossy(value))
                }
                WatchEvent::CaughtUp => "caught up".to_owned(),
                WatchEvent::Ended(error) => format!("ended: {error}"),
                other => format!("{other:?}"),
            });
        });
        watch.expect("it can be watched")
    }

    /// The entries that a watch has told.
    fn entries(&self) -> Vec<&str> {
        let is_entry = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
        self.world.seen.iter().map(String::as_str).filter(is_entry).collect()
    }
}

#[track_caller]
fn refused<T: Debug>(told: Result<T, KvError>, error: &KvError) {
    assert_eq!(&told.expect_err("it is refused"), error);
}

#[test]
fn a_value_is_written_read_updated_and_deleted() {
    let Some(server) = Store::start() else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    let store = stage.bucket(&client, "things", &Config { history: 3, ..Config::default() });
    assert_eq!(stage.value(&store, "tea"), Ok(None));
    assert_eq!(stage.put(&store, "tea", "green"), 1);
    assert_eq!(stage.value(&store, "tea"), Ok(Some("green".to_owned())));
    let update = |stage: &mut Stage, revision| {
        stage.told(|registry, done| store.update(registry, "tea", b"black", revision, done))
    };
    assert_eq!(update(&mut stage, 1), Ok(2));
    refused(update(&mut stage, 1), &KvError::WrongRevision);
    let deleted = stage.told(|registry, done| store.delete(registry, "tea", Some(1), done));
    refused(deleted, &KvError::WrongRevision);
    let deleted = stage.told(|registry, done| store.delete(registry, "tea", Some(2), done));
    assert_eq!((deleted, stage.value(&store, "tea")), (Ok(3), Ok(None)));
    let purged = stage.told(|registry, done| store.purge(registry, "tea", done));
    assert_eq!((purged, stage.value(&store, "tea")), (Ok(4), Ok(None)));
    assert_eq!(client.statistics().strays, 0);
}

#[test]
fn of_many_who_claim_a_key_at_once_one_gets_it() {
    let Some(server) = Store::start() else { return };
    let mut stage = Stage::new();
    let clients: Vec<_> = (0..8).map(|_| stage.connected(options(&[server.port]))).collect();
    let stores: Vec<_> =
        clients.iter().map(|client| stage.bucket(client, "nicks", &Config::default())).collect();
    for key in 0..20 {
        for (node, store) in stores.iter().enumerate() {
            let claimed = store.create(
                stage.registry(),
                &format!("nick{key}"),
                node.to_string().as_bytes(),
                move |_, world: &mut World, told| {
                    world.seen.push(match told {
                        Ok(_) => format!("claim {key} won"),
                        Err(error) => format!("claim {key} {error}"),
                    });
                },
            );
            claimed.expect("it can be asked");
        }
    }
    stage.until("all are told", |world| {
        world.seen.iter().filter(|it| it.starts_with("claim")).count() == 160
    });
    for key in 0..20 {
        assert_eq!(stage.count(&format!("claim {key} won")), 1);
        assert_eq!(stage.count(&format!("claim {key} there is a value already")), 7);
    }
}

#[test]
fn what_was_deleted_or_has_ended_by_its_time_can_be_claimed_again() {
    let Some(server) = Store::start() else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    let store = stage.bucket(&client, "nicks", &Config::default());
    assert_eq!(stage.create(&store, "ann", "1"), Ok(1));
    refused(stage.create(&store, "ann", "2"), &KvError::Exists);
    stage.told(|registry, done| store.delete(registry, "ann", None, done)).expect("it is deleted");
    assert_eq!(stage.create(&store, "ann", "3"), Ok(3));
    let config = Config {
        ttl: Some(Duration::from_millis(500)),
        storage: Storage::Memory,
        ..Config::default()
    };
    let store = stage.bucket(&client, "short", &config);
    assert_eq!(stage.create(&store, "bob", "1"), Ok(1));
    let again = loop {
        match stage.create(&store, "bob", "2") {
            Err(KvError::Exists) => {}
            result => break result,
        }
    };
    assert_eq!(again, Ok(2));
}

#[test]
fn a_watch_tells_what_is_there_and_what_changes() {
    let Some(server) = Store::start() else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    let store = stage.bucket(&client, "things", &Config::default());
    stage.put(&store, "a.1", "x");
    stage.put(&store, "a.1", "y");
    stage.put(&store, "b.1", "z");
    let watch = stage.watch(&store, "a.*");
    stage.until_seen("caught up");
    assert_eq!(stage.entries(), ["2 Put a.1 y"]);
    stage.put(&store, "a.2", "new");
    stage.put(&store, "b.2", "not for it");
    stage.told(|registry, done| store.delete(registry, "a.1", None, done)).expect("it is deleted");
    stage.until_seen("6 Delete a.1");
    assert_eq!(stage.entries(), ["2 Put a.1 y", "4 Put a.2 new", "6 Delete a.1 "]);
    assert_eq!(stage.count("caught up"), 1);
    watch.stop(stage.registry());
    stage.put(&store, "a.3", "nobody watches");
    stage.flush(&client);
    assert_eq!((stage.entries().len(), client.subscriptions()), (3, 0));
    stage.world.seen.clear();
    let _empty = stage.watch(&store, "c.>");
    stage.until_seen("caught up");
}

#[test]
fn a_watch_has_no_gap_over_a_server_that_is_killed_and_started_again() {
    let Some(mut server) = Store::start() else { return };
    let mut stage = Stage::new();
    let (client, writer) =
        (stage.connected(options(&[server.port])), stage.connected(options(&[server.port])));
    let store = stage.bucket(&client, "things", &Config { history: 64, ..Config::default() });
    let written = KeyValue::new(&writer, "things", PATIENCE).expect("it may be called this");
    stage.put(&written, "key", "1");
    let _watch = stage.watch(&store, ">");
    stage.until_seen("1 Put key 1");
    for round in 0..2 {
        server.kill();
        stage.until("both have seen it", |_| !client.is_connected() && !writer.is_connected());
        server.again();
        stage.until("both are there", |_| client.is_connected() && writer.is_connected());
        for _ in 0..5 {
            // A server that has just started may not have found its streams yet.
            let _ = stage.told(|registry, done| written.put(registry, "key", b"more", done));
        }
        let last = stage.put(&written, "key", &format!("last of {round}"));
        stage.until_seen(&format!("{last} Put key last of {round}"));
    }
    let revisions: Vec<u64> = stage
        .entries()
        .iter()
        .map(|line| line.split(' ').next().and_then(|word| word.parse().ok()).expect("a number"))
        .collect();
    assert_eq!(
        revisions,
        (1..=revisions.len() as u64).collect::<Vec<_>>(),
        "each once, in their order"
    );
}

#[test]
fn a_watch_ends_when_the_bucket_is_made_anew_while_nobody_looks() {
    let Some(mut server) = Store::start() else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    let store = stage.bucket(&client, "things", &Config::default());
    let _watch = stage.watch(&store, ">");
    stage.until_seen("caught up");
    for number in 1..=5 {
        stage.put(&store, "key", &number.to_string());
    }
    stage.until_seen("5 Put key 5");
    server.kill();
    stage.until("it is seen", |_| !client.is_connected());
    // Whether the watch asks before there is one again, or after: it ends.
    server.lose();
    server.again();
    stage.until("it is there", |_| client.is_connected());
    stage.bucket(&client, "things", &Config::default());
    stage.put(&store, "other", "of a new life");
    stage.until_seen("ended: there is ");
}

#[test]
fn what_cannot_be_is_told_with_the_reason() {
    let Some(server) = Store::start() else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    for name in ["", "a.b", "a b", "*"] {
        assert!(matches!(KeyValue::new(&client, name, PATIENCE), Err(KvError::Name(_))));
    }
    let nowhere = KeyValue::new(&client, "nowhere", PATIENCE).expect("it may be called this");
    refused(stage.told(|registry, done| nowhere.bind(registry, done)), &KvError::NoBucket);
    refused(
        stage.told(|registry, done| nowhere.put(registry, "a", b"", done)),
        &KvError::NoJetStream,
    );
    refused(stage.value(&nowhere, "a"), &KvError::NoBucket);
    stage.watch(&nowhere, ">");
    stage.until_seen("ended: there is no such bucket");
    let store = stage.bucket(&client, "things", &Config::default());
    stage.told(|registry, done| store.bind(registry, done)).expect("it is there");
    for key in ["", "a..b", ".a", "a b", "a*", ">"] {
        let refused = store.put(stage.registry(), key, b"", |_, _, _| unreachable!());
        assert_eq!(refused, Err(KvError::Name(key.to_owned())));
    }
    let other = Config { history: 9, ..Config::default() };
    let made = stage.told(|registry, done| store.create_bucket(registry, &other, done));
    refused(made, &KvError::OtherBucket);
    stage.told(|registry, done| store.delete_bucket(registry, done)).expect("it is deleted");
    refused(stage.told(|registry, done| store.bind(registry, done)), &KvError::NoBucket);
    client.close(stage.registry());
    let closed = store.put(stage.registry(), "a", b"", |_, _, _| unreachable!());
    assert_eq!(closed, Err(KvError::Request(RequestError::Closed)));
}

#[test]
fn a_watch_ends_where_there_is_no_jetstream() {
    if outside::program("nats-server").is_none() {
        return;
    }
    let port = free_port();
    let _server = server(port, &[]);
    let mut stage = Stage::new();
    let client = stage.connected(options(&[port]));
    let store = KeyValue::new(&client, "things", PATIENCE).expect("it may be called this");
    stage.watch(&store, ">");
    stage.until_seen("ended: JetStream does not answer");
    assert_eq!(client.subscriptions(), 0);
}

#[test]
fn a_watch_that_cannot_be_asked_for_leaves_nothing() {
    let mut stage = Stage::new();
    let mut options = options(&[free_port()]);
    options.limits.requests = 0;
    let client = stage.client(options);
    let store = KeyValue::new(&client, "things", PATIENCE).expect("it may be called this");
    let refused = store.watch(stage.registry(), ">", |_, _, _| unreachable!()).map(drop);
    assert_eq!(refused, Err(KvError::Request(RequestError::Full)));
    assert_eq!(client.subscriptions(), 0);
    stage.until_seen("closed: ");
}

#[test]
fn a_watch_waits_for_room_to_ask_again() {
    let Some(mut server) = Store::start() else { return };
    let mut stage = Stage::new();
    let mut few = options(&[server.port]);
    few.limits.requests = 1;
    let (client, writer) = (stage.connected(few), stage.connected(options(&[server.port])));
    let store = stage.bucket(&client, "things", &Config::default());
    let written = KeyValue::new(&writer, "things", PATIENCE).expect("it may be called this");
    let _watch = stage.watch(&store, ">");
    stage.until_seen("caught up");
    server.kill();
    stage.until("both have seen it", |_| !client.is_connected() && !writer.is_connected());
    client.subscribe(stage.registry(), "silence", |_, _, _| {}).expect("it can be");
    // It takes the only place, and keeps it beyond the next look of the watch.
    stage.request(&client, "silence", "", Duration::from_secs(1));
    server.again();
    stage.until("both are there", |_| client.is_connected() && writer.is_connected());
    stage.until_seen("no answer in 1s");
    let last = loop {
        // A server that has just started may not have found its streams yet.
        if let Ok(last) = stage.told(|registry, done| written.put(registry, "key", b"told", done)) {
            break last;
        }
    };
    stage.until_seen(&format!("{last} Put key told"));
    assert_eq!(stage.count("ended"), 0);
}

#[test]
fn a_watch_ends_with_its_client() {
    let Some(server) = Store::start() else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    let store = stage.bucket(&client, "things", &Config::default());
    stage.watch(&store, ">");
    stage.until_seen("caught up");
    client.close(stage.registry());
    stage.until_seen("ended: the client is closed");
}
