//! The stage of these tests: a server, clients, and peers that say any bytes, in one loop on one thread.

use std::collections::HashMap;

use protocols::websocket::handshake::accept_key;
use protocols::websocket::wire::{Header, Mask, Opcode};
use protocols::websocket::{
    self, CloseCode, Ending, Endpoint, Handler, Message, Options, Refusal, Socket, Target,
};
use reactor::{
    Address, Closed, ConnectOptions, ConnectionId, Input, ListenOptions, Protocol, Reactor,
    Registry, Transport,
};

use crate::kit;

/// A key that a client may have, and what is answered to it (RFC 6455, 1.3).
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a test looks at: the application of its loop.
#[derive(Default)]
pub(crate) struct World {
    /// The server's WebSockets, in the order in which they were opened.
    pub(crate) guests: Vec<ConnectionId>,
    pub(crate) sides: HashMap<ConnectionId, Heard>,
    /// What peers without WebSocket were sent.
    pub(crate) raw: HashMap<ConnectionId, Vec<u8>>,
    pub(crate) raw_ended: HashMap<ConnectionId, bool>,
    pub(crate) welcomed: Vec<String>,
}

/// What one WebSocket has heard.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) open: bool,
    pub(crate) subprotocol: Option<String>,
    pub(crate) messages: Vec<Said>,
    pub(crate) pongs: Vec<Vec<u8>>,
    pub(crate) endings: Vec<Ending>,
    pub(crate) peer: Option<Address>,
}

/// A message, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
}

/// What a WebSocket of these tests does: notes, and perhaps answers.
#[derive(Debug)]
pub(crate) enum Part {
    /// Sends everything back.
    Echo,
    /// Only notes.
    Listener,
    /// A client, which only notes.
    Caller,
}

impl Handler<World> for Part {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, World>, world: &mut World) {
        if !matches!(self, Self::Caller) {
            world.guests.push(socket.id());
        }
        let heard = world.sides.entry(socket.id()).or_default();
        assert!(!heard.open && heard.endings.is_empty(), "it opens once, and first");
        heard.open = true;
        heard.subprotocol = socket.subprotocol().map(str::to_owned);
        heard.peer = Some(socket.peer());
    }

    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, World>,
        message: Message<'_>,
        world: &mut World,
    ) {
        let heard = world.sides.get_mut(&socket.id()).expect("it is open");
        assert!(heard.endings.is_empty(), "nothing comes behind the end");
        heard.messages.push(match message {
            Message::Text(text) => Said::Text(text.to_owned()),
            Message::Binary(bytes) => Said::Binary(bytes.to_vec()),
        });
        if let Self::Echo = self {
            socket.send(message);
        }
    }

    fn on_pong(&mut self, socket: &mut Socket<'_, '_, World>, payload: &[u8], world: &mut World) {
        world.sides.get_mut(&socket.id()).expect("it is open").pongs.push(payload.to_vec());
    }

    fn on_close(&mut self, _: &mut Registry<World>, closed: &websocket::Closed, world: &mut World) {
        let heard = world.sides.entry(closed.id).or_default();
        assert!(heard.endings.is_empty(), "it ends once");
        heard.endings.push(closed.ending.clone());
        let before = heard.peer.replace(closed.peer.clone());
        assert!(before.is_none_or(|peer| peer == closed.peer), "it is another at the end");
    }
}

/// A peer that says what a test has it say.
struct Raw;

impl Protocol<World> for Raw {
    fn on_data(
        &mut self,
        transport: &mut Transport<'_, World>,
        input: &mut Input<'_>,
        world: &mut World,
    ) {
        world.raw.entry(transport.id()).or_default().extend_from_slice(input.take_all());
    }

    fn on_end(&mut self, transport: &mut Transport<'_, World>, world: &mut World) {
        // It goes on talking, as peers may.
        world.raw_ended.insert(transport.id(), true);
    }

    fn on_shutdown(&mut self, _: &mut Transport<'_, World>, _: &mut World) {
        // It is another program, only in the same loop.
    }

    fn on_close(&mut self, _: &mut Registry<World>, closed: &Closed, world: &mut World) {
        world.raw_ended.insert(closed.id, true);
    }
}

pub(crate) struct Stage {
    pub(crate) reactor: Reactor<World>,
    pub(crate) world: World,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: Address,
}

impl Stage {
    /// A server that sends everything back.
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    /// The same, with options, which its clients have as well.
    pub(crate) fn with(options: Options) -> Self {
        Self::listening(options, &ListenOptions::default())
    }

    pub(crate) fn listening(options: Options, listen: &ListenOptions) -> Self {
        let mut reactor = Reactor::new().expect("a loop");
        let (endpoint, registry) = (Endpoint::new(options), reactor.registry());
        let id =
            websocket::listen(registry, kit::any_port(), listen, &endpoint, |request, _, world| {
                let world: &mut World = world;
                world.welcomed.push(request.target.to_owned());
                match request.path() {
                    "/" => Ok(Part::Echo),
                    "/listen" => Ok(Part::Listener),
                    _ => Err(Refusal::NotFound),
                }
            });
        let address = registry.listener_address(id.expect("free")).expect("it listens");
        Self { reactor, world: World::default(), endpoint, address }
    }

    /// A client that asks for this path; nothing is waited for.
    pub(crate) fn dial(&mut self, path: &str) -> ConnectionId {
        let (address, endpoint) = (self.address.clone(), self.endpoint.clone());
        self.dial_at(address, path, &endpoint)
    }

    pub(crate) fn dial_at(
        &mut self,
        address: Address,
        path: &str,
        endpoint: &Endpoint,
    ) -> ConnectionId {
        let (options, target) = (ConnectOptions::default(), Target::new("localhost", path));
        let registry = self.reactor.registry();
        websocket::connect(registry, address, &options, endpoint, &target, Part::Caller)
            .expect("a connection begins")
    }

    /// A client that is open.
    #[track_caller]
    pub(crate) fn client(&mut self, path: &str) -> ConnectionId {
        let id = self.dial(path);
        self.until("it is open", |world| world.sides.get(&id).is_some_and(|heard| heard.open));
        id
    }

    /// A peer that is connected, and has said this.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> ConnectionId {
        let address = self.address.clone();
        let id = self.reactor.registry().connect(address, Raw).expect("a connection begins");
        self.world.raw.insert(id, Vec::new());
        self.says(id, bytes);
        id
    }

    /// A peer whose handshake has been made, and these frames behind it in the same packet.
    #[track_caller]
    pub(crate) fn raw_client(&mut self, fields: &str, frames: &[u8]) -> ConnectionId {
        let id = self.raw(&[&request("/", fields), frames].concat());
        self.until("the handshake is made", |world| {
            world.raw[&id].windows(4).any(|four| four == b"\r\n\r\n")
        });
        let answer = self.world.raw.get_mut(&id).expect("it is known");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("it is there");
        let head: Vec<u8> = answer.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("a head is text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains(&accept_key(KEY)), "{head}");
        id
    }

    pub(crate) fn says(&mut self, id: ConnectionId, bytes: &[u8]) {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        let _ = self.reactor.registry().send(id, bytes).expect("it is connected");
    }

    /// Does something with a client's socket, or a guest's.
    #[track_caller]
    pub(crate) fn with_socket(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Socket<'_, '_, World>) + 'static,
    ) {
        let registry = self.reactor.registry();
        websocket::Session::<Part>::with(registry, id, |_, socket, _| act(socket))
            .expect("it is open");
    }

    pub(crate) fn close(&mut self, id: ConnectionId, code: CloseCode, reason: &str) {
        let registry = self.reactor.registry();
        websocket::Session::<Part>::close(registry, id, code, reason).expect("it is open");
    }

    /// The server's latest WebSocket.
    #[track_caller]
    pub(crate) fn guest(&mut self) -> ConnectionId {
        self.until("somebody is there", |world| !world.guests.is_empty());
        *self.world.guests.last().expect("there is one")
    }

    /// Turns the loop until a condition holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, condition: impl FnMut(&mut World) -> bool) {
        let so = kit::comes_to_be(&mut self.reactor, &mut self.world, condition);
        assert!(so, "waited in vain until {what}");
    }

    /// Turns the loop until no connection is left.
    #[track_caller]
    pub(crate) fn until_gone(&mut self) {
        let gone = kit::everybody_goes(&mut self.reactor, &mut self.world);
        assert!(gone, "waited in vain until everybody has gone");
    }

    /// Until a peer has been sent exactly this, behind the handshake.
    #[track_caller]
    pub(crate) fn hears(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.until("enough has come", |world| world.raw[&id].len() >= bytes.len());
        assert_eq!(self.world.raw[&id], bytes);
        self.world.raw.get_mut(&id).expect("it is known").clear();
    }

    /// Until a peer has been sent exactly this, and the end of it.
    #[track_caller]
    pub(crate) fn hears_last(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.until("the end has come", |world| world.raw_ended.contains_key(&id));
        assert_eq!(self.world.raw[&id], bytes, "{}", String::from_utf8_lossy(&self.world.raw[&id]));
    }

    #[track_caller]
    pub(crate) fn messages(&mut self, id: ConnectionId, count: usize) -> Vec<Said> {
        self.until("the messages have come", |world| world.sides[&id].messages.len() >= count);
        self.world.sides[&id].messages.clone()
    }

    /// How one ended.
    #[track_caller]
    pub(crate) fn ending(&mut self, id: ConnectionId) -> Ending {
        self.until("it has ended", |world| {
            world.sides.get(&id).is_some_and(|heard| !heard.endings.is_empty())
        });
        self.world.sides[&id].endings[0].clone()
    }

    /// Shuts down, and demands that nothing is left.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        kit::finish(&mut self.reactor, &mut self.world);
        assert_eq!(self.endpoint.counters().open, 0);
        for (id, heard) in &self.world.sides {
            assert_eq!(heard.endings.len(), 1, "{id:?} is told how it ended");
        }
    }
}

impl Said {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A client's request.
pub(crate) fn request(path: &str, fields: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n"
    )
    .into_bytes()
}

/// A client's frame.
pub(crate) fn masked(fin: bool, rsv1: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let (key, length) = ([1, 2, 3, 4], payload.len() as u64);
    let mut frame = Header { fin, rsv1, opcode, mask: Some(key), length }.encode().to_vec();
    let from = frame.len();
    frame.extend_from_slice(payload);
    Mask::new(key).apply(&mut frame[from..]);
    frame
}

pub(crate) fn masked_text(text: &str) -> Vec<u8> {
    masked(true, false, Opcode::Text, text.as_bytes())
}

/// A client's goodbye.
pub(crate) fn masked_close(code: u16) -> Vec<u8> {
    masked(true, false, Opcode::Close, &code.to_be_bytes())
}

/// A server's frame.
pub(crate) fn plain(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    websocket::wire::encode(opcode, false, None, payload, &mut frame);
    frame
}

/// A server's goodbye.
pub(crate) fn plain_close(code: u16, reason: &str) -> Vec<u8> {
    plain(Opcode::Close, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}
