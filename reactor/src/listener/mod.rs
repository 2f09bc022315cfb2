//! One listening socket: whom it accepts, and when it rests.
//!
//! ```text
//!              out of descriptors, ahead of the rate
//!   Accepting ───────────────────────────────────────▶ Resting(timer)
//!       ▲                                                   │
//!       └──── the timer fires, or a descriptor is freed ────┘
//!
//!   both ── the program pauses it ──▶ Paused ── resumes it ──▶ Accepting
//!   all  ── closed, or shut down by somebody else ──▶ Closed
//! ```
//!
//! An edge-triggered poller reports a connection once. A listener that stops early, for whatever
//! reason, has to come back by itself: no event will remind it.

mod accept;
mod admission;
mod by_id;
mod rate;
mod told;

use std::io;
use std::rc::Rc;

use crate::id::Key;
use crate::net::{ListenerSocket, Readiness};
use crate::registry::{Protocol, Registry};
use crate::stats::SocketRow;
use crate::stream::Layer;
use crate::{Address, CloseReason, ListenOptions, StreamLimits, StreamOptions};

pub(crate) use admission::ByAddress;
pub use rate::TokenBucket;

/// Makes the protocol of an accepted connection, or refuses it.
pub(crate) type Factory<App> = Box<dyn FnMut(&Address, &mut App) -> Option<Box<dyn Protocol<App>>>>;

/// What is called when a listener ends that the program has not closed.
type ListenerEnd<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, &CloseReason)>;
/// Makes the layer of an accepted connection.
pub(crate) type LayerFactory = Box<dyn Fn() -> io::Result<Box<dyn Layer>>>;

pub(crate) struct Listener<App> {
    pub(crate) socket: ListenerSocket,
    pub(crate) factory: Factory<App>,
    pub(crate) stream: StreamOptions,
    pub(crate) limits: Rc<StreamLimits>,
    pub(crate) rate: Option<TokenBucket>,
    /// Makes the layer of a connection, where there is one.
    pub(crate) layer: Option<LayerFactory>,
    pub(crate) state: State,
    /// Who is told if it ends by itself.
    on_end: Option<ListenerEnd<App>>,
    readiness: Readiness,
    /// Whether it is on the ready list.
    pub(crate) is_ready: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Accepting,
    /// Until this timer fires.
    Resting(Key),
    /// Until the program says otherwise.
    Paused,
    Closed,
}

impl<App> Listener<App> {
    pub(crate) fn new(
        socket: ListenerSocket,
        options: &ListenOptions,
        rate: Option<TokenBucket>,
        factory: Factory<App>,
    ) -> Self {
        Self {
            socket,
            factory,
            stream: options.stream.clone(),
            limits: Rc::new(options.limits.clone()),
            rate,
            layer: layer_of(options),
            state: State::Accepting,
            on_end: None,
            readiness: Readiness::default(),
            is_ready: false,
        }
    }

    pub(crate) fn note_readiness(&mut self, readiness: Readiness) {
        self.readiness = self.readiness.with(readiness);
    }

    pub(crate) fn can_accept(&self) -> bool {
        self.state == State::Accepting && self.readiness.contains(Readiness::READ)
    }

    /// Whether a Unix listener was shut down: its queue is empty, and an event told of an end. No call says so.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.readiness.contains(Readiness::END) && self.socket.kind() == "unix"
    }

    /// The queue is empty: the next connection brings another event.
    pub(crate) fn queue_is_empty(&mut self) {
        self.readiness = self.readiness.without(Readiness::READ);
    }

    pub(crate) fn row(&self) -> SocketRow {
        SocketRow {
            protocol: self.socket.kind(),
            receive_queue: 0,
            send_queue: 0,
            local: self.socket.local(),
            peer: None,
            state: match self.state {
                State::Accepting => "listening",
                State::Resting(_) => "listening, resting",
                State::Paused => "listening, paused",
                State::Closed => "closed",
            },
        }
    }
}

#[cfg(feature = "tls")]
fn layer_of(options: &ListenOptions) -> Option<LayerFactory> {
    let tls = options.tls.clone()?;
    Some(Box::new(move || Ok(Box::new(tls.engine()?))))
}

#[cfg(not(feature = "tls"))]
fn layer_of(_: &ListenOptions) -> Option<LayerFactory> {
    None
}
