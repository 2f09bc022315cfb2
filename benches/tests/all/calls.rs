//! Our client speaks with jsonrpsee's server, which is here to be measured.

use std::rc::Rc;
use std::time::Duration;

use benches::Result;
use benches::calls::Calls;
use protocols::rpc::{CallError, Carrier, Client, ClientOptions, Error, Service};
use protocols::websocket::Target;
use reactor::Reactor;

/// What is told, in any order.
type Told = Vec<(&'static str, Result<i64, CallError>)>;

#[test]
fn our_client_calls_jsonrpsee_by_http_and_by_websocket() -> Result {
    let running = Calls::JsonrpseeHttp.start()?;
    let address = running.server.address();
    let url = format!("http://{address}/").parse()?;
    let target = Target::new(&address.to_string(), "/");
    for carrier in [Carrier::Http(url), Carrier::WebSocket(target)] {
        let mut reactor = Reactor::<Told>::new()?;
        let options =
            ClientOptions { carrier: carrier.clone(), ..ClientOptions::new(address.into()) };
        let service = Rc::new(Service::new("a client", "1.0.0"));
        let client = Client::start(reactor.registry(), options, service);
        let calls = [("one", "sum", &[1, 2, 4][..]), ("none", "sum", &[]), ("wrong", "nope", &[1])];
        let patience = Duration::from_secs(30);
        for (name, method, params) in calls {
            let remote = client.remote().clone();
            let done = move |registry: &mut _, told: &mut Told, result| {
                told.push((name, result));
                if told.len() == calls.len() {
                    remote.close(registry);
                }
            };
            client.remote().call(reactor.registry(), method, params, patience, done)?;
        }
        let mut told = Told::new();
        reactor.run_until_idle(&mut told)?;
        told.sort_by_key(|(name, _)| *name);
        let unknown = |result: &Result<i64, CallError>| matches!(result, Err(CallError::Refused(error)) if error.code == Error::METHOD_NOT_FOUND);
        match told.as_slice() {
            [("none", Ok(0)), ("one", Ok(7)), ("wrong", refused)] if unknown(refused) => {}
            _ => return Err(format!("{carrier:?}: {told:?}").into()),
        }
    }
    Ok(())
}
