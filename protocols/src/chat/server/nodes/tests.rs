//! Three nodes on which anything may be done in any order, and heard of in any order that each node's own words keep:
//! when nothing is under way any more, all see the same.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use proptest::prelude::*;
use reactor::{Address, ConnectionId};

use super::*;
use crate::chat::server::accounts::shared::{Key, Kind, Touched};
use crate::chat::server::accounts::{AccountLimits, Accounts};
use crate::chat::server::commands;
use crate::chat::server::context::Then;
use crate::chat::server::effect::{Change, Claim, NickRequest};
use crate::chat::server::history::{Range, Size};
use crate::chat::server::modes::UserModes;
use crate::chat::server::network::{Network, Saver};
use crate::chat::server::talk::Talk;
use crate::chat::server::work::Work;
use crate::chat::server::{Session, Settings};
#[cfg(feature = "cluster")]
use crate::chat::wire::casemap::Folded;
use crate::chat::wire::framing::Framing;
use crate::chat::wire::message::Message;
use crate::chat::wire::timestamp::Timestamp;

const NODES: usize = 3;
/// People on each.
const PEOPLE: usize = 2;

/// A loop that keeps what is sent.
struct Loop {
    now: Instant,
    wall: SystemTime,
    drawn: u64,
    sent: Vec<(ConnectionId, Bytes)>,
    /// Somebody has yet to leave.
    due: bool,
}

impl Network for Loop {
    fn send(&mut self, to: ConnectionId, line: Bytes) {
        self.sent.push((to, line));
    }
    fn send_all(&mut self, to: &[ConnectionId], line: &Bytes) {
        self.sent.extend(to.iter().map(|&to| (to, line.clone())));
    }
    fn tell_news(&mut self) {}
    fn close(&mut self, _: ConnectionId) {}
    fn offload(&mut self, _: ConnectionId, _: Option<u32>, _: Work) {}
    fn save(&mut self, _: &mut Accounts, _: Option<Saver>) {}
    fn guard_nick(&mut self, _: ConnectionId, _: Duration) {}
    fn wait_for(&mut self, _: ConnectionId, _: &Rc<Cell<usize>>) {}
    fn answer_next(&mut self) {}
    fn go_on_leaving(&mut self, _: Duration) {
        self.due = true;
    }
    fn now(&self) -> Instant {
        self.now
    }
    fn wall_clock(&self) -> SystemTime {
        self.wall
    }
    fn random(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }
    fn statistics(&self) -> String {
        String::new()
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody says something.
    Says { node: usize, who: usize, line: String },
    /// The next thing that a node has told another arrives.
    Arrives { from: usize, to: usize },
    /// A node loses another: what is under way from there is lost, and nothing comes until it is found again.
    Loses { from: usize, to: usize },
    /// What is under way from one node to another is lost, and a snapshot comes instead.
    Finds { from: usize, to: usize },
    /// The clocks go on; none is right.
    Passes { node: usize, millis: u64 },
    /// A node is killed, which all others notice, and begins anew.
    Restarts { node: usize },
}

enum Heard {
    Effect(Effect),
    Snapshot(Vec<Effect>),
}

struct World {
    servers: Vec<Server>,
    loops: Vec<Loop>,
    people: Vec<Vec<Option<UserKey>>>,
    /// From, to.
    under_way: [[VecDeque<Heard>; NODES]; NODES],
    is_lost: [[bool; NODES]; NODES],
    connections: Vec<ConnectionId>,
    books: BTreeMap<ConnectionId, Books>,
    /// What was sent, and nobody has looked at yet.
    sent: Vec<(ConnectionId, String)>,
    said: u64,
}

/// What one person knows of who is where, from what it hears alone.
#[derive(Default)]
struct Books {
    nick: String,
    channels: BTreeMap<String, BTreeSet<String>>,
    heard: BTreeSet<String>,
    /// The names of a channel, as far as they were told.
    names: BTreeMap<String, BTreeSet<String>>,
}

impl Books {
    /// Holds a line against what is known.
    fn hear(&mut self, line: &[u8]) -> Result<(), String> {
        let message = Message::parse(line).map_err(|error| error.to_string())?;
        let source = message.source.unwrap_or_default();
        let who = source.split('!').next().unwrap_or_default().to_owned();
        let param = |at: usize| message.param(at).unwrap_or_default().to_owned();
        let is =
            |ok: bool| if ok { Ok(()) } else { Err(String::from_utf8_lossy(line).into_owned()) };
        match message.command {
            "001" => self.nick = param(0),
            "JOIN" if who == self.nick => {
                self.channels.entry(param(0)).or_default().insert(who);
            }
            "JOIN" => {
                let known = self.channels.get_mut(&param(0));
                return is(known.is_some_and(|members| members.insert(who)));
            }
            "PART" | "KICK" => {
                let gone = if message.command == "KICK" { param(1) } else { who };
                let known = self.channels.get_mut(&param(0));
                is(known.is_some_and(|members| members.remove(&gone)))?;
                if gone == self.nick {
                    self.channels.remove(&param(0));
                }
            }
            "QUIT" => {
                let seen = self
                    .channels
                    .values_mut()
                    .filter_map(|it| it.remove(&who).then_some(()))
                    .count();
                return is(seen > 0);
            }
            "NICK" => {
                let mut seen = Vec::new();
                for members in self.channels.values_mut() {
                    if members.remove(&who) {
                        seen.push(is(members.insert(param(0))));
                    }
                }
                is(!seen.is_empty() || who == self.nick)?;
                if who == self.nick {
                    self.nick = param(0);
                }
                return seen.into_iter().collect();
            }
            "PRIVMSG" => {
                is(self.heard.insert(param(1)))?;
                if let Some(members) = self.channels.get(&param(0)) {
                    return is(members.contains(&who));
                }
                return is(!param(0).starts_with('#'));
            }
            "353" => {
                let names = param(3);
                let names = names
                    .split(' ')
                    .map(|it| it.trim_start_matches(['~', '&', '@', '%', '+']).to_owned());
                self.names.entry(param(2)).or_default().extend(names);
            }
            "366" => {
                let told = self.names.remove(&param(1)).unwrap_or_default();
                if let Some(known) = self.channels.get_mut(&param(1)) {
                    // The first names are all there is to know.
                    is(known.len() <= 1 || *known == told)?;
                    *known = told;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl World {
    fn new(connections: &[ConnectionId]) -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let on = |at: usize| {
            let (now, drawn) = (Instant::now(), at as u64);
            Loop { now, wall, drawn, sent: Vec::new(), due: false }
        };
        Self {
            servers: (0..NODES).map(server_of).collect(),
            loops: (0..NODES).map(on).collect(),
            people: vec![vec![None; PEOPLE]; NODES],
            under_way: Default::default(),
            is_lost: [[true; NODES]; NODES],
            connections: connections.to_vec(),
            books: BTreeMap::new(),
            sent: Vec::new(),
            said: 0,
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Says { node, who, line } => self.says(node, who, &line),
            Event::Arrives { from, to } if from != to => self.arrives(from, to),
            Event::Loses { from, to } if from != to => {
                self.is_lost[from][to] = true;
                self.under_way[from][to].clear();
                self.servers[to].lose_node(&mut self.loops[to], &name(from));
                self.takes(to);
            }
            Event::Finds { from, to } if from != to => self.finds(from, to),
            Event::Restarts { node } => self.restarts(node),
            Event::Passes { node, millis } => {
                self.loops[node].wall += Duration::from_millis(millis);
                self.leaves(node);
            }
            _ => {}
        }
    }

    fn says(&mut self, node: usize, who: usize, line: &str) {
        let user =
            self.people[node][who].filter(|&user| self.servers[node].users.get(user).is_some());
        let user = user.unwrap_or_else(|| self.comes(node, who));
        self.said += 1;
        self.hears(node, user, &line.replace("SERIAL", &self.said.to_string()));
    }

    fn connects(&mut self, node: usize, who: usize) -> UserKey {
        let (server, network) = (&mut self.servers[node], &mut self.loops[node]);
        let connection = self.connections[node * PEOPLE + who];
        self.books.insert(connection, Books::default());
        let user = server.admit(network, connection, &Address::Unnamed, Framing::Stream);
        let user = user.expect("it is let in");
        self.people[node][who] = Some(user);
        user
    }

    fn comes(&mut self, node: usize, who: usize) -> UserKey {
        let user = self.connects(node, who);
        // Half of them know of batches, and want what others have.
        if who == 0 {
            self.hears(node, user, "CAP REQ :batch extended-join draft/metadata-2");
            self.hears(node, user, "CAP END");
        }
        self.hears(node, user, &format!("NICK p{}", (node + who) % (NODES + PEOPLE)));
        self.hears(node, user, &format!("NICK q{node}{who}"));
        self.hears(node, user, "USER u 0 * :somebody");
        user
    }

    fn hears(&mut self, node: usize, user: UserKey, line: &str) {
        let (server, network) = (&mut self.servers[node], &mut self.loops[node]);
        if server.users.get(user).is_none() {
            return;
        }
        let waiting = commands::handle(server, network, user, line.as_bytes());
        if let Some(then) = waiting {
            self.grants(node, user, then);
        }
        self.takes(node);
    }

    /// The network is always away, so that everybody gets every nickname; and who asks for much is given it.
    fn grants(&mut self, node: usize, user: UserKey, then: Then) {
        let (server, network) = (&mut self.servers[node], &mut self.loops[node]);
        let claims = server.take_nick_requests();
        let is_asked =
            |it: &NickRequest| matches!(it, NickRequest::Claim(Claim { connection: Some(_), .. }));
        let is_answer = server.next_answer().is_some();
        assert!(is_answer || claims.iter().any(is_asked), "nobody was asked");
        let mut ctx = Context::new(server, network, user, None);
        then.go_on(&mut ctx, Ok(()));
        assert!(ctx.finish().is_none(), "it waits for something else");
    }

    fn takes(&mut self, node: usize) {
        self.servers[node].check().expect("no book contradicts another");
        for (to, line) in std::mem::take(&mut self.loops[node].sent) {
            let Some(books) = self.books.get_mut(&to) else { continue };
            let lines = line.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            for line in lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
                books
                    .hear(line)
                    .unwrap_or_else(|line| panic!("{} is surprised by {line}", books.nick));
                self.sent.push((to, String::from_utf8_lossy(line).into_owned()));
            }
        }
        for Outgoing { to, effect } in self.servers[node].take_effects() {
            let json = serde_json::to_string(&effect).expect("it can be written");
            let wanted = |it: &usize| match &to {
                To::Everyone => *it != node,
                To::Node(node) => name(*it) == *node,
            };
            for to in (0..NODES).filter(wanted) {
                if !self.is_lost[node][to] {
                    let effect = serde_json::from_str(&json).expect("it can be read");
                    self.under_way[node][to].push_back(Heard::Effect(effect));
                }
            }
        }
    }

    fn finds(&mut self, from: usize, to: usize) {
        self.is_lost[from][to] = false;
        self.under_way[from][to].clear();
        let snapshot = self.servers[from].snapshot();
        self.under_way[from][to].push_back(Heard::Snapshot(snapshot));
    }

    fn restarts(&mut self, node: usize) {
        self.servers[node] = server_of(node);
        self.loops[node].due = false;
        self.people[node] = vec![None; PEOPLE];
        for other in (0..NODES).filter(|&other| other != node) {
            self.is_lost[other][node] = true;
            self.under_way[other][node].clear();
            self.happens(Event::Loses { from: node, to: other });
        }
    }

    /// Of those who have yet to leave on a node, the next do.
    fn leaves(&mut self, node: usize) {
        if std::mem::take(&mut self.loops[node].due) {
            self.servers[node].let_more_leave(&mut self.loops[node]);
            self.takes(node);
        }
    }

    fn arrives(&mut self, from: usize, to: usize) {
        let (server, network) = (&mut self.servers[to], &mut self.loops[to]);
        match self.under_way[from][to].pop_front() {
            Some(Heard::Effect(effect)) => server.apply_effect(network, &name(from), effect),
            Some(Heard::Snapshot(snapshot)) => server.replace_node(network, &name(from), snapshot),
            None => {}
        }
        self.takes(to);
    }

    /// All find each other, and all that is under way arrives.
    fn comes_to_rest(&mut self) {
        for (from, to) in pairs() {
            if self.is_lost[from][to] {
                self.finds(from, to);
            }
        }
        for _ in 0..10_000 {
            (0..NODES).for_each(|node| self.leaves(node));
            let Some((from, to)) = pairs().find(|&(from, to)| !self.under_way[from][to].is_empty())
            else {
                if self.loops.iter().any(|it| it.due) {
                    continue;
                }
                return;
            };
            self.arrives(from, to);
        }
        panic!("the nodes never come to rest");
    }

    fn is_one(&mut self) {
        let pictures: Vec<_> = self.servers.iter().map(Server::picture).collect();
        for other in &pictures[1..] {
            let differ: Vec<_> = pictures[0].symmetric_difference(other).collect();
            assert!(differ.is_empty(), "{differ:#?}");
        }
        // What everybody knows is what is so.
        for (node, who) in (0..NODES).flat_map(|node| (0..PEOPLE).map(move |who| (node, who))) {
            for channel in ["#a", "#b"] {
                if self.people[node][who]
                    .is_some_and(|user| self.servers[node].users.get(user).is_some())
                {
                    self.says(node, who, &format!("NAMES {channel}"));
                }
            }
        }
        let users = pictures[0].iter().filter(|line| line.starts_with("user")).count();
        let expected: u64 = self.servers.iter().map(|server| server.counters().users).sum();
        assert_eq!(users as u64, expected, "somebody is missing everywhere");
    }
}

fn server_of(at: usize) -> Server {
    let mut settings = Settings { name: format!("irc{at}.test"), ..Settings::default() };
    settings.limits.nick_length = 9;
    // One user leaves at a time.
    settings.limits.send_queue = 1_024;
    let mut server = Server::new(settings, Accounts::in_memory(AccountLimits::default()));
    server.join_cluster(name(at));
    server
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to))).filter(|(from, to)| from != to)
}

fn name(at: usize) -> NodeName {
    NodeName::new(&format!("n{at}")).expect("a name")
}

fn line() -> impl Strategy<Value = String> {
    let channel = || prop::sample::select(vec!["#a", "#b"]);
    let person =
        || prop::sample::select(vec!["q00", "q01", "q10", "q11", "q20", "q21", "p1", "p2"]);
    let text = || "[a-c]{1,2}";
    prop_oneof![
        6 => channel().prop_map(|channel| format!("JOIN {channel}")),
        3 => channel().prop_map(|channel| format!("PART {channel}")),
        2 => (channel(), person()).prop_map(|(channel, who)| format!("KICK {channel} {who}")),
        3 => (channel(), "[+-][ovh]", person())
            .prop_map(|(channel, mode, who)| format!("MODE {channel} {mode} {who}")),
        2 => (channel(), "[+-][ms]").prop_map(|(channel, mode)| format!("MODE {channel} {mode}")),
        2 => (channel(), "[+-][be]", text())
            .prop_map(|(channel, mode, mask)| format!("MODE {channel} {mode} {mask}!*@*")),
        1 => (channel(), "[+-]k", text()).prop_map(|(channel, mode, key)| format!("MODE {channel} {mode} {key}")),
        1 => (channel(), 1..9).prop_map(|(channel, limit)| format!("MODE {channel} +l {limit}0")),
        2 => (channel(), text()).prop_map(|(channel, text)| format!("TOPIC {channel} :{text}")),
        2 => channel().prop_map(|channel| format!("PRIVMSG {channel} :SERIAL")),
        1 => person().prop_map(|who| format!("PRIVMSG {who} :SERIAL")),
        2 => person().prop_map(|nick| format!("NICK {nick}")),
        1 => text().prop_map(|text| format!("AWAY {text}")),
        1 => Just("AWAY".to_owned()),
        1 => (channel(), text())
            .prop_map(|(channel, text)| format!("METADATA {channel} SET {text} :SERIAL")),
        1 => text().prop_map(|text| format!("METADATA * SET {text}")),
        1 => text().prop_map(|text| format!("METADATA * SET {text} :SERIAL")),
        1 => "[+-]i".prop_map(|mode| format!("MODE q00 {mode}")),
        1 => text().prop_map(|text| format!("SETNAME :{text}")),
        2 => Just("QUIT".to_owned()),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let (node, other, who, killed) = (0..NODES, 0..NODES, 0..PEOPLE, 0..NODES);
    prop_oneof![
        10 => (node.clone(), who, line()).prop_map(|(node, who, line)| Event::Says { node, who, line }),
        20 => (node.clone(), other.clone()).prop_map(|(from, to)| Event::Arrives { from, to }),
        1 => (node.clone(), other.clone()).prop_map(|(from, to)| Event::Loses { from, to }),
        1 => (node.clone(), other).prop_map(|(from, to)| Event::Finds { from, to }),
        3 => (node, 0_u64..5_000).prop_map(|(node, millis)| Event::Passes { node, millis }),
        1 => killed.prop_map(|node| Event::Restarts { node }),
    ]
}

thread_local! {
    static CONNECTIONS: Vec<ConnectionId> = {
        let mut reactor = reactor::Reactor::<Server>::new().expect("a loop");
        let address: Address = "127.0.0.1:9".parse().expect("an address");
        let begin = |_| reactor.registry().connect(address.clone(), Session::new());
        (0..NODES * PEOPLE).map(begin).collect::<Result<_, _>>().expect("they begin")
    };
}

/// Members who come from a node of an earlier era are settled together, and not once for each of them.
#[test]
fn a_channel_is_settled_once_however_many_members_come() {
    let mut world = CONNECTIONS.with(|it| World::new(it));
    world.happens(Event::Passes { node: 0, millis: 100_000 });
    world.says(0, 0, "JOIN #r");
    for who in 0..PEOPLE {
        world.says(1, who, "JOIN #r");
    }
    let snapshot = world.servers[1].snapshot();
    let (server, network) = (&mut world.servers[0], &mut world.loops[0]);
    let place = server.nodes.as_mut().and_then(|nodes| nodes.place(&name(1))).expect("a node");
    for effect in snapshot {
        server.apply_one(network, place, effect);
    }
    assert_eq!(server.nodes.as_ref().map(|nodes| nodes.unsettled.len()), Some(1));
}

/// Who opens and leaves channels with many bans does not fill the snapshot of its node.
#[test]
fn closed_channels_are_forgotten_before_they_fill_a_snapshot() {
    let mut world = CONNECTIONS.with(|it| World::new(it));
    world.says(0, 0, "NICK ann");
    let ban = |at: usize| Change {
        item: "b".to_owned(),
        key: format!("{at}!*@*"),
        value: Some(format!("{at}!*@*")),
        user: None,
        by: "ann".to_owned(),
        at: Timestamp::default(),
        node: name(0),
    };
    for channel in 0..1_000 {
        let bans = (0..30).map(ban).collect();
        let (server, of) = (&mut world.servers[0], format!("#{channel}"));
        server.take_settings(&of, Timestamp::default(), bans);
    }
    let told = |world: &World, of: &str| -> (usize, usize) {
        let snapshot = world.servers[0].snapshot();
        let all = snapshot.into_iter().filter_map(|effect| match effect {
            Effect::Channel { channel, changes, .. } => Some((channel, changes.len())),
            _ => None,
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().all(|it| it.1 <= 100), "an effect is too long for a message");
        let of = all.iter().filter(|it| it.0 == of).map(|it| it.1).sum();
        (of, all.iter().map(|it| it.1).sum())
    };
    let (last, total) = told(&world, "#999");
    assert!((19_900..=20_000).contains(&total), "{total}");
    assert_eq!((last, told(&world, "#0").0), (30, 0), "the oldest go first");
    let many = (0..5_000).map(ban).collect();
    world.servers[0].take_settings("#many", Timestamp::default(), many);
    assert_eq!(told(&world, "#many").0, 1_000, "and an era has only so many");
}

impl World {
    /// Three nodes that have found each other.
    fn of_friends() -> Self {
        let mut world = CONNECTIONS.with(|it| Self::new(it));
        pairs().for_each(|(from, to)| world.finds(from, to));
        world.comes_to_rest();
        world
    }

    /// The names of the effects that are under way from a node to another.
    fn told(&self, from: usize, to: usize) -> Vec<String> {
        let effects = self.under_way[from][to].iter().filter_map(|heard| match heard {
            Heard::Effect(effect) => serde_json::to_value(effect).ok(),
            Heard::Snapshot(_) => None,
        });
        let kind = |it: serde_json::Value| it.as_object()?.keys().next().cloned();
        effects.filter_map(kind).collect()
    }

    /// Three nodes with everybody on a channel: those of the first on #a.
    fn of_members(join: &str) -> Self {
        let mut world = Self::of_friends();
        for (node, who) in (0..NODES).flat_map(|node| (0..PEOPLE).map(move |who| (node, who))) {
            world.says(node, who, if node == 0 { "JOIN #a" } else { join });
            world.comes_to_rest();
        }
        world
    }

    /// Two nodes are lost to the first: of the later one all have yet to quit.
    fn loses_two(&mut self) {
        for from in [2, 1] {
            self.happens(Event::Loses { from, to: 0 });
        }
        self.sent.clear();
    }

    /// What somebody has been sent, but for the tags; a line that is in a batch begins with `*`.
    fn sent_to(&mut self, node: usize, who: usize) -> Vec<String> {
        let connection = self.connections[node * PEOPLE + who];
        let theirs = self.sent.extract_if(.., |it| it.0 == connection);
        let bare = |line: String| match line.split_once(' ') {
            Some((tags, line)) if tags.starts_with("@batch") => format!("*{line}"),
            _ => line,
        };
        theirs.map(|(_, line)| bare(line)).collect()
    }

    fn modes_of(&self, node: usize, channel: &str) -> String {
        let server = &self.servers[node];
        let key = server.channels.named(channel).expect("it is open");
        server.channels[key].modes(true).0
    }

    /// A channel that is registered on each node.
    fn registers(&mut self, channel: &str, modes: &str) {
        let wall = self.loops[0].wall;
        for server in &mut self.servers {
            let hash = crate::password::PasswordHash::of("sesame").expect("a hash");
            let accounts = server.accounts();
            accounts.create("eve", hash, wall).expect("it is made");
            accounts.register_channel(channel, "eve", wall).expect("it is registered");
            accounts.keep_modes(channel, modes).expect("they are kept");
        }
    }
}

/// A server that was away is told of each entry where it was last changed: of a founder with a new password behind the
/// channel.
#[test]
fn a_channel_that_is_told_before_its_founder_is_registered_once_that_one_is_told() {
    let mut world = World::of_friends();
    world.says(0, 0, "JOIN #a");
    world.registers("#a", "+nt");
    assert!(!world.modes_of(0, "#a").contains('r'));
    let key = Key { kind: Kind::Name, name: Folded::of("eve") };
    let with = vec![Key { kind: Kind::Channel, name: Folded::of("#a") }];
    let told = Touched { key, gone: None, with, is_taken_back: false };
    world.servers[0].follow(&mut world.loops[0], told);
    assert!(world.modes_of(0, "#a").contains('r'));
}

/// Else whoever comes and goes has all nodes hear of a thousand bans with each line.
#[test]
fn settings_are_told_by_who_opens_a_channel_and_not_by_who_joins_it() {
    let mut world = World::of_friends();
    world.registers("#a", "+ntb *!*@192.0.2.1");
    world.says(0, 0, "JOIN #a");
    assert_eq!(world.told(0, 1), ["user", "channel", "join"]);
    world.comes_to_rest();
    world.says(1, 0, "JOIN #a");
    assert_eq!(world.told(1, 0), ["user", "join"]);
    world.comes_to_rest();
    for (node, line) in [(0, "PART #a"), (1, "PART #a"), (0, "JOIN #a"), (0, "PART #a")] {
        world.says(node, 0, line);
        assert!(!world.told(node, 2).contains(&"channel".to_owned()), "{line}");
        world.comes_to_rest();
    }
    // After a while it is told again, if anybody should have forgotten it.
    world.happens(Event::Passes { node: 0, millis: 61_000 });
    world.says(0, 0, "JOIN #a");
    assert_eq!(world.told(0, 1), ["channel", "join"]);
    world.comes_to_rest();
    world.is_one();
    assert_eq!(world.modes_of(2, "#a"), "+nrt");
}

/// What one node remembers of it, and another does not, is older than what the accounts have heard since.
#[cfg(feature = "cluster")]
#[test]
fn a_registered_channel_that_is_opened_again_is_as_the_accounts_have_it() {
    for first in [0, 1] {
        let mut world = World::of_friends();
        world.registers("#a", "+ns");
        let created = Timestamp::of(world.loops[1].wall);
        let old = ["i", "t"].map(|item| Change {
            item: item.to_owned(),
            key: String::new(),
            value: Some(String::new()),
            user: None,
            by: "eve".to_owned(),
            at: created.after(created),
            node: name(1),
        });
        world.servers[1].take_settings("#a", created, old.to_vec());
        world.servers[1].note_kept(&Folded::of("#a"));
        world.says(first, 0, "JOIN #a");
        world.comes_to_rest();
        world.says(1 - first, 0, "JOIN #a");
        world.comes_to_rest();
        world.is_one();
        assert_eq!(world.modes_of(2, "#a"), "+nrs", "opened on {first}");
    }
}

/// Nobody else would ever tell it to who has missed it.
#[test]
fn what_a_node_that_was_killed_has_set_is_known_to_all() {
    let mut world = World::of_friends();
    for node in 0..NODES {
        world.says(node, 0, "JOIN #a");
        world.comes_to_rest();
    }
    world.happens(Event::Loses { from: 0, to: 2 });
    world.says(0, 0, "MODE #a +m");
    world.happens(Event::Arrives { from: 0, to: 1 });
    world.happens(Event::Restarts { node: 0 });
    world.comes_to_rest();
    world.is_one();
    assert_eq!(world.modes_of(2, "#a"), "+mnt");
    // Also to who comes later, when nobody is on that channel.
    for node in 1..NODES {
        world.says(node, 0, "PART #a");
    }
    world.comes_to_rest();
    world.happens(Event::Restarts { node: 0 });
    world.comes_to_rest();
    let snapshot = world.servers[1].snapshot();
    let tells = |it: &Effect| matches!(it, Effect::Channel { changes, .. } if changes.len() == 1);
    assert!(snapshot.iter().any(tells), "{snapshot:?}");
}

/// Six thousand at once would cut off whoever is a little slow.
#[test]
fn users_of_a_lost_node_quit_a_few_at_a_time_in_one_batch() {
    let mut world = World::of_friends();
    for (node, who) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        world.says(node, who, "JOIN #a");
        world.comes_to_rest();
    }
    let lines = |world: &mut World| {
        let ann = world.connections[0];
        let to_ann = std::mem::take(&mut world.loops[0].sent).into_iter().filter(|it| it.0 == ann);
        to_ann.map(|(_, line)| String::from_utf8_lossy(&line).into_owned()).collect::<Vec<_>>()
    };
    let (server, network) = (&mut world.servers[0], &mut world.loops[0]);
    server.lose_node(network, &name(1));
    let first = lines(&mut world);
    assert!(first.len() == 2 && first[0].contains("BATCH +"), "{first:?}");
    let quit = |line: &str| line.contains(" QUIT ") && line.starts_with("@batch=");
    assert!(quit(&first[1]), "{first:?}");
    let (server, network) = (&mut world.servers[0], &mut world.loops[0]);
    assert!(std::mem::take(&mut network.due));
    server.let_more_leave(network);
    let rest = lines(&mut world);
    assert!(rest.len() == 2 && quit(&rest[0]) && rest[1].contains("BATCH -"), "{rest:?}");
    assert!(!world.loops[0].due);
}

/// If some came later, their nicks would be free until then, and their channels open.
#[test]
fn users_of_a_node_that_is_back_come_in_one_turn() {
    let mut world = World::of_members("JOIN #a");
    world.loses_two();
    while world.loops[0].due {
        world.leaves(0);
    }
    world.sent.clear();
    world.finds(1, 0);
    world.happens(Event::Arrives { from: 1, to: 0 });
    let heard = world.sent_to(0, 0);
    let join = |who: &str| format!("*:{who}!~u@localhost JOIN #a * :somebody");
    assert!(heard.len() == 4 && heard[1..3] == [join("q10"), join("q11")], "{heard:?}");
    assert!(heard[0].contains("BATCH +") && heard[3].contains("BATCH -"), "{heard:?}");
    assert!(!world.loops[0].due);
    world.comes_to_rest();
    world.is_one();
}

/// There is no queue that could be full of them; only a turn is not to be long.
#[test]
fn those_whom_nobody_sees_quit_some_thousands_at_a_time() {
    let mut world = World::of_friends();
    world.says(0, 0, "JOIN #a");
    world.says(1, 0, "JOIN #b");
    world.comes_to_rest();
    let person = world.servers[1].snapshot().into_iter().find_map(|effect| match effect {
        Effect::User(person) => Some(person),
        _ => None,
    });
    let person = person.expect("a user");
    let (server, network) = (&mut world.servers[0], &mut world.loops[0]);
    for serial in 0..5_000 {
        let mut person = person.clone();
        (person.user.serial, person.nick) = (1_000 + serial, format!("z{serial}"));
        server.apply_effect(network, &name(1), Effect::User(person));
    }
    let left = |world: &World| (world.servers[0].users.len(), world.loops[0].due);
    assert_eq!(left(&world), (5_002, false));
    world.happens(Event::Loses { from: 1, to: 0 });
    assert_eq!(left(&world), (5_002 - 4_096, true));
    world.leaves(0);
    assert_eq!(left(&world), (1, false));
}

const QUIT: &str = ":q11!~u@localhost QUIT :irc0.test irc1.test";

#[test]
fn who_takes_the_nick_of_one_who_has_yet_to_quit_has_it() {
    let mut world = World::of_members("JOIN #a");
    world.loses_two();
    world.says(0, 0, "NICK q11");
    for who in 0..PEOPLE {
        assert_eq!(world.sent_to(0, who), [QUIT, ":q00!~u@localhost NICK :q11"]);
    }
    // Also on the way in.
    world.says(0, 1, "QUIT");
    let user = world.connects(0, 1);
    world.hears(0, user, "NICK q10");
    world.hears(0, user, "USER u 0 * :somebody");
    assert_eq!(world.books[&world.connections[1]].nick, "q10");
    world.comes_to_rest();
    world.is_one();
}

#[test]
fn a_ghost_that_has_yet_to_quit_is_gone_at_once() {
    let mut world = World::of_members("JOIN #a");
    world.loses_two();
    let (wall, ann) = (world.loops[0].wall, world.people[0][0].expect("she is there"));
    let hash = crate::password::PasswordHash::of("sesame").expect("a hash");
    world.servers[0].accounts().create("q11", hash, wall).expect("it is made");
    world.servers[0].users.set_account(ann, Some("q11"));
    world.says(0, 0, "NS GHOST q11");
    assert_eq!(world.sent_to(0, 1), [QUIT]);
    assert!(world.sent_to(0, 0)[1].ends_with("q11 is gone."));
    assert!(world.told(0, 1).is_empty());
}

/// Its node could be asked, and nobody would answer.
#[test]
fn what_is_done_to_one_who_has_yet_to_quit_is_answered_at_once() {
    for line in [
        "KICK #a q11 :go",
        "MODE #a +mv q11",
        "KILL q11 :go",
        "CHGHOST q11 hidden.test",
        "INVITE q11 #a",
        "PRIVMSG q11 :are you there",
        "METADATA q11 SET colour :red",
        "REDACT q11 1",
    ] {
        let mut world = World::of_members("JOIN #a");
        let ann = world.people[0][0].expect("she is there");
        world.servers[0].users[ann].modes.set(UserModes::OPERATOR, true);
        world.loses_two();
        world.says(0, 0, line);
        assert_eq!(world.sent_to(0, 1)[0], QUIT, "{line}");
        let answered = world.sent_to(0, 0);
        let is_answer =
            |line: &String| line.contains(" 401 q00 q11 :") || line.contains("INVALID_TARGET q11");
        assert!(answered[0] == QUIT && is_answer(&answered[1]), "{line}: {answered:?}");
        assert!(!world.told(0, 1).iter().any(|told| told != "channel"), "{line}");
        world.servers[0].users[ann].modes.set(UserModes::OPERATOR, false);
        world.comes_to_rest();
        world.is_one();
    }
    // Also by whoever runs the machine.
    let mut world = World::of_members("JOIN #a");
    world.loses_two();
    let (server, network) = (&mut world.servers[0], &mut world.loops[0]);
    assert!(server.kill_by_operator(network, "q11", "go"));
    world.takes(0);
    assert_eq!((world.sent_to(0, 1), world.told(0, 1).len()), (vec![QUIT.to_owned()], 0));
}

/// Who has an account may come back, and read what was said.
#[test]
fn what_was_said_to_one_who_has_yet_to_quit_is_taken_back_here() {
    let mut world = World::of_members("JOIN #a");
    let (server, wall) = (&mut world.servers[0], world.loops[0].wall);
    let hash = crate::password::PasswordHash::of("sesame").expect("a hash");
    server.accounts().create("q11", hash, wall).expect("it is made");
    let user = server.users.named("q11").expect("it is there");
    server.users.set_account(user, Some("q11"));
    world.says(0, 0, "PRIVMSG q11 :hello");
    world.comes_to_rest();
    let Server { users, history, .. } = &world.servers[0];
    let [one, other] = ["q00", "q11"].map(|nick| users.named(nick).expect("it is there"));
    let talk = Talk::private(Server::party(&users[one]), Server::party(&users[other]));
    let all = Size { posts: 1, bytes: usize::MAX };
    let said = history.select(&talk, Range::Latest(None), all, |_| true);
    let id = said.first().expect("it is remembered").id;
    world.loses_two();
    world.says(0, 0, &format!("REDACT q11 {id}"));
    assert_eq!((world.sent_to(0, 0), world.told(0, 1)), (vec![QUIT.to_owned()], Vec::new()));
    assert!(world.servers[0].history.find(&talk, id).is_none());
}

/// A line of a batch counts when the batch ends, so what has to be seen first is not one.
#[test]
fn who_quits_for_somebody_of_a_netjoin_does_so_first() {
    let mut world = World::of_members("JOIN #a");
    world.loses_two();
    world.says(1, 1, "QUIT");
    world.says(1, 0, "NICK q11");
    world.sent.clear();
    world.happens(Event::Finds { from: 1, to: 0 });
    world.happens(Event::Arrives { from: 1, to: 0 });
    for who in 0..PEOPLE {
        assert_eq!(world.sent_to(0, who), [QUIT, ":q10!~u@localhost NICK :q11"]);
    }
    world.comes_to_rest();
    world.is_one();
}

#[test]
fn a_channel_of_those_who_have_yet_to_quit_is_not_there() {
    let mut world = World::of_members("JOIN #a,#b");
    world.says(1, 0, "MODE #b +k secret");
    world.comes_to_rest();
    world.loses_two();
    world.loops[0].wall += Duration::from_secs(1);
    world.says(0, 0, "JOIN #b");
    assert!(world.sent_to(0, 0).iter().any(|line| line.ends_with("#b :@q00")));
    assert_eq!(world.modes_of(0, "#b"), "+nt");
    // The older one counts when the split is over.
    world.comes_to_rest();
    world.is_one();
    assert_eq!(world.modes_of(0, "#b"), "+ntk");
}

#[test]
fn nodes_that_are_lost_take_turns() {
    let mut world = World::of_members("JOIN #a");
    let person = world.servers[2].snapshot().into_iter().find_map(|effect| match effect {
        Effect::User(person) => Some(person),
        _ => None,
    });
    let mut person = person.expect("a user");
    (person.user.serial, person.nick) = (1_000, "q29".to_owned());
    let (server, network) = (&mut world.servers[0], &mut world.loops[0]);
    server.apply_effect(network, &name(2), Effect::User(person));
    world.loses_two();
    let mut left = Vec::new();
    for _ in 0..4 {
        let nodes = world.servers[0].nodes.as_ref().expect("a network");
        let of = |node: usize| {
            nodes
                .users_of(
                    nodes.nodes.iter().position(|it| it.name == name(node)).expect("it is known"),
                )
                .len()
        };
        left.push((of(1), of(2)));
        world.leaves(0);
    }
    assert_eq!(left, [(2, 2), (2, 1), (1, 1), (1, 0)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn all_nodes_see_the_same_once_they_have_heard_everything(
        events in prop::collection::vec(event(), 1..120)
    ) {
        let mut world = CONNECTIONS.with(|it| World::new(it));
        for (from, to) in pairs() {
            world.finds(from, to);
        }
        for event in events {
            world.happens(event);
        }
        world.comes_to_rest();
        world.is_one();
    }
}
