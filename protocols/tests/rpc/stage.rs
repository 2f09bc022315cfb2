//! The stage of these tests: a server in a loop of the test's own, and somebody who types at it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::rpc::{
    self, CallError, Client, ClientOptions, Dialect, Error, Event, Framing, Limits, NoParams,
    ServerOptions, Service, Ticket, Topic,
};
use reactor::{Address, ConnectionId, ListenerId, Reactor};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::kit;
pub(crate) use crate::kit::PATIENCE;

/// What a test looks at: the application of its loop.
pub(crate) struct World {
    pub(crate) news: Topic,
    /// Calls of `hold`, which are answered when the test says so.
    pub(crate) held: Vec<Ticket>,
    /// Where those came from.
    pub(crate) holders: Vec<ConnectionId>,
    /// Notifications, and everything else that happened, as lines.
    pub(crate) seen: Vec<String>,
    /// What became of a client's calls.
    pub(crate) results: Vec<Result<Value, CallError>>,
}

pub(crate) struct Stage {
    pub(crate) reactor: Reactor<World>,
    pub(crate) world: World,
    pub(crate) service: Rc<Service<World>>,
    pub(crate) last_listener: Option<ListenerId>,
}

#[derive(Deserialize, JsonSchema)]
struct Subtract {
    minuend: i64,
    subtrahend: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: String,
    #[serde(default = "hello")]
    word: String,
}

fn hello() -> String {
    "hello".to_owned()
}

/// A service with the methods of the specification's examples, and some that are more of a nuisance.
pub(crate) fn service(limits: Limits) -> Service<World> {
    let mut service = Service::<World>::with_limits("a stage", "1.0.0", limits);
    service.method("subtract", "The difference", |_, it: Subtract| Ok(it.minuend - it.subtrahend));
    service.method("sum", "The sum", |_, numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()));
    service.method("get_data", "Something", |_, NoParams {}| Ok(("hello".to_owned(), 5)));
    service.method("greet", "Says hello", |_, Greet { name, word }: Greet| {
        Ok(format!("{word}, {name}"))
    });
    for name in ["update", "notify_hello", "notify_sum"] {
        service.method(name, "Takes note", move |call, numbers: Vec<i64>| {
            call.app.seen.push(format!("{name} {numbers:?}"));
            Ok(())
        });
    }
    service.method("long", "So many letters", |_, (count,): (usize,)| Ok("x".repeat(count)));
    service.method("fail", "Fails", |_, NoParams {}| {
        Err::<(), _>(Error::new(17, "no luck").with_data(&["tried", "twice"]))
    });
    service.later::<NoParams, u64>("hold", "Answers when the test says so", |call, _, ticket| {
        call.app.held.push(ticket);
        call.app.holders.extend(call.connection());
        Ok(())
    });
    service.offloaded::<(u64,), u64, _>("square", "The square, on a thread", |_, (number,)| {
        Ok(move |_: &Ticket| Ok(number * number))
    });
    service.method("ask_back", "Asks the caller for its name", |call, NoParams {}| {
        let remote = call.remote().cloned().ok_or_else(|| Error::internal("a datagram"))?;
        let asked =
            remote.call(call.registry, "name", &(), PATIENCE, |_, world: &mut World, name| {
                let name: Result<Value, _> = name;
                world.results.push(name);
            });
        asked.map(drop).map_err(Error::internal)
    });
    service.topic("listen", "leave", "All the news", |world| &mut world.news);
    service.on_event(|world, event| {
        world.seen.push(match event {
            Event::Opened { .. } => "opened".to_owned(),
            Event::Closed { why, .. } => format!("closed: {why}"),
            Event::Unreachable { why } => format!("unreachable: {why}"),
            Event::Called { method, error: Some(error), .. } => format!("{method} failed: {error}"),
            Event::Called { method, .. } => format!("{method} ran"),
            Event::Invalid { error, .. } => format!("invalid: {}", error.code),
            Event::Broken { why, .. } => format!("broken: {why}"),
            Event::Stray { answer, .. } => format!("stray {answer}"),
            Event::Complaint { error, .. } => format!("complaint: {error}"),
            other => format!("{other:?}"),
        });
    });
    service
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::with(service(limits))
    }

    pub(crate) fn with(service: Service<World>) -> Self {
        let world = World {
            news: Topic::new("news"),
            held: Vec::new(),
            holders: Vec::new(),
            seen: Vec::new(),
            results: Vec::new(),
        };
        Self {
            reactor: Reactor::new().expect("a loop"),
            world,
            service: Rc::new(service),
            last_listener: None,
        }
    }

    pub(crate) fn listen(&mut self, over: impl Into<Over>) -> Address {
        let address = "127.0.0.1:0".parse().expect("it is an address");
        match over.into() {
            Over::Stream(framing) => self.listen_at(address, framing, Dialect::Two),
            Over::Http | Over::WebSocket => self.listen_http_at(address),
        }
    }

    pub(crate) fn listen_http_at(&mut self, address: Address) -> Address {
        let (registry, service) = (self.reactor.registry(), Rc::clone(&self.service));
        let options = reactor::ListenOptions::default();
        let id = rpc::listen_http(registry, address, &options, service).expect("free");
        self.last_listener = Some(id);
        registry.listener_address(id).expect("it listens")
    }

    pub(crate) fn listen_as(&mut self, framing: Framing, dialect: Dialect) -> Address {
        self.listen_at("127.0.0.1:0".parse().expect("it is an address"), framing, dialect)
    }

    pub(crate) fn listen_at(
        &mut self,
        address: Address,
        framing: Framing,
        dialect: Dialect,
    ) -> Address {
        let options = ServerOptions { framing, dialect, ..ServerOptions::default() };
        let (registry, service) = (self.reactor.registry(), Rc::clone(&self.service));
        let id = rpc::listen(registry, address, &options, service).expect("free");
        self.last_listener = Some(id);
        registry.listener_address(id).expect("it listens")
    }

    /// Somebody connects, who types what he likes.
    pub(crate) fn typist(&mut self, over: impl Into<Over>) -> Typist {
        let over = over.into();
        let address = self.listen(over);
        Typist::connect_over(self, &address, over)
    }

    /// A client in the same loop.
    pub(crate) fn client(&mut self, options: ClientOptions) -> Client<World> {
        Client::start(self.reactor.registry(), options, Rc::clone(&self.service))
    }

    /// Calls, and leaves what becomes of it in `results`.
    pub(crate) fn call(&mut self, client: &Client<World>, method: &str, params: &Value) {
        self.call_for(client, method, params, PATIENCE).expect("it is sent");
    }

    pub(crate) fn call_for(
        &mut self,
        client: &Client<World>,
        method: &str,
        params: &Value,
        timeout: Duration,
    ) -> Result<rpc::CallId, CallError> {
        client.remote().call(
            self.reactor.registry(),
            method,
            params,
            timeout,
            |_, world, result| {
                let world: &mut World = world;
                world.results.push(result);
            },
        )
    }

    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, condition: impl FnMut(&mut World) -> bool) {
        let so = kit::comes_to_be(&mut self.reactor, &mut self.world, condition);
        assert!(so, "waited in vain until {what}: {:?}", self.world.seen);
    }

    #[track_caller]
    pub(crate) fn until_seen(&mut self, line: &str) {
        self.until(line, |world| world.seen.iter().any(|seen| seen.contains(line)));
    }

    pub(crate) fn turn(&mut self) {
        kit::turn(&mut self.reactor, &mut self.world);
    }

    /// Turns the loop until no connection is left.
    #[track_caller]
    pub(crate) fn until_gone(&mut self) {
        let gone = kit::everybody_goes(&mut self.reactor, &mut self.world);
        assert!(gone, "waited in vain until everybody has gone");
    }

    /// Ends it here, before the test does.
    pub(crate) fn finish(self) {}
}

/// The end of each test that has not failed: the loop shuts down, and nothing is left.
impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            kit::finish(&mut self.reactor, &mut self.world);
            let counters = self.service.counters();
            assert_eq!((counters.open, counters.waiting), (0, 0), "{counters:?}");
            assert!(self.world.news.is_empty(), "subscriptions end with their connections");
        }
    }
}

/// What carries the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Stream(Framing),
    Http,
    WebSocket,
}

impl Over {
    /// Everything there is.
    pub(crate) const ALL: &[Self] = &[
        Self::Stream(Framing::Lines),
        Self::Stream(Framing::ContentLength),
        Self::Stream(Framing::Bare),
        Self::Http,
        Self::WebSocket,
    ];

    /// Whether it is known of a text that it is UTF-8.
    pub(crate) fn is_text(self) -> bool {
        match self {
            Self::Stream(_) => false,
            Self::Http => false,
            Self::WebSocket => true,
        }
    }

    /// Whether the server can say something that it was not asked.
    pub(crate) fn is_lasting(self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::Http => false,
            Self::WebSocket => true,
        }
    }

    /// A client of the server there.
    pub(crate) fn options(self, server: Address) -> ClientOptions {
        let mut options = ClientOptions::new(server);
        match self {
            Self::Stream(framing) => options.framing = framing,
            Self::Http => {
                let url = format!("http://{}/a?b", options.server).parse().expect("a URL");
                options.carrier = rpc::Carrier::Http(url);
            }
            Self::WebSocket => {
                let target = protocols::websocket::Target::new(options.server.to_string(), "/a?b");
                options.carrier = rpc::Carrier::WebSocket(target);
            }
        }
        options
    }
}

impl From<Framing> for Over {
    fn from(framing: Framing) -> Self {
        Self::Stream(framing)
    }
}

/// Somebody who types at a server, and reads what comes back.
pub(crate) struct Typist {
    stream: TcpStream,
    over: Over,
    read: Vec<u8>,
}

impl Typist {
    #[track_caller]
    pub(crate) fn connect(address: &Address, framing: Framing) -> Self {
        let stream = TcpStream::connect(address.socket_addr().expect("TCP")).expect("it listens");
        stream.set_nonblocking(true).expect("it can be");
        Self { stream, over: framing.into(), read: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn connect_over(stage: &mut Stage, address: &Address, over: Over) -> Self {
        let mut typist = Self { over, ..Self::connect(address, Framing::Lines) };
        if over == Over::WebSocket {
            typist.types_raw(
                stage,
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
            );
            let (status, _) = typist.reads_head(stage);
            assert_eq!(status, 101);
        }
        let _ = &stage;
        typist
    }

    /// The status of the next answer of HTTP, and its head.
    #[track_caller]
    pub(crate) fn reads_head(&mut self, stage: &mut Stage) -> (u16, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((head, length)) = head_of(&self.read) {
                self.read.drain(..length);
                let status = head[9..12].parse().expect("a status");
                return (status, head);
            }
            assert!(Instant::now() < deadline && self.receive(), "no head comes");
            stage.turn();
        }
    }

    pub(crate) fn types(&mut self, stage: &mut Stage, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let framed = match self.over {
            Over::Stream(Framing::Lines) => [text, b"\n"].concat(),
            Over::Stream(Framing::ContentLength) => {
                [format!("Content-Length: {}\r\n\r\n", text.len()).as_bytes(), text].concat()
            }
            Over::Stream(Framing::Bare) => text.to_vec(),
            Over::Http => {
                let head = format!(
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                        Content-Length: {}\r\n\r\n",
                    text.len()
                );
                [head.as_bytes(), text].concat()
            }
            Over::WebSocket => {
                use protocols::websocket::wire::{Opcode, encode};
                let mut frame = Vec::new();
                encode(Opcode::Text, false, Some([1, 2, 3, 4]), text, &mut frame);
                frame
            }
        };
        self.types_raw(stage, &framed);
    }

    pub(crate) fn types_raw(&mut self, stage: &mut Stage, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stage.turn(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next text, whatever is in it.
    #[track_caller]
    pub(crate) fn reads(&mut self, stage: &mut Stage) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(text) = self.take_text() {
                return text;
            }
            assert!(Instant::now() < deadline, "nothing comes; {:?}", stage.world.seen);
            stage.turn();
            assert!(self.receive(), "the server has ended; {:?}", stage.world.seen);
        }
    }

    /// Asserts that the next line has this in it, byte for byte.
    #[track_caller]
    pub(crate) fn reads_text_with(&mut self, stage: &mut Stage, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.read.contains(&b'\n') {
            assert!(Instant::now() < deadline && self.receive(), "nothing comes");
            stage.turn();
        }
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned();
        assert!(line.contains(part), "{line}");
    }

    /// Asserts that the next thing said is this, and nothing was said before.
    #[track_caller]
    pub(crate) fn gets(&mut self, stage: &mut Stage, expected: &str) {
        let expected: Value = serde_json::from_str(expected).expect("the test has JSON");
        assert_eq!(self.reads(stage), expected);
    }

    /// Asserts that nothing has been said, by asking something else.
    #[track_caller]
    pub(crate) fn gets_nothing(&mut self, stage: &mut Stage) {
        self.types(stage, r#"{"jsonrpc":"2.0","method":"sum","params":[40,2],"id":"still there"}"#);
        self.gets(stage, r#"{"jsonrpc":"2.0","result":42,"id":"still there"}"#);
    }

    /// Waits for the server to end the connection.
    #[track_caller]
    pub(crate) fn sees_the_end(&mut self, stage: &mut Stage) {
        let deadline = Instant::now() + PATIENCE;
        while self.receive() {
            assert!(Instant::now() < deadline, "it does not end");
            stage.turn();
        }
    }

    /// Goes without a goodbye.
    pub(crate) fn resets(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("it is connected");
    }

    pub(crate) fn ends(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
    }

    /// Whether the connection is there still.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    fn take_text(&mut self) -> Option<Value> {
        let (text, rest) = match self.over {
            Over::Stream(Framing::Lines) => {
                let end = self.read.iter().position(|byte| *byte == b'\n')?;
                (self.read[..end].to_vec(), end + 1)
            }
            Over::Stream(Framing::ContentLength) => {
                let end = self.read.windows(4).position(|it| it == b"\r\n\r\n")?;
                let head = std::str::from_utf8(&self.read[..end]).expect("headers are text");
                let length = head.strip_prefix("Content-Length: ").expect("one header");
                let rest = end + 4 + length.parse::<usize>().expect("a number");
                (self.read.get(end + 4..rest)?.to_vec(), rest)
            }
            Over::Stream(Framing::Bare) => {
                let mut values =
                    serde_json::Deserializer::from_slice(&self.read).into_iter::<Value>();
                values.next()?.ok()?;
                let rest = values.byte_offset();
                (self.read[..rest].to_vec(), rest)
            }
            Over::Http => {
                let (head, begin) = head_of(&self.read)?;
                if head.starts_with("HTTP/1.1 204 ") {
                    self.read.drain(..begin);
                    return self.take_text();
                }
                assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
                assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
                let (_, length) = head.split_once("Content-Length: ").expect("it has a length");
                let (length, _) = length.split_once('\r').expect("the line ends");
                let rest = begin + length.parse::<usize>().expect("a number");
                (self.read.get(begin..rest)?.to_vec(), rest)
            }
            Over::WebSocket => {
                use protocols::websocket::wire::{Header, Opcode};
                let (header, begin) = Header::parse(&self.read).expect("a frame")?;
                assert_eq!((header.opcode, header.mask), (Opcode::Text, None));
                let rest = begin + usize::try_from(header.length).expect("it is short");
                (self.read.get(begin..rest)?.to_vec(), rest)
            }
        };
        self.read.drain(..rest);
        Some(serde_json::from_slice(&text).expect("the server says JSON"))
    }
}

/// The head that stands at the front, and how long it is.
fn head_of(read: &[u8]) -> Option<(String, usize)> {
    let length = read.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    Some((String::from_utf8_lossy(&read[..length]).into_owned(), length))
}
