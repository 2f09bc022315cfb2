//! What an attempt to connect has come to, on its way to the connection that it was made for.

use std::io;

use super::{Io, Stream};
use crate::address::PackedAddress;
use crate::id::Key;
use crate::input::Inbox;
use crate::ledger::Ledger;
use crate::net::Poller;

pub(crate) struct Connected {
    io: Io,
    /// What has come with the end of a handshake.
    inbox: Inbox,
    peer: PackedAddress,
}

impl Connected {
    /// Has the events of the socket come to another connection.
    pub(crate) fn move_to(&mut self, poller: &Poller, key: Key) -> io::Result<()> {
        self.io.socket.deregister(poller)?;
        self.io.socket.register(poller, key.token())
    }
}

impl Stream {
    /// Takes a connection out of an attempt, of which nothing is left.
    pub(crate) fn into_connected(mut self, ledger: &mut Ledger) -> Connected {
        self.end_handshake(ledger);
        ledger.recharge(self.outbox.charge(), 0);
        let Self { io, inbox, peer, .. } = self;
        Connected { io, inbox, peer }
    }

    /// It was connected by an attempt: from here on it goes on as any other that has just connected.
    pub(crate) fn connected_by(&mut self, connected: Connected) {
        let Connected { io, inbox, peer } = connected;
        self.peer = peer;
        self.io.take_over(io);
        if !inbox.is_empty() {
            self.inbox = inbox;
            self.pending.offer_again();
        }
    }
}
