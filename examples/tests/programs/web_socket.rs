//! `web socket` and `web echo`, run as a person runs them.

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support::{Program, WEB, connect, noise, read_head, run};
use protocols::websocket::{self, CloseCode, Closed, Endpoint, Handler, Message, Socket};
use reactor::{ListenOptions, Reactor, Registry};

const ROOM: &str = env!("CARGO_BIN_EXE_web-room");

/// `web echo`, and where a WebSocket is there.
fn echo() -> (Program, String) {
    let server = Program::start(WEB, &["echo", "--listen", "127.0.0.1:0"]);
    let url = server.line().replace("http://", "ws://");
    (server, url)
}

#[test]
fn lines_come_back_and_the_last_before_the_goodbye() {
    let (server, url) = echo();
    let input = format!("Hello\ngrüß dich\r\n\n{}\nno end", "x".repeat(100_000));
    let ended = run(WEB, &["socket", &url], input.as_bytes());
    let expected = format!("{}\n", input.replace('\r', ""));
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(ended.output == expected.as_bytes());
    server.stop();
}

/// They are sent and printed many at a time.
#[test]
fn many_lines_keep_their_order() {
    let (server, url) = echo();
    let input: String = (0..100_000).map(|line| format!("{line}\n")).collect();
    let ended = run(WEB, &["socket", &url], input.as_bytes());
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(ended.output == input.as_bytes());
    server.stop();
}

/// The program of docs/websocket.md, with the client of this project for the page's.
#[test]
fn those_in_a_room_hear_each_other_and_who_leaves() {
    let room = Program::start(ROOM, &["127.0.0.1:0"]);
    let page = room.line();
    let shown = run(WEB, &["get", &page, "-o", "-"], b"");
    assert!(shown.text().contains("new WebSocket(location.origin"), "{shown:?}");
    let url = page.replace("http://", "ws://") + "room";
    let mut ann = Program::start(WEB, &["socket", &url]);
    assert!(ann.line().ends_with(" has come"));
    let bob = run(WEB, &["socket", &url], b"hello <b>ann</b>\n");
    let came = ann.line();
    let bob_is = came.strip_suffix(" has come").expect("bob comes");
    assert_eq!(bob.text(), format!("{came}\n{bob_is}: hello <b>ann</b>"));
    assert_eq!(ann.line(), format!("{bob_is}: hello <b>ann</b>"));
    assert_eq!(ann.line(), format!("{bob_is} has left"));
    drop(ann.stdin());
    assert_eq!(ann.ended().code, Some(0));
    room.interrupt();
    assert_eq!(room.ended().code, Some(0));
}

#[test]
fn the_chapter_has_every_line_of_the_room() {
    let program = include_str!("../../src/bin/web-room.rs");
    let (_, program) = program.split_once("\nuse std").expect("it uses something");
    assert!(
        include_str!("../../../docs/websocket.md").contains(&format!("\nuse std{program}```\n"))
    );
}

#[test]
fn bytes_come_back_as_they_are() {
    let (server, url) = echo();
    let ended = run(WEB, &["socket", "--binary", &url], b"\xff\x00\nb");
    assert_eq!((ended.code, ended.output.as_slice()), (Some(0), &b"\xff\x00b"[..]), "{ended:?}");
    server.stop();
}

#[test]
fn an_echo_takes_64_mib_and_not_a_byte_more() {
    const MOST: usize = 64 * 1024 * 1024;
    let (server, url) = echo();
    let mut peer = connect(url.trim_start_matches("ws://").trim_end_matches('/'));
    let head = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    peer.write_all(head.as_bytes()).expect("it reads");
    assert!(read_head(&mut peer).starts_with("HTTP/1.1 101 "));
    // The head of a frame of bytes; a mask of zeros changes nothing.
    let frame = |length: usize, is_masked| {
        let mask = if is_masked { [0; 4].as_slice() } else { &[] };
        let kind = [0x82, 127 | u8::from(is_masked) << 7];
        [&kind, &(length as u64).to_be_bytes()[..], mask].concat()
    };
    let message = noise(MOST);
    peer.write_all(&[&frame(MOST, true), &*message].concat()).expect("it reads");
    let mut answer = vec![0; frame(MOST, false).len() + MOST];
    peer.read_exact(&mut answer).expect("it comes back");
    assert!(answer == [&frame(MOST, false), &*message].concat());
    peer.write_all(&frame(MOST + 1, true)).expect("it reads");
    let mut goodbye = [0; 4];
    peer.read_exact(&mut goodbye).expect("it says why");
    assert_eq!((goodbye[0], u16::from_be_bytes([goodbye[2], goodbye[3]])), (0x88, 1009));
    drop(peer);
    server.stop();
}

#[test]
fn a_line_that_is_no_utf_8_is_not_sent_as_another() {
    let (server, url) = echo();
    let ended = run(WEB, &["socket", &url], b"fine\n\xff\n");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("line 2 of the input is not UTF-8"), "{ended:?}");
    assert!(!ended.text().contains('\u{fffd}'), "{ended:?}");
    server.stop();
}

#[test]
fn a_server_that_stops_says_that_it_goes_away() {
    let (server, url) = echo();
    let mut client = Program::start(WEB, &["socket", &url]);
    let mut stdin = client.stdin();
    stdin.write_all(b"there?\n").expect("it reads");
    assert_eq!(client.line(), "there?");
    server.interrupt();
    assert_eq!(client.error_line(), format!("web: {url}: closed by the peer with code 1001"));
    drop(stdin);
}

#[test]
fn what_is_no_websocket_is_told() {
    for (url, why) in [
        ("http://127.0.0.1/".to_owned(), "expected ws://HOST[:PORT]/PATH"),
        ("wss://127.0.0.1:1/".to_owned(), "could not connect"),
        (
            "ws://127.0.0.1:1/".to_owned(),
            "web: ws://127.0.0.1:1/: could not connect: Connection refused",
        ),
        ("ws:///page".to_owned(), "no host"),
    ] {
        let ended = run(WEB, &["socket", &url], b"");
        assert_eq!((ended.code, ended.output.len()), (Some(1), 0), "{ended:?}");
        assert!(ended.errors.contains(why), "{ended:?}");
    }
}

/// Asks as a suite does: says a text and some bytes, and goodbye when both have come back.
struct Asks;

/// What has come back: whether it is text, and what.
type Heard = Vec<(bool, Vec<u8>)>;

impl Handler<Heard> for Asks {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, Heard>, _: &mut Heard) {
        socket.text("grüß\ndich");
        socket.binary(b"\xff\0");
    }

    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, Heard>,
        message: Message<'_>,
        heard: &mut Heard,
    ) {
        heard.push((matches!(message, Message::Text(_)), message.as_bytes().to_vec()));
        if heard.len() == 2 {
            socket.close(CloseCode::NORMAL, "");
        }
    }

    fn on_close(&mut self, registry: &mut Registry<Heard>, _: &Closed, _: &mut Heard) {
        registry.shutdown(Duration::ZERO);
    }
}

#[test]
fn an_echo_sends_back_what_comes_and_prints_nothing() {
    let (tell, told) = channel();
    let suite = std::thread::spawn(move || {
        let mut reactor = Reactor::new().expect("there are descriptors");
        let (any, options) = ("127.0.0.1:0".parse().expect("an address"), ListenOptions::default());
        let registry = reactor.registry();
        let endpoint = Endpoint::default();
        let id = websocket::listen(registry, any, &options, &endpoint, |_, _, _| Ok(Asks));
        let address = registry.listener_address(id.expect("port 0 is free")).expect("it listens");
        tell.send(address.to_string()).expect("the test waits");
        let mut heard = Vec::new();
        reactor.run(&mut heard).expect("waiting works");
        heard
    });
    let url = format!("ws://{}/", told.recv().expect("it listens"));
    let ended = run(WEB, &["socket", "--echo", &url], b"what is not read\n");
    assert_eq!((ended.code, ended.output.len(), &*ended.errors), (Some(0), 0, ""));
    let heard = suite.join().expect("it ends");
    assert_eq!(heard, [(true, "grüß\ndich".into()), (false, b"\xff\0".to_vec())]);
}
