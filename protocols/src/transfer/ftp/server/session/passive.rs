//! PASV and EPSV: this server opens a port, and the client connects.

use std::net::{IpAddr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::rc::Rc;

use reactor::{ListenOptions, OpenError};

use super::Conversation;
use super::state::{CHANNEL, Channel};
use crate::transfer::ftp::server::data;
use crate::transfer::ftp::server::data_port::PassivePort;
use crate::transfer::ftp::server::network::Awaited;
use crate::transfer::ftp::wire::address::{Family, to_port};
use crate::transfer::ftp::wire::command::Epsv;

/// Passive ports, if none were named: those that are for whoever needs one for a moment (RFC 6335, 6). The
/// system would choose one as well, but passes over all that were in use a minute ago, which takes ever longer:
/// after ten thousand files most of the time of a server.
const DYNAMIC: RangeInclusive<u16> = 49_152..=65_535;
/// Ports that are tried in a range before it counts as full.
const TRIES: u32 = 256;
impl Conversation<'_> {
    /// PASV: a port for an IPv4 client.
    pub(super) fn pasv(&mut self) {
        let public = self.server().settings().passive_address;
        if self.session.only_epsv {
            return self.reply(503, "You said EPSV ALL.");
        }
        let IpAddr::V4(local) = self.session.local.ip() else {
            return self.reply(502, "PASV is for IPv4; use EPSV.");
        };
        if let Some(port) = self.open_passive() {
            let text = to_port(SocketAddrV4::new(public.unwrap_or(local), port));
            self.reply(227, format!("Entering Passive Mode ({text})."));
        }
    }

    /// EPSV: a port for any client (RFC 2428, 3).
    pub(super) fn epsv(&mut self, what: Epsv) {
        match what {
            Epsv::All => {
                self.session.only_epsv = true;
                return self.reply(200, "EPSV ALL understood.");
            }
            Epsv::PortOf(family) if family != Family::of(self.session.peer) => {
                return self.refuse_family();
            }
            Epsv::Port | Epsv::PortOf(_) => {}
        }
        if let Some(port) = self.open_passive() {
            self.reply(229, format!("Entering Extended Passive Mode (|||{port}|)"));
        }
    }

    /// Listens for a data connection; the port, or a reply that says why not.
    fn open_passive(&mut self) -> Option<u16> {
        self.close_channel();
        match self.listen_somewhere() {
            Ok(port) => Some(port),
            Err(_) => {
                // RFC 959 has no reply for it: 421 would be a goodbye.
                self.reply(425, "There is no port free; try again later.");
                None
            }
        }
    }

    fn listen_somewhere(&mut self) -> Result<u16, OpenError> {
        let wanted = self.settings().passive_ports;
        let range = wanted.clone().unwrap_or(DYNAMIC);
        let (first, last) = (*range.start(), *range.end());
        let count = u32::from(last.saturating_sub(first)) + 1;
        // From a random place on, so that nobody can tell where the next client is expected.
        let from = (self.control.network().random() % u64::from(count)) as u32;
        let mut tries = 0..count.min(TRIES);
        loop {
            let step = tries.next().unwrap_or(0);
            let port = first.saturating_add(((from + step) % count) as u16);
            match self.listen_at(port) {
                Err(OpenError::AddressInUse(_)) if !tries.is_empty() => {}
                // The system knows of others, if it may be any.
                Err(_) if wanted.is_none() => return self.listen_at(0),
                result => return result,
            }
        }
    }

    fn listen_at(&mut self, port: u16) -> Result<u16, OpenError> {
        let limits = self.settings().limits;
        let (session, client) = (self.control.id(), self.session.peer);
        let mut address = self.session.local;
        address.set_port(port);
        let tls = self.data_tls();
        let options = ListenOptions {
            #[cfg(feature = "tls")]
            tls: tls.as_ref().map(crate::transfer::ftp::secure::DataTls::options),
            backlog: 16,
            stream: data::stream_options(),
            limits: data::stream_limits(&limits),
            ..ListenOptions::default()
        };
        let passive = PassivePort::new();
        let awaited = Awaited { session, client, port: Rc::clone(&passive), tls };
        let listener = self.control.network().listen(address, &options, awaited)?;
        self.control.set_timer(CHANNEL, limits.data_timeout);
        self.session.channel = Channel::Passive(listener, passive);
        Ok(self.control.network().port_of(listener))
    }
}
