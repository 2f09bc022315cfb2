//! What becomes of a connection that has been accepted: its limits, its layer, its protocol.

use std::io;
use std::rc::Rc;

use super::among::Spread;
use crate::net::StreamSocket;
use crate::proxy::Proxied;
use crate::registry::Protocol;
use crate::stream::Layer;
use crate::{Address, ListenOptions, StreamLimits};

/// Makes the protocol of an accepted connection, or refuses it.
pub(crate) type Factory<App> = Box<dyn FnMut(&Address, &mut App) -> Option<Box<dyn Protocol<App>>>>;

/// Makes the layer of an accepted connection.
pub(crate) type LayerFactory = Box<dyn Fn() -> io::Result<Box<dyn Layer>>>;

/// Where accepted connections come into a loop: from a listener of its own, or of another loop.
pub(crate) struct Entrance<App> {
    pub(crate) factory: Factory<App>,
    pub(crate) limits: Rc<StreamLimits>,
    /// Makes the layer of a connection, where there is one.
    pub(crate) layer: Option<LayerFactory>,
    /// The loops that there is to choose from, if not this one alone.
    pub(super) spread: Option<Box<Spread<App>>>,
    /// Connections of which a proxy has yet to say whom it speaks for.
    pub(super) awaited: usize,
}

/// A connection that has been accepted, and has no protocol yet.
pub(crate) struct Accepted {
    pub(crate) socket: StreamSocket,
    pub(crate) peer: Address,
    /// What a proxy has said of it.
    pub(crate) proxied: Option<Proxied>,
}

impl<App> Entrance<App> {
    pub(crate) fn new(options: &ListenOptions, factory: Factory<App>) -> Self {
        let (limits, layer) = (Rc::new(options.limits.clone()), layer_of(options));
        Self { factory, limits, layer, spread: None, awaited: 0 }
    }

    /// Takes it from a listener that is closed, for those who have come in and are not known yet; `None` if there
    /// are none.
    pub(super) fn take_awaited(&mut self) -> Option<Self> {
        let closed = Self {
            factory: Box::new(|_, _| None),
            limits: Rc::clone(&self.limits),
            layer: None,
            spread: None,
            awaited: 0,
        };
        (self.awaited > 0).then(|| std::mem::replace(self, closed))
    }
}

fn layer_of(options: &ListenOptions) -> Option<LayerFactory> {
    #[cfg(feature = "tls")]
    if let Some(tls) = options.tls.clone() {
        return Some(Box::new(move || Ok(Box::new(tls.engine()?))));
    }
    let _ = options;
    None
}
