//! `rpc-server`: our JSON-RPC server, for the measurements to start.
//!
//! Prints `listening on 127.0.0.1:PORT`, serves until SIGTERM, and does not outlive its parent.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use benches::Result;

use protocols::rpc::{self, Error, ServerOptions, Service, Topic};
use reactor::Reactor;
use rustix::process::{Signal, set_parent_process_death_signal};

fn main() -> Result {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    benches::descriptors::raise_limit()?;
    let mut service = Service::<Topic>::new("rpc-server", "1.0.0");
    service.method("sum", "The sum", |_, numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()));
    service.topic("listen", "leave", "The news", |news| news);
    service.method("say", "Tells everybody", |call, text: (String,)| {
        call.app.publish(call.registry, &text).map_err(Error::internal)
    });
    let mut reactor = Reactor::<Topic>::new()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = ServerOptions::default();
    let listener = rpc::listen(reactor.registry(), address.into(), &options, Rc::new(service))?;
    println!("listening on {}", reactor.registry().listener_address(listener)?);
    reactor.run(&mut Topic::new("news"))?;
    Ok(())
}
