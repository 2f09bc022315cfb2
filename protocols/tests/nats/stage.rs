//! The stage of these tests: a loop with clients in it, and what they have seen, as lines.

use std::time::Duration;

use protocols::nats::{Client, ClientOptions, Event, Message, RequestError, ServerAddr};
use reactor::{Backoff, Reactor, Registry};

use crate::kit;
pub(crate) use crate::kit::PATIENCE;
pub(crate) use crate::nats_server::server;
pub(crate) use crate::outside::{Process, free_port};

/// What a test looks at.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) seen: Vec<String>,
}

pub(crate) struct Stage {
    pub(crate) reactor: Reactor<World>,
    pub(crate) world: World,
}

/// An event as a line; the ports of each run are others, so they are left out.
pub(crate) fn line(event: &Event<'_>) -> String {
    match event {
        Event::Connected { again, .. } => {
            if *again { "connected again" } else { "connected" }.into()
        }
        Event::ConnectFailed { error, .. } => format!("failed: {error}"),
        Event::Disconnected { error, .. } => format!("lost: {error}"),
        Event::Complaint(error) => format!("complaint: {error}"),
        Event::LameDuck { .. } => "lame duck".to_owned(),
        Event::Dropped { messages } => format!("dropped {messages}"),
        Event::Drained => "drained".to_owned(),
        Event::Unreadable => "unreadable".to_owned(),
        Event::Closed { error: Some(error) } => format!("closed: {error}"),
        Event::Closed { error: None } => "closed".to_owned(),
        other => format!("{other:?}"),
    }
}

pub(crate) fn text(message: &Message<'_>) -> String {
    let payload = String::from_utf8_lossy(message.payload);
    format!("{} {payload}", message.subject)
}

pub(crate) fn told(answer: Result<Message<'_>, RequestError>) -> String {
    match answer {
        Ok(message) => format!("answer {}", String::from_utf8_lossy(message.payload)),
        Err(error) => format!("no answer: {error}"),
    }
}

/// Of servers on this machine, and soon again.
pub(crate) fn options(ports: &[u16]) -> ClientOptions {
    let servers = ports.iter().map(|port| format!("127.0.0.1:{port}").parse().expect("it is one"));
    let mut options = ClientOptions::new(servers.collect::<Vec<ServerAddr>>());
    options.shuffle = false;
    options.reconnect = Some(Backoff::new(Duration::from_millis(20), Duration::from_millis(200)));
    options.limits.connect = PATIENCE;
    options
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { reactor: Reactor::new().expect("a loop"), world: World::default() }
    }

    pub(crate) fn registry(&mut self) -> &mut Registry<World> {
        self.reactor.registry()
    }

    pub(crate) fn client(&mut self, options: ClientOptions) -> Client<World> {
        Client::connect(self.reactor.registry(), options, |_, world: &mut World, event| {
            world.seen.push(line(&event));
        })
    }

    /// One that is connected.
    #[track_caller]
    pub(crate) fn connected(&mut self, options: ClientOptions) -> Client<World> {
        let client = self.client(options);
        self.until("it is connected", |_| client.is_connected());
        client
    }

    /// Subscribes, and waits until the server knows it.
    #[track_caller]
    pub(crate) fn subscribe(
        &mut self,
        client: &Client<World>,
        subject: &str,
    ) -> protocols::nats::Subscription {
        let subscribed = client.subscribe(self.registry(), subject, |_, world, message| {
            world.seen.push(text(message));
        });
        self.flush(client);
        subscribed.expect("it can be subscribed to")
    }

    #[track_caller]
    pub(crate) fn publish(&mut self, client: &Client<World>, subject: &str, payload: &str) {
        client.publish(self.registry(), subject, payload.as_bytes()).expect("it can be published");
    }

    /// Waits until the server has taken everything.
    #[track_caller]
    pub(crate) fn flush(&mut self, client: &Client<World>) {
        let before = self.count("flushed");
        let done = client.flush(self.registry(), |_, world, result| {
            world.seen.push(format!("flushed {result:?}"));
        });
        done.expect("it can be asked");
        self.until("it is flushed", |world| count(world, "flushed") > before);
    }

    #[track_caller]
    pub(crate) fn request(
        &mut self,
        client: &Client<World>,
        subject: &str,
        payload: &str,
        timeout: Duration,
    ) {
        let asked = client.request(
            self.registry(),
            subject,
            payload.as_bytes(),
            timeout,
            |_, world, answer| {
                world.seen.push(told(answer));
            },
        );
        asked.expect("it can be asked");
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        count(&self.world, line)
    }

    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, condition: impl FnMut(&mut World) -> bool) {
        let so = kit::comes_to_be(&mut self.reactor, &mut self.world, condition);
        assert!(so, "waited in vain until {what}: {:?}", self.world.seen);
    }

    #[track_caller]
    pub(crate) fn until_seen(&mut self, line: &str) {
        self.until(line, |world| count(world, line) > 0);
    }

    /// Waits until both ends of each connection have ended.
    #[track_caller]
    pub(crate) fn until_nobody_is_there(&mut self) {
        let gone = kit::everybody_goes(&mut self.reactor, &mut self.world);
        assert!(gone, "somebody stays: {:?}", self.world.seen);
    }

    #[track_caller]
    pub(crate) fn turn(&mut self) {
        kit::turn(&mut self.reactor, &mut self.world);
    }

    /// Ends it here, before the test does.
    pub(crate) fn finish(self) {}
}

/// The end of each test that has not failed: the loop shuts down, and nothing is left.
impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            kit::shut_down(&mut self.reactor, &mut self.world);
            // A watch that lasts longer than its loop has a timer left.
            let stats = self.reactor.stats();
            assert_eq!((stats.connections, stats.queued_bytes), (0, 0), "{stats}");
        }
    }
}

fn count(world: &World, line: &str) -> usize {
    world.seen.iter().filter(|seen| seen.contains(line)).count()
}
