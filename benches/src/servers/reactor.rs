//! The reactor and the echo server of its protocols, every limit on: what the others are read beside.

use std::error::Error;
use std::num::NonZeroUsize;

use protocols::echo::{self, Server, Session};
use reactor::{
    Address, ListenOptions, ListenerId, Loops, Protocol, Reactor, Registry, StreamOptions,
};

use super::{Place, announce};
use crate::Result;

pub(super) fn serve(place: Place) -> Result {
    let options = ListenOptions { stream: stream_options(place), ..ListenOptions::default() };
    run(Server::default(), |registry, _| echo::listen(registry, place.address.into(), &options))
}

/// On so many loops, each on a thread of its own.
pub(super) fn serve_on(loops: NonZeroUsize, place: Place) -> Result {
    let ended = Loops::new(loops).run(|one| -> Result {
        if one.index() == 0 {
            let (group, registry) = (one.group().clone(), one.registry());
            let options =
                ListenOptions { stream: stream_options(place), ..ListenOptions::default() };
            let (handles, at) = (group.handles(), place.address.into());
            let session = |_: &Address, _: &mut Server| -> Option<Box<dyn Protocol<Server>>> {
                Some(Box::new(Session))
            };
            let listener = registry.listen_among(handles, at, &options, session)?;
            announce(registry.listener_address(listener)?)?;
        }
        Ok(one.run(&mut Server::default()).map(drop)?)
    });
    Ok(ended.into_results().map(drop).map_err(|failure| failure.to_string())?)
}

/// Runs a loop of ours with what it listens with, and says where.
pub(crate) fn run<App: 'static, E: Into<Box<dyn Error + Send + Sync>>>(
    mut app: App,
    listen: impl FnOnce(&mut Registry<App>, &mut App) -> Result<ListenerId, E>,
) -> Result {
    let mut reactor = Reactor::<App>::new()?;
    let listener = listen(reactor.registry(), &mut app).map_err(Into::into)?;
    announce(reactor.registry().listener_address(listener)?)?;
    reactor.run(&mut app)?;
    Ok(())
}

pub(crate) fn stream_options(place: Place) -> StreamOptions {
    StreamOptions {
        receive_buffer: place.kernel_buffers,
        send_buffer: place.kernel_buffers,
        ..StreamOptions::default()
    }
}
