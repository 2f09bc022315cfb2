//! `web echo`: what suites, and people who debug clients, need.

use std::error::Error;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use examples::endpoint::HostPort;
use http::StatusCode;
use protocols::http::server::{Exchange, Receiver, Settings, Site, Source};
use protocols::http::wire::{Fields, Framing, Length, Request};
use protocols::websocket::{self, Message, Socket};
use reactor::StreamLimits;
use serde_json::json;

use crate::serve::{Here, Serving};

/// There is nothing to be kept but the site.
type App = Here<()>;

/// Bytes of a body that `/inspect` shows: it is held in memory.
const INSPECTED: u64 = 1024 * 1024;

/// Answer every request with 200 and its own body, until Ctrl-C
///
/// Any method, any path; a body comes back as it goes in. A WebSocket on any path, from any page, sends back
/// each message as it was, text or bytes, up to 64 MiB. /inspect answers with what was asked instead, as
/// JSON: method, target, version, fields and body.
#[derive(Args)]
pub(crate) struct Options {
    /// Listen here; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: Vec<HostPort>,

    #[command(flatten)]
    serving: Serving,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    options.serving.serve(&options.listen, &Settings::default(), |_| Ok((site(), ())))
}

fn site() -> Site<App> {
    let sockets = sockets();
    Site::new(move |request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>, app: &mut App| {
        if request.fields().lists("upgrade", "websocket") {
            // Whatever was wrong with it, the client has been told.
            let _ = websocket::upgrade(request, exchange, &sockets, |_| Mirror);
        } else {
            answer(request, exchange, app);
        }
    })
}

fn answer(request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>, app: &mut App) {
    if request.path() == "/inspect" {
        return inspect(request, exchange, app);
    }
    let length = match request.meaning().framing {
        Framing::Length(length) => Length::Exact(length),
        Framing::Chunked | Framing::UntilEnd => Length::Open,
    };
    let media = request.fields().get("content-type").unwrap_or(b"application/octet-stream");
    let echo = Echo { length, media: media.to_vec() };
    exchange.receive(u64::MAX, app, echo);
}

/// The longest message.
const MESSAGE: usize = 64 * 1024 * 1024;

fn sockets() -> websocket::Endpoint {
    // Suites have a message of 4 MiB in fragments of 64 bytes, and some of one.
    let limits = websocket::Limits { fragments: 1024 * 1024, ..websocket::Limits::default() };
    websocket::Endpoint::new(websocket::Options {
        origins: websocket::Origins::Any,
        limits: limits.with_messages_of(MESSAGE),
        ..websocket::Options::default()
    })
}

/// Sends each message back.
struct Mirror;

impl websocket::Handler<App> for Mirror {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, App>, _: &mut App) {
        // Room for the longest message behind what holds back the next.
        let limits = socket.limits().clone();
        let outbox = limits.outbox_high + MESSAGE + MESSAGE / 8;
        socket.set_limits(StreamLimits { outbox, ..limits });
    }

    fn on_message(&mut self, socket: &mut Socket<'_, '_, App>, message: Message<'_>, _: &mut App) {
        socket.send(message);
    }
}

/// Sends a body back as it comes. What the client does not take holds back what it sends.
struct Echo {
    length: Length,
    media: Vec<u8>,
}

impl Receiver<App> for Echo {
    fn on_body(&mut self, exchange: &mut Exchange<'_, '_, App>, bytes: &[u8], _: &mut App) {
        self.begin(exchange);
        exchange.write(bytes);
        if !exchange.has_room() {
            exchange.hold();
        }
    }

    fn on_end(self: Box<Self>, exchange: &mut Exchange<'_, '_, App>, _: Fields<'_>, _: &mut App) {
        self.begin(exchange);
        exchange.finish();
    }
}

impl Echo {
    fn begin(&self, exchange: &mut Exchange<'_, '_, App>) {
        if exchange.is_owed() {
            let answer = exchange.answer(StatusCode::OK).field("Content-Type", &self.media);
            answer.stream(self.length, GoOn);
        }
    }
}

/// There is room: more may come in.
struct GoOn;

impl Source<App> for GoOn {
    fn on_room(&mut self, exchange: &mut Exchange<'_, '_, App>, _: &mut App) {
        exchange.resume();
    }
}

fn inspect(request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>, app: &mut App) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<_> =
        request.fields().iter().map(|(name, value)| json!([name, text(value)])).collect();
    let mut seen = json!({
        "method": request.method(),
        "target": request.target().as_str(),
        "version": format!("{:?}", request.version()),
        "peer": exchange.peer().to_string(),
        "fields": fields,
    });
    exchange.gather(INSPECTED, app, move |exchange, _, body| {
        match String::from_utf8(body) {
            Ok(text) => seen["body"] = text.into(),
            Err(error) => seen["body_base64"] = BASE64_STANDARD.encode(error.as_bytes()).into(),
        }
        exchange.answer(StatusCode::OK).json(format!("{seen:#}\n"));
    });
}
