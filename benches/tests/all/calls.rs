//! jsonrpsee, which is here to be measured, and ours at each other's ends.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use benches::Result;
use benches::calls::Calls;
use benches::clients::askers::Asked;
use benches::loaded::Start;
use jsonrpsee::core::client::{ClientT, Error as ClientError, SubscriptionClientT};
use jsonrpsee::core::params::{ArrayParams, BatchRequestBuilder};
use jsonrpsee::server::{RpcModule, Server};
use jsonrpsee_http_client::HttpClient;
use jsonrpsee_ws_client::WsClientBuilder;
use protocols::rpc::{CallError, Carrier, Client, ClientOptions, Error, Service};
use protocols::websocket::Target;
use reactor::{Reactor, Registry};
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::runtime::{self, Runtime};

/// What is told, in any order.
type Told = Vec<(&'static str, Result<i64, CallError>)>;

#[test]
fn our_client_calls_jsonrpsee_by_http_and_by_websocket() -> Result {
    let running = Calls::JsonrpseeHttp.start(Start::Here)?;
    let address = running.address();
    let url = format!("http://{address}/").parse()?;
    let target = Target::new(address.to_string(), "/");
    for carrier in [Carrier::Http(url), Carrier::WebSocket(target)] {
        let mut reactor = Reactor::<Told>::new()?;
        let options =
            ClientOptions { carrier: carrier.clone(), ..ClientOptions::new(address.into()) };
        let service = Rc::new(Service::new("a client", "1.0.0"));
        let client = Client::start(reactor.registry(), options, service);
        let calls = [("one", "sum", &[1, 2, 4][..]), ("none", "sum", &[]), ("wrong", "nope", &[1])];
        let in_batch = [("three", "sum", &[1, 2][..]), ("two", "nope", &[])];
        let patience = Duration::from_secs(30);
        let done = |name| {
            let remote = client.remote().clone();
            move |registry: &mut Registry<_>, told: &mut Told, result| {
                told.push((name, result));
                if told.len() == calls.len() + in_batch.len() {
                    remote.close(registry);
                }
            }
        };
        let mut batch = client.remote().batch();
        for (name, method, params) in in_batch {
            batch.call(method, params, patience, done(name))?;
        }
        batch.notify("sum", &[1])?;
        batch.send(reactor.registry())?;
        for (name, method, params) in calls {
            client.remote().call(reactor.registry(), method, params, patience, done(name))?;
        }
        let mut told = Told::new();
        reactor.run_until_idle(&mut told)?;
        told.sort_by_key(|(name, _)| *name);
        let unknown = |result: &Result<i64, CallError>| matches!(result, Err(CallError::Refused(error)) if error.code == Error::METHOD_NOT_FOUND);
        match told.as_slice() {
            [("none", Ok(0)), ("one", Ok(7)), ("three", Ok(3)), ("two", two), ("wrong", wrong)]
                if unknown(two) && unknown(wrong) => {}
            _ => return Err(format!("{carrier:?}: {told:?}").into()),
        }
    }
    Ok(())
}

#[test]
fn our_client_hears_what_jsonrpsee_publishes() -> Result {
    let mut reactor = Reactor::<Vec<Value>>::new()?;
    let mut service = Service::<Vec<Value>>::new("a client", "1.0.0");
    service.method("news", "What is published", |call, news: Value| {
        call.app.push(news);
        call.registry.shutdown(Duration::ZERO);
        Ok(())
    });
    let address = publisher()?;
    let carrier = Carrier::WebSocket(Target::new(address.to_string(), "/"));
    let options = ClientOptions { carrier, ..ClientOptions::new(address.into()) };
    let client = Client::start(reactor.registry(), options, Rc::new(service));
    let patience = Duration::from_secs(30);
    client.subscribe(reactor.registry(), "listen", &(), patience, |_, _, _| {})?;
    reactor.registry().after(patience, |registry, _| registry.shutdown(Duration::ZERO))?;
    let mut heard = Vec::new();
    reactor.run(&mut heard)?;
    match heard.as_slice() {
        [news] if news["result"] == "good morning" => Ok(()),
        _ => Err(format!("{heard:?}").into()),
    }
}

/// A server of jsonrpsee, until the test ends, that publishes one thing to whoever subscribes.
fn publisher() -> Result<SocketAddr> {
    let mut module = RpcModule::new(());
    module.register_subscription("listen", "news", "leave", |_, pending, _, _| async move {
        if let (Ok(sink), Ok(text)) = (pending.accept().await, to_raw_value("good morning"))
            && sink.send(text).await.is_ok()
        {
            sink.closed().await;
        }
    })?;
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || -> std::result::Result<(), String> {
        let runtime = tokio().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let server = Server::builder().build("127.0.0.1:0").await;
            let server = server.map_err(|error| error.to_string())?;
            ready.send(server.local_addr()).map_err(|error| error.to_string())?;
            server.start(module).stopped().await;
            Ok(())
        })
    });
    Ok(is_ready.recv()??)
}

fn tokio() -> Result<Runtime> {
    Ok(runtime::Builder::new_current_thread().enable_all().build()?)
}

#[test]
fn jsonrpsee_calls_our_server_by_http_and_by_websocket() -> Result {
    let running = Calls::ReactorHttp.start(Start::Here)?;
    let address = running.address();
    tokio()?.block_on(async {
        calls(&HttpClient::builder().build(format!("http://{address}/"))?).await?;
        let socket = WsClientBuilder::default().build(format!("ws://{address}/")).await?;
        calls(&socket).await?;
        let mut news = socket.subscribe_to_method::<(String,)>("news").await?;
        let topic: String = socket.request("listen", ArrayParams::new()).await?;
        assert_eq!(topic, "news");
        socket.notification("say", array(["good morning"])?).await?;
        let heard = news.next().await.ok_or("the connection has ended")??;
        assert_eq!(heard, ("good morning".to_owned(),));
        Ok(())
    })
}

/// What every client of jsonrpsee can do, whatever carries it.
async fn calls(client: &impl ClientT) -> Result {
    let sum: i64 = client.request("sum", array([1, 2, 4])?).await?;
    assert_eq!(sum, 7);
    client.notification("say", array(["nobody listens"])?).await?;
    match client.request::<i64, _>("nope", ArrayParams::new()).await {
        Err(ClientError::Call(error)) if i64::from(error.code()) == Error::METHOD_NOT_FOUND => {}
        other => return Err(format!("{other:?}").into()),
    }
    let mut batch = BatchRequestBuilder::new();
    batch.insert("sum", array([1, 2])?)?;
    batch.insert("sum", array(["one"])?)?;
    batch.insert("sum", array([3, 4])?)?;
    let answers = client.batch_request::<i64>(batch).await?;
    let codes = answers.into_iter().map(|it| it.map_err(|error| i64::from(error.code())));
    assert_eq!(codes.collect::<Vec<_>>(), [Ok(3), Err(Error::INVALID_PARAMS), Ok(7)]);
    Ok(())
}

fn array<T: serde::Serialize>(elements: impl IntoIterator<Item = T>) -> Result<ArrayParams> {
    let mut params = ArrayParams::new();
    elements.into_iter().try_for_each(|it| params.insert(it))?;
    Ok(params)
}
