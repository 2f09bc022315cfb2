//! Users: who is connected, and which nickname names whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::ops::{Index, IndexMut};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use reactor::{Address, ConnectionId};
use slotmap::SlotMap;

use super::keys::{ChannelKey, UserKey};
use super::modes::UserModes;
use super::network::Network;
use super::post::Draft;
use crate::chat::wire::capability::Caps;
use crate::chat::wire::casemap::{Folded, Nick};
use crate::chat::wire::timestamp::Timestamp;

/// What a user or a channel tells of itself (IRCv3 metadata), by key.
pub(super) type Values = BTreeMap<String, String>;

/// Somebody who is connected.
pub(super) struct User {
    /// None: its home is another node, and it takes no lines here.
    pub(super) connection: Option<ConnectionId>,
    pub(super) address: Option<IpAddr>,
    pub(super) stage: Stage,
    /// The nickname: claimed with the first `NICK`, before registration is complete.
    pub(super) nick: Option<Nick>,
    pub(super) name: Rc<str>,
    /// The host that others see.
    pub(super) host: Rc<str>,
    /// The host it is connected from: nearly always the same.
    pub(super) real_host: Rc<str>,
    pub(super) real_name: Rc<str>,
    /// `nick!user@host`; kept up to date by [`User::refresh_source`].
    pub(super) source: Rc<str>,
    pub(super) caps: Caps,
    /// It negotiates as version 302 of the specification has it.
    pub(super) knows_302: bool,
    pub(super) modes: UserModes,
    pub(super) away: Option<String>,
    pub(super) account: Option<Rc<str>>,
    pub(super) channels: Vec<ChannelKey>,
    /// Channels it is invited to and has not joined yet, the oldest first.
    pub(super) invitations: VecDeque<Invitation>,
    /// Whom it watches, each as it spelt the name.
    pub(super) monitoring: BTreeMap<Folded, String>,
    pub(super) metadata: Values,
    /// The keys of metadata, of others, that it is told of.
    pub(super) subscriptions: BTreeSet<String>,
    pub(super) signed_on: Timestamp,
    pub(super) spoke: Instant,
    /// Tells it apart from all who were and will be connected.
    pub(super) serial: u64,
    /// Bytes it was answered that it has not been charged for.
    pub(super) answered: u32,
    pub(super) wrong_passwords: u32,
    pub(super) sasl: Option<Vec<u8>>,
    pub(super) draft: Option<Box<Draft>>,
    /// By when it must have another nickname, or be logged in to the owner of this one.
    pub(super) nick_due: Option<Instant>,
    /// The last walk over its peers that met it.
    walk: u64,
}

/// A channel that somebody may join once. One that has been closed since, and opened by others, is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invitation {
    pub(super) channel: Folded,
    pub(super) made: u64,
}

/// ```text
///   Registering ──NICK, USER, CAP END, and a password that is right──▶ Registered
/// ```
#[derive(Debug)]
pub(super) enum Stage {
    Registering(Box<Registering>),
    Registered,
}

/// What a connection has said so far.
#[derive(Debug, Default)]
pub(super) struct Registering {
    pub(super) password: Option<String>,
    pub(super) has_user: bool,
    /// `CAP LS` or `CAP REQ` came, and `CAP END` has not.
    pub(super) is_negotiating: bool,
    /// The nickname that was asked for last, and belongs to another.
    pub(super) wanted_nick: Option<String>,
}

impl User {
    pub(super) fn new(connection: ConnectionId, peer: &Address, now: Instant, serial: u64) -> Self {
        let host = host_of(peer);
        Self {
            connection: Some(connection),
            address: peer.ip().map(|ip| ip.to_canonical()),
            stage: Stage::Registering(Box::default()),
            real_host: Rc::clone(&host),
            host,
            ..Self::elsewhere(now, serial)
        }
    }

    /// A user of another node, of whom nothing is known yet.
    pub(super) fn elsewhere(now: Instant, serial: u64) -> Self {
        Self {
            connection: None,
            address: None,
            stage: Stage::Registered,
            nick: None,
            name: Rc::default(),
            real_host: Rc::default(),
            host: Rc::default(),
            real_name: Rc::default(),
            source: "*".into(),
            caps: Caps::NONE,
            knows_302: false,
            modes: UserModes::default(),
            away: None,
            account: None,
            channels: Vec::new(),
            invitations: VecDeque::new(),
            monitoring: BTreeMap::new(),
            metadata: Values::new(),
            subscriptions: BTreeSet::new(),
            signed_on: Timestamp::default(),
            spoke: now,
            serial,
            answered: 0,
            wrong_passwords: 0,
            sasl: None,
            draft: None,
            nick_due: None,
            walk: 0,
        }
    }

    /// Sends it a line as its connection has it, if it is a user of this node.
    #[inline]
    pub(super) fn send(&self, network: &mut dyn Network, line: Bytes) {
        if let Some(connection) = self.connection {
            network.send(connection, line);
        }
    }

    /// Sends it what it has asked for, which it is charged for.
    pub(super) fn answer(&mut self, network: &mut dyn Network, line: Bytes) {
        self.charge(line.len());
        self.send(network, line);
    }

    /// Charges it for so many bytes of an answer.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.answered = self.answered.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    pub(super) fn is_registered(&self) -> bool {
        matches!(self.stage, Stage::Registered)
    }

    pub(super) fn is_operator(&self) -> bool {
        self.modes.has(UserModes::OPERATOR)
    }

    /// The nickname, or what stands for it while there is none.
    pub(super) fn nick(&self) -> &str {
        self.nick.as_ref().map_or("*", Nick::as_str)
    }

    /// To be called when the nickname, user name or host has changed.
    pub(super) fn refresh_source(&mut self) {
        self.source = format!("{}!{}@{}", self.nick(), self.name, self.host).into();
    }

    pub(super) fn registering(&mut self) -> Option<&mut Registering> {
        match &mut self.stage {
            Stage::Registering(registering) => Some(registering),
            Stage::Registered => None,
        }
    }
}

/// The address of a peer as a host name: IPv6 without a colon in front, which would end the parameter.
fn host_of(peer: &Address) -> Rc<str> {
    match peer.ip() {
        Some(ip) => {
            let text = ip.to_canonical().to_string();
            if text.starts_with(':') { format!("0{text}").into() } else { text.into() }
        }
        None => "localhost".into(),
    }
}

/// All users, the nicknames they have claimed, and who is logged in to each account.
#[derive(Default)]
pub(super) struct Users {
    /// Each in a box, since the slots stay when thousands have gone.
    users: SlotMap<UserKey, Box<User>>,
    nicks: BTreeMap<Folded, UserKey>,
    logged_in: BTreeMap<Rc<str>, BTreeSet<UserKey>>,
    walk: u64,
}

impl Users {
    pub(super) fn insert(&mut self, user: User) -> UserKey {
        self.users.insert(Box::new(user))
    }

    /// Takes a user out, with its nickname. Its channels are left to the caller.
    pub(super) fn remove(&mut self, key: UserKey) -> Option<User> {
        let user = self.users.remove(key)?;
        if let Some(nick) = &user.nick {
            self.nicks.remove(&nick.folded());
        }
        self.note_log_out(key, user.account.as_ref());
        Some(*user)
    }

    /// Logs a user in to an account, or out.
    pub(super) fn set_account(&mut self, key: UserKey, account: Option<&str>) {
        let account = account.map(Rc::<str>::from);
        let before = std::mem::replace(&mut self.users[key].account, account.clone());
        self.note_log_out(key, before.as_ref());
        if let Some(account) = account {
            self.logged_in.entry(account).or_default().insert(key);
        }
    }

    fn note_log_out(&mut self, key: UserKey, account: Option<&Rc<str>>) {
        if let Some(account) = account
            && let Some(users) = self.logged_in.get_mut(account)
        {
            users.remove(&key);
            if users.is_empty() {
                self.logged_in.remove(account);
            }
        }
    }

    /// Everybody who is logged in to an account, registered or not.
    pub(super) fn of_account(&self, account: &str) -> impl Iterator<Item = UserKey> {
        self.logged_in.get(account).into_iter().flatten().copied()
    }

    /// The user of a key, if it is still here.
    pub(super) fn get(&self, key: UserKey) -> Option<&User> {
        self.users.get(key).map(|user| &**user)
    }

    /// The registered user of a nickname.
    pub(super) fn named(&self, nick: &str) -> Option<UserKey> {
        self.holder(nick).filter(|&key| self[key].is_registered())
    }

    /// Whoever has claimed a nickname, registered or not.
    pub(super) fn holder(&self, nick: &str) -> Option<UserKey> {
        self.nicks.get(&*Folded::spelling(nick)).copied()
    }

    /// Gives a user a nickname that nobody else holds; the one it had.
    pub(super) fn rename(&mut self, key: UserKey, nick: Nick) -> Option<Nick> {
        let folded = nick.folded();
        let user = &mut self.users[key];
        let before = user.nick.replace(nick);
        user.refresh_source();
        if let Some(before) = &before {
            self.nicks.remove(&before.folded());
        }
        self.nicks.insert(folded, key);
        before
    }

    /// Takes its nickname from a user; that.
    pub(super) fn unname(&mut self, key: UserKey) -> Option<Nick> {
        let user = &mut self.users[key];
        let nick = user.nick.take()?;
        user.refresh_source();
        self.nicks.remove(&nick.folded());
        Some(nick)
    }

    /// All who are registered, by nickname.
    pub(super) fn registered(&self) -> impl Iterator<Item = (UserKey, &User)> {
        let all = self.nicks.values().map(|&key| (key, &self[key]));
        all.filter(|(_, user)| user.is_registered())
    }

    /// Everybody, registered or not.
    pub(super) fn keys(&self) -> Vec<UserKey> {
        self.users.keys().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// Begins a walk that is to meet nobody twice.
    pub(super) fn begin_walk(&mut self) {
        self.walk += 1;
    }

    /// Whether this walk meets a user for the first time.
    pub(super) fn meet(&mut self, key: UserKey) -> bool {
        let user = &mut self.users[key];
        std::mem::replace(&mut user.walk, self.walk) != self.walk
    }
}

impl Index<UserKey> for Users {
    type Output = User;

    fn index(&self, key: UserKey) -> &User {
        &self.users[key]
    }
}

impl IndexMut<UserKey> for Users {
    fn index_mut(&mut self, key: UserKey) -> &mut User {
        &mut self.users[key]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_never_begins_with_a_colon() {
        for (peer, host) in [
            ("192.0.2.1:5", "192.0.2.1"),
            ("[::1]:5", "0::1"),
            ("[::ffff:192.0.2.1]:5", "192.0.2.1"),
            ("unix:/tmp/x", "localhost"),
        ] {
            assert_eq!(&*host_of(&peer.parse().expect("an address")), host);
        }
    }

    #[test]
    fn what_named_a_user_names_nobody_once_it_has_left() {
        let (mut users, connection) = (Users::default(), connection());
        let new = || User::new(connection, &Address::Unnamed, Instant::now(), 0);
        let gone = users.insert(new());
        users.remove(gone).expect("it was here");
        let next = users.insert(new());
        assert_ne!(gone, next, "both had the same place");
        assert!(users.get(gone).is_none() && users.get(next).is_some());
        assert!(users.remove(gone).is_none(), "the wrong one was removed");
        assert_eq!(users.keys(), [next]);
    }

    fn connection() -> ConnectionId {
        let mut reactor = reactor::Reactor::<crate::chat::Server>::new().expect("a loop");
        let address = "127.0.0.1:9".parse().expect("an address");
        reactor.registry().connect(address, crate::chat::Session::new()).expect("it begins")
    }

    #[test]
    fn who_is_here_and_says_nothing_is_small() {
        assert!(size_of::<User>() <= 408, "{}", size_of::<User>());
    }
}
