//! A watch that gets no consumer any more, on a clock that stands still while nothing happens.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::nats::kv::{KeyValue, WatchEvent};
use protocols::nats::{Client, ClientOptions, ServerAddr};
use reactor::sim::{Choices, Host, Network};
use reactor::{Input, ListenOptions, Protocol, Transport};

/// How often a watch looks for its consumer.
const LOOK: Duration = Duration::from_millis(500);

/// A server of which JetStream is away, or makes consumers that say once that they have nothing.
#[derive(Clone, Default)]
struct Script {
    is_well: Rc<RefCell<bool>>,
    /// When a consumer was asked for.
    asked: Rc<RefCell<Vec<Instant>>>,
}

/// One connection to it.
struct Seat {
    script: Script,
    /// What was subscribed to, and as what.
    subscribed: Vec<(String, String)>,
}

impl Protocol<()> for Seat {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        transport.write(b"INFO {\"max_payload\":1048576,\"headers\":true} \r\n");
    }

    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        while let Some(end) = input.windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&input.take_front(end + 2)[..end]).into_owned();
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["PING"] => drop(transport.write(b"PONG\r\n")),
                ["SUB", subject, sid] => self.subscribed.push((subject.to_owned(), sid.to_owned())),
                ["PUB", "$JS.API.CONSUMER.CREATE.KV_b", reply, _] => {
                    self.script.asked.borrow_mut().push(transport.registry().now());
                    if *self.script.is_well.borrow() {
                        self.says(transport, reply, "", "{\"num_pending\":0}");
                        let address = self.subscribed.last().map(|it| it.0.clone());
                        let address = address.expect("it is asked to send somewhere");
                        self.says(transport, &address, "NATS/1.0 100 Idle Heartbeat\r\n\r\n", "");
                    } else {
                        self.says(transport, reply, "NATS/1.0 503\r\n\r\n", "");
                    }
                }
                ["PUB", "$JS.API.STREAM.INFO.KV_b", reply, _] => {
                    self.says(transport, reply, "", "{\"created\":\"today\"}");
                }
                _ => {}
            }
        }
    }
}

impl Seat {
    fn says(&self, transport: &mut Transport<'_, ()>, to: &str, headers: &str, payload: &str) {
        let is_of = |pattern: &str| {
            pattern == to || pattern.strip_suffix('*').is_some_and(|it| to.starts_with(it))
        };
        // Nothing is random here, so that addresses are the same again: the last one counts.
        let seat = self.subscribed.iter().rfind(|(pattern, _)| is_of(pattern));
        let (_, sid) = seat.expect("somebody hears it");
        let (headed, all) = (headers.len(), headers.len() + payload.len());
        transport
            .write(format!("HMSG {to} {sid} {headed} {all}\r\n{headers}{payload}\r\n").as_bytes());
    }
}

struct Stage {
    network: Network,
    script: Script,
    server: Host<()>,
    watcher: Host<Vec<String>>,
}

impl Stage {
    /// A watch that has caught up.
    fn new() -> Self {
        let mut network = Network::new(Choices::from_tape(Vec::new()));
        let script = Script { is_well: Rc::new(RefCell::new(true)), ..Script::default() };
        let ours = script.clone();
        let server = network.host("server", move |registry| {
            let script = ours.clone();
            let seat = move |_: &_, (): &mut ()| -> Option<Box<dyn Protocol<()>>> {
                Some(Box::new(Seat { script: script.clone(), subscribed: Vec::new() }))
            };
            registry.listen_with("0.0.0.0:4222".parse()?, &ListenOptions::default(), seat)?;
            Ok(())
        });
        let address = network.address(server, 4222);
        let clients = Rc::new(RefCell::new(None));
        let client = Rc::clone(&clients);
        let watcher = network.host("watcher", move |registry| {
            let mut options = ClientOptions::new([ServerAddr::from(address.clone())]);
            options.limits.ping_interval = Duration::from_secs(1);
            *client.borrow_mut() = Some(Client::connect(registry, options, |_, _, _| {}));
            Ok(Vec::new())
        });
        let mut stage = Self { network, script, server, watcher };
        stage.passes(Duration::from_secs(1));
        let client = clients.borrow_mut().take().expect("it has begun");
        let (registry, _) = stage.network.parts(stage.watcher).expect("it is up");
        let store = KeyValue::new(&client, "b", Duration::from_secs(1)).expect("a name");
        let told = |_: &mut _, seen: &mut Vec<String>, event: WatchEvent<'_>| {
            seen.push(format!("{event:?}"));
        };
        store.watch(registry, ">", told).expect("it can be asked");
        stage.passes(LOOK / 2);
        assert_eq!(stage.network.app(watcher).expect("it is up")[..], ["CaughtUp"]);
        stage
    }

    fn passes(&mut self, time: Duration) {
        self.network.run_for(time).expect("nothing is wrong");
    }

    fn is_well(&mut self, is_well: bool) {
        *self.script.is_well.borrow_mut() = is_well;
    }

    /// How many looks were between two questions, since that was asked for last.
    fn pauses(&mut self) -> Vec<u128> {
        let mut asked = self.script.asked.borrow_mut();
        let between = |two: &[Instant]| {
            let pause = two[1] - two[0];
            (pause + LOOK / 2).as_millis() / LOOK.as_millis()
        };
        let pauses = asked.windows(2).map(between).collect();
        let before = asked.len().saturating_sub(1);
        asked.drain(..before);
        pauses
    }
}

/// Else a store of which each answer is too much for a connection is asked for it twice a second, for ever.
#[test]
fn a_watch_asks_again_after_longer_and_longer_pauses_until_it_hears_something() {
    let mut stage = Stage::new();
    stage.is_well(false);
    stage.passes(Duration::from_secs(60));
    // Three heartbeats are missing first.
    assert_eq!(stage.pauses(), [13, 1, 2, 4, 8, 16, 32, 32]);
    stage.is_well(true);
    stage.passes(Duration::from_secs(16));
    assert_eq!(stage.pauses(), [32]);
    stage.is_well(false);
    stage.passes(Duration::from_secs(11));
    assert_eq!(stage.pauses(), [13, 1, 2, 4, 8]);
    // Nothing was told twice, and it goes on.
    assert_eq!(stage.network.app(stage.watcher).expect("it is up")[..], ["CaughtUp"]);
}

#[test]
fn a_watch_asks_another_connection_soon_though_the_last_one_was_of_no_use() {
    let mut stage = Stage::new();
    stage.is_well(false);
    stage.passes(Duration::from_secs(30));
    assert_eq!(stage.pauses(), [13, 1, 2, 4, 8, 16]);
    stage.network.crash(stage.server);
    stage.network.restart(stage.server);
    stage.passes(Duration::from_secs(10));
    let pauses = stage.pauses();
    assert!(pauses[0] < 32 && pauses[1..].starts_with(&[1, 2]), "{pauses:?}");
}
