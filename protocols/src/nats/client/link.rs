//! How a connection is made, made again, and ended.

use reactor::{Closed, ConnectOptions, ConnectionId, OpenError, Registry};

use super::session::Session;
use super::{
    Auth, Client, ConnectionError, Event, FlushError, Inner, Pong, PublishError, RequestError,
    Server, State, asking::Asked, outgoing::Dropped, subscriptions,
};
use crate::nats::wire::{Op, ServerInfo};

impl<App: 'static> Client<App> {
    // ── making one ──────────────────────────────────────────────────────────────────────────

    /// Connects to the server whose turn it is.
    pub(super) fn connect_next(&self, registry: &mut Registry<App>) {
        let (server, options) = {
            let mut inner = self.inner_mut();
            let Some(server) = inner.pool.next() else {
                inner.state = State::Closed;
                drop(inner);
                let client = self.clone();
                return registry.defer(move |registry, app| {
                    let error = ConnectionError::NoServers;
                    client.tell(
                        registry,
                        app,
                        Event::ConnectFailed { server: None, error: &error },
                    );
                    client.finish(registry, app, Some(&error));
                });
            };
            inner.server = Some(server.clone());
            inner.info =
                ServerInfo { max_payload: inner.info.max_payload, ..ServerInfo::default() };
            (server.clone(), inner.connect_options(&server))
        };
        let session = Session::new(self.clone(), self.inner().options.limits.bounds());
        match registry.connect_with(server.address.clone(), &options, session) {
            Ok(id) => self.inner_mut().state = State::Connecting(id),
            Err(error) => {
                let is_over = matches!(error, OpenError::ShuttingDown(_));
                let error = ConnectionError::Open(error.to_string());
                let client = self.clone();
                registry.defer(move |registry, app| {
                    client.handle_failed(registry, app, &error, is_over);
                });
            }
        }
    }

    /// The server has let this client in.
    pub(super) fn handle_up(&self, registry: &mut Registry<App>, app: &mut App, id: ConnectionId) {
        let (info, server, again) = {
            let mut inner = self.inner_mut();
            if inner.state != State::Connecting(id) {
                return;
            }
            inner.state = State::Up(id);
            let Some(server) = inner.server.clone() else { return };
            inner.pool.handle_accepted(&server.address);
            inner.options.reconnect.iter_mut().for_each(reactor::Backoff::reset);
            inner.statistics.connects += 1;
            (inner.info.clone(), server, inner.statistics.connects > 1)
        };
        self.send_kept(registry);
        let server = &server.address;
        self.tell(registry, app, Event::Connected { server, info: &info, again });
    }

    /// Subscribes to what is subscribed to, and sends what has waited.
    fn send_kept(&self, registry: &mut Registry<App>) {
        let mut lines = Vec::new();
        {
            let mut inner = self.inner_mut();
            inner.subscriptions.write(&mut lines);
            if let Some((sid, pattern)) = inner.asking.pattern() {
                subscriptions::subscribe(&pattern, None, sid, &mut lines);
            }
        }
        self.gather(self.inner_mut(), registry, |out| out.extend_from_slice(&lines));
        loop {
            let mut inner = self.inner_mut();
            let Some(kept) = inner.outgoing.take_kept() else { break };
            // A request that nobody waits for any more is not to be carried out.
            if kept.request.is_some_and(|request| !inner.asking.handle_sent(request)) {
                continue;
            }
            let (size, most) = (kept.size, inner.max_payload());
            if size > most {
                // The server would hang up, and all behind it were lost.
                let requests = kept.request.into_iter().collect();
                let error = PublishError::TooLong { size, most }.into();
                self.give_up_kept(inner, registry, Dropped { messages: 1, requests }, &error);
                continue;
            }
            inner.statistics.out_messages += 1;
            inner.statistics.out_bytes += size as u64;
            self.gather(inner, registry, |out| out.extend_from_slice(&kept.bytes));
        }
        let flushes = std::mem::take(&mut self.inner_mut().flushes);
        for done in flushes {
            let mut inner = self.inner_mut();
            inner.pongs.push_back(Pong::Flush(done));
            self.gather(inner, registry, |out| Op::Ping.write(out));
        }
    }

    /// What a server says of itself, when it begins and when something changes. It `is_certain` to be the server's word
    /// unless TLS is still to come.
    pub(super) fn handle_info(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        info: ServerInfo,
        is_certain: bool,
    ) -> Option<Server> {
        let (server, is_lame) = {
            let mut inner = self.inner_mut();
            let server = inner.server.clone()?;
            inner.pool.learn(&info.connect_urls, &server, is_certain);
            let before = std::mem::replace(&mut inner.info, info);
            (server, is_certain && inner.info.ldm && !before.ldm)
        };
        if is_lame {
            self.tell(registry, app, Event::LameDuck { server: &server.address });
        }
        Some(server)
    }

    // ── losing it ───────────────────────────────────────────────────────────────────────────

    /// A connection has ended, or was never made.
    pub(super) fn handle_close(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        closed: &Closed,
        error: ConnectionError,
    ) {
        let state = self.inner().state;
        let is_over = matches!(closed.reason, reactor::CloseReason::Shutdown);
        match state {
            State::Closing(id) if id == closed.id => self.finish(registry, app, None),
            State::Connecting(id) if id == closed.id => {
                self.handle_failed(registry, app, &error, is_over);
            }
            State::Up(id) if id == closed.id => {
                self.handle_lost(registry, app, &error, closed.unsent);
                self.go_on(registry, app, &error, is_over);
            }
            State::Draining(id, _) if id == closed.id => {
                self.handle_lost(registry, app, &error, closed.unsent);
                self.finish(registry, app, Some(&error));
            }
            _ => {}
        }
    }

    /// There was a connection, and what it would have brought does not come.
    fn handle_lost(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        error: &ConnectionError,
        unsent: u64,
    ) {
        let (asked, pongs, unsent, server) = {
            let mut inner = self.inner_mut();
            inner.take_timer().map(|timer| registry.cancel(timer));
            // Nobody is to publish on it any more.
            inner.state = State::Waiting(None);
            let unsent = unsent + inner.outgoing.handle_lost() as u64;
            let pongs = std::mem::take(&mut inner.pongs);
            (inner.asking.take_sent(), pongs, unsent, inner.server.clone())
        };
        let _ = self.set_deadline(registry);
        if let Some(server) = server {
            let server = &server.address;
            self.tell(registry, app, Event::Disconnected { server, error, unsent });
        }
        fail(registry, app, asked, &RequestError::Lost);
        for pong in pongs {
            if let Pong::Flush(done) = pong {
                done(registry, app, Err(FlushError::Lost));
            }
        }
    }

    /// A connection could not be made.
    fn handle_failed(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        error: &ConnectionError,
        is_over: bool,
    ) {
        let server = {
            let mut inner = self.inner_mut();
            if let State::Closing(_) | State::Closed = inner.state {
                return;
            }
            inner.state = State::Waiting(None);
            let server = inner.server.clone();
            if let Some(server) = server.as_ref().filter(|_| error.is_refusal()) {
                inner.pool.handle_refused(&server.address);
            }
            server
        };
        let server = server.as_ref().map(|server| &server.address);
        self.tell(registry, app, Event::ConnectFailed { server, error });
        self.go_on(registry, app, error, is_over);
    }

    /// What comes after a connection: another one, or the end.
    fn go_on(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        error: &ConnectionError,
        is_over: bool,
    ) {
        let chance = registry.random();
        let next = {
            let mut inner = self.inner_mut();
            if !matches!(inner.state, State::Waiting(None)) {
                // Whoever was told has ended it.
                return;
            }
            if is_over { Next::End } else { inner.next(chance) }
        };
        match next {
            Next::End => self.finish(registry, app, Some(error)),
            Next::AtOnce => self.connect_next(registry),
            Next::After(pause) => {
                let client = self.clone();
                match registry.after(pause, move |registry, _| client.handle_time(registry)) {
                    Ok(timer) => self.inner_mut().state = State::Waiting(Some(timer)),
                    Err(_) => self.finish(registry, app, Some(error)),
                }
            }
        }
    }

    fn handle_time(&self, registry: &mut Registry<App>) {
        let is_waiting = matches!(self.inner().state, State::Waiting(_));
        if is_waiting {
            self.inner_mut().state = State::Waiting(None);
            self.connect_next(registry);
        }
    }

    // ── ending it ───────────────────────────────────────────────────────────────────────────

    /// Hangs up when what was published has left.
    pub(super) fn end(&self, registry: &mut Registry<App>) {
        let connection = self.inner().connection();
        if let Some(id) = connection {
            let piece = self.inner_mut().outgoing.end();
            if let Some(piece) = piece {
                // A connection that does not take it has ended, and that is told.
                let _ = registry.send(id, piece);
            }
        }
        let state = {
            let mut inner = self.inner_mut();
            inner.take_timer().map(|timer| registry.cancel(timer));
            let state = inner.state;
            inner.state = match state {
                State::Connecting(id) | State::Up(id) | State::Draining(id, _) => {
                    State::Closing(id)
                }
                State::Closing(id) => State::Closing(id),
                State::Waiting(_) | State::Closed => State::Closed,
            };
            state
        };
        match state {
            State::Closing(_) | State::Closed => {}
            State::Waiting(_) => {
                let client = self.clone();
                registry.defer(move |registry, app| client.finish(registry, app, None));
            }
            State::Connecting(id) | State::Up(id) | State::Draining(id, _) => {
                // It fails if it has ended: that is told anyhow.
                let _ = registry.close(id);
                let client = self.clone();
                registry.defer(move |registry, app| client.fail_all(registry, app));
            }
        }
    }

    /// A `PONG` has come. Whether it was wanted.
    pub(super) fn handle_pong(&self, registry: &mut Registry<App>, app: &mut App) -> bool {
        let pong = self.inner_mut().pongs.pop_front();
        match pong {
            None => return false,
            Some(Pong::Alive) => {}
            Some(Pong::Flush(done)) => done(registry, app, Ok(())),
            Some(Pong::Unsubscribed) => {
                let over = self.inner_mut().subscriptions.take();
                drop(over);
                let mut inner = self.inner_mut();
                inner.pongs.push_back(Pong::Published);
                self.gather(inner, registry, |out| Op::Ping.write(out));
            }
            Some(Pong::Published) => self.end(registry),
        }
        true
    }

    /// It has ended for good.
    fn finish(&self, registry: &mut Registry<App>, app: &mut App, error: Option<&ConnectionError>) {
        let over = {
            let mut inner = self.inner_mut();
            inner.take_timer().map(|timer| registry.cancel(timer));
            inner.state = State::Closed;
            inner.outgoing.clear();
            inner.subscriptions.take()
        };
        drop(over);
        self.fail_all(registry, app);
        self.tell(registry, app, Event::Closed { error });
        // It may have kept this client, and the client it.
        let on_event = self.shared.on_event.replace(Box::new(|_, _, _| {}));
        drop(on_event);
    }

    /// Nothing is answered any more.
    fn fail_all(&self, registry: &mut Registry<App>, app: &mut App) {
        let (asked, pongs, flushes) = {
            let mut inner = self.inner_mut();
            if let Some((timer, _)) = inner.deadline.take() {
                registry.cancel(timer);
            }
            let (pongs, flushes) =
                (std::mem::take(&mut inner.pongs), std::mem::take(&mut inner.flushes));
            (inner.asking.take_all(), pongs, flushes)
        };
        fail(registry, app, asked, &RequestError::Closed);
        let sent = pongs.into_iter().filter_map(|pong| match pong {
            Pong::Flush(done) => Some(done),
            Pong::Alive | Pong::Unsubscribed | Pong::Published => None,
        });
        sent.chain(flushes).for_each(|done| done(registry, app, Err(FlushError::Closed)));
    }
}

fn fail<App>(
    registry: &mut Registry<App>,
    app: &mut App,
    asked: Vec<Asked<App>>,
    error: &RequestError,
) {
    asked.into_iter().for_each(|asked| (asked.done)(registry, app, Err(error.clone())));
}

/// What comes after a connection that has ended.
enum Next {
    End,
    AtOnce,
    After(std::time::Duration),
}

impl<App> Inner<App> {
    fn next(&mut self, chance: u64) -> Next {
        if self.pool.is_empty() {
            return Next::End;
        }
        let was_connected = self.statistics.connects > 0;
        if !was_connected && self.pool.has_untried() {
            return Next::AtOnce;
        }
        let may = was_connected || self.options.retry_on_failed_connect;
        let most = self.options.max_reconnects;
        match &mut self.options.reconnect {
            Some(backoff) if may && most.is_none_or(|most| backoff.tries() < most) => {
                Next::After(backoff.pause(chance))
            }
            _ => Next::End,
        }
    }

    fn take_timer(&mut self) -> Option<reactor::TimerId> {
        match &mut self.state {
            State::Waiting(timer) | State::Draining(_, timer) => timer.take(),
            State::Connecting(_) | State::Up(_) | State::Closing(_) | State::Closed => None,
        }
    }

    /// How this client says who it is: as its options tell, or else the server's address.
    pub(super) fn auth(&self) -> &Auth {
        match (&self.options.auth, &self.server) {
            (Auth::None, Some(server)) => &server.auth,
            (auth, _) => auth,
        }
    }

    fn connect_options(&self, server: &Server) -> ConnectOptions {
        let limits = self.options.limits.stream_limits();
        #[cfg(feature = "tls")]
        let tls = match &self.options.tls {
            Some(tls) if self.options.tls_first => Some(tls.for_address(&server.name)),
            _ => None,
        };
        #[cfg(not(feature = "tls"))]
        let _ = server;
        ConnectOptions {
            limits,
            #[cfg(feature = "tls")]
            tls,
            ..ConnectOptions::default()
        }
    }
}
