//! Several servers that are one network: what happens on one is carried to the others by these tests, as JSON, when
//! and in the order that a test chooses; and what people on each hear of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use protocols::chat::{
    self, Claim, Effect, NickAnswer, NickRequest, NodeName, Outgoing, Server, Settings, Timestamp,
    To,
};
use protocols::password::PasswordHash;

use crate::stage::{Actor, PATIENCE, Stage, settings};

/// Servers, by the names of their nodes, and what each has told that is still on its way to another.
struct Network {
    stages: Vec<Stage>,
    /// From, to, and what.
    under_way: Vec<(usize, usize, String)>,
    /// What is said of every claim to a nickname.
    answer: NickAnswer,
    /// Nothing arrives anywhere.
    is_split: bool,
}

impl Network {
    fn of(count: usize) -> Self {
        let named = |at| Settings { name: format!("irc{at}.test"), ..settings() };
        let stages: Vec<_> = (0..count).map(|at| Stage::with(named(at))).collect();
        for (at, stage) in stages.iter().enumerate() {
            stage.server(|server| server.join_cluster(name(at)));
        }
        let mut network =
            Self { stages, under_way: Vec::new(), answer: NickAnswer::Granted, is_split: false };
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
            actor.says(&format!("CAP REQ :{caps}")).hears(&format!("CAP * ACK :{caps}"));
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

    /// Somebody comes to each of these nodes.
    fn enter<const N: usize>(&mut self, who: [(usize, &str); N]) -> [Actor; N] {
        who.map(|(at, nick)| self.enters(at, nick, ""))
    }

    /// These join a channel, one after the other, which all nodes have heard of.
    fn join<const N: usize>(&mut self, channel: &str, who: [(usize, &mut Actor); N]) {
        for (at, actor) in who {
            self.tells(at, actor, &format!("JOIN {channel}"));
        }
    }

    /// There is an account, on each node.
    fn has_account(&self, name: &str) {
        let hash = PasswordHash::of("sesame").expect("a hash");
        for stage in &self.stages {
            let now = SystemTime::now();
            let made = stage.server(|server| server.accounts().create(name, hash.clone(), now));
            made.expect("it is made");
        }
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
                for to in (0..self.stages.len()).filter(wanted).filter(|_| !self.is_split) {
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

    /// Each node loses all others: from now on nothing arrives.
    fn splits(&mut self) {
        for (at, lost) in self.pairs() {
            self.loses(at, lost);
        }
        self.is_split = true;
    }

    /// Each node finds all others again.
    fn heals(&mut self) {
        self.is_split = false;
        (0..self.stages.len()).for_each(|at| self.greets(at));
        self.carries();
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.stages.len();
        all.clone()
            .flat_map(|one| all.clone().map(move |other| (one, other)))
            .filter(|(a, b)| a != b)
            .collect()
    }

    /// All nodes have the same picture.
    fn is_one(&self) {
        let pictures: Vec<_> = self.stages.iter().map(|it| it.server(|it| it.picture())).collect();
        assert!(pictures.windows(2).all(|two| two[0] == two[1]), "{pictures:#?}");
    }

    /// Somebody on a node says something, which the node has heard when this returns.
    fn says<'a>(&mut self, at: usize, actor: &'a mut Actor, line: &str) -> &'a mut Actor {
        let lines = |stage: &Stage| stage.server(|server| server.counters().lines);
        let before = lines(&self.stages[at]);
        actor.says(line);
        let deadline = Instant::now() + PATIENCE;
        while lines(&self.stages[at]) == before {
            self.stages[at].turn();
            assert!(Instant::now() < deadline, "nobody hears {line}");
        }
        self.takes();
        actor
    }

    /// As [`says`](Self::says), and all nodes have heard of it.
    fn tells<'a>(&mut self, at: usize, actor: &'a mut Actor, line: &str) -> &'a mut Actor {
        let actor = self.says(at, actor, line);
        self.carries();
        actor
    }
}

/// Has all that is under way speak of a channel that was made now.
fn is_of_another_era(network: &mut Network) {
    let now = Timestamp::of(SystemTime::now());
    for (.., json) in &mut network.under_way {
        let mut effect: Effect = serde_json::from_str(json).expect("it can be read");
        match &mut effect {
            Effect::Channel { created, .. }
            | Effect::Kick { created, .. }
            | Effect::Invite { created, .. } => *created = now,
            _ => {}
        }
        *json = serde_json::to_string(&effect).expect("it can be written");
    }
}

/// All hear a line, once it has come to their nodes.
fn all<const N: usize>(network: &mut Network, actors: [&mut Actor; N], line: &str) {
    network.carries();
    for actor in actors {
        actor.hears(line);
    }
}

/// Two servers, and somebody on each, with these capabilities.
fn ann_and_bob(caps: &str) -> (Network, Actor, Actor) {
    let mut network = Network::of(2);
    let ann = network.enters(0, "ann", caps);
    let bob = network.enters(1, "bob", caps);
    (network, ann, bob)
}

/// The same two in a channel, which ann has opened; both have heard all of that.
fn ann_and_bob_in_a_room() -> (Network, Actor, Actor) {
    let (mut network, mut ann, mut bob) = ann_and_bob("");
    network.join("#room", [(0, &mut ann), (1, &mut bob)]);
    have_heard([&mut ann, &mut bob]);
    (network, ann, bob)
}

/// The name of a batch that begins with this line.
fn batch_of(line: &str) -> String {
    line.split(' ').nth(2).expect("a name").trim_start_matches('+').to_owned()
}

/// What was said so far is none of what follows.
fn have_heard<const N: usize>(actors: [&mut Actor; N]) {
    for actor in actors {
        actor.hears_all();
    }
}

/// What is done next is done later, by the clock.
fn a_moment_passes() {
    let now = || Timestamp::of(SystemTime::now());
    let (before, deadline) = (now(), Instant::now() + PATIENCE);
    while now() <= before {
        assert!(Instant::now() < deadline, "the clock stands still");
    }
}

fn name(at: usize) -> NodeName {
    NodeName::new(&format!("n{at}")).expect("a name")
}

/// Whoever knows the password is one.
fn has_operator(stage: &Stage) {
    stage.server(|server| {
        let password = chat::Password::Plain("secret".to_owned());
        let (name, host) = ("root".to_owned(), "*@*".to_owned());
        let operators = vec![chat::Operator { name, password, host }];
        let settings = Settings { operators, ..server.settings().clone() };
        server.rehash(settings)
    });
}

fn as_json(effects: &[Effect]) -> Vec<Effect> {
    let json = serde_json::to_string(effects).expect("they can be written");
    serde_json::from_str(&json).expect("they can be read")
}

#[test]
fn what_is_said_on_one_server_is_heard_on_all() {
    let mut network = Network::of(3);
    let [mut ann, mut bob, mut cid] = network.enter([(0, "ann"), (1, "bob"), (2, "cid")]);
    network.join("#room", [(0, &mut ann), (1, &mut bob)]);
    ann.hears_at_last(":bob JOIN #room");
    bob.hears_each([":bob JOIN #room", "353 = #room :@ann bob", "366 #room *"]);
    network.tells(2, &mut cid, "JOIN #room");
    bob.hears(":cid JOIN #room");
    network.tells(0, &mut ann, "PRIVMSG #room :hello");
    bob.hears(":ann PRIVMSG #room :hello");
    cid.hears_at_last(":ann PRIVMSG #room :hello");
    network.tells(1, &mut bob, "NICK rob");
    ann.hears_each([":cid JOIN #room", ":bob NICK :rob"]);
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
fn whox_has_no_address_for_who_is_elsewhere_by_a_name() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "");
    let _bob = network.enters(1, "bob", "");
    has_operator(&network.stages[0]);
    network.tells(0, &mut ann, "OPER root secret").hears_at_last(":ann MODE ann +o");
    ann.hears_all();
    network.tells(0, &mut ann, "WHO bob %ni").hears_each(["354 127.0.0.1 bob", "315 *"]);
    let snapshot = network.stages[1].server(|server| server.snapshot());
    let json = serde_json::to_string(&snapshot).expect("it can be written");
    let json = json.replace(r#""real_host":"127.0.0.1""#, r#""real_host":"localhost""#);
    network.loses(0, 1);
    network.stages[0].acts(|server, registry| {
        let snapshot = serde_json::from_str(&json).expect("it can be read");
        server.replace(registry, &name(1), snapshot);
    });
    network.tells(0, &mut ann, "WHO bob %ni").hears("354 255.255.255.255 bob");
}

#[test]
fn a_node_that_is_gone_is_a_netsplit_and_one_that_is_back_a_netjoin() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "batch extended-join");
    let [mut old, mut bob, mut cid] = network.enter([(0, "old"), (1, "bob"), (1, "cid")]);
    network.tells(0, &mut ann, "JOIN #room");
    network.tells(0, &mut old, "JOIN #room");
    network.tells(1, &mut bob, "JOIN #room,#other");
    network.tells(1, &mut cid, "JOIN #other,#room");
    ann.hears_all();
    old.hears_all();
    network.loses(0, 1);
    let batch = batch_of(&ann.hears("BATCH +* netsplit irc0.test irc1.test"));
    ann.hears(&format!("@batch={batch} :bob QUIT :irc0.test irc1.test"));
    ann.hears(&format!("@batch={batch} :cid QUIT :irc0.test irc1.test"));
    ann.hears(&format!("BATCH -{batch}"));
    ann.hears_nothing();
    old.hears_each([":bob QUIT :irc0.test irc1.test", ":cid QUIT :irc0.test irc1.test"]);
    network.tells(0, &mut old, "LUSERS");
    old.hears("251 :There are 2 users and 0 invisible on 1 servers");
    old.hears_all();

    network.greets(1);
    let batch = batch_of(&ann.hears("BATCH +* netjoin irc0.test irc1.test"));
    ann.hears(&format!("@batch={batch} :bob JOIN #room * :bob the tester"));
    ann.hears(&format!("@batch={batch} :cid JOIN #room * :cid the tester"));
    ann.hears(&format!("BATCH -{batch}"));
    ann.hears_nothing();
    old.hears_each([":bob JOIN #room", ":cid JOIN #room"]);
    network.greets(1);
    old.hears_nothing();
    network.tells(0, &mut old, "NAMES #other").hears("353 = #other :@bob cid");
}

#[test]
fn users_of_a_lost_node_quit_one_after_the_other_where_only_one_line_fits() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "batch");
    network.stages[0].server(|server| {
        let mut settings = server.settings().clone();
        settings.limits.send_queue = 1_024;
        server.rehash(settings)
    });
    network.tells(0, &mut ann, "JOIN #room");
    let mut others = ["bob", "cid", "dan"].map(|nick| network.enters(1, nick, ""));
    for other in &mut others {
        network.tells(1, other, "JOIN #room");
    }
    ann.hears_all();
    network.loses(0, 1);
    let batch = batch_of(&ann.hears("BATCH +* netsplit irc0.test irc1.test"));
    for nick in ["bob", "cid", "dan"] {
        ann.hears(&format!("@batch={batch} :{nick} QUIT :irc0.test irc1.test"));
    }
    ann.hears(&format!("BATCH -{batch}"));
    ann.hears_nothing();
    network.stages[0].server(|server| server.check().expect("no book contradicts another"));
}

#[test]
fn whoever_keeps_a_channel_keeps_it_on_all_servers() {
    let mut network = Network::of(3);
    let [mut ann, mut bob, mut cid] = network.enter([(0, "ann"), (1, "bob"), (2, "cid")]);
    network.join("#room", [(0, &mut ann), (1, &mut bob), (2, &mut cid)]);
    have_heard([&mut ann, &mut bob, &mut cid]);

    network.says(1, &mut bob, "TOPIC #room :mine").hears("482 #room *");
    network.says(0, &mut ann, "MODE #room +o bob").hears_nothing();
    all(&mut network, [&mut ann, &mut bob, &mut cid], ":ann MODE #room +o bob");
    network.says(1, &mut bob, "TOPIC #room :ours");
    all(&mut network, [&mut ann, &mut bob, &mut cid], ":bob TOPIC #room :ours");
    network.says(1, &mut bob, "MODE #room +mb *!*@192.0.2.1");
    all(&mut network, [&mut ann, &mut bob, &mut cid], ":bob MODE #room +mb *!*@192.0.2.1");
    network.says(1, &mut bob, "MODE #room +v-o cid bob");
    // What bob may do his own server says, and what cid may do cid's.
    all(&mut network, [&mut bob, &mut ann], ":bob MODE #room -o bob");
    all(&mut network, [&mut ann, &mut bob, &mut cid], ":bob MODE #room +v cid");
    cid.hears(":bob MODE #room -o bob");
    network.tells(0, &mut ann, "MODE #room").hears_each(["324 #room +mnt", "329 #room *"]);
    network.tells(2, &mut cid, "MODE #room b");
    cid.hears("367 #room *!*@192.0.2.1 bob!~bob@127.0.0.1 *");
    cid.hears("368 #room *");
    network.tells(1, &mut bob, "PRIVMSG #room :may I?").hears("404 #room *");
    network.says(0, &mut ann, "KICK #room cid :enough");
    all(&mut network, [&mut ann, &mut bob, &mut cid], ":ann KICK #room cid :enough");
    network.tells(1, &mut bob, "NAMES #room").hears_each(["353 = #room :@ann bob", "366 *"]);
    network.tells(0, &mut ann, "MODE #room +i");
    bob.hears(":ann MODE #room +i");
    network.tells(2, &mut cid, "JOIN #room").hears("473 #room *");
    network.tells(0, &mut ann, "INVITE cid #room");
    cid.hears(":ann INVITE cid #room");
    network.tells(2, &mut cid, "JOIN #room");
    cid.hears(":cid JOIN #room");
    cid.hears("332 #room :ours");
    cid.hears("333 #room bob *");
    bob.hears(":cid JOIN #room");
}

#[test]
fn two_who_set_something_at_once_see_the_same_in_the_end() {
    let (mut network, mut ann, mut bob) = ann_and_bob_in_a_room();
    network.tells(0, &mut ann, "MODE #room -t");
    have_heard([&mut ann, &mut bob]);
    network.says(0, &mut ann, "TOPIC #room :one");
    a_moment_passes();
    network.says(1, &mut bob, "TOPIC #room :two");
    network.carries();
    ann.hears_each([":ann TOPIC #room :one", ":bob TOPIC #room :two"]);
    bob.hears(":bob TOPIC #room :two");
    bob.hears_nothing();
    network.is_one();
}

#[test]
fn what_is_said_has_one_name_everywhere_and_is_remembered_everywhere() {
    let caps = "message-tags server-time echo-message batch draft/chathistory draft/multiline";
    let (mut network, mut ann, mut bob) = ann_and_bob(caps);
    network.join("#room", [(0, &mut ann), (1, &mut bob)]);
    have_heard([&mut ann, &mut bob]);
    let tags = |line: &str| line.split(' ').next().expect("tags").to_owned();

    network.tells(0, &mut ann, "@+draft/reply=x PRIVMSG #room :one");
    let said = tags(&ann.hears("@* :ann PRIVMSG #room :one"));
    assert_eq!(tags(&bob.hears("@* :ann PRIVMSG #room :one")), said);
    assert!(said.contains("msgid=") && said.contains("+draft/reply=x"), "{said}");
    network.tells(0, &mut ann, "PRIVMSG bob :two");
    let said = tags(&ann.hears("@* :ann PRIVMSG bob :two"));
    assert_eq!(tags(&bob.hears("@* :ann PRIVMSG bob :two")), said);
    network.tells(0, &mut ann, "TOPIC #room :three");
    assert_eq!(
        tags(&ann.hears("@* :ann TOPIC #room :three")),
        tags(&bob.hears("@* :ann TOPIC #room :three"))
    );
    for line in
        ["BATCH +1 draft/multiline #room", "@batch=1 PRIVMSG #room :a", "@batch=1 PRIVMSG #room :b"]
    {
        network.says(0, &mut ann, line);
    }
    network.tells(0, &mut ann, "BATCH -1");
    let said = tags(&ann.hears("@* :ann BATCH +* draft/multiline #room"));
    assert_eq!(tags(&bob.hears("@* :ann BATCH +* draft/multiline #room")), said);
    have_heard([&mut ann, &mut bob]);
    for (at, actor) in [(0, &mut ann), (1, &mut bob)] {
        network.tells(at, actor, "CHATHISTORY LATEST #room * 10");
    }
    let ids = |lines: Vec<String>| -> Vec<String> {
        let tags = lines.iter().flat_map(|line| line.split([';', ' ', '@']));
        tags.filter(|tag| tag.starts_with("msgid=")).map(str::to_owned).collect()
    };
    let remembered = ids(ann.hears_all());
    assert_eq!(remembered.len(), 2, "{remembered:?}");
    assert_eq!(ids(bob.hears_all()), remembered);
}

#[test]
fn a_question_about_somebody_is_answered_for_all_servers() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "");
    network.tells(0, &mut ann, "MONITOR + bob").hears("731 :bob");
    let mut bob = network.enters(1, "bob", "");
    ann.hears("730 :bob!~bob@127.0.0.1");
    network.tells(1, &mut bob, "AWAY :tea");
    network.tells(1, &mut bob, "JOIN #room");
    network.tells(0, &mut ann, "WHOIS bob");
    ann.hears("311 bob ~bob 127.0.0.1 * :bob the tester");
    ann.hears("319 bob :@#room");
    ann.hears("312 bob irc1.test :A chat server on one thread");
    ann.hears("301 bob :tea");
    ann.hears("317 bob * * :seconds idle, signon time");
    ann.hears("318 bob *");
    network.tells(0, &mut ann, "WHO #room");
    ann.hears("352 #room ~bob 127.0.0.1 irc1.test bob G@ :0 bob the tester");
    ann.hears("315 *");
    network.tells(0, &mut ann, "WHO bob %sn").hears_each(["354 irc1.test bob", "315 *"]);
    network.tells(0, &mut ann, "USERHOST bob").hears("302 :bob=-~bob@127.0.0.1");
    network.tells(0, &mut ann, "ISON bob").hears("303 :bob");
    network.tells(0, &mut ann, "LIST").hears_each(["321 *", "322 #room 1 :", "323 *"]);
    network.tells(0, &mut ann, "LUSERS");
    ann.hears("251 :There are 2 users and 0 invisible on 2 servers");
    ann.hears_at_last("255 :I have 1 clients and 1 servers");
    ann.hears_each(["265 1 1 *", "266 2 2 *"]);
    network.tells(0, &mut ann, "LINKS");
    ann.hears("364 irc0.test irc0.test :0 *");
    ann.hears("364 irc1.test irc0.test :1 *");
    ann.hears("365 *");
    network.tells(0, &mut ann, "PRIVMSG bob :there?").hears("301 bob :tea");
    bob.hears_at_last(":ann PRIVMSG bob :there?");
    network.tells(1, &mut bob, "QUIT :gone");
    ann.hears("731 :bob");
    network.tells(0, &mut ann, "WHOWAS bob");
    ann.hears("314 bob ~bob 127.0.0.1 * :bob the tester");
    ann.hears("312 bob irc1.test :*");
    ann.hears("369 *");
}

#[test]
fn who_is_known_to_others_is_known_to_those_on_other_servers() {
    let caps = "away-notify chghost setname draft/metadata-2 draft/message-redaction message-tags";
    let (mut network, mut ann, mut bob) = ann_and_bob(caps);
    has_operator(&network.stages[0]);
    network.join("#room", [(0, &mut ann), (1, &mut bob)]);
    network.tells(0, &mut ann, "METADATA * SUB status");
    have_heard([&mut ann, &mut bob]);
    network.tells(1, &mut bob, "AWAY :tea");
    ann.hears(":bob AWAY :tea");
    network.tells(1, &mut bob, "SETNAME :Robert");
    ann.hears(":bob SETNAME :Robert");
    network.tells(1, &mut bob, "METADATA * SET status :busy");
    ann.hears(":bob METADATA bob status * :busy");
    network.tells(1, &mut bob, "PRIVMSG #room :oops");
    let said = ann.hears("@* :bob PRIVMSG #room :oops");
    let id = said.split(['=', ';', ' ']).nth(1).expect("a name").to_owned();
    network.tells(1, &mut bob, &format!("REDACT #room {id}"));
    ann.hears(&format!(":bob REDACT #room {id}"));
    have_heard([&mut ann, &mut bob]);

    network.tells(1, &mut bob, "MODE bob +w").hears(":bob MODE bob +w");
    network.tells(0, &mut ann, "OPER root secret").hears_at_last(":ann MODE ann +o");
    network.tells(0, &mut ann, "WALLOPS :hear me");
    bob.hears(":ann WALLOPS :hear me");
    network.tells(1, &mut bob, "WHOIS ann").hears_at_last("313 ann *");
    bob.hears_all();
    network.tells(0, &mut ann, "CHGHOST bob hidden.test");
    ann.hears("NOTE CHGHOST ASKED bob hidden.test :*");
    ann.hears(":bob CHGHOST ~bob hidden.test");
    bob.hears(":bob CHGHOST ~bob hidden.test");
    network.tells(0, &mut ann, "KILL bob :enough");
    bob.hears(":ann KILL bob :enough");
    bob.hears_at_last("ERROR :Closing Link: *");
    ann.hears(":bob!~bob@hidden.test QUIT :Killed (ann (enough))");
    ann.hears_nothing();
}

#[test]
fn a_nickname_is_given_when_the_network_has_said_so() {
    let (mut network, mut ann, mut bob) = ann_and_bob("");
    network.tells(0, &mut ann, "NICK bob").hears("433 bob *");
    network.answer = NickAnswer::Taken;
    network.tells(0, &mut ann, "NICK eve").hears("433 eve *");
    network.answer = NickAnswer::Granted;
    network.tells(0, &mut ann, "NICK eve").hears(":ann NICK :eve");
    network.tells(0, &mut ann, "NICK Eve").hears(":eve!~ann@127.0.0.1 NICK :Eve");
    network.tells(1, &mut bob, "WHOIS eve").hears("311 Eve ~ann *");
}

#[test]
fn of_two_of_one_name_the_older_keeps_it_and_nobody_is_killed() {
    let mut network = Network::of(2);
    network.splits();
    let mut first = network.enters(0, "ann", "");
    a_moment_passes();
    let [mut second, mut bob] = network.enter([(1, "ann"), (1, "bob")]);
    network.join("#room", [(0, &mut first), (1, &mut second), (1, &mut bob)]);
    have_heard([&mut first, &mut second, &mut bob]);
    network.heals();
    let told = second.hears(":ann NICK :0*");
    let id = told.split(':').next_back().expect("a name").to_owned();
    bob.hears_each([":ann NICK :0*", ":ann JOIN #room"]);
    network.tells(0, &mut first, "WHOIS ann").hears_at_last("312 ann irc0.test *");
    network.tells(0, &mut first, &format!("WHOIS {id}"));
    first.hears_at_last(&format!("312 {id} irc1.test *"));
    network.tells(1, &mut second, "NICK eve");
    bob.hears_at_last(&format!(":{id}!~ann@127.0.0.1 NICK :eve"));
    network.is_one();
}

#[test]
fn how_far_somebody_has_read_is_known_to_its_clients_on_other_servers() {
    let mut network = Network::of(2);
    network.has_account("ann");
    let mut here = network.enters(0, "ann", "draft/read-marker");
    let mut there = network.enters(1, "ann-2", "draft/read-marker");
    for (at, actor) in [(0, &mut here), (1, &mut there)] {
        network.says(at, actor, "NS IDENTIFY ann sesame");
        actor.hears_at_last("* NOTICE * :You are logged in as ann.");
        network.carries();
        network.tells(at, actor, "JOIN #room");
    }
    have_heard([&mut here, &mut there]);
    network.tells(0, &mut here, "MARKREAD #room timestamp=2020-01-01T00:00:00.000Z");
    here.hears("MARKREAD #room timestamp=2020-01-01T00:00:00.000Z");
    there.hears("MARKREAD #room timestamp=2020-01-01T00:00:00.000Z");
    network.tells(1, &mut there, "MARKREAD #room");
    there.hears("MARKREAD #room timestamp=2020-01-01T00:00:00.000Z");
    here.hears_nothing();
}

#[test]
fn of_two_of_one_name_whoever_owns_it_keeps_it() {
    let mut network = Network::of(2);
    network.has_account("ann");
    network.splits();
    let mut first = network.enters(0, "ann", "");
    a_moment_passes();
    let mut second = network.enters(1, "ann", "");
    network.says(1, &mut second, "NS IDENTIFY sesame");
    second.hears_at_last("* NOTICE ann :You are logged in as ann.");
    network.heals();
    first.hears_at_last(":ann NICK :0*");
    network.tells(1, &mut second, "WHOIS ann");
    second.hears_at_last("312 ann irc1.test *");
    second.hears("330 ann ann *");
    network.is_one();
}

#[test]
fn a_server_whose_name_cannot_stand_in_a_line_keeps_the_one_it_had() {
    let (mut network, mut ann, _bob) = ann_and_bob_in_a_room();
    for server in ["", "a b", ":a", "a\r\nb", &"a".repeat(300)] {
        let effect = Effect::Node { server: server.to_owned(), about: String::new() };
        network.stages[0].acts(|server, registry| server.apply(registry, &name(1), effect));
    }
    ann.hears_nothing();
    network.loses(0, 1);
    ann.hears(":bob QUIT :irc0.test irc1.test");
    assert_eq!(network.stages[0].server(|server| server.effects_skipped()), 5);
    assert_eq!(network.stages[0].server(|server| server.counters().spoiled), 0);
}

#[test]
fn what_comes_too_late_is_not_shown() {
    let (mut network, mut ann, mut bob) = ann_and_bob_in_a_room();
    network.says(1, &mut bob, "PRIVMSG #room :wait");
    let said = std::mem::take(&mut network.under_way);
    network.tells(1, &mut bob, "PART #room");
    network.under_way = said;
    network.carries();
    ann.hears_at_last(":bob PART #room");
    ann.hears_nothing();
    assert_eq!(network.stages[0].server(|server| server.effects_skipped()), 1);
    assert_eq!(network.stages[0].server(|server| server.counters().spoiled), 0);
}

#[test]
fn of_two_channels_of_one_name_the_older_stays_as_it_is() {
    let (mut network, mut ann, mut bob) = ann_and_bob("");
    network.splits();
    network.tells(0, &mut ann, "JOIN #room");
    network.tells(0, &mut ann, "TOPIC #room :old");
    a_moment_passes();
    network.tells(1, &mut bob, "JOIN #room");
    network.tells(1, &mut bob, "TOPIC #room :new");
    network.tells(1, &mut bob, "MODE #room +s");
    have_heard([&mut ann, &mut bob]);
    network.heals();
    bob.hears(":ann JOIN #room");
    bob.hears("MODE #room -s");
    bob.hears("TOPIC #room :old");
    bob.hears("MODE #room -o+o bob ann");
    bob.hears_nothing();
    ann.hears(":bob JOIN #room");
    ann.hears_nothing();
    network.is_one();
}

#[test]
fn an_operator_of_another_era_has_no_say_on_a_channel() {
    let mut network = Network::of(2);
    let [mut ann, mut eve, mut bob, mut fay] =
        network.enter([(0, "ann"), (0, "eve"), (1, "bob"), (0, "fay")]);
    network.join("#room", [(0, &mut ann), (0, &mut eve), (1, &mut bob)]);
    network.tells(0, &mut ann, "MODE #room +io bob");
    have_heard([&mut ann, &mut eve, &mut bob, &mut fay]);
    a_moment_passes();
    for line in ["MODE #room +o eve", "KICK #room eve"] {
        network.says(1, &mut bob, line);
        is_of_another_era(&mut network);
        network.carries();
    }
    network.says(1, &mut bob, "INVITE fay #room");
    is_of_another_era(&mut network);
    network.carries();
    ann.hears_nothing();
    eve.hears_nothing();
    network.tells(0, &mut fay, "JOIN #room").hears("473 #room *");
    network.tells(1, &mut bob, "NAMES #room").hears_at_last("353 = #room :@ann eve @bob");
    network.is_one();
    // The same of this era counts.
    network.tells(1, &mut bob, "KICK #room eve");
    eve.hears(":bob KICK #room eve *");
}

#[test]
fn an_invitation_of_an_era_that_has_ended_opens_nothing() {
    let (mut network, mut ann, mut bob) = ann_and_bob("");
    let mut eve = network.enters(1, "eve", "");
    network.splits();
    network.tells(0, &mut ann, "JOIN #room");
    network.tells(0, &mut ann, "MODE #room +i");
    a_moment_passes();
    network.tells(1, &mut bob, "JOIN #room");
    network.tells(1, &mut bob, "INVITE eve #room");
    network.heals();
    have_heard([&mut eve]);
    network.tells(1, &mut eve, "JOIN #room").hears("473 #room *");
    network.is_one();
}

#[test]
fn whether_a_channel_is_registered_the_accounts_say() {
    let mut network = Network::of(2);
    network.has_account("ann");
    let [mut ann, mut bob] = network.enter([(0, "ann"), (1, "bob")]);
    network.says(0, &mut ann, "NS IDENTIFY sesame");
    ann.hears_at_last("* NOTICE ann :You are logged in as ann.");
    network.tells(0, &mut ann, "JOIN #room");
    network.tells(0, &mut ann, "CS REGISTER #room").hears_at_last("* NOTICE ann :#room is yours.");
    network.carries();
    network.tells(0, &mut ann, "MODE #room").hears_at_last("324 #room +nrt");
    // The accounts of the other server know nothing of it; nor do those of one that comes later.
    network.tells(1, &mut bob, "JOIN #room");
    network.tells(1, &mut bob, "MODE #room").hears_at_last("324 #room +nt");
    network.loses(1, 0);
    network.greets(0);
    network.tells(1, &mut bob, "MODE #room").hears_at_last("324 #room +nt");
}

#[test]
fn what_a_newer_version_sets_is_kept_and_is_no_mode_of_this_one() {
    let (mut network, mut ann, mut bob) = ann_and_bob_in_a_room();
    for (line, item) in [
        ("MODE #room +m", "slow-mode"),
        ("MODE #room +i", "Z"),
        ("MODE #room +v ann", "owner-note"),
    ] {
        network.says(0, &mut ann, line);
        for (.., json) in &mut network.under_way {
            let letter = &line["MODE #room +".len()..][..1];
            let there = format!("\"item\":\"{letter}\"");
            assert!(json.contains(&there), "{json}");
            *json = json.replace(&there, &format!("\"item\":\"{item}\""));
        }
        network.carries();
    }
    bob.hears_nothing();
    network.tells(1, &mut bob, "MODE #room").hears("324 #room +nt");
    let snapshot = network.stages[1].server(|server| server.snapshot());
    let snapshot = serde_json::to_string(&snapshot).expect("it can be written");
    assert!(snapshot.contains("slow-mode"), "{snapshot}");
}

#[test]
fn who_groups_a_nickname_owns_it_when_two_have_it() {
    let mut network = Network::of(2);
    network.has_account("eve");
    network.splits();
    let mut first = network.enters(0, "ann", "");
    a_moment_passes();
    let mut second = network.enters(1, "ann", "");
    network.says(1, &mut second, "NS IDENTIFY eve sesame");
    second.hears_at_last("* NOTICE ann :You are logged in as eve.");
    network.says(1, &mut second, "NS GROUP").hears_at_last("* NOTICE ann :ann belongs to eve now.");
    network.heals();
    first.hears_at_last(":ann NICK :0*");
    second.hears_nothing();
    network.tells(1, &mut second, "WHOIS ann").hears_at_last("330 ann eve *");
    network.is_one();
}

#[test]
fn what_another_server_is_asked_is_not_said_to_be_done() {
    let mut network = Network::of(2);
    network.has_account("ann");
    let [mut ghost, mut bob] = network.enter([(0, "ann"), (1, "bob")]);
    network.says(1, &mut bob, "NS IDENTIFY ann sesame");
    bob.hears_at_last("* NOTICE bob :You are logged in as ann.");
    network.carries();
    network.says(1, &mut bob, "NS GHOST ann");
    bob.hears("* NOTICE bob :ann is on another server, and asked to go.");
    network.carries();
    ghost.hears_at_last("ERROR *");
    network.tells(1, &mut bob, "WHOIS ann").hears("401 ann *");
}

#[test]
fn who_joins_in_a_batch_is_told_of_as_if_alone() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "batch away-notify draft/metadata-2");
    let mut bob = network.enters(1, "bob", "draft/metadata-2");
    network.tells(0, &mut ann, "METADATA * SUB status");
    network.join("#room", [(0, &mut ann), (1, &mut bob)]);
    network.tells(1, &mut bob, "AWAY :tea");
    network.tells(1, &mut bob, "METADATA * SET status :busy");
    network.loses(0, 1);
    ann.hears_all();
    network.greets(1);
    let batch = batch_of(&ann.hears("BATCH +* netjoin irc0.test irc1.test"));
    ann.hears(&format!("@batch={batch} :bob JOIN #room"));
    ann.hears(&format!("@batch={batch} :bob AWAY :tea"));
    ann.hears(&format!("@batch={batch} :bob METADATA bob status * :busy"));
    ann.hears(&format!("BATCH -{batch}"));
    ann.hears_nothing();
}

#[test]
fn who_runs_the_machine_removes_a_user_of_another_server_at_once() {
    let mut network = Network::of(2);
    let mut ann = network.enters(0, "ann", "");
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    network.stages[1].server(|server| {
        server.on_news(move |_, _: &mut Server| count.set(count.get() + 1));
    });
    let is_one = network.stages[1].acts(|server, registry| server.kill(registry, "ann", "enough"));
    assert!(is_one);
    let deadline = Instant::now() + PATIENCE;
    while told.get() == 0 {
        assert!(Instant::now() < deadline, "nobody is told that there is something to carry");
        network.stages[1].turn();
    }
    network.carries();
    ann.hears_at_last("ERROR *");
}
