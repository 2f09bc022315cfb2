//! `web socket`: a WebSocket on a terminal, or in a pipe.

use std::error::Error;
use std::io::{self, Write};

use bytes::Bytes;
use clap::Args;
use examples::endpoint::{HostPort, websocket_url};
use examples::stdin::{Cut, PIECE, Reader, Stdin};
use examples::stop;
use examples::tls::Trust;
use protocols::http::client::Scheme;
use protocols::websocket::{
    self, CloseCode, Closed, Ending, Endpoint, Handler, Limits, Message, Session, Socket, Target,
};
use reactor::{ConnectOptions, ConnectionId, Reactor, Registry};

use crate::get::field;

/// The longest line that is one message, and the longest message that may come.
const LONGEST: usize = 16 * 1024 * 1024;

/// Open a WebSocket: a line of standard input is a message, and a message is a line of standard output
///
/// At the end of the input it says goodbye, and waits for the answers that are on their way. A line of more
/// than 16 MiB is several messages. Bytes that come are written as they are, without a line end.
///
/// With --echo the input is not read, and what comes is sent back as it came: what suites need that test clients.
///
/// It ends with 0 if both sides said goodbye with code 1000 or none, and else with 1 and a word about it on
/// standard error.
#[derive(Args)]
pub(crate) struct Options {
    /// ws://HOST:PORT/PATH, port 80 if none is given; or wss://, over TLS, and 443
    url: String,

    #[command(flatten)]
    trust: Trust,

    /// Send each line as bytes, and not as text
    #[arg(long, short)]
    binary: bool,

    /// Send back what comes, and print nothing
    #[arg(long, conflicts_with = "binary")]
    echo: bool,

    /// Offer this subprotocol; the first is the one that is liked best
    #[arg(long, short, value_name = "NAME", value_parser = subprotocol)]
    subprotocol: Vec<String>,

    /// Send this field with the handshake, such as "Authorization: Bearer TOKEN"
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = own_field)]
    header: Vec<(String, String)>,
}

/// A field beside those that the handshake has by itself: twice, they would be refused by every server.
fn own_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = field(text)?;
    let small = name.to_ascii_lowercase();
    if matches!(&*small, "upgrade" | "connection") || small.starts_with("sec-websocket-") {
        return Err(format!("{name} is what the handshake says"));
    }
    Ok((name, value))
}

/// A token, as the name of a field is (RFC 6455, 4.1).
fn subprotocol(text: &str) -> Result<String, String> {
    let is_token = http::HeaderName::try_from(text).is_ok();
    is_token.then(|| text.to_owned()).ok_or_else(|| "a subprotocol is one word".to_owned())
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let url = websocket_url(&options.url).map_err(|error| format!("{}: {error}", options.url))?;
    let place: HostPort = url.host_and_port().parse()?;
    let address = place.address()?;
    let mut reactor = Reactor::<Talk>::new()?;
    let endpoint = Endpoint::new(websocket::Options {
        subprotocols: options.subprotocol.clone(),
        limits: Limits::default().with_messages_of(LONGEST),
        ..websocket::Options::default()
    });
    let mut target = Target::new(url.authority(), url.target());
    for (name, value) in &options.header {
        target = target.with_field(name, value);
    }
    let mut connect = ConnectOptions::default();
    if url.scheme() == Scheme::Https {
        connect.tls = Some(options.trust.load(None, &["http/1.1"])?);
    } else if options.trust.is_given() {
        return Err(format!("{}: TLS is spoken with wss://", options.url).into());
    }
    connect.limits.outbox = 2 * LONGEST;
    let stdin = Stdin::start(reactor.handle(), Cut::WholeLines(LONGEST as u64))?;
    let registry = reactor.registry();
    let id = websocket::connect(registry, address, &connect, &endpoint, &target, Line)?;
    stop::on_request(registry)?;
    let mut talk = Talk {
        stdin,
        id,
        speech: match (options.echo, options.binary) {
            (true, _) => Speech::Echo,
            (false, true) => Speech::Bytes,
            (false, false) => Speech::Text,
        },
        lines: 0,
        heard: Vec::new(),
        outcome: Ok(()),
    };
    reactor.run(&mut talk)?;
    talk.outcome.map_err(|error| match error.downcast::<Ending>() {
        Ok(ending) => format!("{}: {ending}", options.url).into(),
        Err(error) => error,
    })
}

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// The lines of the input, as text.
    Text,
    /// The lines of the input, as bytes.
    Bytes,
    /// What comes.
    Echo,
}

/// The program's state.
struct Talk {
    stdin: Stdin,
    id: ConnectionId,
    speech: Speech,
    /// How many lines of the input have come.
    lines: u64,
    /// What has come, and is to be printed at the end of the turn.
    heard: Vec<u8>,
    outcome: Result<(), Box<dyn Error>>,
}

impl Talk {
    fn ask(&mut self) {
        if self.speech != Speech::Echo {
            self.stdin.ask();
        }
    }

    /// Waiting for a slow reader is right here: nothing else is in this loop, and while it waits the server
    /// has to.
    fn print(&mut self, registry: &mut Registry<Self>) {
        if self.heard.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let printed = stdout.write_all(&self.heard).and_then(|()| stdout.flush());
        self.heard.clear();
        if let Err(error) = printed {
            // Whoever read it has had enough.
            self.outcome = Err(error.into());
            // It may have ended meanwhile.
            let _ = Session::<Line>::close(registry, self.id, CloseCode::GOING_AWAY, "");
        }
    }
}

/// The WebSocket's side of it.
struct Line;

impl Handler<Talk> for Line {
    fn on_open(&mut self, _: &mut Socket<'_, '_, Talk>, talk: &mut Talk) {
        talk.ask();
    }

    /// Prints it, with those that came along with it.
    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, Talk>,
        message: Message<'_>,
        talk: &mut Talk,
    ) {
        if talk.speech == Speech::Echo {
            return socket.send(message);
        }
        if talk.heard.is_empty() {
            socket.registry().defer(|registry, talk: &mut Talk| talk.print(registry));
        }
        match message {
            Message::Text(text) => {
                talk.heard.extend_from_slice(text.as_bytes());
                talk.heard.push(b'\n');
            }
            Message::Binary(bytes) => talk.heard.extend_from_slice(bytes),
        }
        // What is compressed can be much more than a turn reads.
        if talk.heard.len() >= PIECE {
            talk.print(socket.registry());
        }
    }

    fn on_drain(&mut self, _: &mut Socket<'_, '_, Talk>, talk: &mut Talk) {
        talk.ask();
    }

    fn on_close(&mut self, registry: &mut Registry<Talk>, closed: &Closed, talk: &mut Talk) {
        let Closed { ending, .. } = closed;
        talk.print(registry);
        let well = [CloseCode::NORMAL, CloseCode::NONE];
        // What was said goodbye to at Ctrl-C has ended as it was asked to.
        let asked = matches!(ending, Ending::Closed { by_us: true, .. });
        let is_well = matches!(ending, Ending::Closed { code, .. } if well.contains(code));
        if talk.outcome.is_ok() && !asked && !is_well {
            talk.outcome = Err(ending.clone().into());
        }
        registry.shutdown(stop::GRACE);
    }
}

impl Reader for Talk {
    fn handle_piece(&mut self, registry: &mut Registry<Self>, piece: Bytes) {
        self.stdin.answered();
        let sent = Session::<Line>::with(registry, self.id, move |_, socket, talk| {
            send(socket, talk, &piece);
        });
        if sent.is_err() {
            registry.shutdown(stop::GRACE);
        }
    }

    fn handle_end(&mut self, registry: &mut Registry<Self>, result: io::Result<()>) {
        if let Err(error) = result {
            self.outcome = Err(error.into());
        }
        // If it has ended, that has been told.
        let _ = Session::<Line>::with(registry, self.id, |_, socket, _| {
            socket.end(CloseCode::NORMAL, "");
        });
    }
}

/// Sends a piece of the input, a line a message, and asks for the next one when there is room.
fn send(socket: &mut Socket<'_, '_, Talk>, talk: &mut Talk, piece: &[u8]) {
    for line in piece.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        talk.lines += 1;
        match std::str::from_utf8(line) {
            _ if talk.speech == Speech::Bytes => socket.binary(line),
            Ok(text) => socket.text(text),
            // Another text in its place would be one that nobody wrote.
            Err(_) => {
                let line = talk.lines;
                let why =
                    format!("line {line} of the input is not UTF-8; --binary sends it as it is");
                talk.outcome = Err(why.into());
                return socket.close(CloseCode::GOING_AWAY, "");
            }
        }
    }
    if socket.queued_bytes() <= socket.limits().outbox_high {
        talk.stdin.ask();
    }
}
