//! Who takes the body of a request.

use super::session::Reading;
use super::{Exchange, Session};
use crate::http::BodyLimits;
use crate::http::wire::{Body, Fields, Meaning};

/// Takes the body of a request as it comes.
///
/// Dropped before [`on_end`](Self::on_end), it will get no more: the connection has ended, the body was
/// malformed or too long, or somebody has answered meanwhile.
pub trait Receiver<App>: 'static {
    /// A piece of the body has come. To have no more for now: [`Exchange::hold`].
    fn on_body(&mut self, exchange: &mut Exchange<'_, '_, App>, bytes: &[u8], app: &mut App);

    /// The body is whole.
    fn on_end(
        self: Box<Self>,
        exchange: &mut Exchange<'_, '_, App>,
        trailers: Fields<'_>,
        app: &mut App,
    );
}

/// A body that is coming in.
pub(super) struct Intake<App> {
    pub(super) body: Body,
    pub(super) taker: Taker<App>,
    /// Bytes that have come.
    pub(super) received: u64,
    /// Bytes that may come.
    pub(super) limit: u64,
    /// The client waits for `100 Continue`.
    pub(super) is_awaited: bool,
}

/// What becomes of the body.
pub(super) enum Taker<App> {
    /// Nobody has asked for it yet, so it is not read.
    Nobody,
    /// Somebody takes it.
    Flowing(Box<dyn Receiver<App>>),
    /// Somebody takes it, and wants no more for now.
    Held(Box<dyn Receiver<App>>),
    /// The receiver is being called.
    Called,
    /// The receiver is being called, and wants no more for now.
    CalledAndHeld,
    /// It is thrown away.
    Discarding,
}

impl<App> Intake<App> {
    pub(super) fn new(meaning: Meaning, limits: &BodyLimits) -> Self {
        Self {
            body: Body::new(meaning.framing, limits),
            taker: Taker::Nobody,
            received: 0,
            limit: 0,
            is_awaited: meaning.expects_continue,
        }
    }

    pub(super) fn is_flowing(&self) -> bool {
        matches!(self.taker, Taker::Flowing(_) | Taker::Called | Taker::Discarding)
    }

    /// Whether its last byte has been handed on: behind it nothing has to come, so nothing would be offered
    /// again to one that was held.
    pub(super) fn is_over(&self) -> bool {
        self.received > 0 && matches!(self.body, Body::Length(0))
    }

    /// Whether to read what nobody wants is cheaper than another connection. Not if the client waits for
    /// `100 Continue`: whether it still sends the body is not known (RFC 9110, 10.1.1).
    pub(super) fn is_worth_discarding(&self, most: u64) -> bool {
        let is_short = match self.body {
            Body::Length(left) => left <= most,
            Body::Chunked(_) | Body::UntilEnd => true,
        };
        is_short && !self.is_awaited
    }

    pub(super) fn discard(&mut self, most: u64) {
        if !matches!(self.taker, Taker::Discarding) {
            self.taker = Taker::Discarding;
            self.limit = self.received.saturating_add(most);
        }
    }
}

impl<App> Session<App> {
    /// The receiver has been called; it is the receiver still, unless somebody has answered.
    pub(super) fn put_back(&mut self, receiver: Box<dyn Receiver<App>>) {
        if let Reading::Body(intake) = &mut self.reading {
            match intake.taker {
                Taker::Called => intake.taker = Taker::Flowing(receiver),
                Taker::CalledAndHeld => intake.taker = Taker::Held(receiver),
                _ => {}
            }
        }
    }
}

/// What has been gathered is given to it.
type Gathered<App> = Box<dyn FnOnce(&mut Exchange<'_, '_, App>, &mut App, Vec<u8>)>;

/// Gathers a body.
pub(super) struct Gather<App> {
    pub(super) bytes: Vec<u8>,
    pub(super) done: Gathered<App>,
}

impl<App: 'static> Receiver<App> for Gather<App> {
    fn on_body(&mut self, _: &mut Exchange<'_, '_, App>, bytes: &[u8], _: &mut App) {
        self.bytes.extend_from_slice(bytes);
    }

    fn on_end(self: Box<Self>, exchange: &mut Exchange<'_, '_, App>, _: Fields<'_>, app: &mut App) {
        let Self { bytes, done } = *self;
        done(exchange, app, bytes);
    }
}
