//! The reactor and the FTP server of its protocols, every limit on; who is nobody may do everything.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use protocols::transfer::ftp::users::{Anonymous, Permissions, Users};
use protocols::transfer::ftp::{self, Server, Settings};
use protocols::transfer::store::{Access, Store};
use reactor::{ListenOptions, Reactor};

use crate::Result;
use crate::servers::announce;

pub(super) fn serve(root: &Path) -> Result {
    let mut users = Users::none();
    let anonymous = Anonymous { permissions: Permissions::ALL, ..Anonymous::default() };
    users.set_anonymous(Some(anonymous));
    let store = Store::open(root, Access::ReadWrite)?;
    let mut server = Server::new(Settings::default(), users, store);

    let mut reactor = Reactor::<Server>::new()?;
    let registry = reactor.registry();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    let listener = ftp::listen(registry, address, &ListenOptions::default())?;
    announce(registry.listener_address(listener)?)?;
    reactor.run(&mut server)?;
    Ok(())
}
