//! Asking backends whether they are well, whoever else asks them.
//!
//! ```text
//!   Well ──── so many checks in a row that failed ────▶ Ill
//!    ▲                                                   │
//!    └── so many in a row that were answered well ◀──────┘
//! ```
//!
//! One that is ill is passed over, as one is that rests. When nobody is left, one is tried all the same: a check that is
//! wrong is no reason to answer nobody.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use http::StatusCode;
use reactor::{Registry, TimerId, TimersFull};
use thiserror::Error;

use super::{Backend, Shared};
use crate::http::client::{
    self, Ask, Call, Client, ClientLimits, ClientOptions, Failure, NoUrl, Reader, Url,
};
use crate::http::wire::Response;

/// How backends are asked whether they are well: with GET, on connections of its own, one check after the other. A
/// status of 200 to 399 is well, whatever follows it, and for however long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// What is asked for, below the path that the backend's URL has. Default `/`.
    pub path: String,
    /// How often.
    ///
    /// Default 5 s.
    pub interval: Duration,
    /// How long connecting may take, and how long the head of the answer; also how long its body is thrown away,
    /// before the connection is.
    ///
    /// Default 2 s: one that takes longer keeps clients waiting.
    pub timeout: Duration,
    /// Checks in a row that fail before a backend is passed over.
    ///
    /// Default 3: one alone may be the network's fault.
    pub fall: u32,
    /// Checks in a row that are well before it has its turn again.
    ///
    /// Default 2: who has just started may fall again.
    pub rise: u32,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
        }
    }
}

/// Why backends are not checked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotWatched {
    /// It is no path.
    #[error("{0:?} is no path: one begins with a slash")]
    Path(String),
    /// There are too many timers.
    #[error(transparent)]
    Timers(#[from] TimersFull),
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unwell {
    /// There was no answer.
    #[error(transparent)]
    Failed(Failure),
    /// The answer was this.
    #[error("it answers {0}")]
    Status(StatusCode),
}

/// What checks have found of a backend, and how many in a row say something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well { failed: u32 },
    Ill { answered: u32 },
}

impl Health {
    /// After one more check.
    pub(super) fn after(self, is_well: bool, checks: &Checks) -> Self {
        match (self, is_well) {
            (Self::Well { .. }, true) => Self::Well { failed: 0 },
            (Self::Ill { .. }, false) => Self::Ill { answered: 0 },
            (Self::Well { failed }, false) if failed + 1 < checks.fall => {
                Self::Well { failed: failed + 1 }
            }
            (Self::Ill { answered }, true) if answered + 1 < checks.rise => {
                Self::Ill { answered: answered + 1 }
            }
            (Self::Well { .. }, false) => Self::Ill { answered: 0 },
            (Self::Ill { .. }, true) => Self::Well { failed: 0 },
        }
    }

    pub(super) fn is_well(self) -> bool {
        matches!(self, Self::Well { .. })
    }
}

/// Asks all backends now, and again and again for as long as there is the proxy.
pub(super) fn watch<App: 'static>(
    shared: &Rc<Shared<App>>,
    checks: Checks,
    registry: &mut Registry<App>,
) -> Result<(), NotWatched> {
    let (interval, checks) = (checks.interval, Rc::new(checks));
    let mut watched = Vec::new();
    for (at, backend) in shared.backends.iter().enumerate() {
        let url = url_of(backend, &checks.path)?;
        let client = Client::new(client_options(backend, checks.timeout));
        watched.push(Watched { at, url, client });
    }
    let proxy = Rc::downgrade(shared);
    // Whether there is still somebody to ask for.
    let ask = move |registry: &mut Registry<App>| {
        let Some(shared) = proxy.upgrade() else {
            return false;
        };
        // A check would be refused then, which says nothing of a backend.
        if !registry.is_shutting_down() {
            watched.iter().for_each(|it| it.ask(&shared, &checks, registry));
        }
        true
    };
    ask(registry);
    let timer = Rc::new(Cell::new(None));
    let own = Rc::clone(&timer);
    let beat = registry.every(interval, move |registry, _| {
        if !ask(registry)
            && let Some(timer) = own.take()
        {
            registry.cancel(timer);
        }
    })?;
    timer.set(Some(beat));
    Ok(())
}

struct Watched<App> {
    at: usize,
    url: Url,
    client: Client<App>,
}

impl<App: 'static> Watched<App> {
    /// Asks, unless it is still being asked.
    fn ask(&self, shared: &Rc<Shared<App>>, checks: &Rc<Checks>, registry: &mut Registry<App>) {
        let is_free = shared.backends.begin_check(self.at);
        if let (true, Some(address)) = (is_free, shared.backends.address(self.at)) {
            let ask =
                Ask::get(&self.url).field("User-Agent", "check").with_head_timeout(checks.timeout);
            let (shared, checks) = (Rc::downgrade(shared), Rc::clone(checks));
            let check = Check { shared, checks, at: self.at, heard: Heard::Nothing };
            self.client.send(registry, &address, ask, check);
        }
    }
}

fn url_of<App: 'static>(backend: &Backend<App>, path: &str) -> Result<Url, NotWatched> {
    let no_path = |_: NoUrl| NotWatched::Path(path.to_owned());
    if !path.starts_with('/') {
        return Err(NotWatched::Path(path.to_owned()));
    }
    let (scheme, host) = (backend.url.scheme(), backend.host());
    format!("{scheme}://{host}{}{path}", backend.prefix()).parse().map_err(no_path)
}

fn client_options<App: 'static>(backend: &Backend<App>, timeout: Duration) -> ClientOptions {
    let ClientOptions { mut connect, limits } = backend.client.options().clone();
    connect.limits.connect_timeout = Some(timeout);
    let limits = ClientLimits { connections: 1, silence: timeout, ..limits };
    ClientOptions { connect, limits }
}

/// One check.
struct Check<App> {
    shared: Weak<Shared<App>>,
    checks: Rc<Checks>,
    at: usize,
    heard: Heard,
}

enum Heard {
    Nothing,
    /// The head, which is the verdict. The body is thrown away, so that the connection can be asked again.
    Head {
        /// Bytes of the body that have come.
        taken: usize,
        /// Gives up a body that goes on and on.
        deadline: Option<TimerId>,
    },
}

/// A body of so many bytes is thrown away; of a longer one the connection is.
const MOST: usize = 64 * 1024;

impl<App: 'static> Check<App> {
    fn note(&self, result: Result<(), Unwell>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.note_check(self.at, result, &self.checks);
        }
    }
}

impl<App: 'static> Reader<App> for Check<App> {
    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, _: &mut App) {
        let status = response.status();
        let is_well = status.is_success() || status.is_redirection();
        self.note(if is_well { Ok(()) } else { Err(Unwell::Status(status)) });
        let id = call.id();
        let deadline = call.registry().after(self.checks.timeout, move |registry, _| {
            // It may have ended in this turn.
            let _ = client::with(registry, id, |call, _| call.cancel());
        });
        if deadline.is_err() {
            call.cancel();
        }
        self.heard = Heard::Head { taken: 0, deadline: deadline.ok() };
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, _: &mut App) {
        if let Heard::Head { taken, .. } = &mut self.heard {
            *taken += bytes.len();
            if *taken > MOST {
                call.cancel();
            }
        }
    }

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        _: &mut App,
    ) {
        match (&self.heard, outcome) {
            (Heard::Head { deadline, .. }, _) => {
                deadline.map(|timer| registry.cancel(timer));
            }
            // It may be our own doing.
            (Heard::Nothing, _) if registry.is_shutting_down() => {}
            (Heard::Nothing, outcome) => {
                self.note(Err(Unwell::Failed(outcome.err().unwrap_or(Failure::NoAnswer))));
            }
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.backends.end_check(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_several_in_a_row_either_way() {
        let checks = Checks { fall: 3, rise: 2, ..Checks::default() };
        let mut health = Health::Well { failed: 0 };
        let mut said = String::new();
        for letter in "--+---+-++--".chars() {
            health = health.after(letter == '+', &checks);
            said.push(if health.is_well() { 'w' } else { 'i' });
        }
        assert_eq!(said, "wwwwwiiiiwww");
        // None is as good as one.
        let checks = Checks { fall: 0, rise: 0, ..checks };
        let health = health.after(false, &checks);
        assert!(!health.is_well() && health.after(true, &checks).is_well());
    }
}
