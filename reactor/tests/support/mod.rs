//! The verbs of the tests on real sockets.
//!
//! A [`Stage`] is a loop and the [`Log`] its protocols write to; a [`Probe`] is a protocol that writes
//! down every callback and does what a test tells it to; a [`Peer`] is a thread at the other end.
//! [`until`] turns a loop until something is so, and fails with everything there is to know if it
//! never comes to be. [`Leaks`] lets one test of a process run at a time; when a stage is dropped, and a test with
//! it has come to its end, everything is asked back: connections, queued bytes, timers, descriptors.
//!
//! A transcript does not depend on how the network cut the bytes: data that follows data is one line.

#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#![allow(unreachable_pub, reason = "a test program has no outside")]

mod leaks;
mod log;
mod peer;
mod probe;

use std::fmt;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reactor::{
    Address, ConnectionId, Handle, Limits, ListenOptions, ListenerId, Reactor, Registry,
    ShutdownReport, SocketId, Turn,
};

pub use leaks::{Leaks, assert_nothing_left, open_descriptors};
pub use log::{End, Log};
#[cfg(unix)]
pub use peer::FullListener;
pub use peer::{NobodysPort, Peer, assert_reset, client, pair, patient, retry};
pub use probe::{DatagramProbe, Echo, Probe, echo, echo_datagrams};

/// How long anything may take: far more than it needs, even on a machine that is busy with others.
pub const PATIENCE: Duration = Duration::from_secs(10);

// ── turning ─────────────────────────────────────────────────────────────────────────────────

/// Turns the loop until a condition holds that only the loop can bring about. It sleeps as deeply as
/// the loop lets it: a loop that forgets to wake up fails the test.
#[track_caller]
pub fn until<App: fmt::Debug>(
    reactor: &mut Reactor<App>,
    app: &mut App,
    condition: impl FnMut(&App, &mut Registry<App>) -> bool,
) {
    turn_until(reactor, app, PATIENCE, condition);
}

/// As [`until`], for a condition that something outside brings about without waking the loop: what
/// has arrived at a socket of the test's own, say.
#[track_caller]
pub fn until_outside<App: fmt::Debug>(
    reactor: &mut Reactor<App>,
    app: &mut App,
    condition: impl FnMut(&App, &mut Registry<App>) -> bool,
) {
    turn_until(reactor, app, Duration::from_millis(2), condition);
}

/// Turns a loop that is shutting down to its end.
#[track_caller]
pub fn until_shut_down<App: fmt::Debug>(
    reactor: &mut Reactor<App>,
    app: &mut App,
) -> ShutdownReport {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        assert!(!rest.is_zero(), "it never ended\n\n{app:#?}\n{}", reactor.snapshot());
        if let Turn::Finished(report) = reactor.turn(Some(rest), app).expect("the loop goes on") {
            return report;
        }
    }
}

#[track_caller]
fn turn_until<App: fmt::Debug>(
    reactor: &mut Reactor<App>,
    app: &mut App,
    longest: Duration,
    mut condition: impl FnMut(&App, &mut Registry<App>) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !condition(app, reactor.registry()) {
        let rest = deadline.saturating_duration_since(Instant::now());
        assert!(!rest.is_zero(), "it never came to be\n\n{app:#?}\n{}", reactor.snapshot());
        let turn = reactor.turn(Some(rest.min(longest)), app).expect("the loop goes on");
        assert!(turn.is_running(), "the loop ended: {turn:?}\n\n{app:#?}");
    }
}

// ── the stage ───────────────────────────────────────────────────────────────────────────────

/// A loop, its log, and the watch over what leaks.
#[derive(Debug)]
pub struct Stage {
    pub reactor: Reactor<Log>,
    pub log: Log,
    listeners: Vec<ListenerId>,
    sockets: Vec<SocketId>,
    /// The last to be dropped: what the loop had open is closed by then.
    _leaks: Leaks,
}

impl Stage {
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        let leaks = Leaks::watch();
        let reactor = Reactor::with_limits(limits).expect("there are descriptors for a loop");
        let (listeners, sockets) = (Vec::new(), Vec::new());
        Self { reactor, log: Log::default(), listeners, sockets, _leaks: leaks }
    }

    pub fn registry(&mut self) -> &mut Registry<Log> {
        self.reactor.registry()
    }

    #[must_use]
    pub fn handle(&self) -> Handle<Log> {
        self.reactor.handle()
    }

    /// Listens on a free port of 127.0.0.1; the end of the stage closes it.
    #[track_caller]
    pub fn listen(&mut self, factory: impl FnMut() -> Probe + 'static) -> SocketAddr {
        self.listen_with(&ListenOptions::default(), factory)
    }

    /// As [`Stage::listen`], with options.
    #[track_caller]
    pub fn listen_with(
        &mut self,
        options: &ListenOptions,
        mut factory: impl FnMut() -> Probe + 'static,
    ) -> SocketAddr {
        let registry = self.reactor.registry();
        let id = registry
            .listen_with(any_port(), options, move |_, _| Some(Box::new(factory())))
            .expect("loopback has a free port");
        let address = registry.listener_address(id).expect("it was just opened");
        self.listeners.push(id);
        address.socket_addr().expect("it is an IP address")
    }

    /// Closes a listener when the test ends.
    pub fn will_close(&mut self, id: ListenerId) {
        self.listeners.push(id);
    }

    /// Closes a datagram socket when the test ends.
    pub fn will_close_socket(&mut self, id: SocketId) {
        self.sockets.push(id);
    }

    /// Connects a probe.
    #[track_caller]
    pub fn connect(&mut self, address: SocketAddr, probe: Probe) -> ConnectionId {
        self.registry().connect(address.into(), probe).expect("it begins to connect")
    }

    /// Has a probe run on a stream that was opened elsewhere.
    #[track_caller]
    pub fn adopt(
        &mut self,
        stream: impl Into<reactor::StdStream>,
        limits: &reactor::StreamLimits,
        probe: Probe,
    ) -> ConnectionId {
        let options = reactor::StreamOptions::default();
        self.registry().adopt(stream, &options, limits, probe).expect("the loop takes it")
    }

    /// See [`until`].
    #[track_caller]
    pub fn until(&mut self, mut condition: impl FnMut(&Log) -> bool) {
        until(&mut self.reactor, &mut self.log, |log, _| condition(log));
    }

    /// See [`until_outside`].
    #[track_caller]
    pub fn until_outside(&mut self, mut condition: impl FnMut(&Log) -> bool) {
        until_outside(&mut self.reactor, &mut self.log, |log, _| condition(log));
    }

    /// See [`until_shut_down`].
    #[track_caller]
    pub fn until_shut_down(&mut self) -> ShutdownReport {
        until_shut_down(&mut self.reactor, &mut self.log)
    }

    /// Turns until this one's `on_close` was called.
    #[track_caller]
    pub fn until_closed(&mut self, who: &str) {
        self.until(|log| log.end(who).is_some());
    }

    /// Turns until nothing is left to be done at once: what comes next comes from outside, or by a
    /// timer.
    #[track_caller]
    pub fn until_quiet(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "it spins\n\n{:#?}\n{}",
                self.log,
                self.reactor.snapshot()
            );
            let before = self.reactor.stats();
            let turn = self.reactor.turn(Some(Duration::ZERO), &mut self.log);
            assert!(turn.expect("the loop goes on").is_running());
            let after = self.reactor.stats();
            let has_work = self.reactor.next_deadline().is_some_and(|at| at <= Instant::now());
            if after.events == before.events && !has_work {
                return;
            }
        }
    }

    /// Has a client write until the kernel takes no more and nothing moves: a loop that does not read
    /// hears of it by no further event.
    #[track_caller]
    pub fn fill(&mut self, client: &mut TcpStream) {
        client.set_nonblocking(true).expect("it is a socket");
        loop {
            let mut written = 0;
            while let Ok(length) = client.write(&[b'x'; 1 << 16]) {
                written += length;
            }
            self.until_quiet();
            if written == 0 {
                break;
            }
        }
        client.set_nonblocking(false).expect("it is a socket");
    }

    /// Plays the other end in a thread, which may block; its end wakes the loop.
    pub fn peer<T: Send + 'static>(&self, play: impl FnOnce() -> T + Send + 'static) -> Peer<T> {
        Peer::new(self.handle(), play)
    }

    /// Turns until a peer has come to its end.
    #[track_caller]
    pub fn join<T>(&mut self, peer: Peer<T>) -> T {
        self.until(|_| peer.is_done());
        peer.join()
    }
}

/// The end of each test that has not failed: the listeners and sockets of the stage are closed, and nothing else may be
/// left. What the test itself has opened on the way was dropped before.
impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let connections = self.reactor.stats().connections;
        assert_eq!(connections, 0, "{:#?}\n{}", self.log, self.reactor.snapshot());
        for id in std::mem::take(&mut self.listeners) {
            // The test may have closed it.
            let _ = self.registry().close_listener(id);
        }
        for id in std::mem::take(&mut self.sockets) {
            let _ = self.registry().close_socket(id);
        }
        let log = &mut self.log;
        until(&mut self.reactor, log, |_, registry| registry.snapshot().sockets.is_empty());
        assert_nothing_left(&mut self.reactor);
    }
}

/// A free port of 127.0.0.1, to be asked for afterwards.
#[must_use]
pub fn any_port() -> Address {
    "127.0.0.1:0".parse().expect("a literal")
}

/// Bytes that tell when some are missing, doubled or out of order.
#[must_use]
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Fails without printing megabytes.
#[track_caller]
pub fn assert_same_bytes(seen: &[u8], expected: &[u8]) {
    let differs = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
    assert_eq!(differs, None, "the first byte that differs");
    assert_eq!(seen.len(), expected.len(), "their length");
}

/// Prints no panic whose message begins with "on purpose".
pub fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            if !text.is_some_and(|text| text.starts_with("on purpose")) {
                print(panic);
            }
        }));
    });
}
