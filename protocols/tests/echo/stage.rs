//! The stage of these tests: a server and its clients, in one loop on one thread, and the verbs a
//! transcript needs.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use protocols::echo::{
    self, Caller, Client, ClientId, ClientOptions, Counters, Event, Failure, Limits, NotSent, Sent,
    Server,
};
use reactor::{Address, DatagramOptions, ListenOptions, Reactor, Registry};

use crate::kit;

/// What a test looks at: the application of its loop.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clients: HashMap<ClientId, Client>,
    pub(crate) opened: Vec<ClientId>,
    /// What came back on streams, of all clients.
    pub(crate) bytes: Vec<u8>,
    pub(crate) replies: Vec<Sent>,
    /// The sequence numbers of datagrams that did not come back.
    pub(crate) losses: Vec<u64>,
    pub(crate) troubles: Vec<io::ErrorKind>,
    pub(crate) outcomes: HashMap<ClientId, Result<(), Failure>>,
    /// Payloads that are sent, one for each reply.
    pub(crate) script: Vec<Bytes>,
}

impl AsMut<Server> for World {
    fn as_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Caller for World {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event<'_>) {
        match event {
            Event::Open => self.opened.push(id),
            Event::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
            Event::Reply(reply) => self.answer(registry, id, reply),
            Event::Lost(sent) => self.losses.push(sent.sequence),
            Event::Trouble(trouble) => self.troubles.push(trouble),
        }
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, id: ClientId, outcome: Result<(), Failure>) {
        let before = self.outcomes.insert(id, outcome);
        assert!(before.is_none(), "a conversation ends once");
    }
}

pub(crate) struct Stage {
    pub(crate) reactor: Reactor<World>,
    pub(crate) world: World,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_limits(&Limits::default())
    }

    pub(crate) fn with_limits(limits: &Limits) -> Self {
        let world = World { server: Server::new(limits), ..World::default() };
        Self { reactor: Reactor::new().expect("a loop"), world }
    }

    /// An echo server of streams; where it listens.
    pub(crate) fn listen(&mut self, address: impl Into<Address>) -> Address {
        let registry = self.reactor.registry();
        let id = echo::listen(registry, address.into(), &ListenOptions::default()).expect("free");
        registry.listener_address(id).expect("it listens")
    }

    /// An echo server of datagrams; where it is bound.
    pub(crate) fn bind(&mut self, address: impl Into<Address>) -> Address {
        let registry = self.reactor.registry();
        let id = echo::bind(registry, address.into(), &DatagramOptions::default()).expect("free");
        registry.socket_address(id).expect("it is bound")
    }

    pub(crate) fn connect(&mut self, server: &Address) -> ClientId {
        self.connect_with(server, ClientOptions::default())
    }

    pub(crate) fn connect_with(&mut self, server: &Address, options: ClientOptions) -> ClientId {
        let client = Client::connect(self.reactor.registry(), server.clone(), &options);
        self.enter(client.expect("a connection begins"))
    }

    pub(crate) fn connect_datagrams(
        &mut self,
        server: &Address,
        options: ClientOptions,
    ) -> ClientId {
        let registry = self.reactor.registry();
        let client = Client::connect_datagrams(registry, server.clone(), &options);
        self.enter(client.expect("a socket is bound"))
    }

    fn enter(&mut self, client: Client) -> ClientId {
        let id = client.id();
        self.world.clients.insert(id, client);
        self.until("it is open", |world| world.opened.contains(&id) || world.has_ended(id));
        id
    }

    pub(crate) fn send(&mut self, id: ClientId, payload: impl Into<Bytes>) -> Result<u64, NotSent> {
        let client = self.world.clients.get_mut(&id).expect("it is known");
        client.send(self.reactor.registry(), payload.into())
    }

    pub(crate) fn sends(&mut self, id: ClientId, payloads: &[&'static str]) {
        for payload in payloads {
            self.send(id, *payload).expect("there is room");
        }
    }

    pub(crate) fn end(&mut self, id: ClientId) {
        self.world.clients.get_mut(&id).expect("it is known").end(self.reactor.registry());
    }

    pub(crate) fn close(&mut self, id: ClientId) {
        self.world.clients.get_mut(&id).expect("it is known").close(self.reactor.registry());
    }

    /// Turns the loop until a condition holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, condition: impl FnMut(&mut World) -> bool) {
        let so = kit::comes_to_be(&mut self.reactor, &mut self.world, condition);
        assert!(so, "waited in vain until {what}");
    }

    /// How a conversation ended.
    #[track_caller]
    pub(crate) fn outcome(&mut self, id: ClientId) -> Result<(), Failure> {
        self.until("the conversation is over", |world| world.has_ended(id));
        self.world.outcomes[&id].clone()
    }

    pub(crate) fn turn(&mut self, timeout: Duration) {
        let turn = self.reactor.turn(Some(timeout), &mut self.world).expect("the loop turns");
        assert!(turn.is_running());
    }
}

/// The end of each test that has not failed: the loop shuts down, and nothing is left.
impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            kit::finish(&mut self.reactor, &mut self.world);
            assert_eq!(self.world.server.counters().open, 0);
        }
    }
}

impl World {
    fn answer(&mut self, registry: &mut Registry<Self>, id: ClientId, reply: Sent) {
        self.replies.push(reply);
        if let (Some(payload), Some(client)) = (self.script.pop(), self.clients.get_mut(&id)) {
            client.send(registry, payload).expect("one has just come back");
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.server.counters()
    }

    pub(crate) fn has_ended(&self, id: ClientId) -> bool {
        self.outcomes.contains_key(&id)
    }

    /// What came back whole, in the order in which it did.
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.replies.iter().map(|reply| &*reply.payload).collect()
    }
}

/// A client waits no longer than so many milliseconds.
pub(crate) fn within(milliseconds: u64) -> ClientOptions {
    ClientOptions { timeout: Duration::from_millis(milliseconds), ..ClientOptions::default() }
}

/// Any free port on loopback, if the machine has IPv6.
pub(crate) fn v6() -> Option<Address> {
    match std::net::UdpSocket::bind("[::1]:0") {
        Ok(_) => Some("[::1]:0".parse().expect("it is an address")),
        Err(error) => {
            crate::outside::left_out(format_args!("IPv6: {error}"));
            None
        }
    }
}
