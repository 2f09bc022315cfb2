//! Handing a connection to another loop, and going on with one that comes from there.

use std::rc::Rc;

use bytes::Bytes;

use super::detached::Rest;
use super::pending::Between;
use super::{Detached, Origin, State, Stream, Transport};
use crate::net::StreamSocket;
use crate::registry::{Protocol, Registry};
use crate::slots::Found;
use crate::source::Source;
use crate::{Address, ConnectionId, HandOffError, Handle, OpenError};

impl<App> Transport<'_, App> {
    /// Hands the connection to another loop, where `make` makes its protocol, of that loop's application. It takes
    /// along what was read and not consumed, what was written and not sent, its limits, its TLS, and what a proxy has
    /// said of it. The protocol that calls hears of its end with
    /// [`CloseReason::Detached`](crate::CloseReason::Detached); the new one hears that it is open, and is offered what
    /// is left. Timers end with the old one.
    ///
    /// Its id is another one there, and the old one is stale: whoever else should know the new id is told by the new
    /// protocol, in its [`on_open`](Protocol::on_open).
    ///
    /// If the other loop has ended, or its mailbox is full, the connection goes on in this one, with the new protocol,
    /// of this loop's application. A loop at its limit of connections, or that shuts down, closes it.
    ///
    /// ```
    /// use reactor::{Handle, Input, Protocol, Transport};
    ///
    /// /// Reads which world its client wants to enter.
    /// struct Lobby;
    /// struct Player;
    ///
    /// /// Each world has a loop of its own.
    /// struct App {
    ///     worlds: Vec<Handle<App>>,
    /// }
    ///
    /// impl Protocol<App> for Lobby {
    ///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, app: &mut App) {
    ///         let wanted = usize::from(input.take_front(1)[0]);
    ///         match app.worlds.get(wanted) {
    ///             // What follows in the input is for the player.
    ///             Some(world) => match transport.hand_off(world, |_app| Player) {
    ///                 Ok(()) => {}
    ///                 Err(_) => transport.close(),
    ///             },
    ///             None => transport.close(),
    ///         }
    ///     }
    /// }
    /// # impl Protocol<App> for Player {
    /// #     fn on_data(&mut self, _: &mut Transport<'_, App>, _: &mut Input<'_>, _: &mut App) {}
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`HandOffError`]; the connection goes on as it was.
    pub fn hand_off<P: Protocol<App> + 'static>(
        &mut self,
        to: &Handle<App>,
        make: impl FnOnce(&mut App) -> P + Send + 'static,
    ) -> Result<(), HandOffError>
    where
        App: 'static,
    {
        self.stream.can_be_handed_off()?;
        let to = to.clone();
        self.detach(move |detached, registry, app| {
            let arrive = |registry: &mut Registry<App>, app: &mut App| {
                let protocol = make(app);
                // A loop that is full has closed it with that, and counted it.
                let _ = registry.take_over(detached, protocol);
            };
            if let Err(error) = to.run(arrive) {
                error.into_inner()(registry, app);
            }
        });
        Ok(())
    }
}

impl<App> Registry<App> {
    /// Goes on with a connection that was detached, from this loop or from another one: what had not been sent is
    /// sent first, and what had not been read is offered to the protocol, after its [`on_open`](Protocol::on_open).
    /// Its limits and its TLS are those that it had.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; the connection is closed with that.
    pub fn take_over(
        &mut self,
        detached: Detached,
        protocol: impl Protocol<App> + 'static,
    ) -> Result<ConnectionId, OpenError> {
        let Detached { stream, unread, unsent, rest } = detached;
        let Rest { layered, limits, peer, proxied } = *rest;
        let admitted =
            self.refuse_while_shutting_down(&peer).and_then(|()| self.refuse_when_full(&peer));
        self.ledger.stats.refused_full += u64::from(admitted.is_err());
        admitted?;
        let socket = StreamSocket::adopt(&self.poller, stream)?;
        let counted = self.count_address(&peer);
        let origin = Origin::Accepted { counted };
        let limits = Rc::new(limits);
        let added = self.add_stream(socket, peer.clone(), origin, limits, Box::new(protocol));
        let id = match added {
            Ok(id) => id,
            Err((_, error)) => {
                let ip = peer.ip().filter(|_| counted);
                ip.into_iter().for_each(|ip| self.by_address.leave(ip));
                return Err(error);
            }
        };
        proxied.and_then(|proxied| self.proxied.insert(id.0, proxied));
        if let Found::Here(Source::Stream(connection)) = self.slots.find(id.0) {
            connection.stream.resume_from(layered, &unread);
        }
        // One whose queue has no room for it any more ends, as its limits say.
        let _ = self.send(id, Bytes::from(unsent));
        Ok(id)
    }

    /// Counts a connection against its address, if those are counted. It has been admitted before, so it is not
    /// refused.
    fn count_address(&mut self, peer: &Address) -> bool {
        match (peer.ip(), self.ledger.limits.connections_per_address) {
            (Some(ip), Some(_)) => self.by_address.enter(ip, u32::MAX),
            _ => false,
        }
    }
}

impl Stream {
    fn can_be_handed_off(&self) -> Result<(), HandOffError> {
        match self.pending.between {
            Between::Nothing | Between::Layer => {}
            Between::Couple => return Err(HandOffError::Coupled),
            Between::Opening | Between::Starting | Between::Securing => {
                return Err(HandOffError::Securing);
            }
        }
        if self.state != State::Open {
            return Err(HandOffError::Closing);
        }
        if self.outbox.has_files() {
            return Err(HandOffError::Files);
        }
        Ok(())
    }
}
