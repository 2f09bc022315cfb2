//! Several servers that are one network: what happens on one is carried to the others by these tests, as JSON, when
//! and in the order that a test chooses; and what people on each hear of it.

use std::time::Instant;

use protocols::chat::{
    Claim, Effect, NickAnswer, NickRequest, NodeName, Outgoing, Server, Settings, To,
};

use crate::stage::{Actor, PATIENCE, Stage, settings};

/// Servers, by the names of their nodes, and what each has told that is still on its way to another.
struct Network {
    stages: Vec<Stage>,
    /// From, to, and what.
    under_way: Vec<(usize, usize, String)>,
    /// What is said of every claim to a nickname.
    answer: NickAnswer,
}

impl Network {
    fn of(count: usize) -> Self {
        let named = |at| Settings { name: format!("irc{at}.test"), ..settings() };
        let stages: Vec<_> = (0..count).map(|at| Stage::with(named(at))).collect();
        for (at, stage) in stages.iter().enumerate() {
            stage.server(|server| server.join_cluster(name(at)));
        }
        let mut network = Self { stages, under_way: Vec::new(), answer: NickAnswer::Granted };
        for at in 0..count {
            network.greets(at);
        }
        network
    }

    /// A node tells all others what it is and has.
    fn greets(&mut self, from: usize) {
        let snapshot = self.stages[from].server(|server| server.snapshot());
        for to in (0..self.stages.len()).filter(|&to| to != from) {
            let snapshot = as_json(&snapshot);
            self.stages[to]
                .acts(|server, registry| server.replace(registry, &name(from), snapshot));
        }
    }

    /// Somebody comes to a node, with capabilities.
    fn enters(&mut self, at: usize, nick: &str, caps: &str) -> Actor {
        let mut actor = self.stages[at].connects();
        if !caps.is_empty() {
            actor.says(&format!("CAP REQ :{caps}"));
            actor.hears(&format!("CAP * ACK :{caps}"));
            actor.says("CAP END");
        }
        actor.registers(nick);
        let deadline = Instant::now() + PATIENCE;
        while !self.stages[at].log().contains(&format!("{nick}!~{nick}@127.0.0.1 is here")) {
            self.stages[at].turn();
            self.takes();
            assert!(Instant::now() < deadline, "{nick} does not get in");
        }
        actor.hears_at_last("422 *");
        self.carries();
        actor
    }

    /// Answers what the nodes ask, and takes what they have to tell.
    fn takes(&mut self) {
        for from in 0..self.stages.len() {
            for request in self.stages[from].server(Server::take_nick_requests) {
                if let NickRequest::Claim(Claim { connection: Some(connection), .. }) = request {
                    let answer = self.answer;
                    self.stages[from]
                        .acts(|_, registry| Server::answer_claim(registry, connection, answer));
                    self.stages[from].turns(2);
                }
            }
            let effects = self.stages[from].server(Server::take_effects);
            for Outgoing { to, effect } in effects {
                let effect = serde_json::to_string(&effect).expect("it can be written");
                let wanted = |at: &usize| match &to {
                    To::Everyone => *at != from,
                    To::Node(node) => name(*at) == *node,
                };
                for to in (0..self.stages.len()).filter(wanted) {
                    self.under_way.push((from, to, effect.clone()));
                }
            }
        }
    }

    /// Has the first of what is under way from one node to another arrive; whether there was anything.
    fn arrives(&mut self, from: usize, to: usize) -> bool {
        let first = self.under_way.iter().position(|it| (it.0, it.1) == (from, to));
        let Some((.., effect)) = first.map(|at| self.under_way.remove(at)) else {
            return false;
        };
        let effect: Effect = serde_json::from_str(&effect).expect("it can be read");
        self.stages[to].acts(|server, registry| {
            server.apply(registry, &name(from), effect);
            server.check().expect("no book contradicts another");
        });
        self.takes();
        true
    }

    /// Carries all that is under way, in the order in which it was told, until nothing is.
    fn carries(&mut self) {
        self.stages.iter().for_each(|stage| stage.turns(2));
        self.takes();
        while let Some(&(from, to, _)) = self.under_way.first() {
            self.arrives(from, to);
        }
    }

    /// A node is gone, as far as another knows.
    fn loses(&mut self, at: usize, lost: usize) {
        self.stages[at].acts(|server, registry| server.lost(registry, &name(lost)));
        self.takes();
    }

    /// Somebody on a node says something, which the node has heard when this returns.
    fn says(&mut self, at: usize, actor: &mut Actor, line: &str) {
        let lines = |stage: &Stage| stage.server(|server| server.counters().lines);
        let before = lines(&self.stages[at]);
        actor.says(line);
        let deadline = Instant::now() + PATIENCE;
        while lines(&self.stages[at]) == before {
            self.stages[at].turn();
            assert!(Instant::now() < deadline, "nobody hears {line}");
        }
        self.takes();
    }

    /// As [`says`](Self::says), and all nodes have heard of it.
    fn tells(&mut self, at: usize, actor: &mut Actor, line: &str) {
        self.says(at, actor, line);
        self.carries();
    }
}

fn name(at: usize) -> NodeName {
    NodeName::new(&format!("n{at}")).expect("a name")
}

fn as_json(effects: &[Effect]) -> Vec<Effect> {
    let json = serde_json::to_string(effects).expect("they can be written");
    serde_json::from_str(&json).expect("they can be read")
}

#[test]
fn what_is_said_on_one_server_is_heard_on_all() {
    let mut network = Network::of(3);
    let mut ann = network.enters(0, "ann", "");
    let mut bob = network.enters(1, "bob", "");
    let mut cid = network.enters(2, "cid", "");
    network.tells(0, &mut ann, "JOIN #room");
    network.tells(1, &mut bob, "JOIN #room");
    ann.hears_at_last(":bob JOIN #room");
    bob.hears(":bob JOIN #room");
    bob.hears("353 = #room :@ann bob");
    bob.hears("366 #room *");
    network.tells(2, &mut cid, "JOIN #room");
    bob.hears(":cid JOIN #room");
    network.tells(0, &mut ann, "PRIVMSG #room :hello");
    bob.hears(":ann PRIVMSG #room :hello");
    cid.hears_at_last(":ann PRIVMSG #room :hello");
    network.tells(1, &mut bob, "NICK rob");
    ann.hears(":cid JOIN #room");
    ann.hears(":bob NICK :rob");
    network.tells(1, &mut bob, "PART #room :later");
    ann.hears(":rob!~bob@127.0.0.1 PART #room :later");
    network.tells(2, &mut cid, "QUIT :tired");
    ann.hears(":cid QUIT :Quit: tired");
    ann.hears_nothing();
    network.tells(1, &mut bob, "NAMES #room");
    bob.is_called("rob");
    bob.hears_at_last("353 = #room :@ann");
}

#[test]
fn a_node_that_is_gone_is_a_netsplit_and_one_that_is_back_a_netjoin() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "batch extended-join");
    let mut old = network.enters(0, "old", "");
    let mut bob = network.enters(1, "bob", "");
    let mut cid = network.enters(1, "cid", "");
    network.tells(0, &mut ann, "JOIN #room");
    network.tells(0, &mut old, "JOIN #room");
    network.tells(1, &mut bob, "JOIN #room,#other");
    network.tells(1, &mut cid, "JOIN #other,#room");
    ann.hears_all();
    old.hears_all();
    network.loses(0, 1);
    let batch = ann.hears("BATCH +* netsplit irc0.test irc1.test");
    let batch = batch.split(' ').nth(2).expect("a name").trim_start_matches('+').to_owned();
    ann.hears(&format!("@batch={batch} :bob QUIT :irc0.test irc1.test"));
    ann.hears(&format!("@batch={batch} :cid QUIT :irc0.test irc1.test"));
    ann.hears(&format!("BATCH -{batch}"));
    ann.hears_nothing();
    old.hears(":bob QUIT :irc0.test irc1.test");
    old.hears(":cid QUIT :irc0.test irc1.test");
    network.tells(0, &mut old, "LUSERS");
    old.hears("251 :There are 2 users and 0 invisible on 1 servers");
    old.hears_all();

    network.greets(1);
    let batch = ann.hears("BATCH +* netjoin irc0.test irc1.test");
    let batch = batch.split(' ').nth(2).expect("a name").trim_start_matches('+').to_owned();
    ann.hears(&format!("@batch={batch} :bob JOIN #room * :bob the tester"));
    ann.hears(&format!("@batch={batch} :cid JOIN #room * :cid the tester"));
    ann.hears(&format!("BATCH -{batch}"));
    ann.hears_nothing();
    old.hears(":bob JOIN #room");
    old.hears(":cid JOIN #room");
    network.greets(1);
    old.hears_nothing();
    network.tells(0, &mut old, "NAMES #other");
    old.hears("353 = #other :@bob cid");
}
