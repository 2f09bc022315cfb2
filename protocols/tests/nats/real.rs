//! The client against `nats-server`, where that is installed.

use std::time::Duration;

use protocols::nats::{Auth, Client, Event, HeaderMap, Message, PublishError, RequestError};

use crate::outside;
use crate::stage::{PATIENCE, Process, Stage, World, free_port, options, server, text};

/// A server of its own, if there is such a program.
#[track_caller]
fn broker(arguments: &[&str]) -> Option<(Process, u16)> {
    outside::program("nats-server")?;
    let port = free_port();
    Some((server(port, arguments), port))
}

/// What was seen, but for the connections and flushes.
fn messages(stage: &Stage) -> Vec<&str> {
    let is_message = |line: &&str| !line.starts_with("flushed") && !line.starts_with("connected");
    stage.world.seen.iter().map(String::as_str).filter(is_message).collect()
}

#[test]
fn what_is_published_comes_to_all_who_have_subscribed_in_its_order() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let (ann, bob) = (stage.connected(options(&[port])), stage.connected(options(&[port])));
    stage.subscribe(&bob, "chat.*");
    stage.subscribe(&bob, "chat.>");
    for number in 0..200 {
        stage.publish(&ann, "chat.tea", &number.to_string());
    }
    stage.publish(&ann, "other", "nobody hears it");
    stage.until("all have come", |world| {
        world.seen.iter().filter(|it| it.starts_with("chat")).count() == 400
    });
    let mut numbers: Vec<_> = messages(&stage).iter().map(|line| (*line).to_owned()).collect();
    numbers.dedup();
    let twice: Vec<_> = (0..200).map(|number| format!("chat.tea {number}")).collect();
    // The server delivers to one subscription after the other, or to both in turn.
    let firsts: Vec<_> = twice.iter().filter(|line| numbers.contains(line)).cloned().collect();
    assert_eq!(firsts, twice);
    assert_eq!(bob.statistics().in_messages, 400);
    assert_eq!(ann.statistics().out_messages, 201);
}

#[test]
fn headers_long_messages_and_addresses_for_answers_arrive() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[port]));
    let subscribed = client.subscribe(stage.registry(), "a", |_, world: &mut World, message| {
        let head = (message.header("One"), message.header("Two"), message.reply);
        let same = message.payload.iter().all(|byte| *byte == b'x');
        world.seen.push(format!("{head:?} {} {same}", message.payload.len()));
    });
    subscribed.expect("it can be");
    let mut headers = HeaderMap::new();
    headers.append("One", "1").expect("it may be one");
    headers.append("Two", "a: b").expect("it may be one");
    let most = 1_048_576 - headers.view().as_bytes().len();
    let payload = vec![b'x'; most];
    let message = Message::new("a", &payload).with_headers(headers.view()).with_reply("b.c");
    client.publish_message(stage.registry(), &message).expect("it fits");
    stage.until_seen(&format!("(Some(\"1\"), Some(\"a: b\"), Some(\"b.c\")) {most} true"));
    let longer = vec![b'x'; 1_048_577];
    let refused = client.publish(stage.registry(), "a", &longer);
    assert_eq!(refused, Err(PublishError::TooLong { size: 1_048_577, most: 1_048_576 }));
    client.publish(stage.registry(), "a", b"").expect("it may be empty");
    stage.until_seen("(None, None, None) 0 true");
}

#[test]
fn what_is_published_when_the_loop_shuts_down_still_arrives() {
    let Some((_server, port)) = broker(&[]) else { return };
    let (mut stage, mut leaving) = (Stage::new(), Stage::new());
    let hears = stage.connected(options(&[port]));
    stage.subscribe(&hears, "goodbye");
    let says = std::rc::Rc::new(std::cell::OnceCell::<Client<World>>::new());
    let last_words = std::rc::Rc::clone(&says);
    let client =
        Client::connect(leaving.registry(), options(&[port]), move |registry, _, event| {
            if let (Event::ShuttingDown, Some(client)) = (event, last_words.get()) {
                client.publish(registry, "goodbye", b"now").expect("it leaves");
            }
        });
    assert!(says.set(client.clone()).is_ok());
    leaving.until("it is connected", |_| client.is_connected());
    leaving.finish();
    stage.until_seen("goodbye now");
}

#[test]
fn of_a_group_one_member_gets_each_message() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let clients: Vec<_> = (0..3).map(|_| stage.connected(options(&[port]))).collect();
    for (member, client) in clients.iter().enumerate() {
        let made = client.queue_subscribe(
            stage.registry(),
            "jobs",
            "workers",
            move |_, world: &mut World, message| {
                world.seen.push(format!("{member} {}", text(message)));
            },
        );
        made.expect("it can be");
        stage.flush(client);
    }
    (0..300).for_each(|job| stage.publish(&clients[0], "jobs", &job.to_string()));
    stage.until("all are done", |world| {
        world.seen.iter().filter(|it| it.contains(" jobs ")).count() == 300
    });
    stage.flush(&clients[0]);
    for member in 0..3 {
        assert!(stage.count(&format!("{member} jobs")) > 0, "each has some");
    }
    assert_eq!(stage.count(" jobs "), 300);
}

#[test]
fn a_request_is_answered_or_ends_with_the_reason() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let (asker, service) = (stage.connected(options(&[port])), stage.connected(options(&[port])));
    let answering = service.clone();
    let made = service.subscribe(stage.registry(), "double", move |registry, _, message| {
        let answer = String::from_utf8_lossy(message.payload).repeat(2);
        answering.respond(registry, message, answer.as_bytes()).expect("it can be answered");
    });
    made.expect("it can be");
    stage.subscribe(&service, "silence");
    stage.request(&asker, "double", "ab", PATIENCE);
    stage.until_seen("answer abab");
    stage.request(&asker, "nobody", "", PATIENCE);
    stage.until_seen("no answer: nobody is there to answer");
    stage.request(&asker, "silence", "", Duration::from_millis(30));
    stage.until_seen("no answer: no answer in 30ms");
    for number in 0..1_000 {
        stage.request(&asker, "double", &format!("<{number}>"), PATIENCE);
    }
    stage.until("all are answered", |_| asker.waiting() == 0);
    assert!((0..1_000).all(|number| stage.count(&format!("answer <{number}><{number}>")) == 1));
    assert_eq!(asker.statistics().strays, 0);
}

#[test]
fn a_subscription_ends_after_so_many_messages_and_when_it_is_told_to() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[port]));
    let limited = stage.subscribe(&client, "a");
    assert!(client.unsubscribe_after(stage.registry(), limited, 3));
    let told = stage.subscribe(&client, "b");
    for number in 0..5 {
        stage.publish(&client, "a", &number.to_string());
        stage.publish(&client, "b", &number.to_string());
    }
    stage.flush(&client);
    assert_eq!((stage.count("a "), stage.count("b ")), (3, 5));
    assert!(
        client.unsubscribe(stage.registry(), told) && !client.unsubscribe(stage.registry(), told)
    );
    stage.publish(&client, "b", "late");
    stage.flush(&client);
    assert_eq!(
        (stage.count("b late"), client.subscriptions(), client.statistics().strays),
        (0, 0, 0)
    );
    assert!(!client.unsubscribe_after(stage.registry(), limited, 9));
}

#[test]
fn a_server_that_is_killed_and_started_again_is_found_again() {
    let Some((mut killed, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let client = stage.connected(options(&[port]));
    let limited = stage.subscribe(&client, "a.limited");
    client.unsubscribe_after(stage.registry(), limited, 3);
    stage.subscribe(&client, "a.*");
    stage.publish(&client, "a.limited", "1");
    stage.flush(&client);
    stage.subscribe(&client, "silence");
    stage.request(&client, "silence", "", PATIENCE);
    stage.flush(&client);
    killed.0.kill().expect("it runs");
    drop(killed);
    stage.until_seen("lost: ");
    stage.until_seen("no answer: the connection was lost before there was an answer");
    // It is kept until there is a server again, and a request with it.
    stage.publish(&client, "a.b", "kept");
    stage.request(&client, "nobody", "", PATIENCE);
    assert_eq!(client.pending(), 2);
    let _server = server(port, &[]);
    stage.until_seen("connected again");
    stage.until_seen("a.b kept");
    stage.until_seen("no answer: nobody is there");
    for number in 2..5 {
        stage.publish(&client, "a.limited", &number.to_string());
    }
    stage.flush(&client);
    // One of the limited one before, two after; and all of them by the other.
    assert_eq!(stage.count("a.limited"), 3 + 4);
    assert_eq!((client.pending(), client.waiting()), (0, 0));
}

#[test]
fn another_server_of_the_cluster_takes_over_that_was_learned_from_the_first() {
    if outside::program("nats-server").is_none() {
        return;
    }
    let (ports, cluster) = ([free_port(), free_port()], [free_port(), free_port()]);
    let start = |it: usize| {
        let listen = format!("nats://127.0.0.1:{}", cluster[it]);
        let routes = format!("nats://127.0.0.1:{}", cluster[1 - it]);
        server(ports[it], &["--cluster_name", "c", "--cluster", &listen, "--routes", &routes])
    };
    let (first, _second) = (start(0), start(1));
    let mut stage = Stage::new();
    let client = stage.connected(options(&[ports[0]]));
    stage.subscribe(&client, "a");
    stage.until("it knows the other", |_| {
        let urls = client.server_info().connect_urls;
        urls.iter().any(|url| url.ends_with(&format!(":{}", ports[1])))
    });
    drop(first);
    stage.until_seen("connected again");
    stage.publish(&client, "a", "by the second");
    stage.until_seen("a by the second");
}

#[test]
fn who_is_not_let_in_is_told_so_once_and_for_all() {
    let Some((_server, port)) = broker(&["--user", "ann", "--pass", "secret"]) else { return };
    let mut stage = Stage::new();
    let user =
        |password: &str| Auth::UserPassword { user: "ann".into(), password: password.into() };
    let mut right = options(&[port]);
    right.auth = user("secret");
    stage.connected(right);
    let mut wrong = options(&[port]);
    wrong.auth = user("guess");
    let refused = stage.client(wrong);
    let refusal =
        "the server does not let this client in (Authorization Violation); it asked as user ann";
    stage.until_seen(&format!("closed: {refusal}"));
    assert_eq!(stage.count(&format!("failed: {refusal}")), 1);
    assert_eq!(stage.count("guess"), 0, "{:?}", stage.world.seen);
    assert!(refused.is_closed());
    let closed = refused.request(stage.registry(), "a", b"", PATIENCE, |_, _, _| unreachable!());
    assert_eq!(closed, Err(RequestError::Closed));
    let mut named = options(&[]);
    named.servers = vec![format!("nats://ann:secret@127.0.0.1:{port}").parse().expect("it is one")];
    stage.connected(named);
}

#[test]
fn a_token_lets_in_and_what_is_not_permitted_is_told_and_ends_nothing() {
    if outside::program("nats-server").is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("permissions.conf");
    let users = r#"authorization { users: [ { user: ann, password: a,
        permissions: { publish: ["open.>"], subscribe: ["open.>", "_INBOX.>"] } } ] }"#;
    std::fs::write(&config, users).expect("it can be written");
    let port = free_port();
    let _server = server(port, &["-c", &config.display().to_string()]);
    let mut stage = Stage::new();
    let mut named = options(&[]);
    named.servers = vec![format!("nats://ann:a@127.0.0.1:{port}").parse().expect("it is one")];
    let client = stage.connected(named);
    stage.publish(&client, "closed.a", "x");
    stage.until_seen("complaint: not permitted: to publish to closed.a");
    let made = client.queue_subscribe(stage.registry(), "closed.*", "q", |_, _, _| {});
    made.expect("the server decides");
    stage.until_seen("complaint: not permitted: to subscribe to closed.* in the group q");
    stage.subscribe(&client, "open.*");
    stage.publish(&client, "open.a", "x");
    stage.until_seen("open.a x");
    assert_eq!((stage.count("lost"), client.statistics().connects), (0, 1));

    let token_port = free_port();
    let _token_server = server(token_port, &["--auth", "t0k:n"]);
    let mut token = options(&[]);
    token.servers =
        vec![format!("nats://t0k%3An@127.0.0.1:{token_port}").parse().expect("it is one")];
    stage.connected(token);
}

#[test]
fn a_slow_consumer_is_cut_off_and_comes_again() {
    if outside::program("nats-server").is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("slow.conf");
    std::fs::write(&config, "max_payload: 70000\nmax_pending: 100000\nwrite_deadline: \"100ms\"\n")
        .expect("it can be written");
    let port = free_port();
    let _server = server(port, &["-c", &config.display().to_string()]);
    let mut stage = Stage::new();
    let slow = stage.connected(options(&[port]));
    stage.subscribe(&slow, "flood");
    // The slow one is on this loop, which stands still meanwhile; the fast one is on another.
    let flooding = std::thread::spawn(move || {
        let mut stage = Stage::new();
        let fast = stage.connected(options(&[port]));
        let payload = "x".repeat(64 * 1024);
        for _ in 0..400 {
            stage.publish(&fast, "flood", &payload);
            stage.flush(&fast);
        }
    });
    flooding.join().expect("it floods");
    stage.until_seen("connected again");
    assert!(stage.count("lost: ") > 0);
    stage.publish(&slow, "flood", "gently");
    stage.until_seen("flood gently");
}

#[test]
fn a_server_in_lame_duck_mode_says_so_and_another_one_is_found() {
    let Some((_other, other)) = broker(&[]) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("duck.conf");
    let text = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1ms\"\n";
    std::fs::write(&config, text).expect("it can be written");
    let port = free_port();
    let leaving = server(port, &["-c", &config.display().to_string()]);
    let mut stage = Stage::new();
    let client = stage.connected(options(&[port, other]));
    let pid = leaving.0.id().to_string();
    let signalled = std::process::Command::new("nats-server")
        .args(["--signal", &format!("ldm={pid}")])
        .status();
    assert!(signalled.expect("it can be started").success());
    stage.until_seen("lame duck");
    stage.until_seen("connected again");
    stage.subscribe(&client, "a");
    stage.publish(&client, "a", "elsewhere");
    stage.until_seen("a elsewhere");
}

#[test]
fn who_drains_hears_what_has_come_answers_it_and_is_closed() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let (asker, service) = (stage.connected(options(&[port])), stage.connected(options(&[port])));
    let answering = service.clone();
    let made = service.subscribe(stage.registry(), "work", move |registry, _, message| {
        answering.respond(registry, message, b"done").expect("it can still be answered");
    });
    made.expect("it can be");
    stage.flush(&service);
    (0..100).for_each(|_| stage.request(&asker, "work", "", PATIENCE));
    stage.flush(&asker);
    service.drain(stage.registry());
    let late = service.subscribe(stage.registry(), "late", |_, _, _| {});
    assert_eq!(late, Err(protocols::nats::SubscribeError::Closed));
    stage.until_seen("closed");
    stage.until("all are answered", |_| asker.waiting() == 0);
    assert_eq!((stage.count("answer done"), stage.count("closed: ")), (100, 0));
    assert!(service.publish(stage.registry(), "a", b"") == Err(PublishError::Closed));
}

#[test]
fn a_handler_that_closes_its_client_has_published_before() {
    let Some((_server, port)) = broker(&[]) else { return };
    let mut stage = Stage::new();
    let (watcher, leaver) = (stage.connected(options(&[port])), stage.connected(options(&[port])));
    stage.subscribe(&watcher, "farewell");
    let leaving: Client<World> = leaver.clone();
    let made = leaver.subscribe(stage.registry(), "leave", move |registry, _, _| {
        leaving.publish(registry, "farewell", b"bye").expect("it can be");
        leaving.close(registry);
    });
    made.expect("it can be");
    stage.flush(&leaver);
    stage.publish(&watcher, "leave", "1");
    stage.publish(&watcher, "leave", "2");
    stage.until_seen("farewell bye");
    stage.until_seen("closed");
    stage.flush(&watcher);
    assert_eq!(stage.count("farewell bye"), 1, "what comes behind the end is for nobody");
}
