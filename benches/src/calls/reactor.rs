//! Ours, with everything on that is on by default.

use std::rc::Rc;

use protocols::rpc::{self, Error, ServerOptions, Service, Topic};
use reactor::{ListenOptions, ListenerId, OpenError, Reactor, Registry};

use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve_lines(place: Place) -> Result {
    serve(|registry, service| {
        rpc::listen(registry, place.address.into(), &ServerOptions::default(), service)
    })
}

pub(super) fn serve_http(place: Place) -> Result {
    serve(|registry, service| {
        rpc::listen_http(registry, place.address.into(), &ListenOptions::default(), service)
    })
}

fn service() -> Service<Topic> {
    let mut service = Service::<Topic>::new("rpc-server", "1.0.0");
    service.method("sum", "The sum", |_, numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()));
    service.topic("listen", "leave", "The news", |news| news);
    service.method("say", "Tells everybody", |call, text: (String,)| {
        call.app.publish(call.registry, &text).map_err(Error::internal)
    });
    service
}

fn serve(
    listen: impl FnOnce(&mut Registry<Topic>, Rc<Service<Topic>>) -> Result<ListenerId, OpenError>,
) -> Result {
    let mut reactor = Reactor::<Topic>::new()?;
    let listener = listen(reactor.registry(), Rc::new(service()))?;
    announce(reactor.registry().listener_address(listener)?)?;
    reactor.run(&mut Topic::new("news"))?;
    Ok(())
}
