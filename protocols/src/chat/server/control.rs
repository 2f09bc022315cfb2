//! What whoever runs the machine may do to a server that runs, without being on it.

use std::collections::BTreeSet;
use std::rc::Rc;

use reactor::Registry;

use super::accounts::{Ban, NotBanned, NotOpened, Unknown};
use super::commands;
use super::context::cut;
use super::keys::UserKey;
use super::network::Network;
use super::users::User;
use super::{Event, Server};
use crate::chat::wire::mask;

/// Who did it, in logs and to whom it is done.
const OPERATOR: &str = "the operator of the machine";

impl Server {
    /// Removes a user, as an operator's `KILL` does; whether there was one of that nick.
    pub fn kill<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        nick: &str,
        reason: &str,
    ) -> bool {
        self.kill_by_operator(registry, nick, reason)
    }

    pub(super) fn kill_by_operator(
        &mut self,
        network: &mut dyn Network,
        nick: &str,
        reason: &str,
    ) -> bool {
        let Some(victim) = self.users.named(nick) else {
            return false;
        };
        let reason = cut(reason, self.settings.limits.kick_length).to_owned();
        let who = self.users[victim].source.clone();
        self.log(&Event::Killed { who: &who, by: OPERATOR, reason: &reason });
        let quit = format!("Killed ({OPERATOR} ({reason}))");
        if self.leave_now(network, victim) {
            self.settle(network);
        } else if !self.ask_to_end(victim, &quit) {
            self.disconnect(network, victim, &quit);
        }
        self.tell_news(network);
        true
    }

    /// Keeps whoever a mask fits from the server, `nick!user@host` or a part of that, until [`unban`](Self::unban):
    /// those who are on it are disconnected. How many were.
    /// [`Accounts::commit`](super::accounts::Accounts::commit) keeps it.
    ///
    /// Whoever comes is looked at when they register. Who is known by a nick alone comes back with another one: a
    /// mask of a host holds better.
    ///
    /// # Errors
    ///
    /// See [`NotBanned`].
    pub fn ban<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        mask: &str,
        reason: &str,
    ) -> Result<usize, NotBanned> {
        let reason = cut(reason, self.settings.limits.kick_length);
        let mask = self.accounts.ban(mask, reason, registry.wall_clock())?;
        Ok(self.remove_banned(registry, &mask))
    }

    /// Disconnects those of this server whom the ban of this mask fits; how many.
    pub(super) fn remove_banned(&mut self, network: &mut dyn Network, mask: &str) -> usize {
        let Some(Ban { mask, reason, .. }) = self.accounts.ban_by(mask).cloned() else { return 0 };
        let fits = |user: &User| sources(user).iter().any(|source| mask::matches(&mask, source));
        let mine = self.users.registered().filter(|(_, user)| user.is_local() && fits(user));
        let banned: Vec<_> = mine.map(|(key, user)| (key, Rc::clone(&user.source))).collect();
        for (user, who) in &banned {
            self.log(&Event::Banned { who, reason: &reason });
            self.disconnect(network, *user, &format!("Banned ({reason})"));
        }
        banned.len()
    }

    /// Lifts a ban; [`Accounts::commit`](super::accounts::Accounts::commit) keeps that.
    ///
    /// # Errors
    ///
    /// If there is none of that mask.
    pub fn unban(&mut self, mask: &str) -> Result<(), Unknown> {
        self.accounts.unban(mask).map(drop)
    }

    /// Why a user may not be here, if a ban is about them: also by the host that they hide.
    pub(super) fn why_banned(&self, user: UserKey) -> Option<String> {
        let sources = sources(self.users.get(user)?);
        let ban = sources.iter().find_map(|source| self.accounts.ban_of(source))?;
        Some(ban.reason.clone())
    }

    /// Forgets an account, its nicks and its channels, whose names it gives back; whoever is logged in to it
    /// is logged out. [`Accounts::commit`](super::accounts::Accounts::commit) keeps it.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn remove_account<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        name: &str,
    ) -> Result<Vec<String>, Unknown> {
        let account = self.accounts.account(name).ok_or(Unknown::Account)?.name().to_owned();
        let founded = self.forget_account(&account)?;
        // Where accounts are shared the store may refuse it; once it has taken it they are.
        if !self.accounts.may_refuse() {
            self.log_out_all(registry, &account);
        }
        Ok(founded)
    }

    /// Logs out those of this server who are logged in to an account, which is gone.
    pub(super) fn log_out_all(&mut self, network: &mut dyn Network, account: &str) {
        let users = self.users.of_account(account);
        let users: Vec<_> = users.filter(|&user| self.users[user].is_local()).collect();
        for user in users {
            commands::log_out(self, network, user);
        }
    }

    /// Has the accounts again after they were [handed on](super::accounts::Accounts::hand_on) to a successor that has
    /// failed, and has those who are here follow what the file says by now: who is logged in to an account that is gone,
    /// or is another's by now, is logged out, and who is banned is removed.
    ///
    /// # Errors
    ///
    /// See [`NotOpened`]. It can be tried again.
    pub fn take_back_accounts<App: AsMut<Self> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
    ) -> Result<(), NotOpened> {
        let in_use =
            self.accounts.accounts().filter(|it| self.users.of_account(it.name()).next().is_some());
        let before: Vec<_> = in_use.map(|it| (it.name().to_owned(), it.created())).collect();
        let bans: BTreeSet<_> = self.accounts.bans().map(|ban| ban.mask.clone()).collect();
        self.accounts.take_back()?;
        for (name, created) in before {
            if self.accounts.account(&name).is_none_or(|it| it.created() != created) {
                self.log_out_all(registry, &name);
            }
        }
        self.note_registered();
        let masks = self.accounts.bans().map(|ban| ban.mask.clone());
        let new: Vec<_> = masks.filter(|mask| !bans.contains(mask)).collect();
        for mask in new {
            self.remove_banned(registry, &mask);
        }
        Ok(())
    }

    /// Has those channels shown as registered that are. One that is open goes on as others do when the account is gone
    /// that has founded it.
    pub(super) fn note_registered(&mut self) {
        let registered = |name: &str| self.accounts.channel(name).is_some();
        let channels = self.channels.iter().map(|(key, it)| (key, registered(it.name.as_str())));
        for (channel, is_registered) in channels.collect::<Vec<_>>() {
            self.set_registered(channel, is_registered);
        }
    }

    /// Forgets an account; the channels that were its own, which go on as others do.
    pub(super) fn forget_account(&mut self, name: &str) -> Result<Vec<String>, Unknown> {
        let founded = self.accounts.drop_account(name)?;
        // Where accounts are shared that follows on each server, once the store has taken it.
        let here = if self.accounts.may_refuse() { &[][..] } else { &founded[..] };
        for name in here {
            if let Some(channel) = self.channels.named(name) {
                self.set_registered(channel, false);
            }
        }
        Ok(founded)
    }
}

/// What a user is called where bans are looked at: as others see them, and by the host that they hide.
fn sources(user: &User) -> [Rc<str>; 2] {
    let real = format!("{}!{}@{}", user.nick(), user.name, user.real_host);
    [Rc::clone(&user.source), real.into()]
}
