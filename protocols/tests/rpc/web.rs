//! Calls on a web server's port: what HTTP has to say to them, and both roles on a WebSocket.

use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use protocols::http::server::{self, Site};
use protocols::rpc::{CallError, ClientOptions, Limits, Lost};
use reactor::{Address, Backoff, ListenOptions};
use serde_json::json;

use crate::stage::{Over, PATIENCE, Stage, Typist};

/// Sends a request, and reads the status and the head of what is answered.
#[track_caller]
fn asks(stage: &mut Stage, request: &str) -> (u16, String) {
    let address = stage.listen(Over::Http);
    let mut typist = Typist::connect_over(stage, &address, Over::Http);
    typist.types_raw(stage, request.as_bytes());
    typist.reads_head(stage)
}

const SUM: &str = r#"{"jsonrpc":"2.0","method":"sum","params":[1,2],"id":1}"#;

fn post(fields: &str, text: &str) -> String {
    format!(
        "POST /any HTTP/1.1\r\nHost: a.example\r\n{fields}Content-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

#[test]
fn what_is_no_call_by_post_is_told_so_in_the_words_of_http() {
    let mut stage = Stage::with_limits(Limits { message: 100, ..Limits::default() });
    for (request, status) in [
        (post("Content-Type: application/json\r\n", SUM), 200),
        (post("Content-Type: Application/JSON-RPC; charset=utf-8\r\n", SUM), 200),
        (post("content-type: application/jsonrequest\r\n", SUM), 200),
        // Who says nothing is believed; a page that says nothing has an origin.
        (post("", SUM), 200),
        (post("Origin: http://a.example\r\n", SUM), 200),
        (post("Origin: http://b.example\r\n", SUM), 403),
        (post("Content-Type: text/plain\r\n", SUM), 415),
        (post("Content-Type: application/x-www-form-urlencoded\r\n", SUM), 415),
        (post("Content-Encoding: gzip\r\n", SUM), 415),
        (post("", &" ".repeat(100)), 200),
        (post("", &" ".repeat(101)), 413),
        (post("", r#"{"jsonrpc":"2.0","method":"update","params":[1]}"#), 204),
        (post("", r#"[{"jsonrpc":"2.0","method":"update","params":[2]}]"#), 204),
        (
            post(
                "Content-Type: application/json-rpc\r\n",
                r#"{"jsonrpc":"2.0","method":"update"}"#,
            ),
            200,
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 405),
        ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(), 405),
        ("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 204),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                .to_owned(),
            426,
        ),
        (post("Connection: Upgrade\r\nUpgrade: h2c\r\n", SUM), 200),
    ] {
        let (got, head) = asks(&mut stage, &request);
        assert_eq!(got, status, "{request}\n{head}");
        assert!(status != 405 || head.contains("\r\nAllow: OPTIONS, POST\r\n"), "{head}");
    }
    for note in ["update [1]", "update [2]"] {
        assert!(stage.world.seen.iter().any(|line| line == note));
    }
}

#[test]
fn requests_that_come_at_once_are_answered_in_their_order_and_later_ones_when_they_are_ready() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Over::Http);
    for text in [
        r#"{"jsonrpc":"2.0","method":"hold","id":1}"#,
        r#"[{"jsonrpc":"2.0","method":"hold","id":2},{"jsonrpc":"2.0","method":"sum","id":3}]"#,
        r#"{"jsonrpc":"2.0","method":"square","params":[12],"id":4}"#,
    ] {
        typist.types(&mut stage, text);
    }
    stage.until("the first waits", |world| world.held.len() == 1);
    let ticket = stage.world.held.remove(0);
    ticket
        .progress(stage.reactor.registry(), &50)
        .expect("nobody can be told, and that is no fault");
    ticket.answer(stage.reactor.registry(), Ok(11)).expect("he waits");
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":11,"id":1}"#);
    stage.until("the second waits", |world| world.held.len() == 1);
    stage.world.held[0].answer(stage.reactor.registry(), Ok(12)).expect("he waits");
    let both = r#"[{"jsonrpc":"2.0","result":12,"id":2},{"jsonrpc":"2.0","result":0,"id":3}]"#;
    typist.gets(&mut stage, both);
    typist.gets(&mut stage, r#"{"jsonrpc":"2.0","result":144,"id":4}"#);
}

#[test]
fn nobody_can_be_called_back_or_subscribe_by_post() {
    let mut stage = Stage::new();
    let mut typist = stage.typist(Over::Http);
    for (method, code) in [("listen", -32007), ("ask_back", -32603)] {
        typist.types(&mut stage, format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#));
        assert_eq!(typist.reads(&mut stage)["error"]["code"], code);
    }
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"leave","id":1}"#);
    assert_eq!(typist.reads(&mut stage)["result"], false);
}

#[test]
fn a_call_whose_client_is_gone_is_void_and_makes_room() {
    // Somebody who presses Ctrl-C, or whose patience is over, closes: a reset is rare.
    for goes in [Typist::resets, drop::<Typist>] {
        let mut stage = Stage::with_limits(Limits { calls_in_all: 1, ..Limits::default() });
        let address = stage.listen(Over::Http);
        let mut one = Typist::connect_over(&mut stage, &address, Over::Http);
        one.types(&mut stage, r#"{"jsonrpc":"2.0","method":"hold","id":1}"#);
        stage.until("it waits", |world| world.held.len() == 1);
        goes(one);
        stage.until("it is void", |world| world.held[0].is_void());
        assert_eq!(stage.service.counters().waiting, 0);
        let late = stage.world.held[0].answer(stage.reactor.registry(), Ok(0));
        assert!(late.is_err(), "he is gone");
    }
}

#[test]
fn an_answer_that_takes_too_long_is_an_error_by_post_too() {
    let answer = Duration::from_millis(20);
    let mut stage = Stage::with_limits(Limits { answer, ..Limits::default() });
    let mut typist = stage.typist(Over::Http);
    typist.types(&mut stage, r#"{"jsonrpc":"2.0","method":"hold","id":1}"#);
    assert_eq!(typist.reads(&mut stage)["error"]["code"], -32006);
    assert!(stage.world.held[0].is_void());
}

#[test]
fn on_a_websocket_the_server_calls_back_and_tells_what_was_subscribed_to() {
    let mut stage = Stage::new();
    let server = stage.listen(Over::WebSocket);
    let client = stage.client(Over::WebSocket.options(server));
    // What is said before the handshake is made waits for it.
    client.remote().notify(stage.reactor.registry(), "update", &[7]).expect("it is being made");
    stage.until_seen("update [7]");
    for method in ["listen", "ask_back"] {
        stage.call(&client, method, &json!([]));
    }
    // The client has no method "name", since it shares the service of the server.
    stage.until("all are answered", |world| world.results.len() == 3);
    let refused = stage.world.results.iter().filter(|it| matches!(it, Err(CallError::Refused(_))));
    assert_eq!(refused.count(), 1);
    assert_eq!(stage.world.news.len(), 1);
    let told = stage.world.news.publish(stage.reactor.registry(), &["hear"]).expect("it is JSON");
    assert_eq!(told, 1);
    stage.until_seen("news failed: Method not found");
    let connection = client.remote().connection().expect("it is open");
    client.close(stage.reactor.registry());
    stage.until("it has said goodbye", |world| {
        world.seen.iter().filter(|line| line.starts_with("closed: closed by ")).count() == 2
    });
    assert!(stage.reactor.registry().resume(connection).is_err());
}

#[test]
fn a_caller_by_post_keeps_its_connection_and_says_what_the_server_says_that_is_no_answer() {
    let mut stage =
        Stage::with_limits(Limits { message: 2_000, reply: 4_000, ..Limits::default() });
    let server = stage.listen(Over::Http);
    let client = stage.client(Over::Http.options(server));
    for _ in 0..5 {
        stage.world.results.clear();
        stage.call(&client, "sum", &json!([1, 2]));
        stage.until("it is answered", |world| world.results == [Ok(json!(3))]);
    }
    assert_eq!(stage.reactor.stats().connections, 2, "one, with two ends");
    // Longer than a message may be.
    stage.world.results.clear();
    stage.call(&client, "long", &json!([3_000]));
    stage.until("it has failed", |world| world.results.len() == 1);
    let Err(CallError::Lost { why, sent: true }) = &stage.world.results[0] else {
        panic!("{:?}", stage.world.results);
    };
    assert!(why.contains("longer than 2000"), "{why}");
    client.close(stage.reactor.registry());
}

/// A web server that has something to say to every post.
fn listen_with(stage: &mut Stage, status: StatusCode, text: &'static str) -> Address {
    let site = Site::new(move |_, exchange, _| exchange.answer(status).text(text));
    let (registry, any) = (stage.reactor.registry(), "127.0.0.1:0".parse().expect("an address"));
    let options = ListenOptions::default();
    let listener = server::listen(registry, any, &options, &Rc::new(site)).expect("free");
    registry.listener_address(listener).expect("it listens")
}

#[test]
fn what_is_said_to_a_post_counts_whatever_its_status_and_a_page_says_nothing_of_the_call() {
    let answer = r#"{"jsonrpc":"2.0","error":{"code":1,"message":"no"},"id":null}"#;
    let stray = r#"{"jsonrpc":"2.0","result":1,"id":77}"#;
    for (status, text) in
        [(400, answer), (500, answer), (404, "<p>Nothing"), (200, ""), (200, stray)]
    {
        let mut stage = Stage::new();
        let server = listen_with(&mut stage, StatusCode::from_u16(status).expect("one"), text);
        let client = stage.client(Over::Http.options(server));
        stage.call(&client, "sum", &json!([]));
        stage.until("it has failed", |world| world.results.len() == 1);
        match &stage.world.results[0] {
            Err(CallError::Refused(error)) => assert_eq!((error.code, text), (1, answer)),
            Err(CallError::Lost { why, sent: true }) if text != answer => {
                assert!(why.contains(&status.to_string()), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(stage.service.counters().strays, u64::from(text == stray));
        client.close(stage.reactor.registry());
    }
}

#[test]
fn a_post_whose_connection_is_lost_fails_or_is_sent_again_as_the_program_likes() {
    for (lost, again) in [(Lost::Fail, false), (Lost::SendAgain, true)] {
        let mut stage = Stage::new();
        let server = stage.listen(Over::Http);
        let backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(20));
        let options =
            ClientOptions { reconnect: Some(backoff), lost, ..Over::Http.options(server) };
        let client = stage.client(options);
        stage.call_for(&client, "hold", &json!([]), PATIENCE).expect("it is sent");
        stage.until("it waits", |world| world.held.len() == 1);
        let holder = stage.world.holders[0];
        stage.reactor.registry().abort(holder).expect("it is there");
        if again {
            stage.until("it comes again", |world| world.held.len() == 2);
            stage.world.held[1].answer(stage.reactor.registry(), Ok(7)).expect("he waits");
            stage.until("it is answered", |world| world.results == [Ok(json!(7))]);
        } else {
            stage.until("it has failed", |world| world.results.len() == 1);
            assert!(matches!(stage.world.results[0], Err(CallError::Lost { sent: true, .. })));
        }
        client.close(stage.reactor.registry());
    }
}
