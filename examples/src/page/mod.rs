//! A page for browsers: the chat's `#lobby`, and files. Plain HTML, CSS and JavaScript, as they are in this folder.

use http::StatusCode;
use protocols::chat;
use protocols::http::server::{Exchange, Router};
use protocols::websocket::{Endpoint, Origins};

/// The channel that the page shows.
pub const LOBBY: &str = "#lobby";

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page may do: what is beside it, and nothing of anybody else's. Nothing is inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the page at `place`, a path that begins and ends with a slash, with its style, its script, and the
/// chat as a WebSocket, `irc`. `files` is where the files are, as seen from there.
pub fn add<App: AsMut<chat::Server> + 'static>(router: &mut Router<App>, place: &str, files: &str) {
    let page = PAGE.replace("{{files}}", files);
    router.get(place, move |_, exchange, _| {
        send(exchange, "text/html; charset=utf-8", &page);
    });
    router.get(&format!("{place}page.css"), |_, exchange, _| {
        send(exchange, "text/css; charset=utf-8", STYLE);
    });
    router.get(&format!("{place}page.js"), |_, exchange, _| {
        send(exchange, "text/javascript; charset=utf-8", SCRIPT);
    });
    let endpoint: Endpoint = chat::endpoint(Origins::SameHost);
    router.get(&format!("{place}irc"), move |request, exchange, _| {
        // Whatever was wrong, the client has been told.
        let _ = chat::upgrade(request, exchange, &endpoint);
    });
}

fn send<App: 'static>(exchange: &mut Exchange<'_, '_, App>, media: &str, body: &str) {
    let answer = exchange.answer(StatusCode::OK).field("Content-Type", media);
    let answer = answer.field("Content-Security-Policy", POLICY);
    // It is small, and changes with the program.
    let answer = answer.field("Cache-Control", "no-cache");
    answer.field("X-Content-Type-Options", "nosniff").bytes(body.as_bytes());
}
