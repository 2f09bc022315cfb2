//! Where somebody else may send us on to.

use std::net::IpAddr;

use crate::http::client::Url;

/// Whether a redirect leads from elsewhere to what only this machine, or its network, can reach.
pub(super) fn is_inward(from: &Url, next: &Url) -> bool {
    let is_inside = match next.host().parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => next.host() == "localhost",
    };
    is_inside && next.host() != from.host()
}
