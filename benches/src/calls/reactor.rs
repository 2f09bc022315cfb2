//! Ours, with everything on that is on by default.

use std::rc::Rc;

use protocols::rpc::{self, Error, ServerOptions, Service, Topic};
use reactor::ListenOptions;

use crate::Result;
use crate::servers::Place;
use crate::servers::reactor::run;

pub(super) fn serve_lines(place: Place) -> Result {
    run(Topic::new("news"), |registry, _| {
        rpc::listen(registry, place.address.into(), &ServerOptions::default(), service())
    })
}

pub(super) fn serve_http(place: Place) -> Result {
    run(Topic::new("news"), |registry, _| {
        rpc::listen_http(registry, place.address.into(), &ListenOptions::default(), service())
    })
}

fn service() -> Rc<Service<Topic>> {
    let mut service = Service::<Topic>::new("rpc-server", "1.0.0");
    service.method("sum", "The sum", |_, numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()));
    service.topic("listen", "leave", "The news", |news| news);
    service.method("say", "Tells everybody", |call, text: (String,)| {
        call.app.publish(call.registry, &text).map_err(Error::internal)
    });
    Rc::new(service)
}
