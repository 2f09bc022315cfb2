//! Ours, with everything on that is on by default.

use std::rc::Rc;

use http::StatusCode;
use protocols::http::server::{self, Files, Site};
use protocols::store::{Access, Store};
use protocols::websocket::{self, Endpoint, Handler, Message, Socket};
use reactor::ListenOptions;

use crate::Result;
use crate::servers::Place;
use crate::servers::reactor::run;

pub(super) fn serve_hello(place: Place) -> Result {
    serve_site(
        place,
        Site::new(|_, exchange, ()| exchange.answer(StatusCode::OK).text(super::HELLO)),
    )
}

pub(super) fn serve_file(place: Place) -> Result {
    let directory = super::write_file()?;
    let files = Files::new(Store::open(directory.path(), Access::ReadOnly)?);
    serve_site(
        place,
        Site::new(move |request, exchange, ()| files.serve(request.path(), request, exchange)),
    )
}

fn serve_site(place: Place, site: Site<()>) -> Result {
    let site = Rc::new(site);
    run((), |registry, _| {
        server::listen(registry, place.address.into(), &ListenOptions::default(), &site)
    })
}

pub(super) fn serve_socket(place: Place) -> Result {
    let endpoint = Endpoint::default();
    run((), |registry, _| {
        let options = ListenOptions::default();
        websocket::listen(registry, place.address.into(), &options, &endpoint, |_, _, _| Ok(Echo))
    })
}

struct Echo;

impl Handler<()> for Echo {
    fn on_message(&mut self, socket: &mut Socket<'_, '_, ()>, message: Message<'_>, (): &mut ()) {
        socket.send(message);
    }
}
