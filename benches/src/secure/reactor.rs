//! Ours, with everything on that is on by default.

use std::path::Path;
use std::rc::Rc;

use http::StatusCode;
use protocols::echo::{self, Server};
use protocols::http::server::{self, Files, Site};
use protocols::store::{Access, Store};
use reactor::ListenOptions;
use reactor::tls::ServerTls;

use crate::Result;
use crate::servers::Place;
use crate::servers::reactor::run;

pub(super) fn serve_web(directory: &Path, place: Place) -> Result {
    let files = Files::new(Store::open(directory, Access::ReadOnly)?);
    let site = Rc::new(Site::new(move |request, exchange, ()| match request.path() {
        "/" => exchange.answer(StatusCode::OK).text(super::HELLO),
        path => files.serve(path, request, exchange),
    }));
    let options = options(directory)?;
    run((), |registry, _| server::listen(registry, place.address.into(), &options, &site))
}

pub(super) fn serve_echo(directory: &Path, place: Place) -> Result {
    let options = options(directory)?;
    run(Server::default(), |registry, _| echo::listen(registry, place.address.into(), &options))
}

fn options(directory: &Path) -> Result<ListenOptions> {
    let tls = ServerTls::from_files(directory.join("certificate.pem"), directory.join("key.pem"))?;
    Ok(ListenOptions { tls: Some(tls), ..ListenOptions::default() })
}
