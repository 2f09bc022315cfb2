//! What an attempt to connect has come to, on its way to the connection that it was made for.

use std::io;

use super::{Io, Stream};
use crate::Address;
use crate::address::Peers;
use crate::id::Key;
use crate::ledger::Ledger;
use crate::net::Poller;

pub(crate) struct Connected {
    io: Io,
    peer: Address,
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
        let peer = self.settle_accounts(ledger);
        let Self { io, .. } = self;
        Connected { io, peer }
    }

    /// It was connected by an attempt: from here on it goes on as any other that has just connected.
    pub(crate) fn connected_by(&mut self, connected: Connected, peers: &mut Peers) {
        let Connected { io, peer } = connected;
        peers.unpack(self.peer);
        self.peer = peers.pack(peer);
        // Something may have come with the end of a handshake.
        let unread = self.io.take_over(io);
        self.offer_later(&unread);
    }
}
