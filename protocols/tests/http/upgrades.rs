//! A connection becomes another protocol's, with what was read behind the request.

use http::StatusCode;
use protocols::http::server::{Settings, Site};
use reactor::{Input, Protocol, Transport};

use crate::stage::{Stage, statuses};

/// Sends everything back in capitals.
struct Shout;

impl Protocol<()> for Shout {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        transport.write(b"READY ");
    }

    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        transport.write(&input.take_all().to_ascii_uppercase());
    }
}

fn site() -> Site<()> {
    let settings = Settings { connect: true, ..Settings::default() };
    Site::new(|request, exchange, app| match (request.method(), request.upgrade()) {
        ("CONNECT", _) => exchange.tunnel(Shout).expect("it is allowed"),
        ("POST", Some(_)) => {
            exchange.gather(10, app, |exchange, (), _| {
                exchange.upgrade("shout", &[], Shout).expect("the body has been read");
            });
        }
        (_, Some(b"shout")) if request.path() == "/later" => {
            let done =
                |exchange: &mut protocols::http::server::Exchange<'_, '_, ()>, _: &mut (), _| {
                    exchange.upgrade("shout", &[], Shout).expect("it is owed");
                };
            exchange.offload(|| (), done);
        }
        (_, Some(b"shout")) => {
            exchange.upgrade("shout", &[("X-Volume", b"11")], Shout).expect("it is owed");
        }
        _ => exchange.answer(StatusCode::OK).text("quiet"),
    })
    .with_settings(settings)
}

#[test]
fn the_successor_gets_what_was_read_behind_the_request() {
    let stage = Stage::serve(site);
    for path in ["/now", "/later"] {
        let mut peer = stage.hears("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        peer.say(format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: shout\r\n\r\nhello"
        ));
        assert!(peer.hear("quiet").starts_with("HTTP/1.1 200 OK\r\n"));
        let head = peer.hear("\r\n\r\n");
        assert!(head.starts_with(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n"
        ));
        assert_eq!(peer.hear("HELLO"), "READY HELLO");
        assert_eq!(peer.say(" again").hear("AGAIN"), " AGAIN");
    }
}

#[test]
fn a_body_is_read_before_the_protocol_changes() {
    let stage = Stage::serve(site);
    let mut peer = stage.connect();
    let fields = "Host: h\r\nConnection: Upgrade\r\nUpgrade: shout\r\nContent-Length: 3\r\n";
    peer.say(format!("POST / HTTP/1.1\r\n{fields}\r\nabchello"));
    assert_eq!(statuses(&peer.hear("\r\n\r\n")), [101]);
    assert_eq!(peer.hear("HELLO"), "READY HELLO");
}

#[test]
fn a_tunnel_is_opened_where_it_is_allowed() {
    let stage = Stage::serve(site);
    let mut peer =
        stage.hears("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\nhello");
    assert_eq!(peer.hear("\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(peer.hear("HELLO"), "READY HELLO");
}

#[test]
fn who_does_not_ask_as_one_has_to_is_answered_as_always() {
    let stage = Stage::serve(site);
    let ask = |version: &str, fields: &str| {
        stage.ask(format!("GET / {version}\r\nHost: h\r\n{fields}\r\n"))
    };
    assert_eq!(statuses(&ask("HTTP/1.1", "Upgrade: shout\r\n")), [200]);
    assert_eq!(statuses(&ask("HTTP/1.0", "Upgrade: shout\r\nConnection: upgrade\r\n")), [200]);
}

#[test]
fn who_expects_to_be_told_to_go_on_is_told_before_the_protocol_changes() {
    let stage = Stage::serve(site);
    let mut peer = stage.connect();
    let fields = "Host: h\r\nConnection: Upgrade\r\nUpgrade: shout\r\nExpect: 100-continue\r\n\r\n";
    peer.say(format!("GET / HTTP/1.1\r\n{fields}"));
    assert_eq!(statuses(&peer.hear("READY ")), [100, 101]);
    // Nothing is waited for where there is no body, and nothing changes.
    let answer = stage.ask("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(statuses(&answer), [200]);
}
