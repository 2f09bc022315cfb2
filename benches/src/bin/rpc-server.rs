//! `rpc-server`: our JSON-RPC server, for the measurements to start; it prints `listening on 127.0.0.1:PORT`.

use std::process::ExitCode;
use std::rc::Rc;

use benches::Result;
use benches::servers::Place;
use protocols::rpc::{self, Error, ServerOptions, Service, Topic};
use reactor::Reactor;

fn main() -> ExitCode {
    benches::child("rpc-server", serve)
}

fn serve() -> Result {
    let mut service = Service::<Topic>::new("rpc-server", "1.0.0");
    service.method("sum", "The sum", |_, numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()));
    service.topic("listen", "leave", "The news", |news| news);
    service.method("say", "Tells everybody", |call, text: (String,)| {
        call.app.publish(call.registry, &text).map_err(Error::internal)
    });
    let mut reactor = Reactor::<Topic>::new()?;
    let options = ServerOptions::default();
    let listener = rpc::listen(
        reactor.registry(),
        Place::LOOPBACK.address.into(),
        &options,
        Rc::new(service),
    )?;
    println!("listening on {}", reactor.registry().listener_address(listener)?);
    reactor.run(&mut Topic::new("news"))?;
    Ok(())
}
