//! Other people's clients, servers and libraries at the other end. What is not installed is left out, and
//! said to be.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;
use std::time::Duration;

use protocols::rpc::{CallError, Client, ClientOptions, Dialect, Framing, Limits, Service};
use reactor::{Address, Backoff};
use serde_json::{Value, json};

use crate::outside::{Process, free_port, is_there, node, python};
use crate::stage::{PATIENCE, Stage, World, service};

/// Runs a client to its end, while the server in the loop serves it.
#[track_caller]
pub(crate) fn runs(stage: &mut Stage, command: &mut Command) -> String {
    let mut stranger = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    stage.until("it has ended", |_| matches!(stranger.0.try_wait(), Ok(Some(_)) | Err(_)));
    let output = output_of(&mut stranger.0);
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}\n{:?}", stage.world.seen);
    said.trim().to_owned()
}

/// What a process that has ended had to say.
fn output_of(child: &mut Child) -> Output {
    use std::io::Read;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take().map(|mut pipe| pipe.read_to_end(&mut stdout));
    child.stderr.take().map(|mut pipe| pipe.read_to_end(&mut stderr));
    Output { status: child.wait().expect("it is ours"), stdout, stderr }
}

pub(crate) fn port(address: &Address) -> String {
    address.port().expect("TCP").to_string()
}

/// A client that waits for its server to come up.
fn patient(server: Address, framing: Framing) -> ClientOptions {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(200));
    ClientOptions { framing, reconnect: Some(backoff), ..ClientOptions::new(server) }
}

// ── libraries ───────────────────────────────────────────────────────────────────────────────

const JAYSON_CLIENT: &str = r#"
const jayson = require('jayson');
const client = jayson.client.tcp({ host: '127.0.0.1', port: Number(process.argv[1]) });
const call = (...words) => new Promise((done, fail) =>
    client.request(...words, (error, answer) => error ? fail(error) : done(answer)));
(async () => {
    const said = [];
    said.push((await call('subtract', [42, 23])).result);
    said.push((await call('subtract', { subtrahend: 23, minuend: 42 })).result);
    said.push((await call('nope', [])).error.code);
    said.push((await call('square', [12])).result);
    const batch = [client.request('sum', [1, 2], 'a', false), client.request('update', [5], null, false),
        client.request('get_data', [], 'b', false)];
    const answers = await new Promise((done, fail) =>
        client.request(batch, (error, answers) => error ? fail(error) : done(answers)));
    said.push(answers.map((answer) => [answer.id, answer.result]));
    console.log(JSON.stringify(said));
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn jayson_calls_our_server() {
    if !is_there("Node with the package jayson", &mut node("require('jayson')")) {
        return;
    }
    let mut stage = Stage::new();
    let server = stage.listen(Framing::Lines);
    let said = runs(&mut stage, node(JAYSON_CLIENT).arg(port(&server)));
    assert_eq!(said, r#"[19,19,-32601,144,[["a",3],["b",["hello",5]]]]"#);
    assert!(stage.world.seen.iter().any(|line| line == "update [5]"));
}

const JAYSON_SERVER: &str = r#"
const jayson = require('jayson');
const server = new jayson.Server({
    add: (params, done) => done(null, params.reduce((sum, number) => sum + number, 0)),
    fail: (params, done) => done({ code: 17, message: 'no luck', data: params }),
});
server.tcp().listen(Number(process.argv[1]), '127.0.0.1');
"#;

#[test]
fn our_client_calls_jaysons_server() {
    if !is_there("Node with the package jayson", &mut node("require('jayson')")) {
        return;
    }
    let mut stage = Stage::new();
    let port = free_port();
    let _stranger = Process::start(node(JAYSON_SERVER).arg(port.to_string()));
    let server = format!("127.0.0.1:{port}").parse().expect("it is an address");
    let client = stage.client(patient(server, Framing::Lines));
    stage.call(&client, "add", &json!([1, 2, 3]));
    stage.call(&client, "fail", &json!([true]));
    stage.call(&client, "nope", &json!([]));
    stage.until("all are answered", |world| world.results.len() == 3);
    assert_eq!(stage.world.results[0], Ok(json!(6)));
    let codes: Vec<i64> = stage.world.results[1..].iter().map(code).collect();
    assert_eq!(codes, [17, -32601]);
    let mut batch = client.remote().batch();
    for numbers in [[1, 1], [2, 2]] {
        let keep = |_: &mut _, world: &mut World, result| world.results.push(result);
        batch.call("add", &numbers, PATIENCE, keep).expect("it is JSON");
    }
    batch.send(stage.reactor.registry()).expect("it is connected");
    stage.until("both are answered", |world| world.results.len() == 5);
    assert_eq!(stage.world.results[3..], [Ok(json!(2)), Ok(json!(4))]);
    client.close(stage.reactor.registry());
}

pub(crate) fn code(result: &Result<Value, CallError>) -> i64 {
    match result {
        Err(CallError::Refused(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

const VSCODE: &str = r#"
const rpc = require('vscode-jsonrpc/node');
const socket = require('net').connect(Number(process.argv[1]), '127.0.0.1');
const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(socket), new rpc.StreamMessageWriter(socket));
let asked;
const question = new Promise((done) => { asked = done; });
connection.onRequest('name', () => { asked(); return 'ann'; });
const news = new Promise((done) => connection.onNotification('news', (...words) => done(words)));
connection.listen();
(async () => {
    const said = [];
    said.push(await connection.sendRequest('sum', 1, 2, 3));
    said.push(await connection.sendRequest('greet', { name: 'bob' }));
    await connection.sendRequest('ask_back');
    await question;
    said.push(await connection.sendRequest('fail').catch((error) => [error.code, error.data]));
    const source = new rpc.CancellationTokenSource();
    const held = connection.sendRequest('hold', source.token);
    setTimeout(() => source.cancel(), 10);
    said.push(await held.catch((error) => error.code));
    said.push(await connection.sendRequest('listen'));
    said.push(await news);
    console.log(JSON.stringify(said));
    connection.end();
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn the_library_of_language_servers_calls_and_is_called_on_one_connection() {
    let name = "Node with the package vscode-jsonrpc";
    if !is_there(name, &mut node("require('vscode-jsonrpc/node')")) {
        return;
    }
    let mut stage = Stage::new();
    let server = stage.listen(Framing::ContentLength);
    let mut command = node(VSCODE);
    command.arg(port(&server)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut stranger = Process::start(&mut command);
    stage.until("it listens", |world| !world.news.is_empty());
    stage.world.news.publish(stage.reactor.registry(), &["hear", "hear"]).expect("it is JSON");
    stage.until("it has ended", |_| matches!(stranger.0.try_wait(), Ok(Some(_)) | Err(_)));
    let output = output_of(&mut stranger.0);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said.trim(),
        r#"[6,"hello, bob",[17,["tried","twice"]],-32800,"news",["hear","hear"]]"#,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(stage.world.results, [Ok(json!("ann"))]);
}

const JSONRPCCLIENT: &str = r#"
import json, socket, sys
from jsonrpcclient import Error, Ok, notification_json, parse_json, request_json
stream = socket.create_connection(('127.0.0.1', int(sys.argv[1]))).makefile('rw')
def ask(text):
    stream.write(text + '\n')
    stream.flush()
    return parse_json(stream.readline())
said = []
for text in (request_json('subtract', params=(42, 23)), request_json('greet', params={'name': 'ann'}),
             request_json('nope')):
    answer = ask(text)
    said.append(answer.result if isinstance(answer, Ok) else answer.code)
stream.write(notification_json('update', params=[1, 2]) + '\n')
answers = ask('[%s,%s]' % (request_json('sum', params=[1]), request_json('sum', params=[2])))
said.append(sorted(answer.result for answer in answers))
print(json.dumps(said))
"#;

#[test]
fn jsonrpcclient_reads_what_our_server_answers() {
    if !is_there("Python with the package jsonrpcclient", &mut python("import jsonrpcclient")) {
        return;
    }
    let mut stage = Stage::new();
    let server = stage.listen(Framing::Lines);
    let said = runs(&mut stage, python(JSONRPCCLIENT).arg(port(&server)));
    assert_eq!(said, r#"[19, "hello, ann", -32601, [1, 2]]"#);
    assert!(stage.world.seen.iter().any(|line| line == "update [1, 2]"));
}

// ── programs ────────────────────────────────────────────────────────────────────────────────

/// A service that keeps a language server's diagnostics in `results`.
fn editor() -> Service<World> {
    let mut service = service(Limits::default());
    service.method(
        "textDocument/publishDiagnostics",
        "What is wrong with a text",
        |call, it: Value| {
            call.app.results.push(Ok(it));
            Ok(())
        },
    );
    service
}

const TEXT: &str = "import os\n\n\ndef answer():\n    return question\n";

/// Opens a text, hears what is wrong with it, asks what is in it, and says goodbye.
#[track_caller]
fn edits(stage: &mut Stage, client: &Client<World>) {
    let nothing = json!({"processId": null, "rootUri": null, "capabilities": {}});
    stage.call(client, "initialize", &nothing);
    stage.until("it is ready", |world| !world.results.is_empty());
    let ready = stage.world.results.remove(0).expect("it can be initialized");
    assert!(ready["capabilities"].is_object(), "{ready}");
    let mut notify = |method: &str, params: &Value| {
        client.remote().notify(stage.reactor.registry(), method, params).expect("it is connected");
    };
    notify("initialized", &json!({}));
    let document = json!({
        "uri": "file:///nowhere/text.py", "languageId": "python", "version": 1, "text": TEXT,
    });
    notify("textDocument/didOpen", &json!({"textDocument": document}));
    let undefined = "undefined name 'question'";
    stage.until("it complains", |world| {
        let mut told = world.results.iter().flatten();
        told.any(|told| told["diagnostics"].to_string().contains(undefined))
    });
    stage.world.results.clear();
    let document = json!({"textDocument": {"uri": "file:///nowhere/text.py"}});
    stage.call(client, "textDocument/documentSymbol", &document);
    stage.call(client, "no/such", &json!({}));
    stage.until("it knows the symbols", |world| {
        let mut told = world.results.iter().flatten();
        told.any(|told| told.to_string().contains(r#""name":"answer""#))
    });
    stage.until("it has no such method", |world| {
        let refused = |result: &Result<_, _>| matches!(result, Err(CallError::Refused(_)));
        world.results.iter().any(refused)
    });
    stage.call(client, "shutdown", &json!(null));
    stage.until("it is ready to end", |world| world.results.contains(&Ok(Value::Null)));
    client.remote().notify(stage.reactor.registry(), "exit", &()).expect("it is connected");
    stage.until("it has ended", |_| client.remote().connection().is_none());
    client.close(stage.reactor.registry());
}

fn has_pylsp() -> bool {
    is_there("python-lsp-server", Command::new("pylsp").arg("--version"))
        && is_there("pyflakes, for python-lsp-server", &mut python("import pylsp, pyflakes"))
}

#[test]
fn a_language_server_is_spoken_with_over_its_standard_input_and_output() {
    if !has_pylsp() {
        return;
    }
    let mut stage = Stage::with(editor());
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let input = std::os::fd::OwnedFd::from(theirs.try_clone().expect("a copy"));
    let child = Command::new("pylsp")
        .stdin(input)
        .stdout(std::os::fd::OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn();
    let _stranger = Process(child.expect("it is installed"));
    let (registry, service) = (stage.reactor.registry(), Rc::clone(&stage.service));
    let client = Client::adopt(registry, ours, Framing::ContentLength, service);
    edits(&mut stage, &client.expect("it is adopted"));
}

#[test]
fn a_language_server_is_spoken_with_over_tcp() {
    if !has_pylsp() {
        return;
    }
    let mut stage = Stage::with(editor());
    let port = free_port();
    let mut pylsp = Command::new("pylsp");
    pylsp.args(["--tcp", "--host", "127.0.0.1", "--port", &port.to_string()]);
    let _stranger = Process::start(pylsp.stderr(Stdio::null()));
    let server = format!("127.0.0.1:{port}").parse().expect("it is an address");
    let client = stage.client(patient(server, Framing::ContentLength));
    edits(&mut stage, &client);
}

/// A database server, which speaks version 1.0 with nothing between its texts. Over a Unix socket it would
/// never ask whether anybody is there.
fn ovsdb(directory: &Path) -> Option<(Process, Address)> {
    if !is_there("ovsdb-server", Command::new("ovsdb-server").arg("--version")) {
        return None;
    }
    let database = directory.join("empty.db");
    let schema = directory.join("empty.schema");
    std::fs::write(&schema, r#"{"name": "empty", "tables": {}}"#).expect("it is written");
    let made = Command::new("ovsdb-tool").arg("create").args([&database, &schema]).status();
    assert!(made.is_ok_and(|status| status.success()), "a database is made");
    let port = free_port();
    let mut ovsdb = Command::new("ovsdb-server");
    ovsdb.arg(format!("--remote=ptcp:{port}:127.0.0.1"));
    ovsdb.arg(format!("--unixctl={}", directory.join("control").display())).arg(&database);
    let server = Process::start(ovsdb.stderr(Stdio::null()));
    Some((server, format!("127.0.0.1:{port}").parse().expect("TCP")))
}

#[test]
fn a_database_that_speaks_version_one_is_asked_and_asks_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some((_stranger, server)) = ovsdb(directory.path()) else { return };
    let mut service = service(Limits::default());
    service.method("echo", "Whether anybody is there", |_, words: Vec<Value>| Ok(words));
    let mut stage = Stage::with(service);
    let options = ClientOptions { dialect: Dialect::One, ..patient(server, Framing::Bare) };
    let client = stage.client(options);
    stage.call(&client, "list_dbs", &json!([]));
    stage.call(&client, "get_schema", &json!(["_Server"]));
    stage.call(&client, "nope", &json!([]));
    stage.until("all are answered", |world| world.results.len() == 3);
    let databases = stage.world.results[0].as_ref().expect("a list");
    assert!(databases.as_array().is_some_and(|names| names.contains(&json!("empty"))));
    let schema = stage.world.results[1].as_ref().expect("a schema");
    assert_eq!(schema["name"], "_Server");
    assert!(matches!(&stage.world.results[2], Err(CallError::Refused(error))
        if error.message == "unknown method"));
    // After five seconds it asks whether anybody is there, on the same connection.
    stage.until_seen("echo ran");
    stage.call(&client, "list_dbs", &json!([]));
    stage.until("it has heard", |world| world.results.len() == 4);
    client.close(stage.reactor.registry());
}

#[test]
fn a_database_that_speaks_version_one_alone_hangs_up_on_version_two_and_the_call_fails() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some((_stranger, server)) = ovsdb(directory.path()) else { return };
    let mut stage = Stage::new();
    let client = stage.client(patient(server, Framing::Bare));
    stage.call(&client, "list_dbs", &json!([]));
    stage.until("it has failed", |world| world.results.len() == 1);
    assert!(
        matches!(stage.world.results[0], Err(CallError::Lost { .. })),
        "{:?}",
        stage.world.results
    );
    client.close(stage.reactor.registry());
}
