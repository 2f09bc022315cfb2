//! Chat over WebSocket (IRCv3 WebSocket): the cases that irctest has, and what is between two kinds of
//! connection. The browsers are tungstenite's.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use protocols::chat;
use protocols::websocket::Origins;
use reactor::ListenOptions;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, Message, WebSocket};

use crate::stage::{NAME, Stage, settings};

const PATIENCE: Duration = Duration::from_secs(20);
const PAGE: &str = "https://page.test";

/// A server that browsers reach as well, with pages from one origin.
struct Web {
    stage: Stage,
    address: SocketAddr,
}

struct Browser {
    stage: Stage,
    socket: WebSocket<TcpStream>,
    subprotocol: Option<String>,
}

impl Web {
    fn new() -> Self {
        let stage = Stage::with(settings());
        let limits = settings().limits.stream_limits();
        let options = ListenOptions { limits, ..ListenOptions::default() };
        let endpoint = chat::endpoint(Origins::Only(vec![PAGE.to_owned()]));
        let any = "127.0.0.1:0".parse().expect("an address");
        let address = stage.registry(|registry| {
            let id = chat::listen_websocket(registry, any, &options, &endpoint).expect("free");
            registry.listener_address(id).expect("it listens").socket_addr().expect("of IP")
        });
        Self { stage, address }
    }

    /// Opens a WebSocket; the status of an answer that opens none.
    fn opens(&self, subprotocols: &str, origin: &str) -> Result<Browser, u16> {
        let mut request = format!("ws://{}/", self.address).into_client_request().expect("a URL");
        let fields = request.headers_mut();
        if !subprotocols.is_empty() {
            fields.insert("Sec-WebSocket-Protocol", subprotocols.parse().expect("a value"));
        }
        fields.insert("Origin", origin.parse().expect("a value"));
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_nonblocking(true).expect("a socket");
        let deadline = Instant::now() + PATIENCE;
        let mut made = tungstenite::client(request, stream);
        loop {
            match made {
                Ok((socket, answer)) => {
                    let chosen = answer.headers().get("Sec-WebSocket-Protocol");
                    let subprotocol = chosen.map(|it| it.to_str().expect("a word").to_owned());
                    return Ok(Browser { stage: self.stage.clone(), socket, subprotocol });
                }
                Err(HandshakeError::Interrupted(on)) => {
                    assert!(Instant::now() < deadline, "the server does not answer");
                    self.stage.turn();
                    made = on.handshake();
                }
                Err(HandshakeError::Failure(Error::Http(answer))) => {
                    return Err(answer.status().as_u16());
                }
                // It does not take an answer without a subprotocol where it has offered some.
                Err(HandshakeError::Failure(Error::Protocol(_))) => return Err(101),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn enters(&self, nick: &str, subprotocols: &str) -> Browser {
        let mut browser = self.opens(subprotocols, PAGE).expect("a WebSocket");
        browser.says(&format!("NICK {nick}"));
        browser.says(&format!("USER {nick} 0 * :{nick}")).hears_at_last(" 422 ");
        browser
    }
}

impl Browser {
    /// A line; this browser again, for what is to be heard of it.
    fn says(&mut self, line: &str) -> &mut Self {
        self.sends(Message::text(line));
        self
    }

    fn sends(&mut self, message: Message) {
        self.socket.send(message).expect("it is taken");
    }

    /// The next message.
    fn hears(&mut self) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.socket.read() {
                Ok(Message::Ping(_)) => {}
                Ok(message) => return message,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "nothing comes");
                    self.stage.turn();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next message that is a line with this in it.
    fn hears_at_last(&mut self, words: &str) -> String {
        loop {
            let message = self.hears();
            let binary = self.subprotocol.as_deref() == Some("binary.ircv3.net");
            assert_eq!(message.is_binary(), binary, "of the kind that was agreed on: {message:?}");
            let line = message.into_text().expect("UTF-8").to_string();
            assert!(!line.contains(['\r', '\n']), "one line, and no end of it: {line:?}");
            if line.contains(words) {
                return line;
            }
        }
    }
}

#[test]
fn a_browser_speaks_the_first_subprotocol_that_it_likes() {
    let web = Web::new();
    let mut ann = web.stage.enters("ann");
    for (offered, chosen) in [
        ("binary.ircv3.net", Some("binary.ircv3.net")),
        ("text.ircv3.net", Some("text.ircv3.net")),
        ("binary.ircv3.net, text.ircv3.net", Some("binary.ircv3.net")),
        ("text.ircv3.net, binary.ircv3.net", Some("text.ircv3.net")),
        ("other.example", None),
        ("", None),
    ] {
        let Ok(mut browser) = web.opens(offered, PAGE) else {
            assert_eq!(offered, "other.example");
            continue;
        };
        assert_eq!(browser.subprotocol.as_deref(), chosen);
        browser.says("NICK web");
        browser.says("USER web 0 * :web").hears_at_last(" 422 ");
        browser.says("PRIVMSG ann :hello");
        ann.hears(":web!* PRIVMSG ann :hello");
        ann.says("PRIVMSG web :hi");
        let line = browser.hears_at_last("PRIVMSG");
        assert!(line.starts_with(":ann!") && line.ends_with(" PRIVMSG web :hi"), "{line}");
        browser.says("QUIT").hears_at_last("ERROR :Closing Link");
        assert!(matches!(browser.hears(), Message::Close(Some(_))), "a goodbye behind it");
    }
}

#[test]
fn both_kinds_of_connection_are_on_one_channel() {
    let web = Web::new();
    let mut ann = web.stage.enters("ann");
    ann.joins("#a");
    let (mut text, mut binary) = (web.enters("tex", ""), web.enters("bin", "binary.ircv3.net"));
    for browser in [&mut text, &mut binary] {
        browser.says("JOIN #a").hears_at_last(" 366 ");
    }
    ann.says("PRIVMSG #a :h\u{e9}");
    for browser in [&mut text, &mut binary] {
        assert!(browser.hears_at_last("PRIVMSG").ends_with(" PRIVMSG #a :h\u{e9}"));
    }
    text.sends(Message::binary(&b"PRIVMSG #a :of the other kind"[..]));
    ann.hears_at_last(":tex!* PRIVMSG #a :of the other kind");
    assert!(binary.hears_at_last("PRIVMSG").ends_with(":of the other kind"));
    // A tag makes another rendering, framed as well.
    binary.says("CAP REQ :server-time").hears_at_last("ACK");
    ann.says("PRIVMSG #a :again");
    assert!(binary.hears_at_last("again").starts_with("@time="));
    assert!(text.hears_at_last("again").starts_with(":ann!"));
    text.socket.close(None).expect("it says goodbye");
    ann.hears_at_last(":tex!* QUIT :Connection closed");
    assert!(matches!(text.hears(), Message::Close(_)));
}

#[test]
fn a_message_is_one_line_and_no_more() {
    let web = Web::new();
    let mut ann = web.stage.enters("ann");
    let mut browser = web.enters("web", "text.ircv3.net");
    browser.says("PRIVMSG ann :one\r\nPRIVMSG ann :two");
    browser.says("PRIVMSG ann :three\r\n");
    ann.hears(":web!* PRIVMSG ann :three");
    browser.hears_at_last(" 400 web ");
    // What is between messages is none, and answered.
    browser.sends(Message::Ping(bytes::Bytes::from_static(b"?")));
    assert!(matches!(browser.hears(), Message::Pong(_)));
}

#[test]
fn what_is_not_utf8_or_too_long_is_refused_as_on_a_stream() {
    let web = Web::new();
    let mut ann = web.stage.enters("ann");
    let mut browser = web.enters("web", "text.ircv3.net");
    browser.sends(Message::binary(&b"PRIVMSG ann :caf\xe9"[..]));
    browser.hears_at_last("FAIL PRIVMSG INVALID_UTF8");
    // The longest there may be, without a CR LF: it is passed on, cut.
    let prefix = "PRIVMSG ann :";
    browser.says(&format!("{prefix}{}", "x".repeat(510 - prefix.len())));
    ann.hears(":web!* PRIVMSG ann :xxx*");
    browser.says(&format!("{prefix}{}", "x".repeat(511 - prefix.len())));
    browser.hears_at_last(&format!(":{NAME} 417 web "));
    ann.says(&format!("PRIVMSG web :{}", "y".repeat(510 - "PRIVMSG web :".len())));
    assert_eq!(browser.hears_at_last("PRIVMSG").len(), 510);
    // Longer than any line with tags may be: the connection ends.
    browser.says(&"x".repeat(12_000));
    browser.hears_at_last(&format!(":{NAME} 417 web "));
    browser.hears_at_last("ERROR :Closing Link");
    assert!(matches!(browser.hears(), Message::Close(Some(_))));
    // And longer than is unpacked: the others hear of it.
    ann.joins("#a");
    let mut browser = web.enters("eve", "text.ircv3.net");
    browser.says("JOIN #a").hears_at_last(" 366 ");
    browser.says(&"x".repeat(20_000));
    ann.hears_at_last(":eve!* QUIT :*");
}

#[test]
fn pages_from_elsewhere_open_no_websocket() {
    let web = Web::new();
    assert_eq!(web.opens("text.ircv3.net", "https://evil.test").err(), Some(403));
    assert!(web.opens("text.ircv3.net", PAGE).is_ok());
}

#[test]
fn a_shutdown_says_goodbye_to_browsers() {
    let web = Web::new();
    let mut browser = web.enters("web", "text.ircv3.net");
    web.stage.shuts_down();
    browser.hears_at_last("ERROR :Closing Link");
    assert!(matches!(browser.hears(), Message::Close(Some(_))));
}
