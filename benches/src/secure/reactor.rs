//! Ours, with everything on that is on by default.

use std::path::Path;
use std::rc::Rc;

use http::StatusCode;
use protocols::echo::{self, Server};
use protocols::http::server::{self, Files, Site};
use protocols::store::{Access, Store};
use reactor::tls::ServerTls;
use reactor::{ListenOptions, Reactor};

use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve_web(directory: &Path, place: Place) -> Result {
    let files = Files::new(Store::open(directory, Access::ReadOnly)?);
    let site = Rc::new(Site::new(move |request, exchange, ()| match request.path() {
        "/" => exchange.answer(StatusCode::OK).text(super::HELLO),
        path => files.serve(path, request, exchange),
    }));
    let mut reactor = Reactor::<()>::new()?;
    let registry = reactor.registry();
    let listener = server::listen(registry, place.address.into(), &options(directory)?, &site)?;
    announce(registry.listener_address(listener)?)?;
    reactor.run(&mut ())?;
    Ok(())
}

pub(super) fn serve_echo(directory: &Path, place: Place) -> Result {
    let mut reactor = Reactor::<Server>::new()?;
    let registry = reactor.registry();
    let listener = echo::listen(registry, place.address.into(), &options(directory)?)?;
    announce(registry.listener_address(listener)?)?;
    reactor.run(&mut Server::default())?;
    Ok(())
}

fn options(directory: &Path) -> Result<ListenOptions> {
    let tls = ServerTls::from_files(directory.join("certificate.pem"), directory.join("key.pem"))?;
    Ok(ListenOptions { tls: Some(tls), ..ListenOptions::default() })
}
