//! A page for browsers: the chat's `#lobby`, and files. Plain HTML, CSS and JavaScript, as they are in this folder.

use std::borrow::Cow;

use http::StatusCode;
use protocols::chat;
use protocols::http::server::{Exchange, Router};
use protocols::http::wire::{Conditions, ETag, Request, Validators, Verdict};
use protocols::websocket::{Endpoint, Origins};

/// The channel that the page shows.
pub const LOBBY: &str = "#lobby";

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page may do: what is beside it, and nothing of anybody else's. Nothing is inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A chat server with somewhere to go: the channel that the page shows.
#[must_use]
pub fn lobby(network: &str, topic: &str) -> chat::Settings {
    let lobby = chat::PermanentChannel { name: LOBBY.to_owned(), topic: topic.to_owned() };
    chat::Settings {
        network: network.to_owned(),
        channels: vec![lobby],
        ..chat::Settings::default()
    }
}

/// Adds the page at `place`, a path that begins and ends with a slash, with its style, its script, and the
/// chat as a WebSocket, `irc`. `files` is where the files are, as seen from there.
pub fn add<App: AsMut<chat::Server> + 'static>(router: &mut Router<App>, place: &str, files: &str) {
    let page = PAGE.replace("{{files}}", files);
    let parts = [
        ("", "text/html; charset=utf-8", page.into()),
        ("page.css", "text/css; charset=utf-8", STYLE.into()),
        ("page.js", "text/javascript; charset=utf-8", SCRIPT.into()),
    ];
    for (name, media, body) in parts {
        let part = Part::new(media, body);
        router.get(&format!("{place}{name}"), move |request, exchange, _| {
            part.send(request, exchange);
        });
    }
    let endpoint: Endpoint = chat::endpoint(Origins::SameHost);
    router.get(&format!("{place}irc"), move |request, exchange, _| {
        // Whatever was wrong, the client has been told.
        let _ = chat::upgrade(request, exchange, &endpoint);
    });
}

/// The page, or what it is made of.
struct Part {
    media: &'static str,
    body: Cow<'static, str>,
    tag: ETag,
}

impl Part {
    fn new(media: &'static str, body: Cow<'static, str>) -> Self {
        let tag = ETag::of_bytes(body.as_bytes());
        Self { media, body, tag }
    }

    fn send<App: 'static>(&self, request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>) {
        let (tag, is_date_strong) = (Some(self.tag.clone()), false);
        let has = Validators { tag, modified: None, is_date_strong };
        let status = match Conditions::of(request).judge(&has) {
            Verdict::Proceed { .. } => StatusCode::OK,
            Verdict::NotModified => StatusCode::NOT_MODIFIED,
            Verdict::Failed => StatusCode::PRECONDITION_FAILED,
        };
        let answer = exchange.answer(status).field("ETag", self.tag.as_str());
        // It changes with the program.
        let answer = answer.field("Cache-Control", "no-cache");
        let answer = answer.field("Content-Security-Policy", POLICY);
        if status != StatusCode::OK {
            return answer.empty();
        }
        let answer = answer.field("Content-Type", self.media);
        answer.field("X-Content-Type-Options", "nosniff").bytes(self.body.as_bytes());
    }
}
