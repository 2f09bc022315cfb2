//! Other people's clients and servers at the other end, by HTTP and by WebSocket. What is not installed is left
//! out, and said to be.

use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use protocols::http::server::{self, Files, Site};
use protocols::rpc::{ClientOptions, Limits};
use protocols::store::{Access, Store};
use reactor::{Address, Backoff, ListenOptions};
use serde_json::{Value, json};

use crate::outside::{Process, free_port, is_there, node, program, python};
use crate::stage::{Over, PATIENCE, Stage, World, service};
use crate::strangers::{code, port, runs};

/// A client that waits for its server to come up.
fn patient(over: Over, server: Address) -> ClientOptions {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(200));
    ClientOptions { reconnect: Some(backoff), ..over.options(server) }
}

// ── clients of others ───────────────────────────────────────────────────────────────────────

/// Has a client make the same calls, and compares what it prints.
#[track_caller]
fn calls(name: &str, check: &mut Command, client: &mut Command, expected: &str) {
    if !is_there(name, check) {
        return;
    }
    let mut stage = Stage::new();
    let server = stage.listen(Over::Http);
    let said = runs(&mut stage, client.arg(port(&server)));
    assert_eq!(said, expected, "{name}");
    assert!(stage.world.seen.iter().any(|line| line == "update [5]"), "{name}");
}

const JAYSON: &str = r#"
const jayson = require('jayson');
const [how, port] = process.argv.slice(1);
const call = (client, ...words) => new Promise((done, fail) =>
    client.request(...words, (error, answer) => error ? fail(error) : done(answer)));
const run = async (client) => {
    const said = [];
    said.push((await call(client, 'subtract', [42, 23])).result);
    said.push((await call(client, 'subtract', { subtrahend: 23, minuend: 42 })).result);
    said.push((await call(client, 'nope', [])).error.code);
    said.push((await call(client, 'square', [12])).result);
    const batch = [client.request('sum', [1, 2], 'a', false), client.request('get_data', [], 'b', false)];
    said.push((await call(client, batch)).map((answer) => [answer.id, answer.result]));
    await call(client, 'update', [5], null);
    said.push((await call(client, 'sum', [4])).result);
    console.log(JSON.stringify(said));
    process.exit(0);
};
const fail = (error) => { console.error(error); process.exit(1); };
if (how === 'http') {
    run(jayson.client.http({ host: '127.0.0.1', port: Number(port) })).catch(fail);
} else {
    const client = jayson.client.websocket({ url: `ws://127.0.0.1:${port}/` });
    client.ws.on('open', () => run(client).catch(fail));
}
"#;

#[test]
fn jayson_calls_our_server_by_http_and_by_websocket() {
    for how in ["http", "ws"] {
        let mut check = node("require('jayson')");
        let expected = r#"[19,19,-32601,144,[["a",3],["b",["hello",5]]],4]"#;
        let name = "Node with the package jayson (npm install --global jayson)";
        calls(name, &mut check, node(JAYSON).arg(how), expected);
    }
}

const PELIX: &str = r#"
import json, sys
import jsonrpclib
server = jsonrpclib.ServerProxy('http://127.0.0.1:%s' % sys.argv[1])
said = [server.subtract(42, 23), server.subtract(subtrahend=23, minuend=42)]
try:
    server.nope()
except jsonrpclib.jsonrpc.ProtocolError as error:
    said.append(error.args[0][0])
said.append(server.square(12))
server._notify.update(5)
batch = jsonrpclib.MultiCall(server)
batch.sum(1, 2)
batch.get_data()
said.append(list(batch()))
print(json.dumps(said))
"#;

#[test]
fn jsonrpclib_calls_our_server() {
    let name = "Python with the package jsonrpclib-pelix (pip install jsonrpclib-pelix)";
    let expected = r#"[19, 19, -32601, 144, [3, ["hello", 5]]]"#;
    calls(name, &mut python("import jsonrpclib.config"), &mut python(PELIX), expected);
}

const REQUESTS: &str = r#"
import json, sys
import jsonrpc_requests
server = jsonrpc_requests.Server('http://127.0.0.1:%s' % sys.argv[1])
said = [server.subtract(42, 23), server.subtract(subtrahend=23, minuend=42)]
try:
    server.nope()
except jsonrpc_requests.ProtocolError as error:
    said.append(error.server_response.json()['error']['code'])
said.append(server.sum(6, 6))
server.send_request('update', True, [5])
print(json.dumps(said))
"#;

#[test]
fn jsonrpc_requests_calls_our_server() {
    let name = "Python with the package jsonrpc-requests (pip install jsonrpc-requests)";
    let expected = "[19, 19, -32601, 12]";
    calls(name, &mut python("import jsonrpc_requests"), &mut python(REQUESTS), expected);
}

const TINYRPC: &str = r#"
import json, sys
from tinyrpc import RPCClient
from tinyrpc.exc import RPCError
from tinyrpc.protocols.jsonrpc import JSONRPCProtocol
from tinyrpc.transports.http import HttpPostClientTransport
client = RPCClient(JSONRPCProtocol(), HttpPostClientTransport('http://127.0.0.1:%s' % sys.argv[1]))
server = client.get_proxy()
said = [server.subtract(42, 23), server.subtract(subtrahend=23, minuend=42)]
try:
    server.nope()
except RPCError as error:
    said.append(str(error))
said.append(server.square(12))
client.call('update', [5], {}, one_way=True)
print(json.dumps(said))
"#;

#[test]
fn tinyrpc_calls_our_server() {
    let name = "Python with the package tinyrpc (pip install tinyrpc[httpclient])";
    let mut check = python("import tinyrpc.transports.http");
    let expected = r#"[19, 19, "Method not found", 144]"#;
    calls(name, &mut check, &mut python(TINYRPC), expected);
}

// ── servers of others ───────────────────────────────────────────────────────────────────────

const JAYSON_SERVER: &str = r#"
const jayson = require('jayson');
const [how, port] = process.argv.slice(1);
const server = new jayson.Server({
    add: (params, done) => done(null, params.reduce((sum, number) => sum + number, 0)),
    fail: (params, done) => done({ code: 17, message: 'no luck', data: params }),
});
if (how === 'http') {
    server.http().listen(Number(port), '127.0.0.1');
} else {
    server.websocket({ port: Number(port), host: '127.0.0.1' });
}
"#;

#[test]
fn our_client_calls_jaysons_server_by_http_and_by_websocket() {
    let name = "Node with the package jayson (npm install --global jayson)";
    if !is_there(name, &mut node("require('jayson')")) {
        return;
    }
    for (how, over) in [("http", Over::Http), ("ws", Over::WebSocket)] {
        let (mut stage, port) = (Stage::new(), free_port());
        let _stranger = Process::start(node(JAYSON_SERVER).args([how, &port.to_string()]));
        let server = format!("127.0.0.1:{port}").parse().expect("it is an address");
        let client = stage.client(patient(over, server));
        for (at, (method, params)) in
            [("add", json!([1, 2, 3])), ("fail", json!([true])), ("nope", json!([]))]
                .into_iter()
                .enumerate()
        {
            stage.call(&client, method, &params);
            stage.until("it is answered", |world| world.results.len() == at + 1);
        }
        assert_eq!(stage.world.results[0], Ok(json!(6)), "{how}");
        let codes: Vec<i64> = stage.world.results[1..].iter().map(code).collect();
        assert_eq!(codes, [17, -32601], "{how}");
        let mut batch = client.remote().batch();
        for numbers in [[1, 1], [2, 2]] {
            let keep = |_: &mut _, world: &mut World, result| world.results.push(result);
            batch.call("add", &numbers, PATIENCE, keep).expect("it is JSON");
        }
        batch.send(stage.reactor.registry()).expect("it is connected");
        stage.until("both are answered", |world| world.results.len() == 5);
        assert_eq!(stage.world.results[3..], [Ok(json!(2)), Ok(json!(4))], "{how}");
        client.close(stage.reactor.registry());
    }
}

/// A web server in the same loop, which has one file.
fn serve_a_file(stage: &mut Stage, directory: &std::path::Path, bytes: &[u8]) -> Address {
    std::fs::write(directory.join("a-file"), bytes).expect("it is written");
    let store = Store::open(directory, Access::ReadOnly).expect("it is there");
    let files = Files::new(store);
    let site =
        Site::new(move |request, exchange, _| files.serve(request.path(), request, exchange));
    let site = Rc::new(site);
    let (registry, any) = (stage.reactor.registry(), "127.0.0.1:0".parse().expect("an address"));
    let listener = server::listen(registry, any, &ListenOptions::default(), &site).expect("free");
    registry.listener_address(listener).expect("it listens")
}

#[test]
fn a_download_manager_fetches_from_our_web_server_and_tells_of_it_by_websocket() {
    let Some(aria2) = program("aria2c") else { return };
    let (ours, theirs) = (tempfile::tempdir(), tempfile::tempdir());
    let (ours, theirs) = (ours.expect("a directory"), theirs.expect("a directory"));
    let mut service = service(Limits::default());
    for name in ["aria2.onDownloadStart", "aria2.onDownloadComplete", "aria2.onDownloadError"] {
        service.method(name, "A download has come so far", move |call, it: Vec<Value>| {
            let gid = it.first().and_then(|it| it["gid"].as_str()).unwrap_or_default();
            call.app.seen.push(format!("{name} {gid}"));
            Ok(())
        });
    }
    let mut stage = Stage::with(service);
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let web = serve_a_file(&mut stage, ours.path(), &bytes);
    let port = free_port();
    let mut aria2 = Command::new(aria2);
    aria2.args(["--enable-rpc", "--rpc-secret=open", "--no-conf", "--quiet", "--disable-ipv6"]);
    aria2.arg(format!("--rpc-listen-port={port}"));
    aria2.arg(format!("--dir={}", theirs.path().display()));
    let stranger = Process::start(aria2.stdout(Stdio::null()));
    let rpc: Address = format!("127.0.0.1:{port}").parse().expect("an address");
    let at = |over: Over| {
        let mut options = patient(over, rpc.clone());
        options.carrier = match over {
            Over::WebSocket => protocols::rpc::Carrier::WebSocket(
                protocols::websocket::Target::new(rpc.to_string(), "/jsonrpc"),
            ),
            _ => protocols::rpc::Carrier::Http(
                format!("http://{rpc}/jsonrpc").parse().expect("a URL"),
            ),
        };
        options
    };
    let (posts, socket) = (stage.client(at(Over::Http)), stage.client(at(Over::WebSocket)));
    stage.call(&socket, "aria2.getVersion", &json!(["token:open"]));
    stage.until("it is there", |world| world.results.len() == 1);
    let version = stage.world.results.remove(0).expect("it has one");
    assert!(version["version"].is_string(), "{version}");
    // An error rides on status 400 there, and is one all the same.
    stage.call(&posts, "aria2.nope", &json!(["token:open"]));
    stage.until("it is refused", |world| world.results.len() == 1);
    assert_eq!(code(&stage.world.results.remove(0)), 1);
    stage.call(&posts, "aria2.addUri", &json!(["token:open", [format!("http://{web}/a-file")]]));
    stage.until("it has begun", |world| world.results.len() == 1);
    let gid = stage.world.results.remove(0).expect("it can be fetched");
    let gid = gid.as_str().expect("a text").to_owned();
    stage.until_seen(&format!("aria2.onDownloadStart {gid}"));
    stage.until_seen(&format!("aria2.onDownloadComplete {gid}"));
    assert_eq!(std::fs::read(theirs.path().join("a-file")).expect("it is there"), bytes);
    stage.call(&posts, "aria2.tellStatus", &json!(["token:open", gid, ["status"]]));
    stage.until("it is told", |world| world.results.len() == 1);
    assert_eq!(stage.world.results, [Ok(json!({"status": "complete"}))]);
    for client in [posts, socket] {
        client.close(stage.reactor.registry());
    }
    // It keeps its connection to the web server for the next download, whatever the server says.
    drop(stranger);
}
