//! `nats kv`: the key-value store of JetStream.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use examples::endpoint::some_seconds;
use examples::output::{self, NoAnswer, Usage};
use protocols::nats::kv::{Config, Entry, KeyValue, KvError, Operation, WatchEvent};
use protocols::nats::{ClientOptions, RequestError};
use reactor::Registry;

use crate::how::How;
use crate::print::Printer;
use crate::publish::data;
use crate::run::{self, Lasts, Run};

/// Read, write and watch keys of a bucket
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a bucket; one that is there and like this will do
    Add {
        /// The bucket
        bucket: String,

        /// How long a value is kept
        #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
        ttl: Option<Duration>,

        /// How many values of a key are kept
        #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
        history: u8,

        #[command(flatten)]
        how: How,
    },

    /// Print the value of a key
    Get(At),

    /// Write a value, and print its revision
    Put(Value),

    /// Write a value if there is none, and print its revision
    Create(Value),

    /// Write a value if the last one has this revision, and print its own
    Update {
        #[command(flatten)]
        value: Value,

        /// The revision
        revision: u64,
    },

    /// Delete a key
    Del(At),

    /// Print the last value of each key, and each change, until Ctrl-C
    Watch {
        /// The bucket
        bucket: String,

        /// Which keys: * stands for one word, > at the end for one or more
        #[arg(default_value = ">")]
        keys: String,

        #[command(flatten)]
        how: How,
    },
}

/// A key of a bucket
#[derive(Args)]
struct At {
    /// The bucket
    bucket: String,

    /// The key
    key: String,

    #[command(flatten)]
    how: How,
}

/// A key of a bucket, and what it is to have
#[derive(Args)]
struct Value {
    #[command(flatten)]
    at: At,

    /// The value, or - for standard input
    value: String,
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    match options.command {
        Command::Add { bucket, ttl, history, how } => {
            let config = Config { ttl, history, ..Config::default() };
            begin(&how, &bucket, Lasts::Once, move |registry, store| {
                store.create_bucket(registry, &config, |registry, run, told| {
                    done(registry, run, told, |()| Ok(()));
                })
            })
        }
        Command::Get(at) => at.once(|registry, store| {
            let key = at.key.clone();
            store.get(registry, &at.key, move |registry, run, told| match told {
                Ok(Some(value)) => done(registry, run, Ok(value), print_value),
                Ok(None) => run.end(registry, Err(format!("{key} has no value").into())),
                Err(error) => done(registry, run, Err(error), print_value),
            })
        }),
        Command::Put(Value { at, value }) => {
            let value = data(&value)?;
            at.once(|registry, store| store.put(registry, &at.key, &value, written))
        }
        Command::Create(Value { at, value }) => {
            let value = data(&value)?;
            at.once(|registry, store| store.create(registry, &at.key, &value, written))
        }
        Command::Update { value: Value { at, value }, revision } => {
            let value = data(&value)?;
            at.once(|registry, store| store.update(registry, &at.key, &value, revision, written))
        }
        Command::Del(at) => at.once(|registry, store| {
            store.delete(registry, &at.key, None, |registry, run, told| {
                done(registry, run, told, |_| Ok(()));
            })
        }),
        Command::Watch { bucket, keys, how } => {
            begin(&how, &bucket, Lasts::Always, move |registry, store| {
                store.watch(registry, &keys, handle_event).map(drop)
            })
        }
    }
}

impl At {
    /// Asks for something of the key, once.
    fn once(
        &self,
        ask: impl FnOnce(&mut Registry<Run>, &KeyValue<Run>) -> Result<(), KvError>,
    ) -> Result<(), Box<dyn Error>> {
        begin(&self.how, &self.bucket, Lasts::Once, ask)
    }
}

/// Connects, and asks for something of a bucket.
fn begin(
    how: &How,
    bucket: &str,
    lasts: Lasts,
    ask: impl FnOnce(&mut Registry<Run>, &KeyValue<Run>) -> Result<(), KvError>,
) -> Result<(), Box<dyn Error>> {
    let options: ClientOptions = how.options()?;
    run::run(options, lasts, Printer::new(true), |registry, run| {
        let store = KeyValue::new(&run.client, bucket, how.timeout);
        store.and_then(|store| ask(registry, &store)).map_err(|error| match error {
            KvError::Name(_) => Usage(error.to_string()).into(),
            error => error.into(),
        })
    })
}

/// The program ends with what was told.
fn done<T>(
    registry: &mut Registry<Run>,
    run: &mut Run,
    told: Result<T, KvError>,
    print: impl FnOnce(T) -> io::Result<()>,
) {
    let result: Result<(), Box<dyn Error>> = match told {
        Ok(told) => print(told).map_err(Into::into),
        // Why the connection was lost says more, and is told next.
        Err(KvError::Request(RequestError::Lost | RequestError::Closed)) => return,
        Err(error) => Err(failure(error)),
    };
    run.end(registry, result);
}

fn failure(error: KvError) -> Box<dyn Error> {
    match error {
        KvError::NoJetStream | KvError::Request(RequestError::TimedOut(_)) => {
            NoAnswer(error.to_string()).into()
        }
        error => error.into(),
    }
}

fn written(registry: &mut Registry<Run>, run: &mut Run, told: Result<u64, KvError>) {
    done(registry, run, told, output::say);
}

/// The bytes as they are; on a terminal the prompt is to be on a line of its own.
fn print_value(value: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(value)?;
    if stdout.is_terminal() {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

fn handle_event(registry: &mut Registry<Run>, run: &mut Run, event: WatchEvent<'_>) {
    let printed = match event {
        WatchEvent::Entry(entry) => print_entry(&entry),
        WatchEvent::Ended(KvError::Request(RequestError::Closed)) => return,
        WatchEvent::Ended(error) => return run.end(registry, Err(failure(error))),
        _ => return,
    };
    if let Err(error) = printed {
        run.end(registry, Err(error.into()));
    }
}

fn print_entry(entry: &Entry<'_>) -> io::Result<()> {
    let Entry { key, revision, .. } = entry;
    match entry.operation {
        Operation::Put => {
            let value = entry.value.escape_ascii();
            output::say(format_args!("[{revision}] {key}: {value}"))
        }
        Operation::Delete => output::say(format_args!("[{revision}] {key} is deleted")),
        Operation::Purge => output::say(format_args!("[{revision}] {key} is purged")),
    }
}
