//! One connection, to be tested with bytes.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::{Broken, Choices, Host, Network};
use crate::id::Key;
use crate::source::Source;
use crate::{
    Address, CloseReason, Closed, ConnectOptions, ConnectionId, Input, ListenOptions, Protocol,
    Registry, Stale, StreamLimits, Transport,
};

/// Where the protocol that is tested listens.
const PORT: u16 = 7_000;
/// What happens within so long of what has happened belongs to it.
const SOON: Duration = Duration::from_micros(100);
/// A protocol that is never done is left alone after so long.
const PATIENCE: Duration = Duration::from_millis(10);

/// One connection of a protocol, and its peer, which is the test.
///
/// The loop under the protocol is the real one, on a [`Network`] on which nothing goes wrong and
/// nothing takes time: only [`wait`](Self::wait) lets time pass. Each verb does what it says and lets
/// everything happen that comes of it, so what it has brought about can be looked at on the next line.
///
/// ```
/// use reactor::framing::{Line, Lines};
/// use reactor::sim::Harness;
/// use reactor::{CloseReason, Idle, Input, Protocol, StreamLimits, Transport};
/// use std::time::Duration;
///
/// /// Adds what it is sent, a number a line.
/// struct Adder {
///     lines: Lines,
///     sum: u64,
/// }
///
/// impl Protocol<()> for Adder {
///     fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
///         loop {
///             match self.lines.next(input) {
///                 Line::Whole(line) => {
///                     let number = str::from_utf8(line).ok().and_then(|line| line.parse::<u64>().ok());
///                     self.sum += number.unwrap_or(0);
///                     transport.write(format!("{}\n", self.sum).as_bytes());
///                 }
///                 Line::TooLong => return transport.abort(),
///                 Line::Partial => return,
///             }
///         }
///     }
///
///     fn on_idle(&mut self, _: &mut Transport<'_, ()>, _: &mut ()) -> Idle {
///         Idle::EndWith(b"goodbye\n")
///     }
/// }
///
/// let limits = StreamLimits { idle_timeout: Some(Duration::from_secs(30)), ..StreamLimits::default() };
/// let mut adder = Harness::open_with(Adder { lines: Lines::new(20), sum: 0 }, (), limits);
///
/// adder.receive(b"100\n20");
/// assert_eq!(adder.sent_text(), "100\n");
/// adder.receive(b"\n3\n");
/// assert_eq!(adder.sent_text(), "120\n123\n");
///
/// adder.wait(Duration::from_secs(31));
/// assert_eq!(adder.sent_text(), "goodbye\n");
/// assert!(adder.has_sent_fin());
/// adder.peer_ends();
/// assert!(matches!(adder.reason(), Some(CloseReason::Closed)));
/// ```
///
/// # Panics
///
/// What a network watches over, it does: a callback that panics panics in the test, at the verb that brought
/// it about, unless [`allow_panics`](Self::allow_panics) was said. So does what breaks the contract of the
/// callbacks.
pub struct Harness<App> {
    network: Network,
    host: Host<App>,
    peer: Host<Heard>,
    /// The peer's end, by its id on its own loop.
    peer_id: ConnectionId,
    peer_address: Address,
}

/// What the peer has heard.
#[derive(Default)]
struct Heard {
    address: Option<Address>,
    bytes: Vec<u8>,
    fin: bool,
    end: Option<CloseReason>,
}

/// The peer: it says nothing of its own accord, and does not close when the other side does.
struct Peer;

impl<App: 'static> Harness<App> {
    /// Opens a connection that a peer has made, and has the protocol's `on_open` called.
    #[track_caller]
    pub fn open(protocol: impl Protocol<App> + 'static, app: App) -> Self {
        Self::open_with(protocol, app, StreamLimits::default())
    }

    /// As [`open`](Self::open), with limits of the connection.
    #[track_caller]
    pub fn open_with(
        protocol: impl Protocol<App> + 'static,
        app: App,
        limits: impl std::borrow::Borrow<StreamLimits>,
    ) -> Self {
        let mut network = Network::new(Choices::from_tape(Vec::new()));
        let host = network.host("protocol", boot(protocol, app, limits.borrow().clone()));
        let peer = network.host("peer", |_| Ok(Heard::default()));
        network.set_latency(host, peer, Duration::ZERO);
        network.set_latency(peer, host, Duration::ZERO);
        let address = network.address(host, PORT);
        // What a test has its peer say is not to be bounded by the peer.
        let limits = StreamLimits { outbox: usize::MAX, ..StreamLimits::default() };
        let options = ConnectOptions { limits, ..ConnectOptions::default() };
        let (registry, _) = network.parts(peer).expect("the peer is up");
        let connecting = registry.connect_with(address, &options, Peer);
        let peer_id = connecting.expect("an ideal network refuses nobody");
        settle(&mut network);
        let peer_address = network.app(peer).and_then(|heard| heard.address.clone());
        let peer_address = peer_address.expect("the peer's connection is open");
        Self { network, host, peer, peer_id, peer_address }
    }

    // ── what the peer does ──────────────────────────────────────────────────────────────────

    /// The peer sends these bytes, in one piece: they come with one read, and so with one `on_data`, as far
    /// as they fit into a read of 128 KiB.
    #[track_caller]
    pub fn receive(&mut self, piece: &[u8]) {
        let (registry, _) = self.network.parts(self.peer).expect("the peer is up");
        // A peer whose connection has ended may still talk, and nobody hears it.
        let _ = registry.send(self.peer_id, bytes::Bytes::copy_from_slice(piece));
        self.settle();
    }

    /// The peer sends these pieces, each with a read of its own.
    #[track_caller]
    pub fn receive_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) {
        for piece in pieces {
            self.receive(piece);
        }
    }

    /// The peer sends no more: FIN. It goes on listening.
    #[track_caller]
    pub fn peer_ends(&mut self) {
        self.tell_peer(Registry::end);
    }

    /// The peer resets the connection.
    #[track_caller]
    pub fn peer_resets(&mut self) {
        self.tell_peer(Registry::abort);
    }

    /// The peer takes nothing any more until [`peer_reads`](Self::peer_reads): the buffers between fill up, and
    /// then the protocol's outbox.
    #[track_caller]
    pub fn peer_stops_reading(&mut self) {
        self.tell_peer(Registry::pause);
    }

    /// The peer takes again what it is sent.
    #[track_caller]
    pub fn peer_reads(&mut self) {
        self.tell_peer(Registry::resume);
    }

    /// Time passes, after what comes of all that was done before.
    #[track_caller]
    pub fn wait(&mut self, time: Duration) {
        self.settle();
        let passed = self.network.run_for(time);
        must_hold(&self.network, passed);
    }

    /// Takes callbacks that panic for a part of the test: they end the connection with
    /// [`CloseReason::Panicked`].
    pub fn allow_panics(&mut self) {
        self.network.allow_panics();
    }

    // ── what has come of it ─────────────────────────────────────────────────────────────────

    /// What the peer was sent since this was asked last.
    #[must_use]
    pub fn sent(&mut self) -> Vec<u8> {
        let (_, heard) = self.network.parts(self.peer).expect("the peer is up");
        mem::take(&mut heard.bytes)
    }

    /// As [`sent`](Self::sent), for a protocol that speaks text; what is no UTF-8 is replaced (U+FFFD).
    #[must_use]
    pub fn sent_text(&mut self) -> String {
        String::from_utf8_lossy(&self.sent()).into_owned()
    }

    /// Whether the peer has seen FIN: it is sent no more.
    #[must_use]
    pub fn has_sent_fin(&self) -> bool {
        self.heard().fin
    }

    /// Whether the peer has seen RST.
    #[must_use]
    pub fn has_sent_reset(&self) -> bool {
        matches!(self.heard().end, Some(CloseReason::Reset))
    }

    /// The end of the connection, as the protocol's `on_close` was told it. One that the protocol has closed
    /// goes on until the peer [ends](Self::peer_ends) too, or the deadline for that has passed.
    #[must_use]
    pub fn closed(&mut self) -> Option<&Closed> {
        let (registry, _) = self.network.parts(self.host)?;
        let ends = registry.ends.as_ref()?;
        ends.iter().find(|closed| closed.peer == self.peer_address)
    }

    /// Why the connection has ended, if it has.
    #[must_use]
    pub fn reason(&mut self) -> Option<&CloseReason> {
        self.closed().map(|closed| &closed.reason)
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&mut self) -> bool {
        self.closed().is_some()
    }

    // ── the other side of it ────────────────────────────────────────────────────────────────

    /// The application.
    #[track_caller]
    #[must_use]
    pub fn app(&self) -> &App {
        self.network.app(self.host).expect("the host is up")
    }

    /// What is registered with the protocol's loop.
    #[track_caller]
    #[must_use]
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.network.parts(self.host).expect("the host is up").0
    }

    /// The id of the connection, while it is there.
    #[must_use]
    pub fn id(&mut self) -> Option<ConnectionId> {
        let address = self.peer_address.clone();
        let (registry, _) = self.network.parts(self.host)?;
        let is_it = |key_and_source: &(Key, &Source<App>)| match key_and_source.1 {
            Source::Stream(connection) => connection.stream.peer(&registry.ledger.peers) == address,
            Source::Listener(_) | Source::Datagram(_) | Source::Preface(_) => false,
        };
        registry.slots.iter().find(is_it).map(|(key, _)| ConnectionId(key))
    }

    /// Calls the protocol with its transport, as a callback is called, and lets happen what comes of it: to
    /// look at its state, or to have it do what nobody's bytes make it do.
    ///
    /// # Panics
    ///
    /// If the connection has ended, or runs a protocol of another type.
    #[track_caller]
    pub fn with<P: Protocol<App> + 'static, R: 'static>(
        &mut self,
        act: impl FnOnce(&mut P, &mut Transport<'_, App>, &mut App) -> R + 'static,
    ) -> R {
        let id = self.id().expect("the connection has ended");
        let result = Rc::new(RefCell::new(None));
        let place = Rc::clone(&result);
        let told = self.registry().with(id, move |protocol: &mut P, transport, app| {
            *place.borrow_mut() = Some(act(protocol, transport, app));
        });
        if let Err(error) = told {
            panic!("the protocol cannot be called: {error}");
        }
        self.settle();
        result.take().expect("the connection is open")
    }

    /// Lets everything happen that comes of what was done: by the test to the [registry](Self::registry), say.
    #[track_caller]
    pub fn settle(&mut self) {
        settle(&mut self.network);
    }

    // ── helpers ─────────────────────────────────────────────────────────────────────────────

    #[track_caller]
    fn tell_peer(
        &mut self,
        tell: impl FnOnce(&mut Registry<Heard>, ConnectionId) -> Result<(), Stale>,
    ) {
        let (registry, _) = self.network.parts(self.peer).expect("the peer is up");
        // One whose connection has ended has nothing more to say.
        let _ = tell(registry, self.peer_id);
        self.settle();
    }

    fn heard(&self) -> &Heard {
        self.network.app(self.peer).expect("the peer is up")
    }
}

/// Has the protocol listen for the one connection there is.
fn boot<App: 'static>(
    protocol: impl Protocol<App> + 'static,
    app: App,
    limits: StreamLimits,
) -> impl FnMut(&mut Registry<App>) -> Result<App, Box<dyn std::error::Error>> + 'static {
    let mut first = Some((protocol, app));
    move |registry| {
        let (protocol, app) = first.take().ok_or("a harness boots once")?;
        registry.ends = Some(Vec::new());
        let options = ListenOptions { limits: limits.clone(), ..ListenOptions::default() };
        let mut protocol = Some(protocol);
        let address: Address = format!("0.0.0.0:{PORT}").parse()?;
        registry.listen_with(address, &options, move |_, _| {
            let protocol: Box<dyn Protocol<App>> = Box::new(protocol.take()?);
            Some(protocol)
        })?;
        Ok(app)
    }
}

#[track_caller]
fn settle(network: &mut Network) {
    let end = network.now() + PATIENCE;
    while network.next().is_some_and(|next| next <= end && next <= network.now() + SOON) {
        let stepped = network.step();
        must_hold(network, stepped);
    }
}

/// Panics where the test is, not here: a closure would lose the line.
#[track_caller]
fn must_hold<T>(network: &Network, result: Result<T, Broken>) {
    if let Err(broken) = result {
        panic!("{broken}\n{}", network.trace());
    }
}

impl Protocol<Heard> for Peer {
    fn on_open(&mut self, transport: &mut Transport<'_, Heard>, heard: &mut Heard) {
        heard.address = Some(transport.local());
    }

    fn on_data(&mut self, _: &mut Transport<'_, Heard>, input: &mut Input<'_>, heard: &mut Heard) {
        heard.bytes.extend_from_slice(input.take_all());
    }

    fn on_end(&mut self, _: &mut Transport<'_, Heard>, heard: &mut Heard) {
        heard.fin = true;
    }

    fn on_close(&mut self, _: &mut Registry<Heard>, closed: &Closed, heard: &mut Heard) {
        heard.end = Some(closed.reason.clone());
    }
}

impl<App> fmt::Debug for Harness<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("network", &self.network).finish_non_exhaustive()
    }
}
