//! Nodes of a network that say anything at any time: for a test that makes steps by chance, and for a fuzz target that
//! looks for them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::cluster::{Cluster, Limits, Output};
use protocols::chat::{self, Effect, Message, NodeName, Outgoing, Server, Settings, To};
use reactor::framing::{Line, Lines};
use reactor::sim::{Choices, Host, Network};
use reactor::{Input, ListenOptions, Protocol, Transport};
use serde_json::{Value, json};

const NODES: [&str; 3] = ["x", "y", "z"];
/// The texts that strangers fill in where names are expected.
const TEXTS: [&str; 12] = [
    "ann",
    "bob",
    "cy",
    "#room",
    "#other",
    "@#room",
    "",
    "a b",
    "x\r\nQUIT :gone",
    "Ann",
    "\u{1}ACTION\u{1}",
    "0000000ff-1",
];
const LETTERS: [&str; 14] =
    ["o", "v", "q", "b", "k", "l", "n", "s", "r", "topic", "metadata", "", "oo", "é"];

/// Somebody on the node who writes down what is no message.
struct Ann(Lines);

/// What she could not read.
type Complaints = Rc<RefCell<Vec<String>>>;

impl Protocol<Complaints> for Ann {
    fn on_open(&mut self, transport: &mut Transport<'_, Complaints>, _: &mut Complaints) {
        transport.write(
            b"CAP REQ :batch message-tags server-time extended-join draft/metadata-2\r\n\
              NICK ann\r\nUSER ann 0 * :Ann\r\nCAP END\r\nJOIN #room\r\nMODE #room +b x!*@*\r\n",
        );
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, Complaints>,
        input: &mut Input<'_>,
        complaints: &mut Complaints,
    ) {
        loop {
            match self.0.next(input) {
                Line::Whole(line) if Message::parse(line).is_ok() => {}
                Line::Whole(line) => {
                    complaints.borrow_mut().push(line.escape_ascii().to_string());
                }
                Line::TooLong => complaints.borrow_mut().push("a line too long".to_owned()),
                Line::Partial => return,
            }
        }
    }
}

/// A node, and what the strangers have said to it.
struct World {
    network: Network,
    server: Host<Server>,
    machine: Cluster<Effect>,
    complaints: Complaints,
    /// How far each stranger has come.
    sequences: [u64; NODES.len()],
    directs: u64,
}

/// Whether the node's books are right after each step.
pub(crate) fn play(steps: Vec<(u8, u8, u8)>) -> Result<(), String> {
    let mut world = World::new();
    for (what, one, other) in steps {
        world.step(usize::from(what), usize::from(one), usize::from(other))?;
    }
    Ok(())
}

impl World {
    fn new() -> Self {
        let mut network = Network::new(Choices::from_tape(Vec::new()));
        let server = network.host("server", |registry| {
            let settings = Settings::default();
            let limits = settings.limits.stream_limits();
            let options = ListenOptions { limits, ..ListenOptions::default() };
            chat::listen(registry, "0.0.0.0:6667".parse()?, &options)?;
            let accounts = Accounts::in_memory(AccountLimits::default());
            let mut server = Server::new(settings, accounts);
            server.join_cluster("me".parse()?);
            Ok(server)
        });
        let address = network.address(server, 6667);
        let complaints = Complaints::default();
        let book = Rc::clone(&complaints);
        network.host("ann", move |registry| {
            registry.connect(address.clone(), Ann(Lines::new(16_384)))?;
            Ok(Rc::clone(&book))
        });
        let name = |text: &str| NodeName::new(text).expect("it is one");
        let limits = Limits { nodes: 2, held: 4_096, snapshot: 16_384, ..Limits::default() };
        let machine = Cluster::new(name("net"), name("me"), 1, limits);
        let mut world =
            Self { network, server, machine, complaints, sequences: [0; 3], directs: 0 };
        let now = world.now();
        world.machine.handle_connected(now);
        world.passes(Duration::from_secs(2)).expect("nothing has happened");
        world
    }

    fn step(&mut self, what: usize, one: usize, other: usize) -> Result<(), String> {
        let from = one % NODES.len();
        let (body, effects) = match what % 32 {
            0 => (json!("hello"), vec![]),
            1 => (json!("here"), vec![]),
            2 => (json!("ask"), vec![]),
            3 => (json!("who"), vec![]),
            4 if other.is_multiple_of(4) => (json!("gone"), vec![]),
            4 | 5 => return self.passes(Duration::from_millis(other as u64 * 50)),
            6 => {
                let part = json!({ "part": { "index": other % 3, "count": one / 8 % 4 } });
                (part, vec![effect(one, other)])
            }
            7..=9 => {
                let named = |person| json!({ "user": person }).to_string();
                let (person, unknown) = (named(person(other)), "\"?\"".to_owned());
                let all = vec![person, effect(9, other), effect(one, other), unknown];
                (json!({ "part": { "index": 0, "count": 1 } }), all)
            }
            10 => {
                self.directs += 1;
                (json!({ "direct": { "number": self.directs } }), vec![effect(one, other)])
            }
            11 => return self.hears(&[what as u8, one as u8, other as u8]),
            _ => (json!("effects"), vec![effect(what / 32 * 256 + one, other)]),
        };
        let sequence = &mut self.sequences[from];
        // Most say one thing behind the other.
        *sequence += u64::from(body == "effects");
        let sequence = *sequence + if other % 61 == 60 { 1 + other as u64 } else { 0 };
        let name = if other % 97 == 96 { "me" } else { NODES[from] };
        let epoch = 7 + u64::from(one % 53 == 52);
        let format = if one % 101 == 100 { 1 } else { 3 };
        let mut said = format!(
            r#"{{"v":{format},"from":"{name}","epoch":{epoch},"sequence":{sequence},"body":{body}}}"#
        );
        effects.iter().for_each(|effect| said.extend(["\n", effect]));
        self.hears(said.as_bytes())
    }

    fn now(&mut self) -> std::time::Instant {
        let (registry, _) = self.network.parts(self.server).expect("it is up");
        registry.now()
    }

    fn hears(&mut self, payload: &[u8]) -> Result<(), String> {
        let now = self.now();
        self.machine.handle_message(now, payload);
        self.goes_on()
    }

    fn passes(&mut self, time: Duration) -> Result<(), String> {
        self.network.run_for(time).map_err(|broken| broken.to_string())?;
        let now = self.now();
        self.machine.handle_time(now);
        self.goes_on()
    }

    /// Does what the machine wants, as the driver does, and looks at the books.
    fn goes_on(&mut self) -> Result<(), String> {
        let (registry, server) = self.network.parts(self.server).expect("it is up");
        loop {
            for Outgoing { to, effect } in server.take_effects() {
                match to {
                    To::Everyone => self.machine.publish([&effect]),
                    To::Node(node) => self.machine.publish_to(&node, [&effect]),
                }
            }
            // Nobody else wants a nickname.
            server.take_nick_requests();
            match self.machine.poll_output() {
                Some(Output::Apply { node, effect }) => server.apply(registry, &node, effect),
                Some(Output::Replace { node, snapshot, .. }) => {
                    server.replace(registry, &node, snapshot);
                }
                Some(Output::Lost { node, .. }) => server.lost(registry, &node),
                Some(Output::Asked { node }) => self.machine.answer(&node, &server.snapshot()),
                Some(_) => {}
                None => break,
            }
        }
        server.check()?;
        self.network.run_for(Duration::from_millis(1)).map_err(|broken| broken.to_string())?;
        self.complaints.borrow().first().map_or(Ok(()), |line| Err(format!("ann is told {line}")))
    }
}

fn user(number: usize) -> String {
    format!("0{:09x}-{:x}", number % 2, number / 2 % 5)
}

fn text(number: usize) -> &'static str {
    TEXTS[number % TEXTS.len()]
}

fn person(number: usize) -> Value {
    json!({
        "user": user(number), "nick": text(number / 4), "since": number,
        "owned": number.is_multiple_of(2), "name": text(number / 8), "host": text(number / 3),
        "real_host": "h", "real_name": text(number), "modes": "+iw",
        "account": (number.is_multiple_of(3)).then_some("ann"), "signed_on": number,
        "metadata": [[text(number / 5), "v"]],
    })
}

/// Something that a node may say that it has happened, as it is written.
pub(crate) fn effect(kind: usize, number: usize) -> String {
    let (by, user, text, more) =
        (user(number / 7), user(number), text(number / 3), text(number / 5 + kind));
    let room = TEXTS[3 + kind / 24 % 2];
    let created = number as u64 % 3;
    let told = json!({ "id": format!("7-{number:x}"), "at": number });
    let change = json!({
        "item": LETTERS[number % LETTERS.len()], "key": more, "by": text, "at": number,
        "value": (kind.is_multiple_of(2)).then_some(text), "user": (number.is_multiple_of(5)).then_some(&user),
        "node": NODES[number % NODES.len()],
    });
    let effect = match kind % 24 {
        0 => json!({ "node": { "server": text, "about": more } }),
        1 => json!({ "user": person(number) }),
        2 => {
            json!({ "nick": { "user": user, "nick": text, "since": created, "owned": true } })
        }
        3 => json!({ "quit": { "user": user, "reason": text } }),
        4 => json!({ "account": { "user": user, "account": text, "owned": false } }),
        5 => json!({ "away": { "user": user, "text": more } }),
        6 => json!({ "host": { "user": user, "host": text } }),
        7 => json!({ "real-name": { "user": user, "name": text } }),
        8 => json!({ "user-modes": { "user": user, "modes": "+oiw" } }),
        9 | 10 => json!({ "join": {
            "user": user, "channel": room, "created": created, "status": "ov",
        } }),
        11 => json!({ "part": { "user": user, "channel": text, "reason": more } }),
        12 => json!({ "kick": {
            "by": by, "user": user, "channel": room, "created": created,
            "reason": text, "told": (number.is_multiple_of(2)).then_some(told),
        } }),
        13 | 14 => json!({ "channel": {
            "channel": room, "created": created, "by": by,
            "changes": [change], "told": told,
        } }),
        15 => {
            json!({ "channel": { "channel": text, "created": created, "changes": [change] } })
        }
        16 => json!({ "invite": { "by": by, "user": user, "channel": room } }),
        17 => {
            return format!("@+a={more} PRIVMSG {by} 7-{number:x} {number} {room} :{text}");
        }
        18 => json!({ "said": {
            "by": by, "channel": room, "told": told,
            "words": { "command": "PRIVMSG", "lines": [[text, false], [more, true]], "tags": more },
        } }),
        19 => json!({ "told": {
            "by": by, "user": user, "told": told,
            "words": { "command": "NOTICE", "lines": [[more, false]] },
        } }),
        20 => json!({ "redact": { "by": by, "channel": room, "id": "7-1", "reason": text } }),
        21 => json!({ "metadata": { "by": by, "user": user, "key": text, "value": more } }),
        22 => json!({ "kill": { "by": by, "user": user, "reason": text, "quit": more } }),
        _ => json!({ "wallops": { "by": by, "text": text } }),
    };
    effect.to_string()
}
