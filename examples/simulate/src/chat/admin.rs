//! Those who run the machines: each makes accounts and bans on its own server, changes and ends them, and all write into
//! one ledger what they began, and what was confirmed. In the end the accounts of all servers have to be such as follow
//! of that.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use protocols::chat::Server;
use protocols::chat::accounts::NotSaved;
use protocols::password::PasswordHash;
use reactor::Registry;

use super::SECRET;
use super::crowd::ACCOUNTS;
use crate::score::{Draws, Score};

/// A password that nobody knows, as cheap as [`SECRET`].
const OTHER: &str = "$argon2id$v=19$m=8,t=1,p=1$b3RoZXJzYWx0$L1qnTgpsWMa/dMHjDHhQFw";
const PASSWORDS: [&str; 2] = [SECRET, OTHER];
const REASONS: [&str; 2] = ["loud", "too loud"];

/// What each does in each life of its server.
const ACTS: u64 = 8;
/// The most time between two acts, in milliseconds.
const PACE: u64 = 4_000;

/// What an account or a ban is: which of two passwords or reasons it has; none if it is not there.
type Value = Option<usize>;

/// What was done to accounts and bans. It outlives the servers.
#[derive(Clone, Default)]
pub(super) struct Ledger(Rc<RefCell<Pages>>);

#[derive(Default)]
struct Pages {
    /// Counts what is begun and what ends.
    clock: u64,
    acts: Vec<Act>,
}

#[derive(Clone, Debug)]
struct Act {
    key: String,
    value: Value,
    /// Where it was done, and in which life.
    by: (&'static str, u64),
    begun: u64,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody has said.
    Open,
    /// It was confirmed at that time.
    Kept(u64),
    /// It was refused, and has not happened.
    Refused,
    /// It may have happened, or happen yet.
    Unknown,
}

impl Ledger {
    fn begin(&self, key: &str, value: Value, by: (&'static str, u64)) -> usize {
        let mut pages = self.0.borrow_mut();
        pages.clock += 1;
        let begun = pages.clock;
        pages.acts.push(Act { key: key.to_owned(), value, by, begun, fate: Fate::Open });
        pages.acts.len() - 1
    }

    fn end(&self, act: usize, ended: &Result<(), NotSaved>) -> Result<(), String> {
        let mut pages = self.0.borrow_mut();
        pages.clock += 1;
        let now = pages.clock;
        let Some(act) = pages.acts.get_mut(act) else { return Ok(()) };
        if act.fate != Fate::Open {
            return Err(format!("{act:?} is answered twice, now with {ended:?}"));
        }
        act.fate = match ended {
            Ok(()) => Fate::Kept(now),
            Err(NotSaved::Conflict | NotSaved::Away | NotSaved::Refused(_)) => Fate::Refused,
            Err(_) => Fate::Unknown,
        };
        Ok(())
    }

    /// What is not as it must be once all is quiet, and these are the accounts and bans of a server.
    pub(super) fn contradiction(
        &self,
        lives: &[(&'static str, u64)],
        server: &mut Server,
    ) -> Option<String> {
        let mut now: BTreeMap<String, Value> = BTreeMap::new();
        let place = |texts: &[&str], text: &str| texts.iter().position(|it| *it == text);
        for account in server.accounts().accounts() {
            let password = place(&PASSWORDS, &account.password().to_string());
            now.insert(account.name().to_owned(), password);
        }
        for ban in server.accounts().bans() {
            now.insert(ban.mask.clone(), place(&REASONS, &ban.reason));
        }
        let pages = self.0.borrow();
        let mut by_key: BTreeMap<&str, Vec<&Act>> = BTreeMap::new();
        for act in &pages.acts {
            if act.fate == Fate::Open && lives.contains(&act.by) {
                return Some(format!("nobody has said what became of {act:?}"));
            }
            if act.fate != Fate::Refused {
                by_key.entry(&act.key).or_default().push(act);
            }
        }
        by_key.into_iter().find_map(|(key, acts)| {
            let value = now.get(key).copied().flatten();
            let is_explained = explains(&acts, value);
            (!is_explained).then(|| format!("{key} is {value:?}, after {acts:#?}"))
        })
    }
}

/// Whether something may have this value, after these acts: one has given it that, and none that was confirmed came
/// behind.
fn explains(acts: &[&Act], value: Value) -> bool {
    let is_last = |ended: u64| {
        !acts.iter().any(|later| matches!(later.fate, Fate::Kept(_)) && later.begun > ended)
    };
    let is_given = |act: &Act| match act.fate {
        Fate::Kept(ended) => is_last(ended),
        Fate::Open | Fate::Unknown => true,
        Fate::Refused => false,
    };
    let was_never = value.is_none() && is_last(0);
    was_never || acts.iter().any(|act| act.value == value && is_given(act))
}

/// Who runs one machine.
pub(super) struct Admin {
    pub(super) node: &'static str,
    pub(super) life: u64,
    pub(super) ledger: Ledger,
    pub(super) score: Score,
    pub(super) draws: Draws,
    pub(super) left: u64,
}

impl Admin {
    pub(super) fn new(node: &'static str, life: u64, ledger: &Ledger, score: &Score) -> Self {
        let (ledger, score) = (ledger.clone(), score.clone());
        Self { node, life, ledger, score, draws: Draws::default(), left: ACTS }
    }

    /// Begins to do things.
    pub(super) fn come(mut self, registry: &mut Registry<Server>) {
        let wait = Duration::from_millis(500 + self.draws.draw(registry) % PACE);
        // Without a timer it does nothing more.
        let _ = registry.after(wait, move |registry, server: &mut Server| {
            self.act(registry, server);
            self.left -= 1;
            if self.left > 0 {
                self.come(registry);
            }
        });
    }

    fn act(&mut self, registry: &mut Registry<Server>, server: &mut Server) {
        let bits = self.draws.draw(registry);
        let can_change = server.accounts().can_change().is_ok();
        // What cannot be done is tried now and then.
        if !can_change && bits & 0x300 != 0 {
            return;
        }
        let changed = match bits % 8 {
            0 => self.ban(registry, server, bits >> 16),
            _ => self.change_account(registry, server, bits >> 16),
        };
        let Some((key, value)) = changed else { return };
        let act = self.ledger.begin(&key, value, (self.node, self.life));
        let (ledger, score) = (self.ledger.clone(), self.score.clone());
        server.accounts().commit(registry, move |_, _, kept| {
            if kept.is_ok() && !can_change {
                score.note_wrong(format!("{key} is {value:?}, and could not be changed"));
            }
            if let Err(wrong) = ledger.end(act, &kept) {
                score.note_wrong(wrong);
            }
        });
    }

    /// Makes an account, gives it the other password, or ends it.
    fn change_account(
        &mut self,
        registry: &mut Registry<Server>,
        server: &mut Server,
        bits: u64,
    ) -> Option<(String, Value)> {
        let name = format!("u{}", bits % ACCOUNTS);
        let hash = |at: usize| PASSWORDS[at].parse::<PasswordHash>().expect("it is one");
        let accounts = server.accounts();
        match accounts.account(&name).map(|account| account.password().to_string()) {
            None => {
                let now = registry.wall_clock();
                accounts.create(&name, hash(0), now).ok().map(|()| (name, Some(0)))
            }
            Some(_) if (bits >> 8).is_multiple_of(3) => {
                server.remove_account(registry, &name).ok().map(|_| (name, None))
            }
            Some(password) => {
                let other = usize::from(password == PASSWORDS[0]);
                accounts.set_password(&name, hash(other)).ok().map(|()| (name, Some(other)))
            }
        }
    }

    /// Bans somebody, for another reason than before, or lifts that.
    fn ban(
        &mut self,
        registry: &mut Registry<Server>,
        server: &mut Server,
        bits: u64,
    ) -> Option<(String, Value)> {
        let mask = format!("*!~n{}@*", bits % 2);
        let before = server.accounts().bans().find(|ban| ban.mask == mask);
        let before = before.map(|ban| ban.reason.clone());
        if before.is_some() && (bits >> 8).is_multiple_of(2) {
            return server.unban(&mask).ok().map(|()| (mask, None));
        }
        let reason = usize::from(before.is_some_and(|it| it == REASONS[0]));
        server.ban(registry, &mask, REASONS[reason]).ok().map(|_| (mask, Some(reason)))
    }
}
