//! The stage of the tests of TFTP: a server with a tree, and clients, in one loop on one thread, and the
//! verbs a transcript needs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::rc::Rc;

use protocols::transfer::store::{Access, Replace, Store};
use protocols::transfer::tftp::{
    self, Caller, ClientOptions, Counters, Failure, Limits, Packet, Server, Terms,
};
use reactor::{Address, DatagramOptions, Reactor, Registry, SocketId};
use tempfile::TempDir;

use crate::kit;

/// What a test looks at: the application of its loop.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) agreed: BTreeMap<SocketId, Terms>,
    pub(crate) progress: BTreeMap<SocketId, u64>,
    pub(crate) outcomes: BTreeMap<SocketId, Result<u64, Failure>>,
}

impl AsMut<Server> for World {
    fn as_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Caller for World {
    fn on_agreed(&mut self, _: &mut Registry<Self>, id: SocketId, terms: Terms) {
        self.agreed.insert(id, terms);
    }

    fn on_progress(&mut self, _: &mut Registry<Self>, id: SocketId, moved: u64) {
        let before = self.progress.insert(id, moved);
        assert!(before.is_none_or(|before| before < moved), "it goes forward");
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, id: SocketId, outcome: Result<u64, Failure>) {
        let before = self.outcomes.insert(id, outcome);
        assert_eq!(before, None, "a transfer ends once");
    }
}

pub(crate) struct Stage {
    pub(crate) reactor: Reactor<World>,
    pub(crate) world: World,
    pub(crate) tree: TempDir,
    pub(crate) server: Address,
}

impl Stage {
    /// A server that may be written to.
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), Access::ReadWrite, Replace::No)
    }

    pub(crate) fn with(limits: Limits, access: Access, replace: Replace) -> Self {
        let tree = tempfile::tempdir().expect("a directory");
        let store = Store::open(tree.path(), access).expect("it is there");
        let mut reactor = Reactor::new().expect("a loop");
        let registry = reactor.registry();
        let id = tftp::bind::<World>(registry, kit::any_port(), &DatagramOptions::default());
        let id = id.expect("free");
        let server = registry.socket_address(id).expect("it is bound");
        let world = World {
            server: Server::new(store, limits).replacing(replace),
            agreed: BTreeMap::new(),
            progress: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        };
        Self { reactor, world, tree, server }
    }

    /// A file in the server's tree.
    pub(crate) fn place(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("it can be written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.tree.path().join(name)
    }

    pub(crate) fn get(&mut self, name: &str, options: &ClientOptions) -> (SocketId, Sink) {
        let server = self.server.clone();
        self.get_from(server, name, options)
    }

    pub(crate) fn get_from(
        &mut self,
        server: Address,
        name: &str,
        options: &ClientOptions,
    ) -> (SocketId, Sink) {
        let sink = Sink::default();
        let registry = self.reactor.registry();
        let id = tftp::get(registry, server, name.as_bytes(), sink.clone(), options);
        (id.expect("a socket is bound"), sink)
    }

    pub(crate) fn put(&mut self, name: &str, bytes: &[u8], options: &ClientOptions) -> SocketId {
        let (registry, size) = (self.reactor.registry(), Some(bytes.len() as u64));
        let source = io::Cursor::new(bytes.to_vec());
        let id = tftp::put(registry, self.server.clone(), name.as_bytes(), source, size, options);
        id.expect("a socket is bound")
    }

    /// Fetches a file, and waits for it.
    #[track_caller]
    pub(crate) fn fetched(
        &mut self,
        name: &str,
        options: &ClientOptions,
    ) -> Result<Vec<u8>, Failure> {
        let (id, sink) = self.get(name, options);
        let length = self.outcome(id)?;
        let bytes = sink.bytes();
        if options.mode == tftp::Mode::Octet {
            assert_eq!(bytes.len() as u64, length);
        }
        Ok(bytes)
    }

    /// Turns the loop until a condition holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, condition: impl FnMut(&mut World) -> bool) {
        let so = kit::comes_to_be(&mut self.reactor, &mut self.world, condition);
        assert!(so, "waited in vain until {what}");
    }

    /// How a transfer ended.
    #[track_caller]
    pub(crate) fn outcome(&mut self, id: SocketId) -> Result<u64, Failure> {
        self.until("the transfer is over", |world| world.outcomes.contains_key(&id));
        self.world.outcomes[&id].clone()
    }
}

/// The end of each test that has not failed: the loop shuts down, and nothing is left, in it and in the tree.
impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        kit::shut_down(&mut self.reactor, &mut self.world);
        assert_eq!(self.reactor.registry().len(), 0);
        assert_eq!(self.world.server.counters().open, 0);
        for entry in std::fs::read_dir(self.tree.path()).expect("it can be read") {
            let name = entry.expect("it can be read").file_name();
            assert!(!name.to_string_lossy().starts_with('.'), "{name:?} was left behind");
        }
    }
}

impl World {
    pub(crate) fn counters(&self) -> &Counters {
        self.server.counters()
    }
}

/// Where a client puts what it fetches.
#[derive(Clone, Default)]
pub(crate) struct Sink(Rc<RefCell<Vec<u8>>>);

impl Sink {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A peer that does what the test says, a packet at a time.
pub(crate) struct Peer(UdpSocket);

impl Peer {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("it can be");
        Self(socket)
    }

    pub(crate) fn address(&self) -> Address {
        self.0.local_addr().expect("it is bound").into()
    }

    pub(crate) fn says(&self, packet: &[u8], to: &Address) {
        self.0.send_to(packet, to.socket_addr().expect("it is UDP")).expect("it can be sent");
    }

    /// Asks at the server's well-known port; the answer, and from where it comes.
    #[track_caller]
    pub(crate) fn asks(&self, request: &[u8], stage: &mut Stage) -> (Vec<u8>, Address) {
        self.says(request, &stage.server);
        self.hears(stage)
    }

    /// The next packet that arrives, and from where.
    #[track_caller]
    pub(crate) fn hears(&self, stage: &mut Stage) -> (Vec<u8>, Address) {
        let mut heard = None;
        stage.until("a packet comes", |_| {
            heard = heard.take().or_else(|| self.has_heard());
            heard.is_some()
        });
        heard.expect("it has come")
    }

    /// What has arrived, if anything has.
    pub(crate) fn has_heard(&self) -> Option<(Vec<u8>, Address)> {
        let mut buffer = [0; 65_535];
        let (length, from) = self.0.recv_from(&mut buffer).ok()?;
        Some((buffer[..length].to_vec(), from.into()))
    }
}

/// A packet in short: `DATA 1`, `ERROR 5`.
pub(crate) fn in_words(packet: &[u8]) -> String {
    match Packet::parse(packet).expect("it is a packet") {
        Packet::Read(_) => "RRQ".to_owned(),
        Packet::Write(_) => "WRQ".to_owned(),
        Packet::Data { block, .. } => format!("DATA {block}"),
        Packet::Ack { block } => format!("ACK {block}"),
        Packet::Error { code, .. } => format!("ERROR {}", u16::from(code)),
        Packet::Granted(_) => "OACK".to_owned(),
    }
}
