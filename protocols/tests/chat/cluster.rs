//! Several servers that are one network over the real `nats-server`, each in a loop of its own, all in one thread.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{Settings, cluster, mask};
use protocols::nats::kv::KeyValue;
use protocols::nats::{Client, ClientOptions};
use reactor::{Backoff, Reactor};

use crate::nats_server::Store;
use crate::stage::{Actor, PATIENCE, Stage, settings};

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_millis(500);

/// The servers, by the names of their nodes.
struct Network {
    store: Store,
    nodes: Vec<(&'static str, Stage)>,
    silence: Duration,
}

impl Network {
    /// These nodes, which see each other; none if there is no such program.
    #[track_caller]
    fn of(names: &[&'static str], silence: Duration) -> Option<Self> {
        let store = Store::start()?;
        let mut network = Self { store, nodes: Vec::new(), silence };
        names.iter().for_each(|name| network.starts(name));
        Some(network)
    }

    /// A server that begins, and has seen all others that are there.
    #[track_caller]
    fn starts(&mut self, name: &'static str) {
        let named = Settings { name: format!("{name}.test"), ..settings() };
        let accounts = Accounts::of_network(AccountLimits::default());
        let stage = Stage::with_accounts(named, accounts);
        let address = format!("nats://127.0.0.1:{}", self.store.port);
        let mut nats = ClientOptions::new([address.parse().expect("it is one")]);
        nats.reconnect = Some(Backoff::new(Duration::from_millis(20), Duration::from_millis(100)));
        let mut limits = cluster::Limits::with_silence(self.silence);
        limits.listen = Duration::from_millis(50);
        let node = name.parse().expect("it is a name");
        let options = cluster::Options { nats, node, limits };
        let joined =
            stage.acts(|server, registry| cluster::join(registry, server, options).map(drop));
        joined.expect("it can be a node");
        self.nodes.push((name, stage));
        self.meets(name);
    }

    /// All others see a node, and it sees them.
    #[track_caller]
    fn meets(&mut self, name: &str) {
        let others: Vec<_> = self.nodes.iter().map(|it| it.0).filter(|it| *it != name).collect();
        self.logs(name, "in the network, over", 1);
        // Before it knows the accounts it lets nobody in.
        self.logs(name, "the network has", 1);
        for other in others {
            self.logs(name, &format!("node {other} is there"), 1);
            self.logs(other, &format!("node {name} is there"), 1);
        }
    }

    /// The bucket of claims has all these keys.
    #[track_caller]
    fn are_claimed(&self, keys: &[&'static str]) {
        let mut reactor = Reactor::<BTreeSet<&'static str>>::new().expect("a loop");
        let address = format!("nats://127.0.0.1:{}", self.store.port);
        let options = ClientOptions::new([address.parse().expect("it is one")]);
        let client = Client::connect(reactor.registry(), options, |_, _, _| {});
        let network = settings().network;
        let bucket = KeyValue::new(&client, &format!("chat-{network}-nicks"), PATIENCE);
        let bucket = bucket.expect("it may be called this");
        let mut claimed = BTreeSet::new();
        self.until(&format!("{keys:?} are claimed"), || {
            if client.is_connected() {
                for &key in keys {
                    let asked = bucket.get(
                        reactor.registry(),
                        key,
                        move |_, claimed: &mut BTreeSet<_>, told| {
                            if matches!(told, Ok(Some(_))) {
                                claimed.insert(key);
                            }
                        },
                    );
                    asked.expect("it can be asked");
                }
            }
            let _ = reactor.turn(Some(Duration::from_millis(20)), &mut claimed).expect("it turns");
            claimed.len() == keys.len()
        });
    }

    fn stage(&self, name: &str) -> &Stage {
        &self.nodes.iter().find(|node| node.0 == name).expect("it is there").1
    }

    fn turn(&self) {
        self.nodes.iter().for_each(|(_, stage)| stage.turn());
    }

    /// Turns all loops until something is so.
    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            self.turn();
            let logs = || self.nodes.iter().map(|(name, it)| format!("{name}:\n{}", it.log()));
            assert!(Instant::now() < deadline, "not so: {what}\n{}", logs().collect::<String>());
        }
    }

    /// A node's log says something so often.
    #[track_caller]
    fn logs(&self, name: &str, text: &str, times: usize) {
        let stage = self.stage(name);
        self.until(&format!("{name} logs {text}"), || stage.log().matches(text).count() >= times);
    }

    /// The lines somebody hears until one fits; that one.
    #[track_caller]
    fn hears(&self, actor: &mut Actor, pattern: &str) -> String {
        let (mut heard, mut found) = (Vec::new(), None);
        let deadline = Instant::now() + PATIENCE;
        while found.is_none() {
            self.turn();
            while found.is_none()
                && let Some(line) = actor.hears_if_any()
            {
                found = mask::matches(pattern, &line).then(|| line.clone());
                heard.push(line);
            }
            assert!(Instant::now() < deadline, "no line fits {pattern}: {heard:#?}");
        }
        found.unwrap_or_default()
    }

    /// Somebody who has come to a node, and been greeted.
    #[track_caller]
    fn enters(&self, name: &str, nick: &str) -> Actor {
        let mut actor = self.stage(name).connects();
        actor.registers(nick);
        self.hears(&mut actor, "* 422 *");
        actor
    }

    #[track_caller]
    fn joins(&self, actor: &mut Actor, channel: &str) {
        actor.says(&format!("JOIN {channel}"));
        self.hears(actor, &format!("* 366 * {channel} *"));
    }

    /// Somebody hears who is logged in to what; 0 is nobody.
    #[track_caller]
    fn knows_account(&self, actor: &mut Actor, nick: &str, account: &str) {
        self.until("it is known who is logged in", || {
            actor.says(&format!("WHO {nick} %na"));
            self.hears(actor, &format!("* 354 * {nick} *")).ends_with(&format!(" {account}"))
        });
    }

    /// Who is on the room, as somebody sees it.
    #[track_caller]
    fn names(&self, actor: &mut Actor) -> Vec<String> {
        actor.says("NAMES #room");
        let line = self.hears(actor, "* 353 *");
        let names = line.rsplit(':').next().unwrap_or_default();
        let mut names: Vec<_> = names.split(' ').map(str::to_owned).collect();
        names.sort_unstable();
        names
    }
}

#[test]
fn people_on_two_servers_are_on_one_network() {
    let Some(network) = Network::of(&["a", "b"], NEVER) else { return };
    let (mut ann, mut bob) = (network.enters("a", "ann"), network.enters("b", "bob"));
    network.joins(&mut ann, "#room");
    network.joins(&mut bob, "#room");
    network.hears(&mut ann, ":bob!* JOIN #room");
    ann.says("PRIVMSG #room :hello");
    network.hears(&mut bob, ":ann!* PRIVMSG #room :hello");
    bob.says("PRIVMSG ann :psst");
    network.hears(&mut ann, ":bob!* PRIVMSG ann :psst");
    ann.says("TOPIC #room :tea");
    network.hears(&mut bob, ":ann!* TOPIC #room :tea");
    bob.says("NICK robert");
    network.hears(&mut ann, ":bob!* NICK *robert");
    bob.says("NICK Ann");
    network.hears(&mut bob, "* 433 * Ann *");
    ann.says("WHOIS robert");
    network.hears(&mut ann, "* 312 * robert b.test *");
    ann.says("MAP");
    network.hears(&mut ann, "* 015 * :a.test (1 user)");
    network.hears(&mut ann, "* 015 * :|- b.test (1 user)");
    let report = network.stage("a").acts(|server, registry| server.network_report(registry.now()));
    let report = report.expect("it is in one");
    assert!(
        report.contains("node b: followed up to") && report.contains("1 claimed, 0 to"),
        "{report}"
    );
    bob.says("QUIT :bye");
    network.hears(&mut ann, ":robert!* QUIT *bye");
    // Its nick is free for who comes elsewhere.
    let mut cy = network.enters("a", "cy");
    cy.says("NICK bob");
    network.hears(&mut cy, ":cy!* NICK *bob");
    cy.says("NICK robert");
    network.hears(&mut cy, ":bob!* NICK *robert");
}

#[test]
fn of_two_who_want_a_nick_at_the_same_time_one_gets_it() {
    let Some(network) = Network::of(&["a", "b"], NEVER) else { return };
    for round in 0..5 {
        let nick = format!("eve{round}");
        let mut eves = ["a", "b"].map(|name| network.stage(name).connects());
        eves.iter_mut().for_each(|eve| eve.registers(&nick));
        let answers: Vec<_> = eves
            .iter_mut()
            .map(|eve| network.hears(eve, &format!("* {nick} *")))
            .map(|line| line.split(' ').nth(1).map(str::to_owned).unwrap_or_default())
            .collect();
        let mut sorted = answers.clone();
        sorted.sort();
        assert_eq!(sorted, ["001", "433"], "{answers:?}");
    }
}

#[test]
fn accounts_and_channels_are_the_networks_and_who_is_logged_in_is_seen_everywhere() {
    let Some(mut network) = Network::of(&["a", "b"], NEVER) else { return };
    let (mut ann, mut bob) = (network.enters("a", "ann"), network.enters("b", "bob"));
    ann.says("REGISTER * * sesame");
    network.hears(&mut ann, "* REGISTER SUCCESS ann *");
    network.joins(&mut ann, "#room");
    ann.says("CS REGISTER #room");
    network.hears(&mut ann, "*#room is yours.");
    network.joins(&mut bob, "#room");
    bob.says("NS IDENTIFY ann sesame");
    network.hears(&mut bob, "* 900 * ann *");
    network.knows_account(&mut ann, "bob", "ann");
    bob.says("CS OP #room");
    network.hears(&mut ann, "* MODE #room +qo bob bob");
    bob.says("MODE #room +m");
    network.hears(&mut ann, ":bob!* MODE #room +m");
    // A server that comes later knows all that, whoever is there.
    network.starts("c");
    let mut cy = network.enters("c", "cy");
    network.joins(&mut cy, "#room");
    cy.says("MODE #room");
    let modes = network.hears(&mut cy, "* 324 *");
    assert!(
        modes.split(' ').nth(4).is_some_and(|it| it.contains('m') && it.contains('r')),
        "{modes}"
    );
    // The account goes, and with it what was its own, on each server.
    ann.says("NS DROP ann");
    network.hears(&mut ann, "*The account ann is gone.");
    network.hears(&mut bob, "* 901 bob *");
    network.knows_account(&mut cy, "bob", "0");
    cy.says("NS REGISTER sesame");
    network.hears(&mut cy, "*Account created*");
    for actor in [&mut ann, &mut bob, &mut cy] {
        network.until("the channel is nobody's", || {
            actor.says("MODE #room");
            network.hears(actor, "* 324 *").split(' ').nth(4).is_some_and(|it| !it.contains('r'))
        });
    }
}

#[test]
fn a_server_that_stops_says_goodbye_and_one_that_dies_is_lost_after_a_while() {
    let Some(mut network) = Network::of(&["a", "b", "c"], SOON) else { return };
    let (mut ann, mut bob, mut cy) =
        (network.enters("a", "ann"), network.enters("b", "bob"), network.enters("c", "cy"));
    for actor in [&mut ann, &mut bob, &mut cy] {
        network.joins(actor, "#room");
    }
    network.hears(&mut ann, ":cy!* JOIN #room");
    let bea = network.enters("b", "bea");
    // The last of a process that is killed is that its socket is closed.
    network.nodes.retain(|node| node.0 != "b");
    let quit = network.hears(&mut ann, ":bob!* QUIT *");
    assert!(quit.ends_with("QUIT :a.test b.test"), "{quit}");
    network.logs("a", "node b is lost: silence", 1);
    // It is there again, and its user has the nick at once, which nobody has given back.
    network.starts("b");
    let mut bob = network.enters("b", "bob");
    network.joins(&mut bob, "#room");
    network.hears(&mut ann, ":bob!* JOIN #room");
    // What the others of its former life have claimed, it gives back.
    drop(bea);
    while {
        ann.says("NICK bea");
        network.hears(&mut ann, "*bea*").contains(" 433 ")
    } {}
    network.silence = NEVER;
    network.stage("c").shuts_down();
    network.hears(&mut ann, ":cy!* QUIT *");
    network.logs("a", "node c has left", 1);
    network.nodes.retain(|node| node.0 != "c");
    assert_eq!(network.names(&mut ann), network.names(&mut bob));
}

#[test]
fn while_nats_is_away_each_server_goes_on_alone_and_heals_when_it_is_back() {
    let Some(mut network) = Network::of(&["a", "b"], SOON) else { return };
    let (mut ann, mut bob) = (network.enters("a", "ann"), network.enters("b", "bob"));
    network.joins(&mut ann, "#room");
    network.joins(&mut bob, "#room");
    network.hears(&mut ann, ":bob!* JOIN #room");
    network.store.kill();
    network.logs("a", "alone, without the network", 1);
    network.hears(&mut ann, ":bob!* QUIT *a.test b.test");
    network.hears(&mut bob, ":ann!* QUIT *b.test a.test");
    // Both are on their own, and somebody gets a nick on each.
    let eves = [network.enters("a", "eve"), network.enters("b", "eve")];
    ann.says("PRIVMSG #room :is anybody there?");
    network.store.again();
    network.logs("a", "node b is there", 2);
    network.logs("b", "node a is there", 2);
    network.hears(&mut ann, ":bob!* JOIN #room");
    network.hears(&mut bob, ":ann!* JOIN #room");
    ann.says("PRIVMSG bob :there you are");
    let line = network.hears(&mut bob, "*PRIVMSG*");
    assert!(line.ends_with("PRIVMSG bob :there you are"), "{line}");
    // The elder has kept it; the other is called by its name in the network.
    let [mut elder, mut younger] = eves;
    network.hears(&mut younger, ":eve!* NICK *");
    let told = network.hears(&mut younger, ":b.test NOTICE *");
    let why = "eve is held by somebody who has had it for longer, on a.test; choose another nick";
    assert!(told.contains(why), "{told}");
    elder.says("WHOIS eve");
    network.hears(&mut elder, "* 312 * eve a.test *");
    younger.says("WHOIS eve");
    network.hears(&mut younger, "* 312 * eve a.test *");
    assert_eq!(network.names(&mut ann), network.names(&mut bob));
}

#[test]
fn when_nats_has_lost_its_disk_all_servers_claim_the_nicks_of_their_users_again_and_find_the_accounts()
 {
    let Some(mut network) = Network::of(&["a", "b"], SOON) else { return };
    let (mut ann, _bob) = (network.enters("a", "ann"), network.enters("b", "bob"));
    network.are_claimed(&["ann", "bob"]);
    network.store.lose();
    // At once: meanwhile the port is free for the server of another test.
    network.store.again();
    for name in ["a", "b"] {
        network.logs(name, "alone, without the network", 1);
    }
    // Whoever begins now makes the bucket of accounts, and all see what is in that one.
    network.starts("c");
    // Not before: nats-server 2.9 dies of a question about a stream that is being made.
    network.are_claimed(&["ann", "bob"]);
    network.logs("a", "the network has", 2);
    ann.says("REGISTER * * sesame");
    network.hears(&mut ann, "* REGISTER SUCCESS ann *");
}
