//! What the stages of all protocols share: a loop that is turned until something is so, or that runs on a thread of
//! its own; and its end, at which nothing may be left.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reactor::{Address, Handle, Reactor, Registry, Turn};

/// How long anything may take on the slowest machine before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Any free port on loopback.
pub(crate) fn any_port() -> Address {
    "127.0.0.1:0".parse().expect("it is an address")
}

// ── a loop that the test turns ──────────────────────────────────────────────────────────────────

/// Turns a loop until something is so; whether it came to be.
#[track_caller]
#[must_use]
pub(crate) fn comes_to_be<App>(
    reactor: &mut Reactor<App>,
    app: &mut App,
    mut is_so: impl FnMut(&mut App) -> bool,
) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(app) {
        if Instant::now() > deadline {
            return false;
        }
        turn(reactor, app);
    }
    true
}

/// Turns a loop until no connection is left; whether that came to be.
#[track_caller]
#[must_use]
pub(crate) fn everybody_goes<App>(reactor: &mut Reactor<App>, app: &mut App) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while reactor.stats().connections > 0 && Instant::now() < deadline {
        turn(reactor, app);
    }
    reactor.stats().connections == 0
}

/// Turns it once. It does not sleep long: peers that are no part of the loop are asked again soon.
#[track_caller]
pub(crate) fn turn<App>(reactor: &mut Reactor<App>, app: &mut App) {
    let turn = reactor.turn(Some(Duration::from_millis(1)), app).expect("the loop turns");
    assert!(turn.is_running());
}

/// Shuts a loop down, and demands that nothing is left.
#[track_caller]
pub(crate) fn finish<App>(reactor: &mut Reactor<App>, app: &mut App) {
    shut_down(reactor, app);
    nothing_is_left(reactor);
}

/// Shuts a loop down, and demands that everybody leaves.
#[track_caller]
pub(crate) fn shut_down<App>(reactor: &mut Reactor<App>, app: &mut App) {
    reactor.registry().shutdown(PATIENCE);
    let report = loop {
        if let Turn::Finished(report) = reactor.turn(Some(PATIENCE), app).expect("it turns") {
            break report;
        }
    };
    assert_eq!(report.cut_off, [], "everybody says goodbye");
}

/// Demands that a loop that has ended has let everything go.
#[track_caller]
pub(crate) fn nothing_is_left<App>(reactor: &mut Reactor<App>) {
    let stats = reactor.stats();
    let left = (stats.connections, stats.queued_bytes, stats.timers, stats.panics);
    assert_eq!(left, (0, 0, 0, 0), "{stats}");
    assert_eq!(reactor.registry().len(), 0, "{}", reactor.snapshot());
}

// ── a loop on a thread ──────────────────────────────────────────────────────────────────────────

/// A loop on a thread of its own, which stops when this is dropped.
pub(crate) struct Hosted<App: 'static> {
    pub(crate) handle: Handle<App>,
    thread: Option<JoinHandle<()>>,
}

impl<App: 'static> Hosted<App> {
    /// Starts it with an application that is made there; what was told of that.
    pub(crate) fn start<Told: Send + 'static>(
        begin: impl FnOnce(&mut Registry<App>) -> (App, Told) + Send + 'static,
    ) -> (Self, Told) {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new().expect("there are descriptors");
            let (mut app, begun) = begin(reactor.registry());
            tell.send((reactor.handle(), begun)).expect("the test waits");
            reactor.run(&mut app).expect("waiting works");
        });
        let (handle, begun) = told.recv_timeout(PATIENCE).expect("it starts");
        (Self { handle, thread: Some(thread) }, begun)
    }
}

impl<App: 'static> Drop for Hosted<App> {
    fn drop(&mut self) {
        let _ = self.handle.shutdown(Duration::ZERO);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the loop's thread has panicked");
        }
    }
}

/// Has a loop on another thread do something, and waits for what comes of it.
#[track_caller]
pub(crate) fn ask<App: 'static, Answer: Send + 'static>(
    handle: &Handle<App>,
    question: impl FnOnce(&mut Registry<App>, &mut App) -> Answer + Send + 'static,
) -> Answer {
    let (tell, told) = mpsc::channel();
    let asked = handle.run(move |registry, app| {
        let _ = tell.send(question(registry, app));
    });
    assert!(asked.is_ok(), "the loop runs");
    told.recv_timeout(PATIENCE).expect("the loop turns")
}

// ── what is sent ────────────────────────────────────────────────────────────────────────────────

/// As many bytes, none of them like its neighbours.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Makes a call again for as long as a signal interrupts it: those with a time limit Linux does not
/// restart by itself, and interrupts even where nobody handles a signal (signal(7)).
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
