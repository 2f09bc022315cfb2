//! One of the programs: what it does, and what it holds against what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use protocols::nats::kv::{Config, KeyValue, KvError, Operation, WatchEvent};
use protocols::nats::{Client, ClientOptions, Message, RequestError, ServerAddr};
use reactor::{Address, Registry};

use super::{BUCKET, COUNTER, Page};
use crate::score::Draws;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long before what did not work is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many things there are to claim.
const CLAIMS: u64 = 3;

pub(super) struct Program {
    client: Client<Program>,
    keys: KeyValue<Program>,
    page: Page,
    /// Which it is, of all that have booted.
    boot: u64,
    /// Numbers of what it has published and asked for.
    last: u64,
    /// Rounds it has still to do.
    rounds: u64,
    /// What was asked for and has not ended.
    open: BTreeSet<u64>,
    /// What has come: of whom, with which number.
    heard: BTreeSet<Mark>,
    /// The last of what was published on one connection and has come on one.
    order: BTreeMap<(u64, u64, u64), u64>,
    /// What the watch has told, and the last revision of it.
    watched: BTreeMap<String, (u64, Vec<u8>)>,
    revision: u64,
    draws: Draws,
}

/// What is published: by which program, and which of its numbers.
pub(super) type Mark = (u64, u64);

pub(super) fn number(text: &[u8]) -> u64 {
    String::from_utf8_lossy(text).parse().unwrap_or_default()
}

impl Program {
    pub(super) fn boot(
        registry: &mut Registry<Self>,
        server: &Address,
        page: &Page,
        rounds: u64,
    ) -> Result<Self, Box<dyn Error>> {
        let boot = page.boots.get() + 1;
        page.boots.set(boot);
        let mut options = ClientOptions::new([ServerAddr::from(server.clone())]);
        options.retry_on_failed_connect = true;
        options.limits.ping_interval = Duration::from_secs(2);
        // Where all that is drawn is zero, the addresses for answers would be those of the other one.
        options.inbox_prefix = format!("_INBOX_{boot}");
        let client = Client::connect(registry, options, |_, _, _| {});
        let keys = KeyValue::new(&client, BUCKET, PATIENCE)?;
        let program = Self {
            client,
            keys,
            page: page.clone(),
            boot,
            last: 0,
            rounds,
            open: BTreeSet::new(),
            heard: BTreeSet::new(),
            order: BTreeMap::new(),
            watched: BTreeMap::new(),
            revision: 0,
            draws: Draws::default(),
        };
        program.client.subscribe(registry, "news.>", |_, program: &mut Self, message| {
            program.hear(message.payload);
        })?;
        program.client.queue_subscribe(
            registry,
            "double",
            "doublers",
            |registry, _, message| {
                Self::answer(registry, message);
            },
        )?;
        program.make_bucket(registry);
        Ok(program)
    }

    /// Whether it has done everything, and all of it has ended.
    pub(super) fn is_quiet(&self) -> bool {
        self.rounds == 0 && self.open.is_empty()
    }

    pub(super) fn has_heard(&self, mark: &Mark) -> bool {
        self.heard.contains(mark)
    }

    /// What it knows of the bucket.
    pub(super) fn watched(&self) -> &BTreeMap<String, (u64, Vec<u8>)> {
        &self.watched
    }

    pub(super) fn close(&self, registry: &mut Registry<Self>) {
        self.client.close(registry);
    }

    // ── beginning, and one round after the other ────────────────────────────────────────────

    /// Makes the bucket, if nobody has; until it is there.
    fn make_bucket(&self, registry: &mut Registry<Self>) {
        let asked = self.keys.create_bucket(
            registry,
            &Config::default(),
            |registry, program: &mut Self, made| match made {
                Ok(()) => program.begin_rounds(registry),
                Err(_) => Self::make_bucket_later(registry),
            },
        );
        if asked.is_err() {
            Self::make_bucket_later(registry);
        }
    }

    fn make_bucket_later(registry: &mut Registry<Self>) {
        let again = registry.after(PAUSE, |registry, program: &mut Self| {
            program.make_bucket(registry);
        });
        again.expect("there are timers");
    }

    fn begin_rounds(&mut self, registry: &mut Registry<Self>) {
        let watched = self.keys.watch(registry, ">", |_, program: &mut Self, event| {
            program.handle_watch(event);
        });
        if watched.is_err() {
            return Self::make_bucket_later(registry);
        }
        for round in 0..self.rounds {
            let begun = registry.after(Duration::from_millis(600 * round), |registry, program| {
                Self::round(program, registry);
            });
            begun.expect("there are timers");
        }
    }

    fn round(&mut self, registry: &mut Registry<Self>) {
        self.rounds -= 1;
        for _ in 0..3 {
            self.publish(registry);
        }
        // Some answers come too late.
        let patience =
            if self.rounds.is_multiple_of(2) { PATIENCE } else { Duration::from_secs(2) };
        self.ask(registry, patience);
        self.claim(registry);
        self.count(registry);
    }

    /// Something is asked for, which is to end once.
    fn begin(&mut self) -> u64 {
        self.last += 1;
        self.open.insert(self.last);
        self.last
    }

    fn end(&mut self, number: u64, well: bool) {
        if !self.open.remove(&number) {
            self.object(format!("{number} of program {} ends twice", self.boot));
        }
        self.page.score.note_end(well);
    }

    fn object(&self, wrong: String) {
        self.page.score.note_wrong(wrong);
    }

    // ── publishing, asking, answering ───────────────────────────────────────────────────────

    /// Publishes something; without room it does not.
    pub(super) fn publish(&mut self, registry: &mut Registry<Self>) -> Option<Mark> {
        self.last += 1;
        // What is kept leaves by the next connection.
        let connection = self.client.statistics().connects + u64::from(!self.client.is_connected());
        let text = format!("{} {connection} {}", self.boot, self.last);
        let subject = format!("news.{}", self.draws.draw(registry) % 3);
        self.client.publish(registry, &subject, text.as_bytes()).ok()?;
        Some((self.boot, self.last))
    }

    fn hear(&mut self, payload: &[u8]) {
        let numbers: Vec<u64> = payload.split(|&byte| byte == b' ').map(number).collect();
        let &[boot, connection, number] = &*numbers else {
            return self.object(format!("nobody has published {numbers:?}"));
        };
        if !self.heard.insert((boot, number)) {
            self.object(format!("{number} of program {boot} comes twice to {}", self.boot));
        }
        let on = (boot, connection, self.client.statistics().connects);
        if let Some(before) = self.order.insert(on, number)
            && before >= number
        {
            self.object(format!("{number} of program {boot} comes behind {before}"));
        }
    }

    fn ask(&mut self, registry: &mut Registry<Self>, patience: Duration) {
        let asked = self.begin();
        let payload = asked.to_string();
        let sent = self.client.request(
            registry,
            "double",
            payload.as_bytes(),
            patience,
            move |_, program: &mut Self, answer| {
                if let Ok(message) = &answer
                    && number(message.payload) != 2 * asked
                {
                    program.object(format!("twice {asked} is {:?}", message.payload));
                }
                program.end(asked, answer.is_ok());
            },
        );
        if sent.is_err() {
            self.end(asked, false);
        }
    }

    fn answer(registry: &mut Registry<Self>, message: &Message<'_>) {
        let (asked, reply) = (number(message.payload), message.reply.unwrap_or_default());
        let reply = reply.to_owned();
        // Without room for it nobody is answered, and who has asked is told so in time.
        let _ = registry.offload(
            move || 2 * asked,
            move |registry, program: &mut Self, doubled| {
                if let Ok(doubled) = doubled {
                    let client = &program.client;
                    let _ = client.publish(registry, &reply, doubled.to_string().as_bytes());
                }
            },
        );
    }

    // ── claims ──────────────────────────────────────────────────────────────────────────────

    /// Claims something, and if it gets it, gives it up a little later.
    fn claim(&mut self, registry: &mut Registry<Self>) {
        let asked = self.begin();
        let key = format!("claim.{}", self.draws.draw(registry) % CLAIMS);
        let claim = Claim { asked, key: key.clone(), value: format!("{} {asked}", self.boot) };
        let value = claim.value.clone();
        let sent = self.keys.create(
            registry,
            &key,
            value.as_bytes(),
            move |registry, program: &mut Self, told| match told {
                Ok(revision) => program.hold(registry, claim, revision),
                Err(KvError::Exists) => program.end(asked, true),
                Err(_) => program.look_whose_it_is(registry, claim),
            },
        );
        if sent.is_err() {
            self.end(asked, false);
        }
    }

    /// It may have been carried out, even if nobody has told.
    fn look_whose_it_is(&mut self, registry: &mut Registry<Self>, claim: Claim) {
        let (asked, key) = (claim.asked, claim.key.clone());
        let sent = self.keys.entry(registry, &key, move |registry, program: &mut Self, told| {
            let ours = told.ok().flatten().filter(|entry| entry.value == claim.value.as_bytes());
            match ours.map(|entry| entry.revision) {
                Some(revision) => program.hold(registry, claim, revision),
                None => program.end(asked, false),
            }
        });
        if sent.is_err() {
            self.end(asked, false);
        }
    }

    fn hold(&mut self, registry: &mut Registry<Self>, claim: Claim, revision: u64) {
        let before = self.page.holders.borrow_mut().insert(claim.key.clone(), self.boot);
        if let Some(before) = before {
            self.object(format!("{} is held by {before} and by {}", claim.key, self.boot));
        }
        let time = Duration::from_millis(self.draws.draw(registry) % 400);
        let kept = registry.after(time, move |registry, program: &mut Self| {
            program.give_up(registry, &claim, revision);
        });
        kept.expect("there are timers");
    }

    fn give_up(&mut self, registry: &mut Registry<Self>, claim: &Claim, revision: u64) {
        let asked = claim.asked;
        // From now on somebody else may get it.
        self.page.holders.borrow_mut().remove(&claim.key);
        let sent = self.keys.delete(
            registry,
            &claim.key,
            Some(revision),
            move |_, program: &mut Self, told| {
                if told == Err(KvError::WrongRevision) {
                    program.object("a claim was taken from its holder".to_owned());
                }
                program.end(asked, told.is_ok());
            },
        );
        if sent.is_err() {
            self.end(asked, false);
        }
    }

    // ── counting ────────────────────────────────────────────────────────────────────────────

    /// Reads the counter, and writes it one higher if nobody else has meanwhile.
    fn count(&mut self, registry: &mut Registry<Self>) {
        let asked = self.begin();
        let sent = self.keys.entry(registry, COUNTER, move |registry, program: &mut Self, told| {
            let Ok(entry) = told else { return program.end(asked, false) };
            let (revision, value) =
                entry.map_or((0, 0), |entry| (entry.revision, number(entry.value)));
            program.write_counter(registry, asked, value + 1, revision);
        });
        if sent.is_err() {
            self.end(asked, false);
        }
    }

    fn write_counter(
        &mut self,
        registry: &mut Registry<Self>,
        asked: u64,
        value: u64,
        revision: u64,
    ) {
        let uncertain = &self.page.uncertain;
        uncertain.set(uncertain.get() + 1);
        let text = value.to_string();
        let sent = self.keys.update(
            registry,
            COUNTER,
            text.as_bytes(),
            revision,
            move |_, program: &mut Self, told| {
                let is_certain = matches!(told, Ok(_) | Err(KvError::WrongRevision));
                let (counted, uncertain) = (&program.page.counted, &program.page.uncertain);
                uncertain.set(uncertain.get() - u64::from(is_certain));
                counted.set(counted.get() + u64::from(told.is_ok()));
                program.end(asked, is_certain);
            },
        );
        if sent.is_err() {
            uncertain.set(uncertain.get() - 1);
            self.end(asked, false);
        }
    }

    fn handle_watch(&mut self, event: WatchEvent<'_>) {
        match event {
            WatchEvent::Entry(entry) => {
                if entry.revision <= self.revision {
                    self.object(format!("{} is told behind {}", entry.revision, self.revision));
                }
                self.revision = entry.revision;
                match entry.operation {
                    Operation::Put => {
                        let told = (entry.revision, entry.value.to_vec());
                        self.watched.insert(entry.key.to_owned(), told);
                    }
                    _ => drop(self.watched.remove(entry.key)),
                }
            }
            // That it is closed is the end of the scenario.
            WatchEvent::Ended(error) if error != KvError::Request(RequestError::Closed) => {
                self.object(format!("a watch has ended: {error}"));
            }
            _ => {}
        }
    }
}

/// A claim that was asked for.
struct Claim {
    asked: u64,
    key: String,
    value: String,
}
