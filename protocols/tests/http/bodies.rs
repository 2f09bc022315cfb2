//! Requests and answers, one after the other, whole and in order.

use bytes::Bytes;
use http::StatusCode;
use protocols::http::server::{
    Event, Exchange, Kept, Receiver, Router, Settings, Site, Source, with,
};
use protocols::http::wire::{Fields, Length};
use protocols::http::{HeadLimits, ServerLimits};
use reactor::Registry;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::smuggling::echo;
use crate::stage::{PATIENCE, Stage, statuses};

/// Longer than a test may take: a shutdown with this grace ends by itself, or not at all.
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn pipelined_requests_are_answered_in_order_however_late_each_is() {
    let stage = Stage::serve(|| {
        Site::new(|request, exchange, ()| {
            let path = request.path().to_owned();
            let id = exchange.id();
            let delay = if path == "/slow" { 50 } else { 0 };
            let answer = move |registry: &mut Registry<()>, (): &mut ()| {
                let told = with(registry, id, move |exchange, ()| {
                    exchange.answer(StatusCode::OK).text(&format!("<{path}>"));
                });
                assert!(told.is_ok(), "the client waits");
            };
            let set = exchange.registry().after(Duration::from_millis(delay), answer);
            assert!(set.is_ok(), "there are timers");
        })
    });
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let all: String = ["/slow", "/b", "/slow", "/c"].into_iter().map(request).collect();
    let answers = stage.ask(all);
    assert_eq!(statuses(&answers), [200; 4]);
    let bodies: Vec<_> = answers.split('<').skip(1).filter_map(|it| it.split('>').next()).collect();
    assert_eq!(bodies, ["/slow", "/b", "/slow", "/c"]);
}

#[test]
fn an_answer_says_how_long_it_took_where_that_is_wanted() {
    let late = || {
        Site::new(|_, exchange, ()| {
            let id = exchange.id();
            let answer = move |registry: &mut Registry<()>, (): &mut ()| {
                let told = with(registry, id, |exchange, ()| {
                    exchange.answer(StatusCode::OK).text("late");
                });
                assert!(told.is_ok(), "the client waits");
            };
            let set = exchange.registry().after(Duration::from_millis(20), answer);
            assert!(set.is_ok(), "there are timers");
        })
    };
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert!(!Stage::serve(late).ask(request).contains("Server-Timing"));
    let settings = Settings { server_timing: true, ..Settings::default() };
    let head = Stage::serve(move || late().with_settings(settings)).ask(request);
    let took = head.split("\r\nServer-Timing: total;dur=").nth(1).and_then(|it| it.lines().next());
    let took: f64 = took.and_then(|it| it.parse().ok()).expect("a number");
    assert!((20.0..30_000.0).contains(&took), "{head}");
}

#[test]
fn a_hundred_requests_in_one_segment_have_a_hundred_answers() {
    let stage = Stage::serve(echo);
    let requests = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n".repeat(5_000);
    assert_eq!(statuses(&stage.ask(requests)).len(), 5_000);
}

#[test]
fn a_head_that_comes_byte_by_byte_is_the_same() {
    let stage = Stage::serve(echo);
    let mut peer = stage.connect();
    peer.stream.set_nodelay(true).expect("an option");
    for byte in b"\r\nPOST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n" {
        peer.say([*byte]);
    }
    assert_eq!(statuses(&peer.hear("[/a:abc]")), [200]);
}

#[test]
fn a_connection_is_kept_as_long_as_it_is_wanted() {
    let stage = Stage::serve(echo);
    let head = stage.ask_until_closed("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(head.contains("Connection: close\r\n"), "{head}");
    let old = stage.ask_until_closed("GET / HTTP/1.0\r\n\r\n");
    assert!(old.contains("Connection: close\r\n"), "{old}");
    let kept = stage.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert_eq!(statuses(&kept), [200, 200]);
    assert!(kept.contains("Connection: keep-alive\r\n"), "{kept}");
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let stage = Stage::serve(|| {
        let mut router = Router::new();
        router.get("/whole", |_, exchange, ()| exchange.answer(StatusCode::OK).text("hello"));
        router.get("/open", |_, exchange, ()| {
            let answer = exchange.answer(StatusCode::OK).open(Length::Open);
            let exchange = answer.expect("it is owed");
            exchange.write(b"hello");
            exchange.finish_with(&[("X-Sum", b"5")]);
        });
        router.get("/none", |_, exchange, ()| exchange.answer(StatusCode::NO_CONTENT).empty());
        router.post("/whole", |_, exchange, ()| exchange.answer(StatusCode::CREATED).empty());
        Site::new(router.into_handler())
    });
    let ask = |method: &str, path: &str| {
        let text = stage.ask(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let head = head.lines().filter(|line| !line.starts_with("Date")).collect::<Vec<_>>();
        (head.join("|"), body.to_owned())
    };
    let (get, body) = ask("GET", "/whole");
    assert_eq!(body, "hello");
    assert_eq!(ask("HEAD", "/whole"), (get, String::new()));
    let (get, body) = ask("GET", "/open");
    assert_eq!(body, "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n");
    assert_eq!(ask("HEAD", "/open"), (get, String::new()));
    assert_eq!(ask("GET", "/none"), ("HTTP/1.1 204 No Content".into(), String::new()));
    let (refused, _) = ask("PUT", "/whole");
    assert!(refused.contains("405") && refused.contains("Allow: GET, HEAD, OPTIONS, POST"));
    assert!(ask("OPTIONS", "/whole").0.contains("Allow: GET, HEAD, OPTIONS, POST"));
    assert!(ask("OPTIONS", "*").0.contains("Allow: GET, HEAD, OPTIONS, POST"));
    assert!(ask("GET", "/nothing").0.contains("404"));
    assert!(ask("BREW", "/whole").0.contains("501"));
}

#[test]
fn http_1_0_gets_what_it_understands() {
    let stage = Stage::serve(|| {
        Site::new(|_, exchange, ()| {
            let answer = exchange.answer(StatusCode::OK).open(Length::Open);
            let exchange = answer.expect("it is owed");
            exchange.write(b"hello");
            exchange.finish();
        })
    });
    let answer = stage.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(answer.ends_with("Connection: close\r\n\r\nhello"), "{answer}");
}

#[test]
fn who_waits_for_100_gets_it_when_the_body_is_wanted() {
    let stage = Stage::serve(|| {
        let mut router = Router::new();
        router.post("/taken", |_, exchange, app| {
            exchange.gather(10, app, |exchange, (), body| {
                exchange.answer(StatusCode::OK).bytes(&body);
            });
        });
        Site::new(router.into_handler())
    });
    let mut peer = stage.connect();
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    assert_eq!(peer.say(head("/taken")).hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(peer.say("abc").hear("abc").starts_with("HTTP/1.1 200 OK\r\n"));
    // Who has sent it along waits for nothing, and nothing behind it is taken for its.
    peer.say(head("/taken") + "abc" + &head("/taken") + "def");
    let answers = peer.hear("abc") + &peer.hear("def");
    assert_eq!(statuses(&answers), [200, 200]);
    // Whether a body follows an answer is not known, so nothing can follow it.
    let answer = peer.say(head("/refused")).rest();
    assert_eq!(statuses(&answer), [404]);
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn a_body_that_nobody_wants_does_not_cost_the_connection_if_it_is_short() {
    let stage = Stage::serve(|| {
        Site::new(|request, exchange, ()| exchange.answer(StatusCode::OK).text(request.path()))
    });
    let long = "b".repeat(100_000);
    let post = |body: &str| {
        format!("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let get = "GET /g HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(statuses(&stage.ask(post("hello") + get)), [200, 200]);
    assert_eq!(statuses(&stage.ask_until_closed(post(&long) + get)), [200]);
    let chunks =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(statuses(&stage.ask(chunks.to_owned() + get)), [200, 200]);
}

/// Sends back what it gets, in chunks, and takes no more while there is no room.
struct Parrot;

impl Receiver<()> for Parrot {
    fn on_body(&mut self, exchange: &mut Exchange<'_, '_, ()>, bytes: &[u8], (): &mut ()) {
        if exchange.is_owed() {
            exchange.answer(StatusCode::OK).stream(Length::Open, Resume);
        }
        exchange.write(bytes);
        if !exchange.has_room() {
            exchange.hold();
        }
    }

    fn on_end(
        self: Box<Self>,
        exchange: &mut Exchange<'_, '_, ()>,
        trailers: Fields<'_>,
        (): &mut (),
    ) {
        let sum = trailers.get("x-sum").unwrap_or_default().to_vec();
        exchange.finish_with(&[("X-Sum", &sum)]);
    }
}

struct Resume;

impl Source<()> for Resume {
    fn on_room(&mut self, exchange: &mut Exchange<'_, '_, ()>, (): &mut ()) {
        exchange.resume();
    }
}

#[test]
fn bodies_stream_both_ways_with_flow_control() {
    let stage =
        Stage::serve(|| Site::new(|_, exchange, app| exchange.receive(u64::MAX, app, Parrot)));
    let mut peer = stage.connect();
    let mut writer = peer.stream.try_clone().expect("a descriptor");
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let chunk = [b"10000\r\n", &[b'x'; 65_536][..], b"\r\n"].concat();
        writer.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..320 {
            writer.write_all(&chunk)?;
        }
        writer.write_all(b"0\r\nX-Sum: 20\r\n\r\n")
    });
    // It reads only when everything is full.
    stage.until_nothing_moves();
    let answer = peer.hear("\r\nX-Sum: 20\r\n\r\n");
    writer.join().expect("it ends").expect("it was taken");
    assert_eq!(answer.bytes().filter(|&byte| byte == b'x').count(), 320 * 65_536);
}

#[test]
fn a_body_that_was_held_at_its_last_byte_ends() {
    /// Takes a piece, and no more until the next turn.
    struct Sip;

    impl Receiver<()> for Sip {
        fn on_body(&mut self, exchange: &mut Exchange<'_, '_, ()>, _: &[u8], (): &mut ()) {
            exchange.hold();
            let id = exchange.id();
            exchange.registry().defer(move |registry, ()| {
                // It may be over by then.
                let _ = with(registry, id, |exchange, ()| exchange.resume());
            });
        }

        fn on_end(
            self: Box<Self>,
            exchange: &mut Exchange<'_, '_, ()>,
            _: Fields<'_>,
            (): &mut (),
        ) {
            exchange.answer(StatusCode::OK).text("<all of it>");
        }
    }

    let stage = Stage::serve(|| Site::new(|_, exchange, app| exchange.receive(u64::MAX, app, Sip)));
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let mut peer = stage.connect();
    for _ in 0..2 {
        assert_eq!(statuses(&peer.say(post).hear("<all of it>")), [200]);
    }
}

#[test]
fn long_bodies_are_sent_in_pieces_to_slow_readers() {
    let stage = Stage::serve(|| {
        Site::new(|_, exchange, ()| {
            exchange.answer(StatusCode::OK).shared(Bytes::from(vec![b'y'; 30 << 20]));
        })
    });
    let mut peer = stage.hears(
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    stage.until_nothing_moves();
    let answers = peer.rest();
    assert_eq!(statuses(&answers), [200, 200]);
    assert_eq!(answers.bytes().filter(|&byte| byte == b'y').count(), 60 << 20);
}

/// Writes as it is documented, a line at a time, and never ends.
struct Endless {
    most: Arc<AtomicUsize>,
    /// The connection goes while it writes.
    is_lost: bool,
}

impl Source<()> for Endless {
    fn on_room(&mut self, exchange: &mut Exchange<'_, '_, ()>, (): &mut ()) {
        if self.is_lost {
            let id = exchange.id().connection();
            assert!(exchange.registry().abort(id).is_ok(), "it is being called");
        }
        let mut written = 0;
        while exchange.has_room() {
            exchange.write(b"as long as anybody listens\n");
            written += 27;
        }
        self.most.fetch_max(written, Ordering::Relaxed);
        if self.is_lost {
            assert_eq!(written, 0, "nothing can be written any more");
        }
    }
}

fn endless(length: Length) -> (Stage, Arc<AtomicUsize>) {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let stage = Stage::serve(move || {
        Site::new(move |request, exchange, ()| {
            let (path, answer) = (request.path(), exchange.answer(StatusCode::OK));
            if path == "/" {
                return answer.text("short");
            }
            let most = Arc::clone(&most);
            answer.stream(length, Endless { most, is_lost: path == "/lost" });
        })
    });
    (stage, seen)
}

const SHORT: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

#[test]
fn a_source_without_an_end_and_a_fast_reader_leave_others_their_turns() {
    let (stage, most) = endless(Length::Open);
    let mut peer = stage.hears("GET /endless HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.take(1 << 20);
    let mut stream = peer.stream.try_clone().expect("a descriptor");
    let reader = std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    for _ in 0..3 {
        assert!(stage.ask_until_closed(SHORT).ends_with("short"));
    }
    // Who reads as fast as it can, and who goes while more comes.
    peer.stream.shutdown(Shutdown::Both).expect("it is open");
    let _ = reader.join().expect("it ends");
    assert!(stage.ask_until_closed(SHORT).ends_with("short"));
    assert!(most.load(Ordering::Relaxed) <= 300_000, "{most:?} bytes in a turn");
}

#[test]
fn a_source_whose_client_has_gone_has_no_room() {
    let (stage, most) = endless(Length::Open);
    let mut peer = stage.hears("GET /lost HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(peer.is_reset());
    assert!(stage.ask_until_closed(SHORT).ends_with("short"));
    assert_eq!(most.load(Ordering::Relaxed), 0);
}

#[test]
fn a_source_that_writes_more_than_it_promised_is_done() {
    let (stage, _) = endless(Length::Exact(1_000_000));
    let request = "GET /endless HTTP/1.1\r\nHost: h\r\n\r\n";
    let answers = stage.ask_until_closed([request, request, SHORT].concat());
    assert_eq!(statuses(&answers), [200; 3]);
    assert_eq!(answers.matches("listens\n").count(), 2 * (1_000_000 / 27));
}

#[test]
fn who_is_too_slow_is_told() {
    let stage = Stage::serve(|| {
        let limits = ServerLimits {
            head: HeadLimits::default(),
            head_time: Duration::from_millis(100),
            body_time: Duration::from_millis(100),
            answer_time: Duration::from_millis(100),
            idle: Duration::from_millis(100),
            ..ServerLimits::default()
        };
        Site::new(|request, exchange, app| match request.path() {
            "/never" => {}
            _ => {
                exchange.gather(10, app, |exchange, (), _| exchange.answer(StatusCode::OK).empty());
            }
        })
        .with_settings(Settings { limits, ..Settings::default() })
    });
    assert_eq!(statuses(&stage.ask_until_closed("GET / HT")), [408]);
    assert_eq!(stage.ask_until_closed(""), "");
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel";
    assert_eq!(statuses(&stage.ask_until_closed(post)), [408]);
    assert_eq!(statuses(&stage.ask_until_closed("GET /never HTTP/1.1\r\nHost: h\r\n\r\n")), [503]);
    // An idle connection is closed without a word.
    assert_eq!(statuses(&stage.ask_until_closed("GET / HTTP/1.1\r\nHost: h\r\n\r\n")), [200]);
}

#[test]
fn a_body_that_is_cut_off_is_not_taken_for_whole() {
    let stage = Stage::serve(echo);
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel";
    assert_eq!(statuses(&stage.ask(post)), [400]);
}

#[test]
fn work_comes_back_to_its_exchange() {
    let stage = Stage::serve(|| {
        Site::new(|_, exchange, ()| {
            exchange.offload(
                || 6 * 7,
                |exchange, (), result| {
                    exchange.answer(StatusCode::OK).text(&result.to_string());
                },
            );
        })
    });
    let twice = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2);
    // Behind the head only: its Date may hold any two digits.
    assert_eq!(stage.ask(twice).matches("\r\n\r\n42").count(), 2);
}

#[test]
fn work_that_panics_or_finds_no_room_is_answered_all_the_same() {
    let (heard, gate) = mpsc::channel::<()>();
    let stage = Stage::serve(move || {
        let gate = Arc::new(std::sync::Mutex::new(gate));
        Site::new(move |request, exchange, ()| match request.path() {
            "/panics" => exchange.offload(|| panic!("on purpose"), |_, (), ()| unreachable!()),
            "/begun" => {
                let open = exchange.answer(StatusCode::OK).open(Length::Exact(10));
                let exchange = open.expect("it has a body");
                exchange.write(b"half");
                // A reset overtakes what the peer has not read yet.
                let gate = gate.clone();
                let work = move || {
                    gate.lock().expect("nobody panics").recv().expect("the test opens it");
                    panic!("on purpose");
                };
                exchange.offload(work, |_, (), ()| unreachable!());
            }
            _ => {
                let full = reactor::Limits::default().offloads;
                for _ in 0..=full {
                    exchange.offload(|| (), |_, (), ()| ());
                }
            }
        })
    });
    let ask = |path: &str| stage.ask_until_closed(format!("GET {path} HTTP/1.0\r\n\r\n"));
    let answer = ask("/panics");
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("went wrong"), "{answer}");
    let mut peer = stage.hears("GET /begun HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.hear("\r\n\r\n");
    heard.send(()).expect("it waits");
    assert!(peer.is_reset(), "it is no whole answer");
    // Last: what fills the room may be there a while longer.
    let answer = ask("/too-much");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 1"), "{answer}");
}

#[test]
fn a_shutdown_waits_for_work_and_its_answer_says_that_it_is_the_last() {
    let (open, gate) = mpsc::channel::<()>();
    let (at_work, working) = mpsc::channel();
    let stage = Stage::serve(move || {
        let gate = Arc::new(std::sync::Mutex::new(gate));
        Site::new(move |_, exchange, ()| {
            let (gate, at_work) = (gate.clone(), at_work.clone());
            let work = move || {
                at_work.send(()).expect("the test waits");
                gate.lock().expect("nobody panics").recv().expect("the test opens it");
            };
            exchange.offload(work, |exchange, (), ()| {
                exchange.answer(StatusCode::OK).text("done");
            });
        })
    });
    let mut peer = stage.hears("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2));
    working.recv_timeout(PATIENCE).expect("it is asked");
    stage.shut_down(PATIENCE);
    open.send(()).expect("it waits");
    let answers = peer.rest();
    assert_eq!(statuses(&answers), [200], "the second is not asked any more: {answers}");
    assert!(answers.contains("Connection: close\r\n"), "{answers}");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// What has no end would be waited for until the grace is over, and then be cut off.
#[test]
fn a_shutdown_finishes_a_stream_of_events() {
    let stage = Stage::serve(|| {
        Site::new(|_, exchange, ()| {
            exchange.answer_events();
            assert!(exchange.send_event(&Event { data: "hello", ..Event::default() }));
        })
    });
    let mut peer = stage.hears(GET);
    peer.hear("data: hello\n\n");
    stage.shut_down(HOUR);
    assert!(peer.rest().ends_with("\r\n0\r\n\r\n"));
}

/// Waits for what never comes.
struct Waits(mpsc::Sender<&'static str>);

impl Kept<()> for Waits {
    fn on_shutdown(&mut self, exchange: &mut Exchange<'_, '_, ()>, (): &mut ()) {
        if exchange.is_owed() {
            return exchange.answer(StatusCode::SERVICE_UNAVAILABLE).text("ask again");
        }
        assert!(exchange.send_event(&Event { data: "goodbye", ..Event::default() }));
    }

    fn on_lost(self: Box<Self>, _: &mut Registry<()>, (): &mut ()) {
        self.0.send("lost").expect("the test waits");
    }
}

#[test]
fn what_is_kept_hears_of_a_shutdown_and_may_answer() {
    let (tell, told) = mpsc::channel();
    let stage = Stage::serve(move || {
        Site::new(move |request, exchange, ()| {
            exchange.keep(Waits(tell.clone()));
            match request.path() {
                "/events" => exchange.answer_events(),
                _ => tell.send("asked").expect("the test waits"),
            }
        })
    });
    let [mut waiting, mut events] = [stage.connect(), stage.connect()];
    waiting.say(GET);
    assert_eq!(told.recv_timeout(PATIENCE), Ok("asked"));
    events.say("GET /events HTTP/1.1\r\nHost: h\r\n\r\n").hear("\r\n\r\n");
    stage.shut_down(HOUR);
    let answer = waiting.rest();
    assert_eq!(statuses(&answer), [503], "{answer}");
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("ask again"), "{answer}");
    let rest = events.rest();
    assert!(rest.contains("data: goodbye\n\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
    assert_eq!([told.recv_timeout(PATIENCE), told.recv_timeout(PATIENCE)], [Ok("lost"); 2]);
}
