//! What there is to know of a session.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use reactor::{ConnectionId, ListenerId, TimerKey};

use super::security::Security;
use super::transfer::Running;
use crate::transfer::ftp::Settings;
use crate::transfer::ftp::server::data_port::PassivePort;
use crate::transfer::ftp::server::listing::Facts;
use crate::transfer::ftp::server::network::Network;
use crate::transfer::ftp::server::pace::Pace;
use crate::transfer::ftp::server::users::Permissions;
use crate::transfer::ftp::wire::command::{Command, CommandError, Type};
use crate::transfer::ftp::wire::telnet::Telnet;
use crate::transfer::store::{Store, VirtualPath};

/// The time for a data connection is over.
pub(super) const CHANNEL: TimerKey = TimerKey(0);
/// The answer to a failed login has been held back for long enough.
pub(super) const LOGIN: TimerKey = TimerKey(1);
/// The client could have been silent for too long.
pub(super) const SILENCE: TimerKey = TimerKey(2);

/// The server's side of one control connection.
#[derive(Debug)]
pub struct Session {
    pub(super) peer: IpAddr,
    pub(super) telnet: Telnet,
    /// Where the client has reached this server: data connections are opened from and at the same host.
    pub(super) local: SocketAddr,
    /// When the time for a login began: since then nobody is logged in.
    pub(super) logged_out_since: Instant,
    /// When the client said something last, or something that it wanted was done.
    pub(super) active: Instant,
    /// When it is looked whether it has.
    pub(super) watched: Option<Instant>,
    pub(super) security: Security,
    pub(super) login: Login,
    pub(super) failed_logins: u32,
    pub(super) work: Work,
    pub(super) channel: Channel,
    /// `EPSV ALL` was said.
    pub(super) only_epsv: bool,
    pub(super) kind: Type,
    pub(super) restart: u64,
    pub(super) rename_from: Option<VirtualPath>,
    pub(super) directory: VirtualPath,
    pub(super) umask: u32,
    pub(super) facts: Facts,
    /// How fast its files may go; the data connection keeps to it.
    pub(super) pace: Rc<Cell<Pace>>,
    pub(super) keep_uploads: bool,
    /// What was said and has yet to be done.
    pub(super) waiting: VecDeque<Heard>,
    /// The client wants to be heard out of turn.
    pub(super) interrupted: bool,
    /// The control connection is not read, since too much waits.
    pub(super) paused: bool,
    /// Goodbye is to be said when everything is done.
    pub(super) leaving: Option<Leaving>,
}

/// Who it is.
#[derive(Debug)]
pub(super) enum Login {
    Nobody,
    /// Somebody says who they are, and has yet to prove it.
    Named(String),
    In(Account),
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) anonymous: bool,
    /// What sessions of one user are counted by.
    pub(super) key: String,
    pub(super) permissions: Permissions,
    /// Their home.
    pub(super) store: Store,
}

/// What is being done.
#[derive(Debug)]
pub(super) enum Work {
    Idle,
    /// The pool is at it, or a delay has to pass.
    Busy,
    Transfer(Box<Running>),
    /// A transfer was ended early: this is said when its data connection has closed.
    Aborting(ConnectionId, Replies),
    /// Goodbye has been said.
    Over,
}

/// Replies of a line each: the code, and the text.
pub(super) type Replies = &'static [(u16, &'static str)];

/// Why the session ends when all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The client says no more.
    ClientEnded,
    /// The loop is shutting down.
    Shutdown,
}

/// Where the next data connection comes from.
///
/// ```text
///          PASV, EPSV                the client connects            RETR, STOR, LIST …
///   None ────────────▶ Passive ─────────────────────────▶ Open ───────────────────────▶ None
///     │                    └───────────────── RETR, STOR, LIST …, then it connects ──────▲
///     │     PORT, EPRT          RETR, STOR, LIST …                the client accepts     │
///     └──────────────▶ Active ─────────────────────▶ Connecting ─────────────────────────┘
/// ```
#[derive(Debug)]
pub(super) enum Channel {
    None,
    Passive(ListenerId, Rc<PassivePort>),
    Active(SocketAddr),
    /// A transfer waits for it.
    Connecting(ConnectionId),
    Open(ConnectionId),
}

/// What a client has said.
#[derive(Debug)]
pub(super) enum Heard {
    Command(Command),
    Refused(CommandError),
    TooLong,
    Interrupt,
}

impl Heard {
    pub(super) fn line(line: &[u8]) -> Self {
        Command::parse(line).map_or_else(Self::Refused, Self::Command)
    }

    /// Whether it is heard while a file is on its way.
    fn is_heard_meanwhile(&self) -> bool {
        matches!(
            self,
            Self::Command(Command::Abor | Command::Stat(None) | Command::Noop)
                | Self::Refused(_)
                | Self::TooLong
        )
    }
}

impl Session {
    pub(super) fn new(
        peer: IpAddr,
        local: SocketAddr,
        security: Security,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        let local = match local.ip().to_canonical() {
            // An IPv4 client of an IPv6 socket.
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, local.port()),
            // With its scope, if it is link-local.
            IpAddr::V6(_) => local,
        };
        Self {
            peer,
            telnet: Telnet::new(settings.limits.line),
            local,
            logged_out_since: now,
            active: now,
            watched: None,
            security,
            login: Login::Nobody,
            failed_logins: 0,
            work: Work::Idle,
            channel: Channel::None,
            only_epsv: false,
            kind: Type::default(),
            restart: 0,
            rename_from: None,
            directory: VirtualPath::root(),
            umask: settings.umask & 0o777,
            facts: Facts::default(),
            pace: Rc::new(Cell::new(Pace::new(settings.limits.session_rate))),
            keep_uploads: settings.keep_uploads,
            waiting: VecDeque::new(),
            interrupted: false,
            paused: false,
            leaving: None,
        }
    }

    /// Who is logged in.
    pub(super) fn account(&self) -> Option<&Account> {
        match &self.login {
            Login::In(account) => Some(account),
            Login::Nobody | Login::Named(_) => None,
        }
    }

    /// What whoever is logged in may do.
    pub(super) fn permissions(&self) -> Permissions {
        self.account().map_or(Permissions::NONE, |account| account.permissions)
    }

    /// The name of whoever is logged in.
    pub(super) fn user(&self) -> &str {
        self.account().map_or("nobody", |account| &account.name)
    }

    /// What is to be done next, if anything may be done now.
    pub(super) fn take_next(&mut self) -> Option<Heard> {
        match self.work {
            Work::Idle => self.waiting.pop_front(),
            Work::Transfer(_) if self.interrupted => {
                self.interrupted = false;
                // What it said before the interrupt waits on.
                let abort = |heard: &Heard| matches!(heard, Heard::Command(Command::Abor));
                let at = self.waiting.iter().position(abort);
                self.interrupted = at.is_none();
                at.and_then(|at| self.waiting.remove(at)).or_else(|| self.take_meanwhile())
            }
            Work::Transfer(_) => self.take_meanwhile(),
            Work::Busy | Work::Aborting(..) | Work::Over => None,
        }
    }

    fn take_meanwhile(&mut self) -> Option<Heard> {
        if self.waiting.front()?.is_heard_meanwhile() { self.waiting.pop_front() } else { None }
    }

    /// Whether the client has said QUIT, and it was not its turn yet.
    pub(super) fn waits_for_goodbye(&self) -> bool {
        self.waiting.iter().any(|heard| matches!(heard, Heard::Command(Command::Quit)))
    }

    /// As a client finds everything when it comes (RFC 959, 4.1.1: REIN).
    pub(super) fn reset(&mut self, settings: &Settings) {
        self.login = Login::Nobody;
        self.only_epsv = false;
        self.kind = Type::default();
        self.restart = 0;
        self.rename_from = None;
        self.directory = VirtualPath::root();
        self.umask = settings.umask & 0o777;
        self.facts = Facts::default();
    }
}

impl Channel {
    /// The data connection that is there, or on its way to the client.
    pub(super) fn data(&self) -> Option<ConnectionId> {
        match self {
            Self::Passive(_, port) => port.taken_by(),
            Self::Connecting(data) | Self::Open(data) => Some(*data),
            Self::None | Self::Active(_) => None,
        }
    }

    /// Closes what is open, and leaves nothing. All of it may have ended by itself.
    pub(super) fn close(&mut self, network: &mut dyn Network) {
        let data = self.data();
        if let Self::Passive(listener, port) = std::mem::replace(self, Self::None) {
            port.close();
            network.close_listener(listener);
        }
        if let Some(data) = data {
            network.abort(data);
        }
    }
}
