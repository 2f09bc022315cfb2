//! `--accept-proxy NETWORK`: a server behind proxies.

use clap::Args;
use reactor::{Network, ProxyProtocol};

/// Which proxies a server believes.
#[derive(Args, Clone, Debug)]
pub struct AcceptProxy {
    /// Believe connections from here about whom they speak for: proxies, which then have to use the PROXY protocol
    ///
    /// NETWORK is an address, a network as 10.0.0.0/8, or "unix" for Unix sockets. Versions 1 and 2 are understood.
    /// Who connects from elsewhere speaks for itself.
    #[arg(long, value_name = "NETWORK")]
    accept_proxy: Vec<Network>,
}

impl AcceptProxy {
    /// For listeners.
    #[must_use]
    pub fn expected(&self) -> Option<ProxyProtocol> {
        (!self.accept_proxy.is_empty()).then(|| ProxyProtocol::from(self.accept_proxy.clone()))
    }
}
