//! The reactor and the echo server of its protocols, every limit on: what the others are read beside.

use protocols::echo::{self, Server};
use reactor::{ListenOptions, Reactor, StreamOptions};

use super::{Place, announce};
use crate::Result;

pub(super) fn serve(place: Place) -> Result {
    let mut reactor = Reactor::<Server>::new()?;
    let registry = reactor.registry();
    let options = ListenOptions { stream: stream_options(place), ..ListenOptions::default() };
    let listener = echo::listen(registry, place.address.into(), &options)?;
    announce(registry.listener_address(listener)?)?;
    reactor.run(&mut Server::default())?;
    Ok(())
}

fn stream_options(place: Place) -> StreamOptions {
    StreamOptions {
        receive_buffer: place.kernel_buffers,
        send_buffer: place.kernel_buffers,
        ..StreamOptions::default()
    }
}
