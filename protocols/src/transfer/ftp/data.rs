//! One data connection: it belongs to a session, and everything that happens on it is told there.
//!
//! Who may open one: on a passive port the client alone, by its address, and once. Others are turned away
//! at the door, and the port stays open for the one it is meant for (RFC 2577, 2: data-port theft).

use std::net::IpAddr;

use reactor::{
    Address, Closed, ConnectionId, Input, Protocol, Registry, SentFile, StreamLimits,
    StreamOptions, Transport,
};

use super::session::{Channel, Conversation};
use super::{Event, Limits, Server};

/// Above so many queued bytes no more text is made.
pub(super) const HIGH: usize = 64 * 1024;

/// The server's side of one data connection.
#[derive(Debug)]
pub(super) struct Data {
    session: ConnectionId,
    ticket: u64,
}

impl Data {
    pub(super) fn new(session: ConnectionId, ticket: u64) -> Self {
        Self { session, ticket }
    }
}

/// The options of a data connection. Nobody waits for the last bytes of a piece, so they may wait for the
/// next one: a segment less for each (Nagle's algorithm, RFC 896), and the FIN sends what is left.
pub(super) fn stream_options() -> StreamOptions {
    StreamOptions { nodelay: false, ..StreamOptions::default() }
}

/// The bounds of a data connection.
pub(super) fn stream_limits(limits: &Limits) -> StreamLimits {
    StreamLimits {
        outbox_high: HIGH,
        // Nothing comes in but what is wanted.
        outbox_holds_reading: false,
        connect_timeout: Some(limits.data_timeout),
        idle_timeout: Some(limits.stall_timeout),
        close_timeout: limits.stall_timeout,
        ..StreamLimits::default()
    }
}

impl Server {
    /// Whether whoever has come to a passive port is the one it is meant for.
    pub(super) fn admit_data(
        &mut self,
        session: ConnectionId,
        ticket: u64,
        from: &Address,
    ) -> bool {
        let from = from.ip().map(|ip| ip.to_canonical());
        let Some(state) = self.state(session) else {
            return false;
        };
        let client: IpAddr = state.peer;
        match (&mut state.channel, from) {
            (Channel::Passive { ticket: expected, taken, .. }, Some(from))
                if *expected == ticket && !*taken && from == client =>
            {
                *taken = true;
                true
            }
            (_, Some(stranger)) if stranger != client => {
                self.tell(&Event::DataRefused { peer: client, stranger });
                false
            }
            _ => false,
        }
    }
}

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// The one who was let in at a passive port is here: nobody else is waited for.
    fn handle_accepted(&mut self, data: ConnectionId, ticket: u64) {
        let Some(state) = self.state() else {
            return;
        };
        let channel = std::mem::replace(&mut state.channel, Channel::None);
        match channel {
            Channel::Passive { ticket: expected, listener, deadline, .. } if expected == ticket => {
                state.channel = Channel::Open { ticket, data, deadline };
                // It may have ended by itself.
                let _ = self.registry.close_listener(listener);
                self.take_if_waited_for(data);
            }
            // Another one has been asked for meanwhile.
            other => {
                state.channel = other;
                let _ = self.registry.abort(data);
            }
        }
    }

    /// A transfer that waits has it; else it waits for one.
    fn take_if_waited_for(&mut self, data: ConnectionId) {
        if self.is_transfer_waiting() {
            let channel =
                self.state().map(|state| std::mem::replace(&mut state.channel, Channel::None));
            if let Some(Channel::Open { deadline: Some(timer), .. }) = channel {
                self.registry.cancel(timer);
            }
        }
        self.handle_data_open(data);
    }
}

impl<App: AsMut<Server> + 'static> Protocol<App> for Data {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let (id, ticket) = (transport.id(), self.ticket);
        let mut heard = false;
        Conversation::enter(transport.registry(), app, self.session, |it| {
            heard = true;
            if it.is_connecting(id) {
                it.handle_data_open(id);
            } else {
                it.handle_accepted(id, ticket);
            }
        });
        if !heard {
            // The session has ended.
            transport.abort();
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let (id, bytes) = (transport.id(), input.take_all());
        Conversation::enter(transport.registry(), app, self.session, |it| {
            it.handle_bytes(id, bytes);
        });
    }

    /// It may be the end of an upload. During a download it is nothing: the client has only said that it
    /// sends no more.
    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = transport.id();
        Conversation::enter(transport.registry(), app, self.session, |it| it.handle_data_end(id));
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = transport.id();
        Conversation::enter(transport.registry(), app, self.session, |it| it.handle_drain(id));
    }

    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, file: SentFile, app: &mut App) {
        let id = transport.id();
        Conversation::enter(transport.registry(), app, self.session, |it| {
            it.handle_file_sent(id, file);
        });
    }

    /// The session decides whether it has the time.
    fn on_shutdown(&mut self, _: &mut Transport<'_, App>, _: &mut App) {}

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let ticket = self.ticket;
        Conversation::enter(registry, app, self.session, |it| {
            it.handle_data_close(closed.id, ticket, &closed.reason);
        });
    }
}
