//! A room for browsers: a page, and a WebSocket behind it on which everybody hears everybody.
//!
//! ```console
//! $ cargo run --bin web-room
//! http://127.0.0.1:8080/
//! ```
//!
//! Open that in two windows, or say `web socket ws://127.0.0.1:8080/room`. It is the program of the chapter on
//! WebSockets, docs/websocket.md, which has every line of it.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use protocols::http::server::{self, Router, Site};
use protocols::websocket::{self, Closed, Endpoint, Frame, Handler, Message, Socket};
use reactor::{ConnectionId, ListenOptions, Reactor, Registry};

/// What is said is text, and put on the page as text: nobody can write a page into somebody else's.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>A room</title>
<form><input placeholder="Say something" autofocus></form>
<pre></pre>
<script>
  const [form, input, lines] = ["form", "input", "pre"].map(it => document.querySelector(it));
  const room = new WebSocket(location.origin.replace("http", "ws") + "/room");
  room.onmessage = message => lines.append(message.data + "\n");
  room.onclose = () => lines.append("The room is closed.\n");
  form.onsubmit = event => {
    event.preventDefault();
    room.send(input.value);
    input.value = "";
  };
</script>
"#;

/// Who is there: what all of them share.
#[derive(Default)]
struct Room {
    guests: BTreeSet<ConnectionId>,
}

impl Room {
    /// Tells everybody, with one frame for all. Who does not read is ended when too much waits for him.
    fn tell(&self, text: &str, registry: &mut Registry<Self>) {
        registry.broadcast(self.guests.iter().copied(), Frame::text(text).into());
    }
}

/// One WebSocket.
struct Guest;

impl Handler<Room> for Guest {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, Room>, room: &mut Room) {
        room.guests.insert(socket.id());
        room.tell(&format!("{} has come", socket.peer()), socket.registry());
    }

    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, Room>,
        message: Message<'_>,
        room: &mut Room,
    ) {
        if let Message::Text(text) = message {
            room.tell(&format!("{}: {text}", socket.peer()), socket.registry());
        }
    }

    fn on_close(&mut self, registry: &mut Registry<Room>, closed: &Closed, room: &mut Room) {
        room.guests.remove(&closed.id);
        room.tell(&format!("{} has left", closed.peer), registry);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080").parse()?;
    let mut router = Router::new();
    router.get("/", |_, exchange, _| {
        let answer = exchange.answer(StatusCode::OK);
        answer.field("Content-Type", "text/html; charset=utf-8").bytes(PAGE.as_bytes());
    });
    let endpoint = Endpoint::default();
    router.get("/room", move |request, exchange, _| {
        // A request that opens no WebSocket has been told why.
        let _ = websocket::upgrade(request, exchange, &endpoint, |_| Guest);
    });
    let site = Rc::new(Site::new(router.into_handler()));

    let mut reactor = Reactor::new()?;
    let registry = reactor.registry();
    let listener = server::listen(registry, address, &ListenOptions::default(), &site)?;
    println!("http://{}/", registry.listener_address(listener)?);
    registry.shutdown_on_signals(Duration::from_secs(3))?;
    reactor.run(&mut Room::default())?;
    Ok(())
}
