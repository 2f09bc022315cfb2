//! What the connections of a chat server share.
//!
//! | file | what it is |
//! |---|---|
//! | `session` | the server's side of one connection: lines, not too fast, and deadlines |
//! | `other_protocol` | who does not speak IRC at all |
//! | `carrier` | what carries lines: a stream, or WebSocket |
//! | `commands` | the commands, one function each |
//! | `context`, `label` | one command of one user while it is carried out: who is told; answers that wait |
//! | `limits`, `settings` | every bound with its reason; what the operator decides |
//! | [`config`] | the settings as one TOML file, checked |
//! | [`accounts`] | accounts and registered channels, across restarts |
//! | `changes` | what has changed on a channel, in the words of `MODE` |
//! | `users`, `channels` | who is here, and where; `modes` are what they may, `keys` what names them |
//! | `audience` | who on a channel gets the same bytes |
//! | `leaving` | how a user goes: what the others see of it, once |
//! | `talk`, `post`, `history`, `markers` | who speaks with whom; what was said, what is remembered of it, and how far who has read |
//! | `whowas`, `monitor` | who was here; who waits for whom |
//! | `long_answers` | `WHO`, `LIST` and others, in pieces |
//! | `line` | a line on its way out, rendered once for all who get the same |
//! | `network`, `on_loop` | what the server needs of a loop; the loop as that, and the call that opens a socket |
//! | `welcome`, `offered` | what a user is greeted with, ISUPPORT among it; the capabilities there are |
//! | `work` | what is done away from the loop: passwords, files |
//! | `effect`, `nodes` | what happened, as the other servers of a network are told; the users and channels of all of them |
//! | `permanent` | the channels of the settings |
//! | `truth` | accounts that several servers share: what follows of what was changed elsewhere |
//! | `web` | the same over WebSocket, for browsers |
//! | `control` | what whoever runs the machine may do while it runs |
//! | `event`, `counters` | what happens, for a log; how much of it |

pub mod accounts;
mod audience;
pub(super) mod carrier;
mod changes;
mod channels;
mod commands;
pub mod config;
mod context;
mod control;
mod counters;
mod effect;
mod event;
mod history;
mod kept;
mod keys;
mod label;
mod leaving;
mod limits;
mod line;
mod long_answers;
mod markers;
mod modes;
mod monitor;
mod network;
mod nodes;
mod offered;
mod on_loop;
mod other_protocol;
mod permanent;
mod post;
#[cfg(feature = "cluster")]
mod said;
mod session;
mod settings;
mod talk;
#[cfg(feature = "cluster")]
mod truth;
mod users;
#[cfg(feature = "websocket")]
mod web;
mod welcome;
mod whowas;
mod work;

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use reactor::{Address, ConnectionId, Registry};

pub use counters::Counters;
pub use effect::{
    Change, Claim, Effect, Happened, NickAnswer, NickRequest, NotAUserId, Outgoing, Person, To,
    UserId, Words,
};
pub use event::Event;
pub use limits::Limits;
pub use line::{MessageId, NotAMessageId};
pub use on_loop::listen;
pub use session::Session;
pub use settings::{Admin, Operator, Password, PermanentChannel, Settings};
#[cfg(feature = "cluster")]
pub use truth::share_accounts;
#[cfg(all(feature = "websocket", feature = "http"))]
pub use web::upgrade;
#[cfg(feature = "websocket")]
pub use web::{endpoint, listen_websocket};
pub use work::Loader;

use super::wire::capability::Caps;
use super::wire::framing::Framing;
use super::wire::timestamp::Timestamp;
use crate::budget::host;
use crate::counts::Counts;
use crate::password::{Check, HashQueue};
use accounts::Accounts;
use channels::Channels;
use history::History;
use keys::UserKey;
use markers::Markers;
use monitor::Monitor;
use network::Network;
use nodes::Nodes;
use users::{User, Users};
use whowas::Whowas;

/// The state of a chat server: part of the application, shared by all its connections.
///
/// ```
/// use protocols::chat::accounts::{AccountLimits, Accounts};
/// use protocols::chat::{self, Server, Settings};
/// use reactor::{ListenOptions, Reactor};
///
/// let settings = Settings { name: "irc.example".into(), ..Settings::default() };
/// let options = ListenOptions { limits: settings.limits.stream_limits(), ..ListenOptions::default() };
/// let mut server = Server::new(settings, Accounts::in_memory(AccountLimits::default()));
/// server.on_event(|event| println!("{event}"));
///
/// let mut reactor = Reactor::<Server>::new()?;
/// let id = chat::listen(reactor.registry(), "127.0.0.1:0".parse()?, &options)?;
/// println!("listening on {}", reactor.registry().listener_address(id)?);
/// # reactor.registry().shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut server)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    settings: Settings,
    accounts: Accounts,
    users: Users,
    channels: Channels,
    history: History,
    markers: Markers,
    whowas: Whowas,
    monitor: Monitor,
    counters: Counters,
    /// How often each command was given, by its place in the table of them.
    commands: Vec<(&'static str, u64)>,
    /// The capabilities there are, and those that clients have been told of.
    offered: Caps,
    announced: Caps,
    loader: Option<Loader>,
    /// Bytes that one answer may have, as long as the loop queues what it was told to at the start.
    longest_answer: usize,
    /// Whose passwords are looked at, and whose wait.
    hash_queue: HashQueue<Check<()>>,
    /// Whose long answers wait, the next first.
    answers: VecDeque<ConnectionId>,
    /// Since when, once there was a connection; and which life of the server this is.
    started: Option<Started>,
    by_address: Counts<IpAddr>,
    serial: u64,
    log: Option<Log>,
    /// What is known of the other nodes, if it is in a network.
    nodes: Option<Box<Nodes>>,
}

/// Where events go.
type Log = Box<dyn FnMut(&Event<'_>)>;

#[derive(Clone, Copy, Debug)]
struct Started {
    at: Timestamp,
    instant: Instant,
    life: u32,
}

impl Server {
    /// A server on which nobody is yet.
    #[must_use]
    pub fn new(settings: Settings, accounts: Accounts) -> Self {
        let offered = offered::offered(&settings.limits, settings.registration);
        let mut server = Self {
            offered,
            announced: offered,
            longest_answer: settings.limits.longest_answer(),
            commands: Vec::new(),
            settings,
            accounts,
            users: Users::default(),
            channels: Channels::default(),
            history: History::default(),
            markers: Markers::default(),
            whowas: Whowas::default(),
            monitor: Monitor::default(),
            counters: Counters::default(),
            loader: None,
            hash_queue: HashQueue::new(),
            answers: VecDeque::new(),
            started: None,
            by_address: Counts::new(),
            serial: 0,
            log: None,
            nodes: None,
        };
        server.open_permanent_channels();
        server
    }

    /// Has a closure called with everything that is worth a line in a log.
    pub fn on_event(&mut self, log: impl FnMut(&Event<'_>) + 'static) {
        self.log = Some(Box::new(log));
    }

    /// Begins its life, of which it tells since when it lasts. If nobody says so it begins when the first connects.
    pub fn begin<App: AsMut<Self> + 'static>(&mut self, registry: &mut Registry<App>) {
        self.begin_now(registry);
    }

    fn begin_now(&mut self, network: &mut dyn Network) {
        if self.started.is_none() {
            let life = network.random() as u32;
            let at = Timestamp::of(network.wall_clock());
            self.started = Some(Started { at, instant: network.now(), life });
            self.date_permanent_channels(at);
        }
    }

    /// Says where `REHASH` gets the settings from. Without a loader it only says that it did.
    pub fn set_loader(&mut self, loader: Loader) {
        self.loader = Some(loader);
    }

    /// Takes other settings, without dropping anybody: limits hold from now on, for what comes; a
    /// password is asked of who connects; operators stay operators; channels that are not in the settings
    /// any more are gone when nobody is on them.
    ///
    /// Some things stay as they were until the server begins anew: the names of the server and the
    /// network, which clients have been told; the accounts, whose file is open; and how much may be queued
    /// for a client, of which the loop was told when it began to listen. Of these, it gives back those that
    /// are other in the new settings, by their names in the [configuration](self::config).
    pub fn rehash(&mut self, settings: Settings) -> Vec<&'static str> {
        let before = std::mem::replace(&mut self.settings, settings);
        let now = &mut self.settings;
        let mut later = Vec::new();
        keep("name", &mut now.name, before.name, &mut later);
        keep("network", &mut now.network, before.network, &mut later);
        keep("data", &mut now.data, before.data, &mut later);
        let queue = before.limits.send_queue;
        keep("send_queue", &mut now.limits.send_queue, queue, &mut later);
        self.offered = offered::offered(&self.settings.limits, self.settings.registration);
        self.close_permanent_channels();
        self.open_permanent_channels();
        later
    }

    /// The settings it has.
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

    /// Its accounts and registered channels.
    pub fn accounts(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    /// Whether nobody's name, channel or list contradicts another's: what a simulation asks after each
    /// step. It looks at everything.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        for key in self.users.keys() {
            if let Some(account) = &self.users[key].account
                && !self.users.of_account(account).any(|it| it == key)
            {
                return Err(format!("{account} does not know who is logged in to it"));
            }
        }
        for (key, user) in self.users.registered() {
            if self.users.named(user.nick()) != Some(key) {
                return Err(format!("{} does not name its owner", user.nick()));
            }
            for &channel in &user.channels {
                if !self.channels[channel].has(key) {
                    return Err(format!(
                        "{} thinks it is on a channel that it is not on",
                        user.source
                    ));
                }
            }
        }
        for (key, channel) in self.channels.iter() {
            if !channel.is_consistent() {
                return Err(format!("somebody on {} would not hear what is said", channel.name));
            }
            if channel.len() == 0 && !channel.is_permanent {
                return Err(format!("{} is empty", channel.name));
            }
            for (member, _) in channel.members() {
                if !self.users[member].channels.contains(&key) {
                    return Err(format!("a member of {} does not know it", channel.name));
                }
            }
        }
        let Counters { users, remote, open, .. } = self.counters;
        let registered = self.users.registered().count() as u64;
        if registered != users + remote || self.users.len() as u64 != open + remote {
            return Err("the counters do not tell how many users there are".to_owned());
        }
        self.check_network()
    }

    fn longest_answer(&self) -> usize {
        self.longest_answer
    }

    pub(super) fn log(&mut self, event: &Event<'_>) {
        if let Some(log) = &mut self.log {
            log(event);
        }
    }

    // ── coming ──────────────────────────────────────────────────────────────────────────────

    /// Lets a connection in.
    ///
    /// # Errors
    ///
    /// Why it is turned away.
    fn admit(
        &mut self,
        network: &mut dyn Network,
        connection: ConnectionId,
        peer: &Address,
        framing: Framing,
    ) -> Result<UserKey, &'static str> {
        self.begin_now(network);
        if !self.accounts.is_known() {
            return Err(self.turn_away(peer, "the network's accounts are not known yet: try again"));
        }
        let most = self.settings.limits.connections_per_address;
        if let Some(host) = peer.ip().and_then(counted)
            && !self.by_address.take(host, most)
        {
            return Err(self.turn_away(peer, "too many connections from your address"));
        }
        self.counters.open += 1;
        self.counters.connections += 1;
        self.log(&Event::Connected { peer });
        let serial = self.next_serial();
        let mut user = User::new(connection, peer, network.now(), serial);
        user.caps = user.caps.framed(framing);
        Ok(self.users.insert(user))
    }

    fn turn_away(&mut self, peer: &Address, reason: &'static str) -> &'static str {
        self.counters.turned_away += 1;
        self.log(&Event::TurnedAway { peer, reason });
        reason
    }

    /// A connection that was let in is gone.
    fn release(&mut self, address: Option<IpAddr>) {
        self.counters.open -= 1;
        if let Some(host) = address.and_then(counted) {
            self.by_address.give_back(&host);
        }
    }

    /// A number that is given once.
    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn count_command(&mut self, place: usize, name: &'static str) {
        if self.commands.len() <= place {
            self.commands.resize(place + 1, ("", 0));
        }
        let times = self.commands[place].1 + 1;
        self.commands[place] = (name, times);
    }

    /// A name for one more message.
    fn next_id(&mut self) -> MessageId {
        MessageId { life: self.life(), serial: self.next_serial() }
    }

    /// A name for one more batch.
    fn next_batch(&mut self) -> std::rc::Rc<str> {
        format!("b{:x}", self.next_serial()).into()
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

/// Keeps a setting as it was, and notes it if it is to be another.
fn keep<T: PartialEq>(name: &'static str, now: &mut T, before: T, later: &mut Vec<&'static str>) {
    if *now != before {
        later.push(name);
        *now = before;
    }
}

/// What stands for a host where connections are counted: its IPv4 address, or its IPv6 network; nothing
/// for this machine itself.
fn counted(address: IpAddr) -> Option<IpAddr> {
    (!address.to_canonical().is_loopback()).then(|| host(address))
}

#[cfg(test)]
mod tests {
    use super::accounts::AccountLimits;
    use super::limits::Limits;
    use super::*;

    #[test]
    fn hosts_are_counted_as_networks_and_this_machine_is_not() {
        let counted =
            |text: &str| counted(text.parse().expect("an address")).map(|it| it.to_string());
        assert_eq!(counted("127.0.0.1"), None);
        assert_eq!(counted("::1"), None);
        assert_eq!(counted("::ffff:127.0.0.1"), None);
        assert_eq!(counted("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(counted("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(counted("2001:db8::ffff:1").as_deref(), Some("2001:db8::"));
    }

    #[test]
    fn a_host_has_no_more_connections_than_it_may_and_gets_them_back() {
        let limits = Limits { connections_per_address: 2, ..Limits::default() };
        let settings = Settings { limits, ..Settings::default() };
        let accounts = Accounts::in_memory(AccountLimits::default());
        let mut server = Server::new(settings, accounts);
        let mut reactor = reactor::Reactor::<Server>::new().expect("a loop");
        let network = reactor.registry();
        let id = network.connect("127.0.0.1:9".parse().expect("an address"), Session::new());
        let id = id.expect("a connection begins");
        let peer = |text: &str| text.parse().expect("an address");
        let first =
            server.admit(network, id, &peer("192.0.2.1:1"), Framing::Stream).expect("the first");
        server.admit(network, id, &peer("192.0.2.1:2"), Framing::Stream).expect("the second");
        assert!(
            server.admit(network, id, &peer("192.0.2.1:3"), Framing::Stream).is_err(),
            "the third is one too many"
        );
        server.admit(network, id, &peer("192.0.2.2:1"), Framing::Stream).expect("another host");
        server.remove(network, first, "gone");
        server
            .admit(network, id, &peer("192.0.2.1:4"), Framing::Stream)
            .expect("there is room again");
        assert_eq!((server.counters().turned_away, server.counters().open), (1, 3));
    }
}
