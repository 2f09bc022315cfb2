//! A time for the whole of a request: from when it is asked for to the last byte of its answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use reactor::{ConnectionId, Registry, TimerId};

use super::pool::Pool;
use super::{Call, CallId, Failure, Reader, Route, with};
use crate::http::wire::{Fields, Response};

/// Stands in the reader's place, which is told of the end when the time is over, wherever the request is then: what waits
/// for a connection has none to be given up.
///
/// ```text
///   asked ──▶ the reader is called ──▶ its end ────▶ nobody is
///                   └── the time is over: Timeout ───▲
/// ```
pub(super) struct Timed<App>(Rc<Bounded<App>>);

struct Bounded<App> {
    /// `None` once it has been told of the end.
    reader: RefCell<Option<Box<dyn Reader<App>>>>,
    /// Where the request goes out, or did last.
    call: Cell<Option<CallId>>,
    timer: Cell<Option<TimerId>>,
}

impl<App: 'static> Timed<App> {
    /// Bounds a request that is asked for now. Where no timer can be set its time is over at once.
    pub(super) fn new(
        reader: Box<dyn Reader<App>>,
        timeout: Duration,
        registry: &mut Registry<App>,
        (pool, route): (&Rc<Pool<App>>, &Route),
    ) -> Self {
        let (reader, call, timer) = (RefCell::new(Some(reader)), Cell::default(), Cell::default());
        let bounded = Rc::new(Bounded { reader, call, timer });
        let end = || {
            let (late, pool, route) = (Rc::clone(&bounded), Rc::clone(pool), route.clone());
            move |registry: &mut Registry<App>, app: &mut App| {
                late.end(&pool, &route, registry, app);
            }
        };
        match registry.after(timeout, end()) {
            Ok(timer) => bounded.timer.set(Some(timer)),
            Err(_) => registry.defer(end()),
        }
        Self(bounded)
    }

    /// Whether its reader has been told of its end.
    pub(super) fn is_over(&self) -> bool {
        self.0.reader.borrow().is_none()
    }

    /// Calls the reader, or gives up what nobody reads any more.
    fn tell(
        &self,
        call: &mut Call<'_, '_, App>,
        tell: impl FnOnce(&mut dyn Reader<App>, &mut Call<'_, '_, App>),
    ) {
        match &mut *self.0.reader.borrow_mut() {
            Some(reader) => tell(&mut **reader, call),
            None => call.cancel(),
        }
    }
}

impl<App: 'static> Bounded<App> {
    /// The time is over.
    fn end(&self, pool: &Pool<App>, route: &Route, registry: &mut Registry<App>, app: &mut App) {
        let Some(reader) = self.take(registry) else { return };
        pool.drop_timed_out(route);
        if let Some(call) = self.call.get() {
            // Its connection may have ended.
            let _ = with(registry, call, |call, _| call.cancel());
        }
        reader.on_end(Err(Failure::Timeout), registry, app);
    }

    /// The reader, for its last call, if that has not come yet.
    fn take(&self, registry: &mut Registry<App>) -> Option<Box<dyn Reader<App>>> {
        if let Some(timer) = self.timer.take() {
            registry.cancel(timer);
        }
        self.reader.take()
    }
}

impl<App: 'static> Reader<App> for Timed<App> {
    fn on_turn(&mut self, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.tell(call, |reader, call| reader.on_turn(call, app));
        // One that is given up here was not sent, and leaves its number to the next.
        self.0.call.set((!call.is_cancelled()).then(|| call.id()));
    }

    fn on_ready(&mut self, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.tell(call, |reader, call| reader.on_ready(call, app));
    }

    fn on_interim(&mut self, it: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.tell(call, |reader, call| reader.on_interim(it, call, app));
    }

    fn on_head(&mut self, it: &Response<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.tell(call, |reader, call| reader.on_head(it, call, app));
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, app: &mut App) {
        self.tell(call, |reader, call| reader.on_body(bytes, call, app));
    }

    fn on_trailers(&mut self, it: Fields<'_>, call: &mut Call<'_, '_, App>, app: &mut App) {
        self.tell(call, |reader, call| reader.on_trailers(it, call, app));
    }

    fn on_switch(
        self: Box<Self>,
        response: &Response<'_>,
        connection: ConnectionId,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        match self.0.take(registry) {
            Some(reader) => reader.on_switch(response, connection, registry, app),
            None => drop(registry.abort(connection)),
        }
    }

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        if let Some(reader) = self.0.take(registry) {
            reader.on_end(outcome, registry, app);
        }
    }
}

impl<App> Clone for Timed<App> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}
