//! The reverse proxy, between real sockets: what passes, what does not, and backends that do not do as they should.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use http::StatusCode;
use protocols::http::ProxyLimits;
use protocols::http::client::{Client, ClientLimits, ClientOptions, Failure};
use protocols::http::proxy::{
    Backend, Checks, Forwarded, News, NotWatched, Proxy, ProxyOptions, Unwell,
};
use protocols::http::server::{Event, Site};
use protocols::http::wire::Length;
use reactor::{Input, Protocol, Reactor, Registry, Transport};

use crate::stage::{PATIENCE, Peer, Stage, statuses};

/// A proxy before these, which asks in this way.
fn proxy_with(backends: &[SocketAddr], options: ProxyOptions, limits: ClientLimits) -> Stage {
    let urls: Vec<_> = backends.iter().map(|address| format!("http://{address}")).collect();
    proxy_to(urls, options, limits)
}

fn proxy_to(urls: Vec<String>, options: ProxyOptions, limits: ClientLimits) -> Stage {
    Stage::serve(move || {
        let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
        let backend = |url: &String| {
            Backend::new(url.parse().expect("a url"), client.clone()).expect("a backend")
        };
        let proxy = Proxy::new(urls.iter().map(backend).collect(), options);
        Site::new(move |request, exchange, ()| proxy.serve(request, exchange))
    })
}

fn proxy(backends: &[SocketAddr]) -> Stage {
    proxy_with(backends, ProxyOptions::default(), ClientLimits::default())
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
    listener.local_addr().expect("it is bound")
}

/// A backend that hands on each of its connections.
struct Raw {
    address: SocketAddr,
    connections: Receiver<Peer>,
}

impl Raw {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port 0 is free");
        let address = listener.local_addr().expect("it is bound");
        let (tell, connections) = mpsc::channel();
        // It ends when nobody takes another.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if tell.send(Peer::of(stream)).is_err() {
                    return;
                }
            }
        });
        Self { address, connections }
    }

    /// One, and a proxy before it.
    fn behind_proxy() -> (Self, Stage) {
        let raw = Self::new();
        let stage = proxy(&[raw.address]);
        (raw, stage)
    }

    fn accept(&self) -> Peer {
        self.connections.recv_timeout(PATIENCE).expect("the proxy connects")
    }

    /// The next connection, and the head of what is asked on it.
    fn asked(&self) -> (Peer, String) {
        let mut backend = self.accept();
        let head = backend.hear("\r\n\r\n");
        (backend, head)
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Sends a body back as it was gathered; streams of chunks; answers without a body.
fn site() -> Site<()> {
    Site::new(|request, exchange, app| match request.path() {
        "/echo" => {
            exchange.gather(1 << 24, app, |exchange, (), body| {
                exchange.answer(StatusCode::OK).field("X-Backend", "yes").bytes(&body);
            });
        }
        "/chunks" => {
            let exchange = exchange.answer(StatusCode::OK).open(Length::Open);
            let exchange = exchange.expect("it is owed");
            exchange.write(b"one, ");
            exchange.write(b"two");
            exchange.finish_with(&[("X-Sum", b"2"), ("Content-Length", b"9")]);
        }
        "/none" => exchange.answer(StatusCode::NO_CONTENT).empty(),
        "/cached" => exchange.answer(StatusCode::NOT_MODIFIED).field("ETag", "\"a\"").empty(),
        "/large" => exchange.answer(StatusCode::OK).shared(vec![b'x'; MUCH].into()),
        "/hint" => {
            exchange.hint(StatusCode::EARLY_HINTS, &[("Link", b"</a>"), ("Keep-Alive", b"x")]);
            exchange.answer(StatusCode::OK).text("hinted");
        }
        _ => exchange.answer(StatusCode::NOT_FOUND).text("not here"),
    })
}

#[test]
fn what_is_asked_and_answered_passes_as_it_is() {
    let backend = Stage::serve(site);
    let stage = proxy(&[backend.address]);
    let mut peer = stage.hears("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    let answer = peer.hear("hello");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nDate: "), "{answer}");
    assert_eq!(answer.matches("Date: ").count(), 1, "{answer}");
    assert!(answer.contains("X-Backend: yes\r\nContent-Length: 5\r\n\r\nhello"), "{answer}");
    // On the same connection, and from chunks to a length.
    peer.say("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer.say("3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: u\r\n\r\n");
    assert!(peer.hear("abcd").contains("Content-Length: 4\r\n"));
    let answer = peer.say("GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n").hear("0\r\nX-Sum: 2\r\n\r\n");
    assert!(answer.contains("Transfer-Encoding: chunked\r\n"), "{answer}");
    assert!(answer.contains("one, ") && answer.contains("two"), "{answer}");
    for (path, status) in [("/none", 204), ("/cached", 304)] {
        let answer = peer.say(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).hear("\r\n\r\n");
        assert_eq!(statuses(&answer), [status]);
        assert!(!answer.contains("Content-Length") && !answer.contains("chunked"), "{answer}");
    }
    peer.say("HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(peer.hear("\r\n\r\n").contains("Content-Length: 30000000\r\n"));
    let hint = peer.say("GET /hint HTTP/1.1\r\nHost: h\r\n\r\n").hear("\r\n\r\n");
    assert_eq!(hint, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert!(peer.hear("hinted").contains("200 OK"));
    peer.say("GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&peer.rest()), [404]);
    // HTTP/1.0 gets what it understands.
    let answer = stage.ask_until_closed("GET /chunks HTTP/1.0\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\none, two"), "{answer}");
}

#[test]
fn a_backend_is_told_who_asks_and_nothing_of_the_connection() {
    let (raw, stage) = Raw::behind_proxy();
    let mut peer = stage.hears(
        "GET http://public:81/a%2Fb?c HTTP/1.1\r\nHost: other\r\nConnection: close, X-Mine\r\n\
         X-Mine: 1\r\nCookie: a=b\r\nX-Forwarded-For: 10.1.1.1\r\nTE: trailers\r\nVia: 1.0 front\r\n\r\n",
    );
    let (mut backend, head) = raw.asked();
    assert_eq!(
        head,
        "GET /a%2Fb?c HTTP/1.1\r\nHost: public:81\r\nCookie: a=b\r\nVia: 1.0 front\r\n\
         Via: 1.1 web-proxy\r\nForwarded: for=127.0.0.1;proto=http;host=\"public:81\"\r\n\
         X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: public:81\r\nX-Forwarded-Proto: http\r\n\r\n"
    );
    backend.say("HTTP/1.1 200 Fine\r\nDate: then\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
          Server: s\r\nContent-Length: 2\r\n\r\nhi");
    let expected = "HTTP/1.1 200 Fine\r\nDate: then\r\nServer: s\r\nContent-Length: 2\r\n\
        Connection: close\r\n\r\nhi";
    assert_eq!(peer.rest(), expected);
}

#[test]
fn a_backend_is_asked_by_the_name_and_below_the_path_that_it_was_given() {
    let raw = Raw::new();
    let options = ProxyOptions {
        rewrite_host: true,
        forwarded: Forwarded::Nothing,
        ..ProxyOptions::default()
    };
    let url = format!("http://{}/app/", raw.address);
    let stage = proxy_to(vec![url], options, ClientLimits::default());
    let mut peer = stage.hears("OPTIONS /x/../y?z HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(statuses(&peer.hear("upwards.\n")), [400]);
    for path in ["/%2e%2e/y", "/..;/y", "/a/..%5cy", "/%zz"] {
        peer.say(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(statuses(&peer.hear("upwards.\n")), [400], "{path}");
    }
    peer.say("OPTIONS /x?z HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\n\r\n");
    let (mut backend, head) = raw.asked();
    let host = raw.address;
    assert_eq!(
        head,
        format!(
            "OPTIONS /app/x?z HTTP/1.1\r\nHost: {host}\r\nMax-Forwards: 2\r\nVia: 1.1 web-proxy\r\n\r\n"
        )
    );
    backend.say(OK);
    assert!(peer.hear("hi").contains("200 OK"));
    peer.say("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(backend.hear("\r\n\r\n").starts_with("OPTIONS * HTTP/1.1\r\n"));
}

#[test]
fn what_is_answered_here_is_not_asked_of_a_backend() {
    let (raw, stage) = Raw::behind_proxy();
    let many = vec!["x"; 40].join(",");
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 a, 1.1 web-proxy (loop)\r\n\r\n".to_owned(), 508),
        ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 405),
        ("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n".to_owned(), 204),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {many}\r\n\r\n"), 400),
        ("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n".to_owned(), 501),
        // What two programs could read in two ways (the server's own tests have more of it).
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello".to_owned(), 400),
        ("GET / HTTP/1.1\nHost: h\n\n".to_owned(), 400),
    ] {
        assert_eq!(statuses(&stage.ask(&head)), [status], "{head}");
    }
    assert!(raw.connections.try_recv().is_err(), "nobody has been asked");
}

#[test]
fn a_body_is_framed_anew_and_a_cut_one_is_not_taken_for_whole() {
    let (raw, stage) = Raw::behind_proxy();
    let mut peer = stage.hears("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer.say("00005;name=\"value\"\r\nhello\r\n0\r\nX-T: 1\r\nContent-Length: 7\r\n\r\n");
    peer.say("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, head) = raw.asked();
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    assert_eq!(backend.hear("\r\n\r\n"), "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n");
    // What comes behind is another request, of its own.
    assert!(backend.say(OK).hear("\r\n\r\n").starts_with("GET /smuggled HTTP/1.1\r\n"));
    drop(backend);

    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let (raw, stage) = Raw::behind_proxy();
        let mut peer = stage.hears(format!("PUT / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        peer.say(if framing.starts_with('C') { "hel" } else { "3\r\nhel\r\n" });
        let (mut backend, _) = raw.asked();
        backend.hear("hel");
        drop(peer);
        let rest = backend.rest_or_reset();
        assert!(!rest.ends_with("0\r\n\r\n"), "{rest:?}");
    }
}

#[test]
fn who_waits_for_100_waits_for_the_backend() {
    let (raw, stage) = Raw::behind_proxy();
    let ask = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut peer = stage.hears(ask);
    let (mut backend, head) = raw.asked();
    assert!(head.contains("Expect: 100-continue\r\nContent-Length: 5\r\n"), "{head}");
    backend.say("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(peer.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.say("hello");
    assert_eq!(backend.hear("hello"), "hello");
    backend.say(OK);
    assert_eq!(statuses(&peer.hear("hi")), [200]);
    drop(peer);
    // One that does not want it says so, and it is not sent.
    let mut peer = stage.hears(ask);
    let head = backend.hear("\r\n\r\n");
    assert!(head.starts_with("PUT "), "the connection was kept");
    backend.say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    let answer = peer.rest();
    assert_eq!(statuses(&answer), [413]);
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    assert!(backend.is_ended(), "whether the body still comes is not known");
}

#[test]
fn backends_that_answer_badly_are_answered_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(40);
    let options = format!("HTTP/1.1 200 OK\r\nConnection: {}\r\n\r\n", vec!["x"; 40].join(","));
    for answer in [
        &*long,
        &many,
        &interim,
        &options,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let (raw, stage) = Raw::behind_proxy();
        let mut peer = stage
            .hears("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let (mut backend, _) = raw.asked();
        // It may have been told enough by then.
        let _ = backend.stream.write_all(answer.as_bytes());
        let heard = peer.rest();
        let shown = answer.get(..60).unwrap_or(answer);
        assert_eq!(*statuses(&heard).last().expect("an answer"), 502, "{shown:?}: {heard}");
        assert!(heard.contains("makes no sense"), "{shown:?}: {heard}");
    }
}

#[test]
fn an_answer_that_is_cut_off_is_cut_off_for_the_client() {
    for (answer, more) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5;\u{7}\r\n"),
    ] {
        let (raw, stage) = Raw::behind_proxy();
        let mut peer = stage.hears("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let (mut backend, _) = raw.asked();
        backend.say(answer);
        assert!(peer.hear("hello").contains("200 OK"));
        let _ = backend.stream.write_all(more.as_bytes());
        drop(backend);
        // Nothing behind it that could pass for its end.
        let rest = peer.rest_or_reset();
        assert!(rest.is_empty() || rest == "\r\n", "{rest:?}");
    }
    // What comes behind the end was not asked for, and nobody gets it.
    let (raw, stage) = Raw::behind_proxy();
    let mut peer = stage.hears("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, _) = raw.asked();
    backend.say([OK, OK].concat());
    assert!(peer.hear("hi").contains("200 OK"));
    assert!(backend.is_ended(), "a confused backend is not asked again");
    peer.say("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, head) = raw.asked();
    assert!(head.starts_with("GET /2 "), "{head}");
    let own = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
    backend.say(own);
    assert!(peer.hear("yes").starts_with("HTTP/1.1 200 OK\r\n"));
    // One that ends with its connection is whole then, and has its end told.
    peer.say("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    backend.hear("\r\n\r\n");
    backend.say("HTTP/1.0 200 OK\r\n\r\nold");
    backend.stream.shutdown(Shutdown::Write).expect("it is open");
    assert!(peer.hear("0\r\n\r\n").contains("Transfer-Encoding: chunked\r\n"));
}

/// Also where the loop has so much else to do that all of it, and its end, are delivered together.
#[test]
fn what_came_before_an_answer_was_cut_off_reaches_the_client() {
    let raw = Raw::new();
    let url = format!("http://{}", raw.address);
    let (tell, told) = mpsc::channel();
    let (go_on, held) = mpsc::channel();
    let stage = Stage::serve(move || {
        let client = Client::new(ClientOptions::default());
        let backend = Backend::new(url.parse().expect("a url"), client).expect("a backend");
        let proxy = Proxy::new(vec![backend], ProxyOptions::default());
        Site::new(move |request, exchange, ()| {
            if request.path() != "/busy" {
                return proxy.serve(request, exchange);
            }
            let most = reactor::Limits::default().task_budget;
            (0..8 * most).for_each(|_| exchange.registry().defer(|_, _| {}));
            exchange.answer(StatusCode::NO_CONTENT).empty();
            tell.send(()).expect("the test waits");
            held.recv_timeout(PATIENCE).expect("the backend has answered");
        })
    });
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;\u{7}\r\n",
    ] {
        let mut peer = stage.hears("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let (mut backend, _) = raw.asked();
        let mut other = stage.hears("GET /busy HTTP/1.1\r\nHost: h\r\n\r\n");
        told.recv_timeout(PATIENCE).expect("the loop is busy");
        backend.say(answer);
        drop(backend);
        go_on.send(()).expect("the loop waits");
        other.hear("\r\n\r\n");
        assert_eq!(statuses(&peer.hear("hello")), [200], "{answer:?}");
        let rest = peer.rest_or_reset();
        assert!(rest.is_empty() || rest == "\r\n", "{rest:?}");
    }
}

#[test]
fn only_what_may_be_sent_twice_is_sent_to_another() {
    let (dead, raw) = (nobody(), Raw::new());
    let stage = proxy(&[dead, raw.address]);
    // Nothing of it can have been received.
    for _ in 0..2 {
        let mut peer = stage.hears("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
        let (mut backend, _) = raw.asked();
        backend.hear("ab");
        // Whoever answers nothing has perhaps done it.
        drop(backend);
        assert_eq!(statuses(&peer.hear("without an answer.\n")), [502]);
    }
    let (one, two) = (Raw::new(), Raw::new());
    let stage = proxy(&[one.address, two.address]);
    let mut peer = stage.hears("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    drop(one.asked());
    let (mut backend, _) = two.asked();
    backend.say(OK);
    assert_eq!(statuses(&peer.hear("hi")), [200]);
    drop(peer);
    let stage = proxy(&[nobody(), nobody()]);
    let answer = stage.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(statuses(&answer), [502]);
    assert!(answer.contains("cannot be reached"), "{answer}");
}

#[test]
fn nobody_is_waited_for_for_ever_nor_queues_without_end() {
    let raw = Raw::new();
    let limits = ClientLimits { head_time: Duration::from_millis(50), ..ClientLimits::default() };
    let stage = proxy_with(&[raw.address], ProxyOptions::default(), limits);
    let answer = stage.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(statuses(&answer), [504]);

    let raw = Raw::new();
    let limits = ClientLimits { connections: 1, waiting: 1, ..ClientLimits::default() };
    let stage = proxy_with(&[raw.address], ProxyOptions::default(), limits);
    let mut first = stage.hears("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, _) = raw.asked();
    // One of two more has room to wait; it does not matter which.
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (stage, tell) = (&stage, tell.clone());
            let ask = "GET /more HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            scope.spawn(move || tell.send(stage.ask(ask)));
        }
        let refused = told.recv_timeout(PATIENCE).expect("one is refused");
        assert_eq!(statuses(&refused), [503]);
        assert!(refused.contains("Retry-After: 1\r\n"), "{refused}");
        backend.say(OK);
        assert_eq!(statuses(&first.hear("hi")), [200]);
        assert!(backend.hear("\r\n\r\n").starts_with("GET /more "));
        backend.say(OK);
        let answered = told.recv_timeout(PATIENCE).expect("one is answered");
        assert_eq!(statuses(&answered), [200]);
    });
}

/// Leaves in a way that nobody takes for "I have asked all I want to ask".
fn reset(peer: Peer) {
    let socket = socket2::SockRef::from(&peer.stream);
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
}

#[test]
fn whoever_leaves_is_not_answered_and_nobody_else_suffers() {
    let (raw, stage) = Raw::behind_proxy();
    let leaving = stage.hears("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, _) = raw.asked();
    reset(leaving);
    assert!(backend.is_ended(), "nobody wants it any more");
    // One that leaves in the middle of its answer, too.
    let mut leaving = stage.hears("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, _) = raw.asked();
    backend.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
    leaving.hear("hi");
    reset(leaving);
    assert!(backend.is_ended(), "nobody wants the rest");
    let mut peer = stage.hears("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut backend, _) = raw.asked();
    backend.say(OK);
    assert_eq!(statuses(&peer.hear("hi")), [200]);
}

/// More than any system keeps on the way by itself.
const MUCH: usize = 30_000_000;

#[test]
fn a_slow_reader_holds_back_the_backend_and_loses_nothing() {
    let backend = Stage::serve(site);
    let stage = proxy(&[backend.address]);
    let mut slow = stage.hears("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stage.until_nothing_moves();
    assert!(stage.queued() < 2_000_000, "{} bytes are held", stage.queued());
    // Others are served meanwhile.
    let answer = stage.ask("GET /chunks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&answer), [200]);
    let rest = slow.rest();
    assert!(rest.ends_with(&"x".repeat(1_000)));
    assert_eq!(rest.len() - rest.find("\r\n\r\n").expect("a head") - 4, MUCH);
}

#[test]
fn a_slow_backend_holds_back_the_client_and_loses_nothing() {
    for framing in [format!("Content-Length: {MUCH}"), "Transfer-Encoding: chunked".to_owned()] {
        let (raw, stage) = Raw::behind_proxy();
        let mut peer = stage.hears(format!("PUT / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        let mut writer = peer.stream.try_clone().expect("a descriptor");
        let is_chunked = framing.starts_with('T');
        let sender = std::thread::spawn(move || {
            let piece = vec![b'y'; MUCH / 50];
            for _ in 0..50 {
                if is_chunked {
                    write!(writer, "{:x}\r\n", piece.len()).expect("the proxy reads");
                }
                writer.write_all(&piece).expect("the proxy reads");
                if is_chunked {
                    writer.write_all(b"\r\n").expect("the proxy reads");
                }
            }
            if is_chunked {
                writer.write_all(b"0\r\n\r\n").expect("the proxy reads");
            }
        });
        let (mut backend, _) = raw.asked();
        stage.until_nothing_moves();
        assert!(stage.queued() < 2_000_000, "{} bytes are held", stage.queued());
        let (mut seen, mut bytes) = (backend.unread.len(), vec![0; 1 << 20]);
        let end = if is_chunked { "0\r\n\r\n" } else { "yyy" };
        let mut tail = String::new();
        while seen < MUCH || !tail.ends_with(end) {
            let count = backend.stream.read(&mut bytes).expect("it comes in time");
            assert!(count > 0, "it is cut off after {seen}");
            seen += count;
            tail += &String::from_utf8_lossy(&bytes[count.saturating_sub(10)..count]);
        }
        sender.join().expect("all of it is taken");
        // What is around the chunks is little.
        assert!(seen < MUCH + MUCH / 100, "{seen} bytes");
        backend.say(OK);
        assert_eq!(statuses(&peer.hear("hi")), [200]);
    }
}

/// Sends everything back in capitals, and ends when the other side does.
struct Shout;

impl Protocol<()> for Shout {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        transport.write(b"READY ");
    }

    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        transport.write(&input.take_all().to_ascii_uppercase());
    }
}

#[test]
fn a_connection_that_changes_its_protocol_is_passed_through() {
    let backend = Stage::serve(|| {
        Site::new(|request, exchange, ()| match request.upgrade() {
            Some(_) => exchange.upgrade("WebSocket", &[("X-V", b"1")], Shout).expect("it is owed"),
            None => exchange.answer(StatusCode::OK).text("no upgrade"),
        })
    });
    let stage = proxy(&[backend.address]);
    let mut peer = stage.connect();
    let ask = |name: &str| {
        format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {name}\r\n\r\n")
    };
    // What no backend here is to speak is not offered to it.
    assert!(peer.say(ask("h2c")).hear("no upgrade").contains("200 OK"));
    // What is sent at once goes along.
    let head = peer.say(ask("websocket") + "hello").hear("\r\n\r\n");
    assert_eq!(
        head,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nX-V: 1\r\n\r\n"
    );
    assert_eq!(peer.hear("HELLO"), "READY HELLO");
    assert_eq!(peer.say(" again").hear("AGAIN"), " AGAIN");
    peer.stream.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(peer.rest(), "");
}

#[test]
fn a_backend_that_answers_no_to_an_upgrade_is_heard() {
    let (raw, stage) = Raw::behind_proxy();
    let mut peer = stage
        .hears("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let (mut backend, head) = raw.asked();
    assert!(head.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "{head}");
    backend.say("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(statuses(&peer.hear("no")), [403]);
    // What a client has to change to is said by the one connection to the other.
    peer.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    backend.hear("\r\n\r\n");
    let answer = "HTTP/1.1 426 Do\r\nConnection: upgrade\r\nUpgrade: h2c, websocket\r\n";
    backend.say(format!("{answer}Content-Length: 2\r\n\r\nno"));
    let answer = peer.hear("no");
    assert!(answer.contains("Upgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("Connection: Upgrade\r\n") && !answer.contains("h2c"), "{answer}");
    // One that changes to what was not offered is not followed.
    peer.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    backend.hear("\r\n\r\n");
    backend.say("HTTP/1.1 101 Go\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    assert_eq!(statuses(&peer.hear("no sense.\n")), [502]);
}

#[test]
fn connections_to_backends_are_kept() {
    let raw = Raw::new();
    let stage = proxy_with(&[raw.address], ProxyOptions::default(), ClientLimits::default());
    let mut kept = None;
    for at in 0..5 {
        let mut peer = stage.hears(format!("GET /{at} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let backend = kept.get_or_insert_with(|| raw.accept());
        assert!(backend.hear("\r\n\r\n").starts_with(&format!("GET /{at} ")));
        backend.say(OK);
        assert_eq!(statuses(&peer.hear("hi")), [200]);
    }
    assert!(raw.connections.try_recv().is_err(), "there was one");
}

#[test]
fn a_body_that_is_too_long_is_refused_by_the_proxy() {
    let raw = Raw::new();
    let limits = ProxyLimits { request_body: 10, ..ProxyLimits::default() };
    let options = ProxyOptions { limits, ..ProxyOptions::default() };
    let stage = proxy_with(&[raw.address], options, ClientLimits::default());
    let mut peer =
        stage.hears("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n");
    assert_eq!(statuses(&peer.say("x".repeat(32)).rest()), [413]);
    let (mut backend, _) = raw.asked();
    assert!(backend.is_ended(), "half a body is nobody's");
}

/// A backend that says who it is, and answers checks as it is told to.
fn named(name: &'static str, health: &Arc<AtomicU16>) -> Stage {
    let health = Arc::clone(health);
    Stage::serve(move || {
        Site::new(move |request, exchange, ()| {
            let status = match request.path() {
                "/below/health" => health.load(Ordering::Relaxed),
                _ => 200,
            };
            let status = StatusCode::from_u16(status).expect("a status");
            exchange.answer(status).text(name);
        })
    })
}

#[test]
fn who_is_ill_by_its_checks_is_passed_over_until_it_is_well() {
    let [first, second] = [200, 204].map(|status| Arc::new(AtomicU16::new(status)));
    let backends = [named("first", &first), named("second", &second)];
    let gone = nobody();
    let mut urls: Vec<_> =
        backends.iter().map(|it| format!("http://{}/below/", it.address)).collect();
    urls.push(format!("http://{gone}"));
    let (tell, told) = mpsc::channel();
    let stage = Stage::serve(move || {
        let client = Client::new(ClientOptions::default());
        let backend = |url: &String| {
            Backend::new(url.parse().expect("a url"), client.clone()).expect("a backend")
        };
        let proxy = Proxy::new(urls.iter().map(backend).collect(), ProxyOptions::default())
            .with_log(move |url, news| {
                // Nobody listens any more once the test is over.
                let _ = tell.send((url.port(), news.clone()));
            });
        Site::new(move |request, exchange, ()| {
            if request.path() != "/watch" {
                return proxy.serve(request, exchange);
            }
            let checks = |path: &str| Checks {
                path: path.to_owned(),
                interval: Duration::from_millis(5),
                timeout: PATIENCE,
                fall: 2,
                rise: 2,
            };
            let wrong = proxy.watch(exchange.registry(), checks("health"));
            assert_eq!(wrong, Err(NotWatched::Path("health".to_owned())));
            assert_eq!(proxy.watch(exchange.registry(), checks("/health")), Ok(()));
            exchange.answer(StatusCode::NO_CONTENT).empty();
        })
    });
    let mut peer = stage.hears("GET /watch HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.hear("\r\n\r\n");
    let [port, other] = [0, 1].map(|at: usize| backends[at].address.port());
    let hear = || told.recv_timeout(PATIENCE).expect("it is told");
    match hear() {
        (it, News::Ill(Unwell::Failed(Failure::Unreachable { .. }))) if it == gone.port() => {}
        other => panic!("{other:?}"),
    }
    let mut who = || -> BTreeSet<String> {
        let ask = |_| {
            let head = peer.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").hear("\r\n\r\n");
            let length = head.split("Content-Length: ").nth(1).and_then(|it| it.lines().next());
            let length = length.and_then(|it| it.parse().ok()).expect("a length");
            String::from_utf8(peer.take(length)).expect("text")
        };
        (0..6).map(ask).collect()
    };
    assert_eq!(who(), BTreeSet::from(["first".to_owned(), "second".to_owned()]));
    first.store(503, Ordering::Relaxed);
    let ill = News::Ill(Unwell::Status(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(hear(), (port, ill.clone()));
    assert_eq!(who(), BTreeSet::from(["second".to_owned()]));
    // When nobody is well, somebody is asked all the same.
    second.store(503, Ordering::Relaxed);
    assert_eq!(hear(), (other, ill));
    first.store(302, Ordering::Relaxed);
    assert_eq!(hear(), (port, News::Well));
    assert_eq!(who(), BTreeSet::from(["first".to_owned()]));
}

/// Its answer to a check goes on and on: events, say, or a log.
#[test]
fn a_check_whose_answer_does_not_end_has_its_verdict_and_is_followed_by_another() {
    let status = Arc::new(AtomicU16::new(503));
    let raw = Raw::new();
    let address = raw.address;
    let answers = Arc::clone(&status);
    // It ends when the proxy has gone, which nobody asks then.
    std::thread::spawn(move || {
        while let Ok(mut backend) = raw.connections.recv() {
            let status = answers.load(Ordering::Relaxed);
            std::thread::spawn(move || {
                backend.hear("\r\n\r\n");
                let head = format!("HTTP/1.1 {status} So\r\nTransfer-Encoding: chunked\r\n\r\n");
                let mut going_on = backend.stream.write_all(head.as_bytes());
                while going_on.is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                    going_on = backend.stream.write_all(b"1\r\nx\r\n");
                }
            });
        }
    });
    let (tell, told) = mpsc::channel();
    let _stage = Stage::set_up(move |registry| {
        let client = Client::new(ClientOptions::default());
        let url = format!("http://{address}").parse().expect("a url");
        let backend = Backend::new(url, client).expect("a backend");
        let proxy = Proxy::new(vec![backend], ProxyOptions::default());
        let proxy = proxy.with_log(move |_, news| drop(tell.send(news.clone())));
        let checks = Checks {
            interval: Duration::from_millis(5),
            timeout: Duration::from_millis(250),
            fall: 1,
            rise: 1,
            ..Checks::default()
        };
        proxy.watch(registry, checks).expect("there are timers");
        Site::new(move |request, exchange, ()| proxy.serve(request, exchange))
    });
    let hear = || told.recv_timeout(PATIENCE).expect("it is told");
    assert!(matches!(hear(), News::Ill(_)));
    status.store(200, Ordering::Relaxed);
    assert_eq!(hear(), News::Well);
}

#[test]
fn checks_end_with_the_proxy() {
    let gone = nobody();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reactor = Reactor::<()>::new().expect("there are descriptors");
        let client = Client::new(ClientOptions::default());
        let url = format!("http://{gone}").parse().expect("a url");
        let backend = Backend::new(url, client).expect("a backend");
        let proxy = Proxy::new(vec![backend], ProxyOptions::default());
        let checks = Checks { interval: Duration::from_millis(1), ..Checks::default() };
        proxy.watch(reactor.registry(), checks).expect("there are timers");
        drop(proxy);
        let ended = reactor.run_until_idle(&mut ()).expect("waiting works");
        tell.send(ended).expect("the test waits");
    });
    assert_eq!(told.recv_timeout(PATIENCE).expect("the loop ends"), None);
}

/// Checks are refused then, as all new connections are.
#[test]
fn a_loop_that_shuts_down_takes_nobody_for_ill() {
    let backend = named("it", &Arc::new(AtomicU16::new(200)));
    let mut reactor = Reactor::<()>::new().expect("there are descriptors");
    let registry = reactor.registry();
    let url = format!("http://{}", backend.address).parse().expect("a url");
    let client = Client::new(ClientOptions::default());
    let told = Rc::new(RefCell::new(Vec::new()));
    let news = Rc::clone(&told);
    let proxy =
        Proxy::new(vec![Backend::new(url, client).expect("a backend")], ProxyOptions::default())
            .with_log(move |_, it| news.borrow_mut().push(it.clone()));
    let checks = Checks {
        interval: Duration::from_millis(1),
        timeout: PATIENCE,
        fall: 1,
        ..Checks::default()
    };
    proxy.watch(registry, checks).expect("there are timers");
    // What the shutdown waits for, while the time for many checks comes.
    let (open, gate) = mpsc::channel();
    registry.offload(move || gate.recv(), |_, (), _| {}).expect("there is a pool");
    let mut beats = 0;
    let beat = move |registry: &mut Registry<()>, (): &mut ()| {
        beats += 1;
        match beats {
            10 => registry.shutdown(PATIENCE),
            30 => open.send(()).expect("it waits"),
            _ => {}
        }
    };
    registry.every(Duration::from_millis(2), beat).expect("there are timers");
    let report = reactor.run(&mut ()).expect("waiting works");
    assert_eq!(report.work_lost, 0, "{report}");
    assert_eq!(*told.borrow(), []);
}

#[test]
fn a_shutdown_finishes_a_stream_of_events_that_a_backend_goes_on_with() {
    let backend = Stage::serve(|| {
        Site::new(|_, exchange, ()| {
            exchange.answer_events();
            assert!(exchange.send_event(&Event { data: "hello", ..Event::default() }));
        })
    });
    let proxy = proxy(&[backend.address]);
    let mut peer = proxy.connect();
    peer.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").hear("data: hello\n\n");
    proxy.shut_down(Duration::from_secs(3_600));
    assert!(peer.rest().ends_with("\r\n0\r\n\r\n"));
}

/// Such as what a program writes word by word: cut off it would look whole.
#[test]
fn a_shutdown_waits_for_events_that_were_not_asked_for_with_get_and_have_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let (go_on, gate) = mpsc::channel();
    let address = listener.local_addr().expect("it is bound");
    let backend = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).expect("it asks") > 0);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        write!(stream, "{head}b\r\ndata: one\n\n\r\n").expect("it is open");
        gate.recv().expect("it is told");
        write!(stream, "b\r\ndata: two\n\n\r\n0\r\n\r\n").expect("it is open");
    });
    let proxy = proxy(&[address]);
    let (mut peer, mut other) = (proxy.connect(), proxy.connect());
    peer.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").hear("data: one\n\n");
    proxy.shut_down(Duration::from_secs(3_600));
    assert_eq!(other.rest(), "", "who has asked nothing is left at once: it shuts down");
    go_on.send(()).expect("it waits");
    let rest = peer.rest();
    assert!(rest.contains("data: two\n\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest:?}");
    backend.join().expect("it has said it all");
}
