//! Another client, the one of npm: each asks the other, and both know what the other keeps.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;

use protocols::nats::kv::{Config, KvError};
use protocols::nats::{HeaderMap, Message};

use crate::kv::Store;
use crate::outside::{is_there, node};
use crate::stage::{PATIENCE, Process, Stage, World, options};

const SCRIPT: &str = r#"
const { connect, headers, StringCodec } = require('nats');
const text = StringCodec();
(async () => {
    const client = await connect({ servers: process.argv[1] });
    const say = (...words) => console.log(words.join(' '));
    const answer = await client.request('ours.double', text.encode('ab'), { timeout: 20000 });
    say('answered', text.decode(answer.data), answer.headers.get('One'));
    client.subscribe('theirs.*', { queue: 'q', callback: (error, message) => {
        const head = headers();
        head.append('Two', '2');
        message.respond(text.encode(text.decode(message.data).repeat(2)), { headers: head });
    } });
    const store = await client.jetstream().views.kv('shared', { history: 3 });
    say('found', text.decode((await store.get('ours')).value));
    await store.create('ours', text.encode('no')).then(
        () => say('created'), (error) => say('refused', error.api_error?.err_code));
    say('revision', await store.create('theirs', text.encode('hello')));
    const over = client.subscribe('over', { max: 1 });
    await client.flush();
    say('ready');
    for await (const message of over) say('over', text.decode(message.data));
    await client.drain();
})();
"#;

#[test]
fn the_client_of_npm_asks_and_answers_and_keeps_as_this_one_does() {
    let Some(server) = Store::start() else { return };
    if !is_there("Node with the package nats", &mut node("require('nats').StringCodec()")) {
        return;
    }
    let mut stage = Stage::new();
    let client = stage.connected(options(&[server.port]));
    let answering = client.clone();
    let subscribed =
        client.subscribe(stage.registry(), "ours.double", move |registry, _, message| {
            let payload = message.payload.repeat(2);
            let mut headers = HeaderMap::new();
            headers.append("One", "1").expect("it may be one");
            let reply = message.reply.expect("it is a request");
            let answer = Message::new(reply, &payload).with_headers(headers.view());
            answering.publish_message(registry, &answer).expect("it can be answered");
        });
    subscribed.expect("it can be");
    let store = stage.bucket(&client, "shared", &Config { history: 3, ..Config::default() });
    assert_eq!(stage.create(&store, "ours", "first"), Ok(1));
    let url = format!("127.0.0.1:{}", server.port);
    let mut child = node(SCRIPT);
    let child = child.arg(url).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Process(child.expect("it is installed"));
    let (sender, receiver) = channel();
    let output = BufReader::new(child.0.stdout.take().expect("a pipe"));
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    stage.until("it is ready", |world: &mut World| {
        world.seen.extend(receiver.try_iter());
        world.seen.iter().any(|line| line == "ready")
    });
    for line in ["answered abab 1", "found first", "refused 10071", "revision 2"] {
        assert_eq!(stage.count(line), 1, "{line}: {:?}", stage.world.seen);
    }
    let asked =
        client.request(stage.registry(), "theirs.double", b"xy", PATIENCE, |_, world, answer| {
            let answer = answer.expect("it is answered");
            let payload = String::from_utf8_lossy(answer.payload).into_owned();
            world.seen.push(format!("{payload} {:?}", answer.header("Two")));
        });
    asked.expect("it can be asked");
    stage.until_seen("xyxy Some(\"2\")");
    assert_eq!(stage.value(&store, "theirs"), Ok(Some("hello".to_owned())));
    assert_eq!(stage.create(&store, "theirs", "no"), Err(KvError::Exists));
    stage.publish(&client, "over", "bye");
    stage.until("it has ended", |world| {
        world.seen.extend(receiver.try_iter());
        matches!(child.0.try_wait(), Ok(Some(_)))
            && world.seen.iter().any(|line| line == "over bye")
    });
}
