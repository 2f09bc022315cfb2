//! Looking up hosts, as the system does it: in its files, and by asking servers, on a thread that waits.

use std::net::ToSocketAddrs;

use super::Pool;
use crate::Host;
use crate::net::Found;

impl Pool {
    /// Asks the system for the addresses of a host, in the order in which it would have them tried (RFC 6724);
    /// whether there is a thread for it.
    pub(crate) fn look_up(&mut self, host: &Host, found: Found) -> bool {
        let host = host.clone();
        let ask = move || {
            let addresses = (host.name(), host.port()).to_socket_addrs();
            found(addresses.map(Iterator::collect));
        };
        self.submit(Box::new(ask)).is_ok()
    }
}
