//! The client, against servers that say exactly what they are told to.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocols::http::client::{
    Ask, Call, Client, ClientLimits, ClientOptions, Failure, Payload, Reader, Route, SocksRefusal,
    SocksUser, Url,
};
use protocols::http::wire::{Refusal, Response};
use reactor::{Address, Reactor, Registry};

use crate::stage::PATIENCE;

/// What became of requests: status, body and end, in the order of their ends.
type Seen = Rc<RefCell<Vec<(u16, String, Result<(), Failure>)>>>;

struct Note {
    seen: Seen,
    status: u16,
    body: Vec<u8>,
}

impl Reader<()> for Note {
    fn on_head(&mut self, response: &Response<'_>, _: &mut Call<'_, '_, ()>, (): &mut ()) {
        assert_eq!(self.status, 0, "there is one head");
        self.status = response.status().as_u16();
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, ()>, (): &mut ()) {
        self.body.extend_from_slice(bytes);
        // Whoever reads slowly loses nothing.
        call.pause();
        let id = call.connection();
        let resumed = call.registry().after(Duration::from_millis(1), move |registry, ()| {
            let _ = registry.resume(id);
        });
        assert!(resumed.is_ok(), "there are timers");
    }

    fn on_end(self: Box<Self>, outcome: Result<(), Failure>, _: &mut Registry<()>, (): &mut ()) {
        let body = String::from_utf8_lossy(&self.body).into_owned();
        self.seen.borrow_mut().push((self.status, body, outcome));
    }
}

/// A loop with a client.
struct Asker {
    reactor: Reactor<()>,
    client: Client<()>,
    route: Route,
    seen: Seen,
    sent: usize,
}

impl Asker {
    fn new(address: Address, limits: ClientLimits) -> Self {
        let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
        let reactor = Reactor::new().expect("there are descriptors");
        Self { reactor, client, route: address.into(), seen: Seen::default(), sent: 0 }
    }

    /// To the same, by a SOCKS proxy.
    fn through_socks(mut self, proxy: Address, user: Option<SocksUser>) -> Self {
        self.route = self.route.through_socks(proxy, user);
        self
    }

    fn send(&mut self, ask: Ask) {
        let note = Note { seen: Rc::clone(&self.seen), status: 0, body: Vec::new() };
        self.client.send_by(self.reactor.registry(), &self.route, ask, note);
        self.sent += 1;
    }

    /// Waits for the ends of all that was sent.
    fn finish(&mut self) -> Vec<(u16, String, Result<(), Failure>)> {
        let late = Instant::now() + PATIENCE;
        while self.seen.borrow().len() < self.sent {
            assert!(Instant::now() < late, "nothing comes: {:?}", self.seen.borrow());
            let turn = self.reactor.turn(Some(Duration::from_millis(50)), &mut ());
            assert!(turn.is_ok());
        }
        self.sent = 0;
        self.seen.take()
    }
}

fn get() -> Ask {
    Ask::get(&url())
}

fn url() -> Url {
    "http://h/x".parse().expect("a url")
}

/// A server that answers each connection with its own replies, one a request, and closes behind the last.
/// What it was asked, a connection at a time.
fn scripted(connections: Vec<Vec<&'static str>>) -> (Address, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address = listener.local_addr().expect("it is bound").into();
    let thread = std::thread::spawn(move || {
        let serve = |replies: Vec<&'static str>| {
            let (mut stream, _) = listener.accept().expect("the client connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            let mut asked = String::new();
            for reply in replies {
                asked += &read_request(&mut stream);
                // The client may have heard enough.
                let _ = stream.write_all(reply.as_bytes());
            }
            asked
        };
        connections.into_iter().map(serve).collect()
    });
    (address, thread)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => asked.push(byte[0]),
            _ => break,
        }
    }
    let asked = String::from_utf8(asked).expect("it is text");
    let length = asked.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    stream.read_exact(&mut body).expect("it comes");
    asked
}

fn ask_once(reply: &'static str) -> (u16, String, Result<(), Failure>) {
    let (address, thread) = scripted(vec![vec![reply]]);
    let mut asker = Asker::new(address, ClientLimits::default());
    asker.send(get());
    let seen = asker.finish().remove(0);
    thread.join().expect("it ends");
    seen
}

#[test]
fn a_body_ends_where_it_ends() {
    for (reply, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nT: u\r\n\r\n",
            "hello",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "hi",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
    ] {
        assert_eq!(ask_once(reply), (200, expected.to_owned(), Ok(())), "{reply:?}");
    }
}

#[test]
fn what_is_not_whole_is_not_taken_for_whole() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
    assert_eq!(ask_once(cut), (200, "hel".to_owned(), Err(Failure::Cut(3))));
    let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n";
    assert_eq!(ask_once(cut), (200, "hel".to_owned(), Err(Failure::Cut(3))));
    assert_eq!(ask_once("HTTP/1.1 200 OK\r\nCont").2, Err(Failure::NoAnswer));
    assert_eq!(ask_once("").2, Err(Failure::NoAnswer));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (reply, refusal) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            Refusal::TwoFramings,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            Refusal::Length,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", Refusal::Length),
        ("HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello", Refusal::BareLineFeed),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n", Refusal::Chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n", Refusal::Chunk),
    ] {
        assert_eq!(ask_once(reply).2, Err(Failure::Malformed(refusal)), "{reply:?}");
    }
    let endless: &'static str = "HTTP/1.1 100 Continue\r\n\r\n".repeat(30).leak();
    assert_eq!(ask_once(endless).2, Err(Failure::Interim));
    let unasked = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(ask_once(unasked).2, Err(Failure::Interim));
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn connections_are_kept_and_requests_wait_for_them() {
    let (address, thread) = scripted(vec![vec![OK, OK, OK]]);
    let limits = ClientLimits { connections: 1, ..ClientLimits::default() };
    let mut asker = Asker::new(address, limits);
    asker.send(get());
    asker.send(get());
    assert_eq!(asker.finish().len(), 2);
    asker.send(get());
    let well = (200, "hi".to_owned(), Ok(()));
    assert_eq!(asker.finish(), [well]);
    let asked = thread.join().expect("it ends");
    assert_eq!(asked[0].matches("GET /x HTTP/1.1\r\nHost: h\r\n").count(), 3);
}

/// A loop that has asked a server which answers, and neither says nor ends anything after that.
fn answered_by_a_silent_server(idle: Duration, drops: bool) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address = listener.local_addr().expect("it is bound").into();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("it reads");
        stream
    });
    let mut options = ClientOptions::default();
    options.limits.idle = idle;
    options.connect.limits.close_timeout = HOUR;
    let client = Client::new(options);
    let mut reactor = Reactor::new().expect("there are descriptors");
    let seen = Seen::default();
    let note = Note { seen: Rc::clone(&seen), status: 0, body: Vec::new() };
    client.send_by(reactor.registry(), &Route::to(address), get(), note);
    let client = (!drops).then_some(client);
    assert!(reactor.run_until_idle_for(PATIENCE, &mut ()).is_ok());
    drop((client, server.join()));
    assert_eq!(seen.take(), [(200, "ok".to_owned(), Ok(()))]);
    reactor.registry().is_empty()
}

/// Longer than a test may take.
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_connection_is_kept_as_long_as_it_was_said_whatever_the_server_does() {
    assert!(answered_by_a_silent_server(Duration::from_millis(20), false));
}

#[test]
fn a_client_that_was_dropped_keeps_no_connection() {
    assert!(answered_by_a_silent_server(HOUR, true));
}

#[test]
fn what_was_lost_on_a_kept_connection_goes_out_again_if_it_may() {
    // The server closes behind its first answer without having said so.
    let (address, thread) = scripted(vec![vec![OK], vec![OK]]);
    let limits = ClientLimits { connections: 1, ..ClientLimits::default() };
    let mut asker = Asker::new(address, limits);
    asker.send(get());
    assert_eq!(asker.finish()[0].2, Ok(()));
    asker.send(get());
    assert_eq!(asker.finish()[0].2, Ok(()));
    thread.join().expect("it ends");
}

#[test]
fn the_answer_to_head_has_no_body_whatever_it_says() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let (address, thread) = scripted(vec![vec![head, OK]]);
    let limits = ClientLimits { connections: 1, ..ClientLimits::default() };
    let mut asker = Asker::new(address, limits);
    asker.send(Ask::new(http::Method::HEAD, &url()));
    asker.send(get());
    let seen = asker.finish();
    assert_eq!(seen[0], (200, String::new(), Ok(())));
    assert_eq!(seen[1], (200, "hi".to_owned(), Ok(())));
    thread.join().expect("it ends");
}

#[test]
fn bodies_go_out_with_their_length() {
    let (address, thread) = scripted(vec![vec![OK]]);
    let mut asker = Asker::new(address, ClientLimits::default());
    let ask = Ask::new(http::Method::POST, &url()).field("X", "a\r\nY: b");
    asker.send(ask.with_payload(Payload::Bytes("hello".into())));
    assert_eq!(asker.finish()[0].2, Ok(()));
    let asked = thread.join().expect("it ends").remove(0);
    assert_eq!(asked, "POST /x HTTP/1.1\r\nHost: h\r\nX: a  Y: b\r\nContent-Length: 5\r\n\r\n");
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address: Address = listener.local_addr().expect("it is bound").into();
    let limits = ClientLimits { head_time: Duration::from_millis(50), ..ClientLimits::default() };
    let mut asker = Asker::new(address.clone(), limits);
    asker.send(get());
    assert_eq!(asker.finish()[0].2, Err(Failure::Silent));
    drop(listener);
    asker.send(get());
    assert!(
        matches!(&asker.finish()[0].2, Err(Failure::Unreachable { address: at, .. }) if *at == address)
    );
}

#[test]
fn a_server_that_does_not_know_the_question_gets_the_body_all_the_same() {
    let (address, thread) = scripted(vec![vec![OK]]);
    let continue_time = Duration::from_millis(50);
    let mut asker = Asker::new(address, ClientLimits { continue_time, ..ClientLimits::default() });
    let ask = Ask::new(http::Method::PUT, &url()).expecting_continue();
    asker.send(ask.with_payload(Payload::Bytes("hello".into())));
    assert_eq!(asker.finish(), [(200, "hi".to_owned(), Ok(()))]);
    // It has read the body before it answered.
    let asked = thread.join().expect("it ends").remove(0);
    assert!(asked.contains("Expect: 100-continue\r\nContent-Length: 5\r\n"), "{asked}");
    // Without a body there is nothing to ask about.
    let (address, thread) = scripted(vec![vec![OK]]);
    let mut asker = Asker::new(address, ClientLimits::default());
    asker.send(get().expecting_continue());
    assert_eq!(asker.finish()[0].2, Ok(()));
    assert!(!thread.join().expect("it ends")[0].contains("Expect"));
}

#[test]
fn what_has_been_asked_is_answered_though_the_loop_shuts_down() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address = listener.local_addr().expect("it is bound").into();
    let (tell, told) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        tell.send(read_request(&mut stream)).expect("the test waits");
        wait.recv_timeout(PATIENCE).expect("the test goes on");
        stream.write_all(OK.as_bytes()).expect("the client reads");
        // It is not kept for another.
        assert_eq!(stream.read(&mut [0]).expect("it ends"), 0);
    });
    let mut asker = Asker::new(address, ClientLimits::default());
    asker.send(get());
    let late = Instant::now() + PATIENCE;
    while told.try_recv().is_err() {
        assert!(Instant::now() < late, "it is not asked");
        let turn = asker.reactor.turn(Some(Duration::from_millis(5)), &mut ());
        assert!(turn.is_ok());
    }
    asker.reactor.registry().shutdown(PATIENCE);
    go.send(()).expect("the server waits");
    asker.reactor.run(&mut ()).expect("waiting works");
    assert_eq!(asker.seen.take(), [(200, "hi".to_owned(), Ok(()))]);
    server.join().expect("it ends");
}

fn take(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("it says so much");
    bytes
}

/// A SOCKS proxy that wants this user, and leads to one server whatever it is asked for; what it was asked for.
fn socks_proxy(server: Address, user: &'static [u8]) -> (Address, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let address = listener.local_addr().expect("it is bound").into();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the client connects");
        assert_eq!(take(&mut client, 4), b"\x05\x02\0\x02");
        client.write_all(b"\x05\x02").expect("it reads");
        if take(&mut client, user.len()) != user {
            client.write_all(b"\x01\x01").expect("it reads");
            return Vec::new();
        }
        client.write_all(b"\x01\0").expect("it reads");
        let asked = take(&mut client, 5);
        let rest = take(&mut client, usize::from(asked[4]) + 2);
        let server = server.socket_addr().expect("it is IP");
        let mut server = TcpStream::connect(server).expect("it listens");
        client.write_all(b"\x05\0\0\x01\x7f\0\0\x01\0\x50").expect("it reads");
        // A request and an answer: the client keeps the connection longer than there is anything to hear.
        let request = read_request(&mut client);
        server.write_all(request.as_bytes()).expect("it reads");
        std::io::copy(&mut server, &mut client).expect("it reads");
        [asked, rest].concat()
    });
    (address, thread)
}

#[test]
fn a_socks_proxy_leads_to_a_server_that_it_looks_up() {
    let (server, asked) = scripted(vec![vec![OK]]);
    let (proxy, way) = socks_proxy(server, b"\x01\x02me\x03you");
    let named = "nobody.invalid:81".parse().expect("an address");
    let user = SocksUser::new(b"me", b"you");
    let mut asker = Asker::new(named, ClientLimits::default()).through_socks(proxy, user);
    asker.send(get());
    assert_eq!(asker.finish(), [(200, "hi".to_owned(), Ok(()))]);
    assert_eq!(way.join().expect("it ends"), b"\x05\x01\0\x03\x0enobody.invalid\0\x51");
    // As a server hears it that is asked straight.
    assert!(asked.join().expect("it ends")[0].starts_with("GET /x HTTP/1.1\r\n"));
}

#[test]
fn a_socks_proxy_that_lets_nobody_through_is_the_reason() {
    let never = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let server = never.local_addr().expect("it is bound");
    let (proxy, way) = socks_proxy(server.into(), b"\x01\x02me\x03you");
    let asker = Asker::new(server.into(), ClientLimits::default());
    let mut asker = asker.through_socks(proxy, SocksUser::new(b"me", b"who"));
    asker.send(get());
    let (_, _, outcome) = asker.finish().remove(0);
    assert_eq!(outcome, Err(Failure::Socks(SocksRefusal::User)));
    way.join().expect("it ends");
}

#[test]
fn a_socks_proxy_that_says_nothing_is_to_blame_and_not_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    let proxy: Address = listener.local_addr().expect("it is bound").into();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the client connects");
        assert_eq!(take(&mut client, 3), b"\x05\x01\0");
        drop(client);
        // The next one hears nothing, and the connection stays.
        let (mut client, _) = listener.accept().expect("the client connects");
        let mut heard = Vec::new();
        let _ = client.read_to_end(&mut heard);
        assert_eq!(heard, b"\x05\x01\0");
    });
    let limits = ClientLimits { head_time: Duration::from_millis(50), ..ClientLimits::default() };
    let server = "127.0.0.1:9".parse().expect("an address");
    let mut asker = Asker::new(server, limits).through_socks(proxy, None);
    for why in [SocksRefusal::NoAnswer, SocksRefusal::Silent] {
        asker.send(get());
        let failure = asker.finish().remove(0).2.expect_err("there is no way");
        assert!(failure.is_before_sending(), "{failure}");
        assert_eq!(failure, Failure::Socks(why));
    }
    thread.join().expect("it ends");
}

#[test]
fn no_socks_proxy_is_asked_for_what_it_has_no_words_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    listener.set_nonblocking(true).expect("it can be");
    let proxy: Address = listener.local_addr().expect("it is bound").into();
    for server in ["unix:/x", "[fe80::1%1]:80"] {
        let server = server.parse().expect("an address");
        let limits = ClientLimits::default();
        let mut asker = Asker::new(server, limits).through_socks(proxy.clone(), None);
        asker.send(get());
        let outcome = asker.finish().remove(0).2;
        assert_eq!(outcome, Err(Failure::Socks(SocksRefusal::Address)));
        assert!(listener.accept().is_err(), "nobody connects");
    }
}
