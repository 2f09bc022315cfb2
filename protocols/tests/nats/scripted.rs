//! Servers that say what a test has them say: late, wrong, or not at all.

use std::time::Duration;

use protocols::nats::{Client, FlushError, PublishError, RequestError, SubscribeError, WhenAway};
use reactor::{Input, Protocol, Transport};

use crate::stage::{PATIENCE, Stage, World, free_port, options, text, told};

const INFO: &str = "INFO {\"max_payload\":1048576,\"headers\":true} \r\n";

/// A server of which is known what it says.
#[derive(Clone, Copy)]
struct Script {
    /// At once.
    greeting: &'static str,
    /// To the first so many `PING`s.
    pongs: usize,
    /// Behind the first `PONG`.
    then: &'static str,
}

impl Protocol<World> for Script {
    fn on_open(&mut self, transport: &mut Transport<'_, World>, _: &mut World) {
        transport.write(self.greeting.as_bytes());
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, World>,
        input: &mut Input<'_>,
        world: &mut World,
    ) {
        let text = String::from_utf8_lossy(input.take_all()).into_owned();
        for line in text.lines() {
            world.seen.push(format!("heard {line}"));
            if line == "PING" && self.pongs > 0 {
                self.pongs -= 1;
                transport.write(b"PONG\r\n");
                transport.write(std::mem::take(&mut self.then).as_bytes());
            }
        }
    }
}

const WELL: Script = Script { greeting: INFO, pongs: usize::MAX, then: "" };

fn listen(stage: &mut Stage, script: Script) -> u16 {
    let registry = stage.registry();
    let address = "127.0.0.1:0".parse().expect("it is an address");
    let listener = registry.listen(address, move |_, _| script).expect("it is free");
    registry.listener_address(listener).expect("it listens").port().expect("TCP")
}

#[test]
fn who_does_not_speak_nats_is_known_by_it() {
    for (greeting, then, expected) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "",
            "failed: the server does not speak NATS: it is no verb of NATS",
        ),
        (
            "INFO {\"max_payload\":\"much\"}\r\n",
            "",
            "failed: the server does not speak NATS: invalid type",
        ),
        ("PONG\r\n", "", "failed: the server does not speak NATS: it answers before it was asked"),
        (INFO, "SUB a 1\r\n", "lost: the server does not speak NATS: it speaks as clients do"),
        (INFO, "PONG\r\n", "lost: the server does not speak NATS: it answers what was not asked"),
        (
            INFO,
            "MSG a 1 99999999\r\n",
            "lost: the server does not speak NATS: a message of 99999999 bytes",
        ),
        ("INFO {\"tls_required\":true}\r\n", "", "failed: the server wants TLS"),
        (
            "MSG a 1 1\r\nx\r\n",
            "",
            "failed: the server does not speak NATS: it delivers before it has let this client in",
        ),
        (
            "INFO {\"headers\":true}\r\nHMSG a 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n",
            "",
            "failed: the server does not speak NATS: it delivers before it has let this client in",
        ),
    ] {
        let mut stage = Stage::new();
        let port = listen(&mut stage, Script { greeting, pongs: 1, then });
        let mut options = options(&[port]);
        options.reconnect = None;
        let client = stage.client(options);
        let told = client.subscribe(stage.registry(), "a", |_, world: &mut World, message| {
            world.seen.push(text(message));
        });
        told.expect("it can be");
        stage.until_seen("closed: ");
        assert_eq!((stage.count(expected), stage.count("a x")), (1, 0), "{:?}", stage.world.seen);
        stage.until_nobody_is_there();
    }
}

#[test]
fn what_is_said_in_clear_where_tls_is_due_is_no_refusal() {
    let mut stage = Stage::new();
    let greeting = "-ERR 'Authorization Violation'\r\n";
    let port = listen(&mut stage, Script { greeting, ..WELL });
    let mut options = options(&[]);
    options.servers = vec![format!("tls://127.0.0.1:{port}").parse().expect("it is one")];
    options.retry_on_failed_connect = true;
    options.max_reconnects = Some(3);
    stage.client(options);
    stage.until_seen("closed: ");
    // A server that refuses twice is not asked again, and this one is.
    let expected = "failed: the server does not speak NATS: it complains before TLS";
    assert_eq!(stage.count(expected), 4, "{:?}", stage.world.seen);
    stage.until_nobody_is_there();
}

#[test]
fn a_server_that_is_said_to_stop_in_clear_where_tls_is_due_is_not_told() {
    for (scheme, expected) in [("tls", 0), ("nats", 1)] {
        let mut stage = Stage::new();
        let port = listen(&mut stage, Script { greeting: "INFO {\"ldm\":true}\r\n", ..WELL });
        let mut options = options(&[]);
        options.servers = vec![format!("{scheme}://127.0.0.1:{port}").parse().expect("it is one")];
        let client = stage.client(options);
        stage.until("it has said so", |_| client.is_closed() || client.is_connected());
        assert_eq!(stage.count("lame duck"), expected, "{:?}", stage.world.seen);
        client.close(stage.registry());
        stage.until_seen("closed");
        stage.until_nobody_is_there();
    }
}

#[test]
fn a_request_for_which_there_is_no_timer_is_not_sent() {
    let limits = reactor::Limits { timers: 64, ..reactor::Limits::default() };
    let reactor = reactor::Reactor::with_limits(&limits).expect("a loop");
    let mut stage = Stage { reactor, world: World::default() };
    let port = listen(&mut stage, WELL);
    let client = stage.connected(options(&[port]));
    let mut timers = Vec::new();
    while let Ok(timer) = stage.registry().after(2 * PATIENCE, |_, _| {}) {
        timers.push(timer);
    }
    let asked = client.request(stage.registry(), "a", b"", PATIENCE, |_, _, _| unreachable!());
    assert_eq!((asked, client.waiting()), (Err(RequestError::NoTimer), 0));
    stage.flush(&client);
    assert_eq!(stage.count("heard PUB"), 0);
    for timer in timers {
        stage.registry().cancel(timer);
    }
    stage.request(&client, "a", "", PATIENCE);
    stage.until_seen("heard PUB a ");
    client.close(stage.registry());
    stage.until_seen("closed");
}

#[test]
fn a_limit_that_comes_late_counts_what_this_connection_has_brought() {
    let mut stage = Stage::new();
    let then = "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nMSG a 1 1\r\n3\r\n";
    let port = listen(&mut stage, Script { then, ..WELL });
    let client = stage.client(options(&[port]));
    let heard = client.subscribe(stage.registry(), "a", |_, world: &mut World, message| {
        world.seen.push(text(message));
    });
    let heard = heard.expect("it can be");
    stage.until_seen("a 3");
    assert!(client.unsubscribe_after(stage.registry(), heard, 5));
    // The server has sent three since the `SUB`, and counts from there.
    stage.until_seen("heard UNSUB 1 5");
    assert!(client.unsubscribe_after(stage.registry(), heard, 3));
    stage.until("it is over", |world| world.seen.iter().any(|line| line == "heard UNSUB 1"));
    assert_eq!(client.subscriptions(), 0);
}

#[test]
fn a_handler_that_is_dropped_may_ask_its_client() {
    struct Asks(Client<World>);
    impl Drop for Asks {
        fn drop(&mut self) {
            assert_eq!(self.0.subscriptions(), 0);
        }
    }
    let mut stage = Stage::new();
    let client = stage.client(options(&[free_port()]));
    for is_limited in [true, false] {
        let asks = Asks(client.clone());
        let made = client.subscribe(stage.registry(), "a", move |_, _, _| {
            let _ = &asks;
        });
        let made = made.expect("it can be");
        assert!(match is_limited {
            true => client.unsubscribe_after(stage.registry(), made, 0),
            false => client.unsubscribe(stage.registry(), made),
        });
    }
    stage.until_seen("closed: ");
}

#[test]
fn to_drain_again_cuts_nothing_off() {
    let mut stage = Stage::new();
    let port = listen(&mut stage, Script { pongs: 1, ..WELL });
    let client = stage.connected(options(&[port]));
    client.drain(stage.registry());
    client.drain(stage.registry());
    assert!(client.is_connected() && !client.is_closed(), "what has come is still heard");
    client.close(stage.registry());
    client.drain(stage.registry());
    stage.until_seen("closed");
}

#[test]
fn before_there_is_a_server_a_message_may_be_as_long_as_what_is_kept() {
    let mut stage = Stage::new();
    let greeting = "INFO {\"max_payload\":8388608,\"headers\":true} \r\n";
    let port = listen(&mut stage, Script { greeting, ..WELL });
    let client = stage.client(options(&[port]));
    let long = vec![b'x'; 2 << 20];
    assert_eq!(client.publish(stage.registry(), "long", &long), Ok(()));
    let longer = vec![b'x'; 9 << 20];
    assert_eq!(client.publish(stage.registry(), "longer", &longer), Err(PublishError::Full));
    stage.until_seen("heard PUB long 2097152");
}

#[test]
fn what_was_kept_and_is_longer_than_the_server_takes_is_not_sent() {
    let mut stage = Stage::new();
    let greeting = "INFO {\"max_payload\":1000,\"headers\":true} \r\n";
    let port = listen(&mut stage, Script { greeting, ..WELL });
    let client = stage.client(options(&[port]));
    let long = "x".repeat(2000);
    stage.publish(&client, "long", &long);
    stage.request(&client, "asked", &long, PATIENCE);
    stage.publish(&client, "short", "y");
    stage.until_seen("heard PUB short 1");
    stage.until_seen("no answer: a message of 2000 bytes, and the server takes 1000");
    stage.until_seen("dropped 2");
    assert_eq!((stage.count("heard PUB"), client.waiting(), stage.count("lost")), (1, 0, 0));
    assert_eq!((client.statistics().out_messages, client.statistics().out_bytes), (1, 1));
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    for (script, expected) in [
        (
            Script { greeting: "", ..WELL },
            "failed: the server has not said who it is in time: perhaps it does not speak NATS",
        ),
        (Script { pongs: 0, ..WELL }, "failed: the server has not answered in time"),
        (Script { pongs: 1, ..WELL }, "lost: the server does not answer any more"),
    ] {
        let mut stage = Stage::new();
        let port = listen(&mut stage, script);
        let mut options = options(&[port]);
        options.reconnect = None;
        options.limits.connect = Duration::from_millis(if script.pongs == 1 { 30_000 } else { 50 });
        options.limits.ping_interval = Duration::from_millis(10);
        stage.client(options);
        stage.until_seen("closed: ");
        assert_eq!(stage.count(expected), 1, "{:?}", stage.world.seen);
        assert_eq!(
            stage.count("heard PING"),
            match script {
                Script { greeting: "", .. } => 0,
                Script { pongs: 0, .. } => 1,
                _ => 3,
            }
        );
        stage.until_nobody_is_there();
    }
}

#[test]
fn each_server_is_tried_once_and_then_it_is_over() {
    let mut stage = Stage::new();
    let client = stage.client(options(&[free_port(), free_port(), free_port()]));
    let subscribed = client.subscribe(stage.registry(), "a", |_, _, _| {});
    stage.request(&client, "a", "", PATIENCE);
    let flushed = client.flush(stage.registry(), |_, world: &mut World, result| {
        world.seen.push(format!("{result:?}"));
    });
    assert_eq!((subscribed.is_ok(), flushed), (true, Ok(())));
    stage.until_seen("closed: ");
    assert_eq!((stage.count("failed: "), stage.count("no answer: the client is closed")), (3, 1));
    assert_eq!(stage.count("Err(Closed)"), 1);
    let refused = client.flush(stage.registry(), |_, _, _| unreachable!());
    assert_eq!(refused, Err(FlushError::Closed));
    assert_eq!(client.publish(stage.registry(), "a", b""), Err(PublishError::Closed));
    let nobody = stage.client(options(&[]));
    stage.until_seen("closed: no server is known");
    assert!(nobody.is_closed());
}

#[test]
fn the_second_server_is_connected_to_if_the_first_is_not_there() {
    let mut stage = Stage::new();
    let port = listen(&mut stage, WELL);
    stage.connected(options(&[free_port(), port]));
    assert_eq!((stage.count("failed: "), stage.count("connected")), (1, 1));
}

#[test]
fn it_is_tried_so_often_and_no_more() {
    let mut stage = Stage::new();
    let port =
        listen(&mut stage, Script { pongs: 1, then: "-ERR 'Stale Connection'\r\nX\r\n", ..WELL });
    let mut options = options(&[port, free_port()]);
    options.max_reconnects = Some(1);
    stage.client(options);
    // The second one is not there, and there is no third try; the first was no loss of a connection that failed.
    stage.until_seen("closed: ");
    assert_eq!(
        (stage.count("complaint: "), stage.count("lost: the server has heard nothing")),
        (1, 1)
    );
    stage.until_nobody_is_there();
}

#[test]
fn what_is_published_meanwhile_is_kept_refused_or_drops_the_oldest() {
    for when_away in [WhenAway::Refuse, WhenAway::DropOldest] {
        let mut stage = Stage::new();
        let port = free_port();
        let mut options = options(&[port]);
        options.retry_on_failed_connect = true;
        options.when_away = when_away;
        options.limits.pending = 3 * (64 + "PUB a 1\r\n1\r\n".len());
        let client = stage.client(options);
        let results: Vec<_> = (0..5)
            .map(|number: u32| client.publish(stage.registry(), "a", number.to_string().as_bytes()))
            .collect();
        let is_refused = results.contains(&Err(PublishError::Full));
        assert_eq!(is_refused, when_away == WhenAway::Refuse);
        let registry = stage.registry();
        let address = format!("127.0.0.1:{port}").parse().expect("it is an address");
        registry.listen(address, |_, _| WELL).expect("it is free");
        let (first, last) = if is_refused { (0, 2) } else { (2, 4) };
        stage.until_seen(&format!("heard {last}"));
        let heard = (0..5).filter(|number| stage.count(&format!("heard {number}")) > 0);
        assert_eq!(heard.collect::<Vec<_>>(), (first..=last).collect::<Vec<_>>());
        assert_eq!(stage.count("dropped 2"), usize::from(!is_refused));
    }
}

#[test]
fn a_request_whose_time_is_over_is_not_sent_when_there_is_a_server_again() {
    let mut stage = Stage::new();
    let port = free_port();
    let mut options = options(&[port]);
    options.retry_on_failed_connect = true;
    let client = stage.client(options);
    stage.request(&client, "late", "", Duration::from_millis(1));
    stage.until_seen("no answer in 1ms");
    stage.request(&client, "early", "", PATIENCE);
    let address = format!("127.0.0.1:{port}").parse().expect("it is an address");
    stage.registry().listen(address, |_, _| WELL).expect("it is free");
    stage.until_seen("heard PUB early _INBOX.");
    assert_eq!((stage.count("heard SUB _INBOX."), stage.count("heard PUB late")), (1, 0));
    client.close(stage.registry());
    stage.until_seen("no answer: the client is closed");
}

#[test]
fn a_server_that_does_not_read_is_not_sent_more_than_may_wait() {
    /// It reads when there is a line in the world that says so.
    struct Sleeper;
    impl Protocol<World> for Sleeper {
        fn on_open(&mut self, transport: &mut Transport<'_, World>, _: &mut World) {
            transport.write(INFO.as_bytes());
        }
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, World>,
            input: &mut Input<'_>,
            _: &mut World,
        ) {
            if input.ends_with(b"PING\r\n") {
                input.take_all();
                transport.write(b"PONG\r\n");
                transport.pause();
                let id = transport.id();
                let wake = move |registry: &mut reactor::Registry<World>, world: &mut World| {
                    if world.seen.iter().any(|line| line == "wake") {
                        let _ = registry.resume(id);
                    }
                };
                transport
                    .registry()
                    .every(Duration::from_millis(5), wake)
                    .expect("there are timers");
            }
            input.take_all();
        }
    }
    let mut stage = Stage::new();
    let address = "127.0.0.1:0".parse().expect("it is an address");
    let listener = stage.registry().listen(address, |_, _| Sleeper).expect("it is free");
    let port =
        stage.registry().listener_address(listener).expect("it listens").port().expect("TCP");
    let mut options = options(&[port]);
    options.limits.outbox = 1 << 20;
    let client = stage.connected(options);
    let payload = vec![b'x'; 60_000];
    let mut published = 0;
    let refused = loop {
        match client.publish(stage.registry(), "a", &payload) {
            Ok(()) => published += 1,
            Err(error) => break error,
        }
        if published % 8 == 0 {
            stage.turn();
        }
        assert!(published < 10_000, "it is refused at some time");
    };
    assert_eq!(refused, PublishError::Full);
    stage.world.seen.push("wake".to_owned());
    stage.until_seen("drained");
    assert_eq!(client.publish(stage.registry(), "a", &payload), Ok(()));
}

#[test]
fn what_is_not_text_is_for_nobody_and_ends_nothing() {
    /// Two messages of which one has a subject that is no text.
    struct Odd;
    impl Protocol<World> for Odd {
        fn on_open(&mut self, transport: &mut Transport<'_, World>, _: &mut World) {
            transport.write(INFO.as_bytes());
        }
        fn on_data(
            &mut self,
            transport: &mut Transport<'_, World>,
            input: &mut Input<'_>,
            _: &mut World,
        ) {
            let all = input.take_all();
            if all.ends_with(b"PING\r\n") {
                transport.write(b"PONG\r\n");
            }
            if all.windows(4).any(|word| word == b"SUB ") {
                transport.write(b"MSG \xff\xfe 1 2\r\nno\r\nMSG a 77 2\r\nno\r\n");
                transport.write(b"HMSG a 1 4 7\r\n\xff\r\n:yes\r\n");
            }
        }
    }
    let mut stage = Stage::new();
    let address = "127.0.0.1:0".parse().expect("it is an address");
    let listener = stage.registry().listen(address, |_, _| Odd).expect("it is free");
    let port =
        stage.registry().listener_address(listener).expect("it listens").port().expect("TCP");
    let client = stage.connected(options(&[port]));
    let made = client.subscribe(stage.registry(), "a", |_, world: &mut World, message| {
        let names = message.headers.map(|headers| headers.iter().count());
        world.seen.push(format!("{names:?} {}", String::from_utf8_lossy(message.payload)));
    });
    made.expect("it can be");
    stage.until_seen("Some(0) yes");
    assert_eq!(
        (stage.count("unreadable"), stage.count("lost"), client.statistics().strays),
        (1, 0, 1)
    );
}

#[test]
fn everything_that_can_become_more_has_a_limit() {
    let mut stage = Stage::new();
    let port = listen(&mut stage, Script { pongs: 1, ..WELL });
    let mut options = options(&[port]);
    options.limits.subscriptions = 2;
    options.limits.requests = 2;
    options.limits.flushes = 2;
    let client = stage.connected(options);
    for may in [true, true, false] {
        let made = client.subscribe(stage.registry(), "a", |_, _, _| {}).map(drop);
        assert_eq!(made, if may { Ok(()) } else { Err(SubscribeError::Full) });
        let asked =
            client.request(stage.registry(), "a", b"", PATIENCE, |_, world: &mut World, it| {
                world.seen.push(told(it));
            });
        assert_eq!(asked, if may { Ok(()) } else { Err(RequestError::Full) });
        let flushed = client.flush(stage.registry(), |_, _, _| {});
        assert_eq!(flushed, if may { Ok(()) } else { Err(FlushError::Full) });
    }
    client.close(stage.registry());
    stage.until("both have ended", |world| {
        world.seen.iter().filter(|line| *line == "no answer: the client is closed").count() == 2
    });
}

#[test]
fn what_is_no_subject_is_refused_before_it_is_sent() {
    let mut stage = Stage::new();
    let client = stage.client(options(&[free_port()]));
    for subject in ["", "a b", "a..b", "a\r\nPUB b 1"] {
        let registry = stage.registry();
        assert!(matches!(client.publish(registry, subject, b""), Err(PublishError::Subject(_))));
        assert!(matches!(
            client.subscribe(registry, subject, |_, _, _| {}),
            Err(SubscribeError::Subject(_))
        ));
        let asked = client.request(registry, subject, b"", PATIENCE, |_, _, _| unreachable!());
        assert!(matches!(asked, Err(RequestError::NotSent(PublishError::Subject(_)))));
    }
    assert_eq!((client.pending(), client.waiting(), client.subscriptions()), (0, 0, 0));
    client.close(stage.registry());
    stage.until_seen("closed");
}
