//! A WebSocket on a web server's port.

use std::rc::Rc;

use http::StatusCode;
use protocols::http::server::{self, Router, Site};
use protocols::websocket::wire::Opcode;
use protocols::websocket::{self, Ending, Endpoint};
use reactor::ListenOptions;

use crate::stage::{
    Part, Said, Stage, World, masked_close, masked_text, plain, plain_close, request,
};

/// A web server with a page at `/page`, and a WebSocket at `/`.
fn web() -> Stage {
    let mut stage = Stage::new();
    let (endpoint, mut router) = (Endpoint::default(), Router::<World>::new());
    router.get("/page", |_, exchange, _| exchange.answer(StatusCode::OK).text("a page"));
    router.get("/", {
        let endpoint = endpoint.clone();
        move |request, exchange, _| {
            let _ = websocket::upgrade(request, exchange, &endpoint, |_| Part::Echo);
        }
    });
    let site = Rc::new(Site::new(router.into_handler()));
    let (any, options) = ("127.0.0.1:0".parse().expect("an address"), ListenOptions::default());
    let registry = stage.reactor.registry();
    let id = server::listen(registry, any, &options, &site).expect("free");
    stage.address = registry.listener_address(id).expect("it listens");
    stage.endpoint = endpoint;
    stage
}

#[test]
fn a_client_has_a_websocket_of_a_web_server() {
    let mut stage = web();
    let client = stage.client("/");
    let long = "a message ".repeat(1_000);
    stage.with_socket(client, {
        let long = long.clone();
        move |socket| socket.text(&long)
    });
    assert_eq!(stage.messages(client, 1), [Said::Text(long)]);
    let refused = stage.dial("/page");
    assert!(matches!(stage.ending(refused), Ending::NoHandshake(_)));
    stage.finish();
}

#[test]
fn frames_behind_the_request_and_requests_before_it_are_all_heard() {
    let mut stage = web();
    let page = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n".as_bytes();
    let frames = [masked_text("Hello"), masked_close(1_000)].concat();
    let peer = stage.raw(&[page, &request("/", ""), &frames].concat());
    stage.until("the end has come", |world| world.raw_ended.contains_key(&peer));
    let heard = String::from_utf8_lossy(&stage.world.raw[&peer]).into_owned();
    let (page, socket) = heard.split_once("a pageHTTP/1.1 101 ").expect("a page and then 101");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(
        socket.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{socket}"
    );
    let frames = [plain(Opcode::Text, b"Hello"), plain_close(1_000, "")].concat();
    assert!(stage.world.raw[&peer].ends_with(&frames));
}

#[test]
fn a_request_that_opens_none_is_answered_and_the_connection_goes_on() {
    let mut stage = web();
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_bytes();
    let peer = stage.raw(&[get, &request("/", "Origin: http://evil.example\r\n"), get].concat());
    stage.until("three answers have come", |world| {
        world.raw[&peer].windows(9).filter(|it| it == b"HTTP/1.1 ").count() == 3
    });
    stage.until("all of it has come", |world| world.raw[&peer].ends_with(b"server\n"));
    let heard = String::from_utf8_lossy(&stage.world.raw[&peer]).into_owned();
    let statuses: Vec<_> = heard.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect();
    assert_eq!(statuses, ["426", "403", "426"], "{heard}");
    assert!(heard.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{heard}");
    assert!(heard.contains("\r\nConnection: Upgrade\r\n"), "{heard}");
    assert_eq!(stage.endpoint.counters().refused, 3);
}
