//! Who it is.

use std::sync::Arc;

use reactor::{ConnectionId, Registry};

use super::state::{Account, Login, Work};
use super::{Conversation, LOGIN, tell};
use crate::budget::host;
use crate::password::{Memory, Next, PasswordError, PasswordHash};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::server::record::Event;
use crate::transfer::ftp::server::users::{Anonymous, Permissions, User, is_anonymous};
use crate::transfer::ftp::wire::command::Secret;
use crate::transfer::store::{Access, Quota, Store, StoreError, VirtualPath};

/// A password that is to be looked at.
///
/// ```text
///   PASS ──▶ HashQueue ──its turn──▶ pool: argon2 ──▶ right ──▶ pool: the home is opened ──▶ 230
///             │                                   └──▶ wrong ──▶ 530, later each time
///             └── too many wait ──▶ 421
/// ```
pub(in crate::transfer::ftp) struct Check {
    pub(in crate::transfer::ftp) id: ConnectionId,
    name: String,
    password: String,
    /// `None`: there is no such user, and nobody is to learn that from how long it takes to say no.
    user: Option<User>,
    against: PasswordHash,
}

/// Why nobody is let in.
enum Refused {
    /// Nobody is let in without a name.
    Wrong,
    /// Their home cannot be opened.
    NoHome(#[allow(dead_code, reason = "for whoever debugs")] StoreError),
}

impl<App: AsMut<Server> + 'static> Conversation<'_, '_, App> {
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
        let id = self.transport.id();
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
            self.check(Check { id, name, password, user, against });
        }
    }

    fn check(&mut self, check: Check) {
        let (kib, server) = (check.against.kib(), self.server());
        let most = server.limits().passwords_waiting;
        if server.hash_queue().push(kib, check, most).is_err() {
            return self.put_off();
        }
        self.set_work(Work::Busy);
        look_at_passwords(self.transport.registry(), self.app);
    }

    /// Whether the password is right.
    fn handle_checked(
        &mut self,
        name: String,
        user: Option<User>,
        checked: Result<bool, PasswordError>,
    ) {
        self.set_work(Work::Idle);
        match (checked, user) {
            (Ok(true), Some(user)) => {
                let server = self.server();
                let (store, quota) = (server.store().clone(), server.quota_of(&name));
                self.offload(
                    move || open_named(store, &user, quota),
                    move |it, result| it.handle_login(&name, result.map(|it| (it.0, it.1, false))),
                );
            }
            (Ok(_), _) => self.refuse_login(&name),
            (Err(_), _) => self.put_off(),
        }
    }

    /// Nobody has looked at the password: 530 would say that it is wrong, and cost one of the few tries.
    fn put_off(&mut self) {
        if let Login::Named(user) = &self.session.login {
            self.app.as_mut().login_put_off(self.session.peer, user.clone());
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
        if !self.server().log_in(&key) {
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
        self.transport.set_timer(LOGIN, delay.saturating_mul(self.session.failed_logins));
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
        self.app.as_mut().login_failed(self.session.peer, name);
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
        self.session.reset(self.app.as_mut().settings());
    }

    fn log_out(&mut self) {
        if let Some(account) = self.session.account() {
            self.app.as_mut().log_out(&account.key);
            self.session.login = Login::Nobody;
            self.session.strange_since = self.transport.registry().now();
        }
    }
}

/// Has the passwords looked at whose turn it is.
fn look_at_passwords<App: AsMut<Server> + 'static>(registry: &mut Registry<App>, app: &mut App) {
    while let Some(next) = app.as_mut().hash_queue().next() {
        let is_begun = match next {
            Next::Compute(check, memory) => compute(registry, check, memory),
            Next::Free(memory) => free(registry, memory),
        };
        if !is_begun {
            app.as_mut().hash_queue().finish(None);
        }
    }
}

/// Has a hash computed; whether there is anybody to do it.
fn compute<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    Check { id, name, password, user, against }: Check,
    mut memory: Memory,
) -> bool {
    let offloaded = registry.offload(
        move || (against.verifies_in(&password, &mut memory), memory),
        move |registry, app: &mut App, result| {
            let (checked, memory) = match result {
                Ok((checked, memory)) => (checked, Some(memory)),
                Err(error) => (Err(PasswordError::NotHashed(error.to_string())), None),
            };
            app.as_mut().hash_queue().finish(memory);
            tell(registry, id, |it| it.handle_checked(name, user, checked));
            look_at_passwords(registry, app);
        },
    );
    if offloaded.is_err() {
        tell(registry, id, |it: &mut Conversation<'_, '_, App>| it.put_off());
    }
    offloaded.is_ok()
}

fn free<App: AsMut<Server> + 'static>(registry: &mut Registry<App>, memory: Vec<Memory>) -> bool {
    let freed = |registry: &mut Registry<App>, app: &mut App, _| {
        app.as_mut().hash_queue().finish(None);
        look_at_passwords(registry, app);
    };
    registry.offload(move || drop(memory), freed).is_ok()
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
