//! The names that a network knows, in place of DNS.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::Host;

/// Who has which addresses, and how long it takes to find out.
#[derive(Default)]
pub(crate) struct Directory {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    addresses: Vec<IpAddr>,
    delay: Duration,
}

impl Directory {
    pub(crate) fn set(&mut self, name: &str, addresses: Vec<IpAddr>, delay: Duration) {
        self.entries.insert(name.to_owned(), Entry { addresses, delay });
    }

    /// After how long the answer comes, and what it is.
    pub(super) fn find(&self, host: &Host) -> (Duration, io::Result<Vec<SocketAddr>>) {
        let at = |ip: &IpAddr| SocketAddr::new(*ip, host.port());
        match self.entries.get(host.name()) {
            Some(entry) => (entry.delay, Ok(entry.addresses.iter().map(at).collect())),
            // RFC 6761, 6.3.
            None if host.name() == "localhost" => {
                (Duration::ZERO, Ok(vec![at(&Ipv4Addr::LOCALHOST.into())]))
            }
            None => (Duration::ZERO, Err(io::Error::other("nobody has this name"))),
        }
    }
}
