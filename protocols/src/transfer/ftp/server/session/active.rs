//! PORT and EPRT: the client listens, and this server connects.

use std::net::SocketAddr;

use super::Conversation;
use super::state::Channel;
use crate::transfer::ftp::server::record::Event;
use crate::transfer::ftp::wire::address::Family;

/// The ports below are those of services, which a client has no business to have us connect to
/// (RFC 2577, 3).
const FIRST_FREE_PORT: u16 = 1024;

impl Conversation<'_> {
    /// PORT, EPRT: where to connect to. Only to the client, and to none of its services: else this
    /// server could be made to talk to anybody (the bounce attack, RFC 2577, 3).
    pub(super) fn port(&mut self, target: SocketAddr, verb: &'static str) {
        if self.session.only_epsv {
            return self.reply(503, "You said EPSV ALL.");
        }
        if !self.server().settings().active {
            return self.reply(502, "This server does not connect to clients; use EPSV or PASV.");
        }
        let peer = self.session.peer;
        if Family::of(target.ip()) != Family::of(peer) {
            return self.refuse_family();
        }
        if target.ip().to_canonical() != peer || target.port() < FIRST_FREE_PORT {
            self.tell(&Event::BounceRefused { peer, target });
            return self.reply(504, format!("{verb} to other hosts or services is refused."));
        }
        self.close_channel();
        // The scope of a link-local address is not said, and is that of the control connection.
        let mut address = SocketAddr::new(peer, target.port());
        if let (SocketAddr::V6(address), SocketAddr::V6(local)) = (&mut address, self.session.local)
        {
            address.set_scope_id(local.scope_id());
        }
        self.session.channel = Channel::Active(address);
        self.reply(200, format!("{verb} understood."));
    }

    pub(super) fn refuse_family(&mut self) {
        let family = Family::of(self.session.peer).number();
        self.reply(522, format!("Network protocol not supported, use ({family})."));
    }
}
