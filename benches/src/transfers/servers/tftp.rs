//! The reactor and the TFTP server of its protocols, every limit on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use protocols::transfer::store::{Access, Store};
use protocols::transfer::tftp::{self, Limits, Server};
use reactor::{DatagramOptions, Reactor};

use crate::Result;
use crate::servers::announce;

pub(super) fn serve(root: &Path) -> Result {
    let mut server = Server::new(Store::open(root, Access::ReadOnly)?, Limits::default());
    let mut reactor = Reactor::<Server>::new()?;
    let registry = reactor.registry();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    let socket = tftp::bind(registry, address, &DatagramOptions::default())?;
    announce(registry.socket_address(socket)?)?;
    reactor.run(&mut server)?;
    Ok(())
}
