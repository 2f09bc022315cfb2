//! What becomes of a connection that has been accepted: its limits, its layer, its protocol.

use std::io;
use std::rc::Rc;

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
}

impl<App> Entrance<App> {
    pub(crate) fn new(options: &ListenOptions, factory: Factory<App>) -> Self {
        Self { factory, limits: Rc::new(options.limits.clone()), layer: layer_of(options) }
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
