//! Who it is.
//!
//! ```text
//!   PASS ──▶ HashQueue ──its turn──▶ pool: argon2 ──▶ right ──▶ pool: the home is opened ──▶ 230
//!             │                                   └──▶ wrong ──▶ 530, later each time
//!             └── too many wait ──▶ 421
//! ```

use std::sync::Arc;

use reactor::Transport;

use super::Conversation;
use super::state::{Account, LOGIN, Login, Session, Work};
use crate::budget::host;
use crate::password::{Check, HashQueue, HashingSession, Memory, PasswordError};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::server::record::Event;
use crate::transfer::ftp::server::users::{Anonymous, Checked, Permissions, User, is_anonymous};
use crate::transfer::ftp::wire::command::Secret;
use crate::transfer::store::{Access, Quota, Store, StoreError, VirtualPath};

/// Why nobody is let in.
enum Refused {
    /// Nobody is let in without a name.
    Wrong,
    /// Their home cannot be opened.
    NoHome(#[allow(dead_code, reason = "for whoever debugs")] StoreError),
}

impl Conversation<'_> {
    /// USER: begins a login, whoever was logged in before (RFC 959, 4.1.1).
    pub(super) fn user(&mut self, name: &[u8]) {
        if !self.may_log_in() {
            return;
        }
        self.log_out();
        let name = String::from_utf8_lossy(name).into_owned();
        let text = if is_anonymous(&name) {
            "Send your e-mail address as password, or anything."
        } else {
            "Send the password."
        };
        self.session.login = Login::Named(name);
        self.session.directory = VirtualPath::root();
        self.reply(331, text);
    }

    /// PASS: proves it. Hashing takes its time, on purpose, so the pool does it, when it is this client's
    /// turn.
    pub(super) fn pass(&mut self, Secret(password): Secret) {
        let Login::Named(name) = &self.session.login else {
            return self.reply(503, "Say who you are first, with USER.");
        };
        let name = name.clone();
        let server = self.server();
        if is_anonymous(&name) {
            let (store, anonymous) = (server.store().clone(), server.users().anonymous().cloned());
            self.offload(
                move || open_anonymous(store, anonymous),
                move |it, result| it.handle_login("anonymous", result.map(|it| (it.0, it.1, true))),
            );
        } else {
            let password = String::from_utf8_lossy(&password).into_owned();
            let user = server.users().get(&name).cloned();
            let against = server.users().hash_to_compute_for(&name);
            let (kib, most) = (against.kib(), server.limits().passwords_waiting);
            let compute = move |memory: &mut Memory| {
                let is_right = against.verifies_in(&password, memory)?;
                Ok(Checked { name, user, is_right })
            };
            let check = Check::new(self.control.id(), compute);
            if self.server.hash_queue().push(kib, check, most).is_err() {
                return self.put_off();
            }
            self.set_work(Work::Busy);
            // It is computed when its turn has come, at the earliest behind this event.
        }
    }

    /// Whether the password is right.
    fn handle_checked(&mut self, checked: Result<Checked, PasswordError>) {
        self.set_work(Work::Idle);
        match checked {
            Ok(Checked { name, user: Some(user), is_right: true }) => {
                let server = self.server();
                let (store, quota) = (server.store().clone(), server.quota_of(&name));
                self.offload(
                    move || open_named(store, &user, quota),
                    move |it, result| it.handle_login(&name, result.map(|it| (it.0, it.1, false))),
                );
            }
            Ok(Checked { name, .. }) => self.refuse_login(&name),
            Err(_) => self.put_off(),
        }
    }

    /// Nobody has looked at the password: 530 would say that it is wrong, and cost one of the few tries.
    fn put_off(&mut self) {
        if let Login::Named(user) = &self.session.login {
            self.server.login_put_off(self.session.peer, user.clone());
        }
        self.reply(421, "Too many are logging in; try again later.");
        self.close();
    }

    fn handle_login(&mut self, name: &str, result: Result<(Store, Permissions, bool), Refused>) {
        match result {
            Ok((store, permissions, anonymous)) => {
                self.log_in(name, store, permissions, anonymous);
            }
            Err(Refused::Wrong) => self.refuse_login(name),
            Err(Refused::NoHome(_)) => {
                self.note_failure(name);
                self.reply(530, "Your directory cannot be opened.");
            }
        }
    }

    fn log_in(&mut self, name: &str, store: Store, permissions: Permissions, anonymous: bool) {
        let peer = self.session.peer;
        let key =
            if anonymous { format!("anonymous of {}", host(peer)) } else { format!("user {name}") };
        let id = self.control.id();
        if !self.server().log_in(&key, id, name) {
            return self.reply(530, "You are logged in too many times.");
        }
        // Logins that happened at the same time have counted each on its own.
        let quota = store.quota().cloned().map(|it| self.server().remember_quota(name, it));
        let store = store.with_quota(quota);
        let account = Account { name: name.to_owned(), anonymous, key, permissions, store };
        self.session.login = Login::In(account);
        self.tell(&Event::LoggedIn { peer, user: name.to_owned() });
        self.reply(230, "Logged in.");
    }

    /// The answer is held back, longer each time; the last is a goodbye (RFC 2577, 5).
    fn refuse_login(&mut self, name: &str) {
        self.note_failure(name);
        let delay = self.server().limits().login_delay;
        self.session.login = Login::Nobody;
        self.session.failed_logins += 1;
        self.set_work(Work::Busy);
        self.control.set_timer(LOGIN, delay.saturating_mul(self.session.failed_logins));
    }

    pub(super) fn answer_failed_login(&mut self) {
        self.set_work(Work::Idle);
        if self.session.failed_logins >= self.server().limits().login_attempts {
            self.reply(421, "Too many logins have failed; goodbye.");
            self.close();
        } else {
            self.reply(530, "Login incorrect.");
        }
    }

    fn note_failure(&mut self, name: &str) {
        self.server.login_failed(self.session.peer, name);
    }

    /// REIN: everything is as it was at the beginning.
    pub(super) fn reinitialize(&mut self) {
        self.forget_user();
        self.reply(220, "Ready for a new user.");
    }

    /// Everything is as when the client came.
    pub(super) fn forget_user(&mut self) {
        self.log_out();
        self.close_channel();
        self.session.reset(self.server.settings());
    }

    fn log_out(&mut self) {
        if let Some(account) = self.session.account() {
            let id = self.control.id();
            self.server.log_out(&account.key, id);
            self.session.login = Login::Nobody;
            self.session.logged_out_since = self.control.network().now();
        }
    }
}

impl<App: AsMut<Server> + 'static> HashingSession<App> for Session {
    type Answer = Checked;

    fn hash_queue(app: &mut App) -> &mut HashQueue<Check<Checked>> {
        app.as_mut().hash_queue()
    }

    fn handle_answer(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        answer: Result<Checked, PasswordError>,
    ) {
        self.enter(transport, app, |it| it.handle_checked(answer));
    }
}

fn open_anonymous(
    store: Store,
    anonymous: Option<Anonymous>,
) -> Result<(Store, Permissions), Refused> {
    let Some(Anonymous { home, permissions }) = anonymous else {
        return Err(Refused::Wrong);
    };
    Ok((open_home(store, &home, permissions)?, permissions))
}

fn open_named(
    store: Store,
    user: &User,
    quota: Option<Arc<Quota>>,
) -> Result<(Store, Permissions), Refused> {
    let store = open_home(store, &user.home, user.permissions)?;
    let quota = match (user.quota, quota) {
        (None, _) => None,
        (Some(_), Some(known)) => Some(known),
        (Some(limit), None) => {
            let used = store.bytes_used().map_err(Refused::NoHome)?;
            Some(Arc::new(Quota::new(limit, used)))
        }
    };
    Ok((store.with_quota(quota), user.permissions))
}

fn open_home(store: Store, home: &VirtualPath, permissions: Permissions) -> Result<Store, Refused> {
    let home = store.beneath(home).map_err(Refused::NoHome)?;
    let access = if permissions.is_read_only() { Access::ReadOnly } else { Access::ReadWrite };
    Ok(home.with_access(access))
}
