//! `chat-server`: our chat server, for the measurements to start; it prints `listening on 127.0.0.1:PORT`.

use std::process::ExitCode;

use benches::chats;
use benches::servers::Place;

fn main() -> ExitCode {
    benches::child("chat-server", || chats::serve(Place::LOOPBACK))
}
