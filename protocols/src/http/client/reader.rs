//! Who takes the answer to a request, and both together.

use std::time::Instant;

use reactor::{ConnectionId, Registry};

use super::ask::Upload;
use super::timed::Timed;
use super::{Ask, Call, Failure};
use crate::http::wire::{Fields, Response};

/// Takes the answer to a request.
pub trait Reader<App>: 'static {
    /// There is a connection, and the request goes out on it when this returns; not if it is
    /// [cancelled](Call::cancel) here, which costs nothing. It comes again if the request does go out again.
    fn on_turn(&mut self, call: &mut Call<'_, '_, App>, app: &mut App) {
        let _ = (call, app);
    }

    /// The body of the request can be sent, if it is [open](super::Payload::Open): at once, or from elsewhere by
    /// [`Call::id`].
    fn on_ready(&mut self, call: &mut Call<'_, '_, App>, app: &mut App) {
        let _ = (call, app);
    }

    /// The head of an interim answer has come (RFC 9110, 15.2): 103 Early Hints, say. Nothing behind it is.
    fn on_interim(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        let _ = (response, call, app);
    }

    /// The head of the answer has come; not that of an interim one.
    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App);

    /// A piece of the body has come.
    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, app: &mut App);

    /// The body is over, and there were trailers behind it.
    fn on_trailers(&mut self, trailers: Fields<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        let _ = (trailers, call, app);
    }

    /// The server has changed to [the protocol it was offered](Ask::upgrading_to). The connection is the reader's
    /// from now on, paused, with what has come behind the head; it is to be
    /// [coupled](Registry::couple) with another. This comes instead of [`on_end`](Self::on_end). The default
    /// ends the connection.
    fn on_switch(
        self: Box<Self>,
        response: &Response<'_>,
        connection: ConnectionId,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let _ = (response, app);
        let _ = registry.abort(connection);
    }

    /// The answer is whole, or it is known that it will not be. It comes once, and last.
    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        app: &mut App,
    );
}

/// A request, and who takes its answer.
pub(super) struct Job<App> {
    pub(super) ask: Ask,
    pub(super) reader: Box<dyn Reader<App>>,
    /// The reader, if all of it has a time.
    pub(super) timed: Option<Timed<App>>,
    /// When it was handed over.
    pub(super) since: Instant,
    /// It has been sent once before, and nothing was heard of that.
    pub(super) is_second: bool,
    /// What of its body has been sent.
    pub(super) upload: Upload,
}

impl<App: 'static> Job<App> {
    /// It has failed: its reader is told when nobody is being called.
    pub(super) fn fail_later(self, registry: &mut Registry<App>, why: Failure) {
        registry.defer(move |registry, app| self.reader.on_end(Err(why), registry, app));
    }

    /// Whether its time is over, so that nobody waits for it.
    pub(super) fn is_over(&self) -> bool {
        self.timed.as_ref().is_some_and(Timed::is_over)
    }
}
