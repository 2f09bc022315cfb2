//! What the sessions of an FTP server share: who may log in and where, how many there are, what they have
//! done.
//!
//! | file | what it is |
//! |---|---|
//! | `session` | one client: its control connection, and everything that is done for it |
//! | `data`, `data_port` | one data connection: what it carries, and who may open it |
//! | [`users`] | who may log in, where they are then, and what they may do |
//! | [`listing`], `glob` | directories on their way, in three styles; patterns in the names of lists |
//! | `network`, `on_loop` | what a session needs of the loop; the loop as that, and the calls that open sockets |
//! | `limits` | how a server is set up: every bound, its default, and the reason for it |
//! | `pace` | how fast bytes may go |
//! | `record` | what a program is told: a log of transfers, and of what was refused |

pub(super) mod data;
mod data_port;
mod glob;
mod limits;
pub mod listing;
mod network;
mod on_loop;
mod pace;
mod record;
mod session;
pub mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{ConnectionId, Registry};

use crate::budget::host;
use crate::counts::Counts;
use crate::password::{Check, HashQueue};
use crate::transfer::store::{Quota, Store};
#[cfg(feature = "tls")]
pub use limits::TlsSettings;
pub use limits::{Limits, Settings};
pub use on_loop::listen;
#[cfg(feature = "tls")]
pub use on_loop::listen_implicit;
use pace::Pace;
pub use record::{Direction, Event, Transfer};
pub use session::Session;
use users::{Checked, User, Users};

/// The state of an FTP server: part of the application, shared by all its sessions.
///
/// ```
/// use protocols::transfer::ftp::{self, Server, Settings, users::Users};
/// use protocols::transfer::store::{Access, Store};
/// use reactor::{ListenOptions, Reactor};
///
/// let directory = tempfile::tempdir()?;
/// let store = Store::open(directory.path(), Access::ReadOnly)?;
/// let mut server = Server::new(Settings::default(), Users::anonymous_only(), store);
/// server.set_log(|event| println!("{event}"));
///
/// let mut reactor = Reactor::<Server>::new()?;
/// ftp::listen(reactor.registry(), "127.0.0.1:0".parse()?, &ListenOptions::default())?;
/// # reactor.registry().shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut server)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    settings: Settings,
    users: Users,
    store: Store,
    /// How many connections there are from each address.
    by_address: Counts<IpAddr>,
    /// How many sessions each user has.
    by_user: Counts<String>,
    /// Who is logged in on which control connection.
    logged_in: BTreeMap<ConnectionId, String>,
    /// What each user with a quota has used; it lasts as long as the server.
    quotas: BTreeMap<String, Arc<Quota>>,
    /// Whose passwords are looked at, and whose wait.
    hash_queue: HashQueue<Check<Checked>>,
    pace: Pace,
    counters: Counters,
    log: Option<Log>,
}

type Log = Box<dyn FnMut(&Event)>;

/// What a server has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that are open.
    pub open: u64,
    /// Connections that were ever open.
    pub sessions: u64,
    /// Connections that were turned away, since there were too many, or too many logging in.
    pub turned_away: u64,
    /// Logins.
    pub logins: u64,
    /// Logins that failed.
    pub failed_logins: u64,
    /// Files that were fetched, whole or to the end.
    pub downloads: u64,
    /// Files that were brought, whole.
    pub uploads: u64,
    /// Transfers that ended early.
    pub failed_transfers: u64,
    /// Bytes of files that went out.
    pub bytes_out: u64,
    /// Bytes of files that came in.
    pub bytes_in: u64,
    /// Strangers that came to a port which was meant for somebody else.
    pub data_refused: u64,
    /// Connections to elsewhere that were asked for, and refused.
    pub bounces_refused: u64,
}

/// What they are told whose sessions whoever runs the machine ends (RFC 959, 4.2: it is closing).
const KICKED: &[u8] = b"421 The operator of the machine has ended this session.\r\n";

/// There are too many sessions already.
pub(super) struct TooMany;

impl Server {
    /// A server that has done nothing yet.
    #[must_use]
    pub fn new(settings: Settings, users: Users, store: Store) -> Self {
        Self {
            pace: Pace::new(settings.limits.total_rate),
            settings,
            users,
            store,
            by_address: Counts::new(),
            by_user: Counts::new(),
            logged_in: BTreeMap::new(),
            quotas: BTreeMap::new(),
            hash_queue: HashQueue::new(),
            counters: Counters::default(),
            log: None,
        }
    }

    /// Has a closure told of everything that a program may want to log. It runs on the loop, so it should
    /// not take long.
    pub fn set_log(&mut self, log: impl FnMut(&Event) + 'static) {
        self.log = Some(Box::new(log));
    }

    /// Exchanges the users. Those who are logged in stay so, with what they may do and the quota they have;
    /// what has changed counts when they log in again.
    pub fn set_users(&mut self, users: Users) {
        let before = std::mem::replace(&mut self.users, users);
        let kept = |user: Option<&User>| user.map(|user| (user.quota, user.home.clone()));
        self.quotas.retain(|name, _| kept(before.get(name)) == kept(self.users.get(name)));
    }

    /// Who may log in.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Who is logged in, once for each of their sessions.
    pub fn logged_in(&self) -> impl Iterator<Item = &str> {
        self.logged_in.values().map(String::as_str)
    }

    /// Ends all sessions of a user, with what is being transferred in them; how many there were. Without another word
    /// they may log in again: see [`set_users`](Self::set_users).
    pub fn kick<App: 'static>(&self, registry: &mut Registry<App>, user: &str) -> usize {
        let theirs = self.logged_in.iter().filter(|(_, name)| *name == user);
        theirs
            .map(|(&id, _)| {
                // Who has just gone need not be told.
                let _ = registry.send(id, Bytes::from_static(KICKED));
                let _ = registry.close(id);
            })
            .count()
    }

    /// How it is set up.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many hashes of passwords it has computed, whatever came of them.
    #[must_use]
    pub fn hashes_computed(&self) -> u64 {
        self.hash_queue.computed()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    // ── sessions ────────────────────────────────────────────────────────────────────────────

    /// Lets a connection in, if there is room.
    fn admit(&mut self, peer: IpAddr) -> Result<(), TooMany> {
        let Limits { sessions, sessions_per_address, .. } = *self.limits();
        if self.by_address.all() < sessions
            && self.by_address.take(host(peer), sessions_per_address)
        {
            return Ok(());
        }
        self.counters.turned_away += 1;
        Err(TooMany)
    }

    /// A connection that was let in has ended.
    pub(super) fn dismiss(&mut self, peer: IpAddr) {
        self.by_address.give_back(&host(peer));
    }

    pub(super) fn open_session(&mut self, peer: IpAddr) {
        self.counters.open += 1;
        self.counters.sessions += 1;
        self.tell(&Event::Connected { peer });
    }

    pub(super) fn close_session(&mut self, id: ConnectionId, peer: IpAddr) {
        self.dismiss(peer);
        self.hash_queue.forget(|check| check.session == id);
        self.counters.open -= 1;
        self.tell(&Event::Disconnected { peer });
    }

    // ── users ───────────────────────────────────────────────────────────────────────────────

    /// Counts a session of a user; whether there may be one more.
    pub(super) fn log_in(&mut self, key: &str, id: ConnectionId, name: &str) -> bool {
        let most = self.limits().sessions_per_user;
        let may = self.by_user.take(key.to_owned(), most);
        if may {
            self.logged_in.insert(id, name.to_owned());
        }
        self.counters.logins += u64::from(may);
        may
    }

    pub(super) fn log_out(&mut self, key: &str, id: ConnectionId) {
        self.logged_in.remove(&id);
        self.by_user.give_back(key);
    }

    pub(super) fn hash_queue(&mut self) -> &mut HashQueue<Check<Checked>> {
        &mut self.hash_queue
    }

    pub(super) fn login_put_off(&mut self, peer: IpAddr, user: String) {
        self.counters.turned_away += 1;
        self.tell(&Event::LoginPutOff { peer, user });
    }

    pub(super) fn login_failed(&mut self, peer: IpAddr, user: &str) {
        self.counters.failed_logins += 1;
        self.tell(&Event::LoginFailed { peer, user: user.to_owned() });
    }

    pub(super) fn quota_of(&self, user: &str) -> Option<Arc<Quota>> {
        self.quotas.get(user).cloned()
    }

    /// Remembers what a user has used; what is remembered already is better.
    pub(super) fn remember_quota(&mut self, user: &str, quota: Arc<Quota>) -> Arc<Quota> {
        Arc::clone(self.quotas.entry(user.to_owned()).or_insert(quota))
    }

    // ── transfers ───────────────────────────────────────────────────────────────────────────

    /// Bytes that may go at once, if nobody else's did.
    pub(super) fn portion(&self, wanted: u64) -> u64 {
        self.pace.portion(wanted)
    }

    /// Bytes have gone: how long it takes until more may.
    pub(super) fn bytes_moved(
        &mut self,
        direction: Direction,
        bytes: u64,
        now: Instant,
    ) -> Duration {
        match direction {
            Direction::Download => self.counters.bytes_out += bytes,
            Direction::Upload => self.counters.bytes_in += bytes,
        }
        self.pace.handle_moved(bytes, now)
    }

    pub(super) fn transferred(&mut self, transfer: Transfer) {
        match (transfer.complete, transfer.direction) {
            (false, _) => self.counters.failed_transfers += 1,
            (true, Direction::Download) => self.counters.downloads += 1,
            (true, Direction::Upload) => self.counters.uploads += 1,
        }
        self.tell(&Event::Transferred(transfer));
    }

    pub(super) fn tell(&mut self, event: &Event) {
        match event {
            Event::DataRefused { .. } => self.counters.data_refused += 1,
            Event::BounceRefused { .. } => self.counters.bounces_refused += 1,
            _ => {}
        }
        if let Some(log) = &mut self.log {
            log(event);
        }
    }
}

impl AsMut<Self> for Server {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open, sessions, downloads, uploads, bytes_out, bytes_in, .. } = self;
        write!(f, "{sessions} sessions ({open} open), ")?;
        write!(
            f,
            "{downloads} downloads ({bytes_out} bytes), {uploads} uploads ({bytes_in} bytes)"
        )?;
        let rest = [
            (self.failed_transfers, "transfers failed"),
            (self.failed_logins, "logins failed"),
            (self.turned_away, "clients turned away"),
            (self.data_refused, "strangers refused at data ports"),
            (self.bounces_refused, "bounces refused"),
        ];
        rest.into_iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, "; {count} {what}"))
    }
}
