//! Other people's libraries, as our clients and as our servers: tungstenite, Python's `websockets` and Node's
//! `ws`. The last two have to be installed.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use protocols::websocket::{CloseCode, DeflateOptions, Ending, Options};
use reactor::{Address, ListenOptions};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode as TungsteniteCode;
use tungstenite::{Message, WebSocket};

use crate::outside::{Process, is_there};
use crate::stage::{Said, Stage};

// ── tungstenite ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn tungstenite_as_a_client() {
    let mut stage = Stage::new();
    let url = format!("ws://{}/", stage.address);
    let address = stage.address.to_string();
    let client = thread::spawn(move || {
        let stream = TcpStream::connect(address).expect("it listens");
        let (mut socket, _) = tungstenite::client(url, stream).expect("the handshake is made");
        for message in [Message::text("grüß dich"), Message::binary(vec![7; 300_000])] {
            socket.send(message.clone()).expect("it is sent");
            assert_eq!(socket.read().expect("an echo"), message);
        }
        socket.send(Message::Ping("there?".into())).expect("it is sent");
        assert_eq!(socket.read().expect("a pong"), Message::Pong("there?".into()));
        let goodbye = CloseFrame { code: TungsteniteCode::Library(4_001), reason: "done".into() };
        socket.close(Some(goodbye)).expect("it is sent");
        to_the_end(socket);
    });
    let guest = stage.guest();
    let code = CloseCode::new(4_001).expect("a code of ours");
    let expected = Ending::Closed { code, reason: "done".to_owned(), by_us: false };
    assert_eq!(stage.ending(guest), expected);
    finish(&mut stage, client);
}

#[test]
fn tungstenite_as_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens").to_string();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        let mut socket = tungstenite::accept(stream).expect("the handshake is made");
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).expect("it is sent");
            }
        }
    });
    let mut stage = Stage::new();
    talk(&mut stage, &address);
    finish(&mut stage, server);
}

fn to_the_end(mut socket: WebSocket<TcpStream>) {
    loop {
        match socket.read() {
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

// ── Python and Node ─────────────────────────────────────────────────────────────────────────────

#[test]
fn pythons_websockets_as_a_client() {
    each_context(|options| be_served_by_us(&PYTHON, "client.py", options));
}

#[test]
fn pythons_websockets_as_a_server() {
    each_context(|options| serve_us(&PYTHON, "server.py", options));
}

#[test]
fn nodes_ws_as_a_client() {
    each_context(|options| be_served_by_us(&NODE, "client.js", options));
}

#[test]
fn nodes_ws_as_a_server() {
    each_context(|options| serve_us(&NODE, "server.js", options));
}

/// A language with a library.
struct Library {
    interpreter: &'static str,
    /// Ends with 0 if the library is there.
    check: [&'static str; 2],
}

const PYTHON: Library = Library {
    interpreter: "python3",
    // Below 14 the names are others.
    check: ["-c", "import websockets; assert int(websockets.__version__.split('.')[0]) >= 14"],
};

const NODE: Library = Library {
    interpreter: "node",
    check: ["-e", "new (require('ws').WebSocketServer)({ noServer: true })"],
};

impl Library {
    fn start(&self, script: &str, arguments: &[&str]) -> Option<Process> {
        let name = format!("{} with the library for {script}", self.interpreter);
        if !is_there(&name, self.command().args(self.check)) {
            return None;
        }
        let path = format!("{}/tests/websocket/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        Some(Process::start(self.command().arg(path).args(arguments).stdout(Stdio::piped())))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.interpreter);
        // Node does not look by itself where npm puts what is installed for everybody.
        if std::env::var_os("NODE_PATH").is_none() {
            command.env("NODE_PATH", "/usr/local/lib/node_modules:/usr/lib/node_modules");
        }
        command
    }
}

fn output(script: &mut Process) -> BufReader<ChildStdout> {
    BufReader::new(script.0.stdout.take().expect("it is a pipe, taken once"))
}

fn each_context(test: impl Fn(Options)) {
    for context_takeover in [false, true] {
        let deflate = DeflateOptions { context_takeover, from: 0, ..DeflateOptions::default() };
        let subprotocols = vec!["chat".to_owned()];
        test(Options { deflate: Some(deflate), subprotocols, ..Options::default() });
    }
}

fn be_served_by_us(library: &Library, script: &str, options: Options) {
    let keeps = options.deflate.as_ref().is_some_and(|it| it.context_takeover);
    let mut stage = Stage::listening(options, &ListenOptions::default());
    let url = format!("ws://{}/", stage.address);
    let Some(mut script) = library.start(script, &[&url]) else { return };
    let mut output = output(&mut script);
    let client = thread::spawn(move || {
        let mut line = String::new();
        output.read_line(&mut line).expect("it prints text");
        assert!(script.0.wait().expect("it runs").success());
        line
    });
    let guest = stage.guest();
    let ending = stage.ending(guest);
    assert_eq!(ending.to_string(), "closed by the peer with code 4001 (done)");
    let line = finish(&mut stage, client);
    assert!(line.starts_with("chat permessage-deflate"), "{line}");
    assert_eq!(line.contains("no_context_takeover"), !keeps, "{line}");
}

fn serve_us(library: &Library, script: &str, options: Options) {
    let Some(mut script) = library.start(script, &[]) else { return };
    let mut port = String::new();
    output(&mut script).read_line(&mut port).expect("it prints text");
    let mut stage = Stage::with(Options { subprotocols: Vec::new(), ..options });
    talk(&mut stage, &format!("127.0.0.1:{}", port.trim()));
}

// ── both ────────────────────────────────────────────────────────────────────────────────────────

/// Our client, and a server that sends everything back.
#[track_caller]
fn talk(stage: &mut Stage, address: &str) {
    let address: Address = address.parse().expect("it is an address");
    let endpoint = stage.endpoint.clone();
    let client = stage.dial_at(address, "/", &endpoint);
    stage.until("it is open", |world| world.sides.get(&client).is_some_and(|heard| heard.open));
    let long = "a message ".repeat(30_000);
    let messages =
        [Said::text("grüß dich"), Said::Binary(vec![0, 255]), Said::text(""), Said::Text(long)];
    for message in messages.clone() {
        stage.with_socket(client, move |socket| match message {
            Said::Text(text) => socket.text(&text),
            Said::Binary(bytes) => socket.binary(&bytes),
        });
    }
    stage.with_socket(client, |socket| socket.ping(b"there?"));
    assert!(stage.messages(client, 4) == messages);
    stage.until("the pong has come", |world| world.sides[&client].pongs == [b"there?"]);
    stage.close(client, CloseCode::NORMAL, "done");
    assert_eq!(stage.ending(client).code(), CloseCode::NORMAL);
    // It is the server that ends the connection.
    stage.until_gone();
}

/// Turns the loop until the thread has ended.
fn finish<T>(stage: &mut Stage, thread: JoinHandle<T>) -> T {
    stage.until("the peer is done", |_| thread.is_finished());
    thread.join().expect("it does not panic")
}
