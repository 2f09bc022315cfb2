//! The end of the loop: everybody is told, most finish, and the rest is cut off at the deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::support;
use reactor::{
    DatagramLimits, ListenOptions, OpenError, Reactor, Registry, StreamLimits, StreamOptions,
    TimerKey, Transport,
};
use support::{DatagramProbe, Log, PATIENCE, Probe, Stage, any_port, assert_reset, client, retry};

const SHORT: Duration = Duration::from_millis(40);
const PEER_CLOSED: &str = "close the peer closed the connection";

fn server() -> Probe {
    Probe::new("server")
}

/// Turns once, without waiting.
fn turn(stage: &mut Stage) {
    let turn = stage.reactor.turn(Some(Duration::ZERO), &mut stage.log).unwrap();
    assert!(turn.is_running(), "{turn:?}");
}

// ── the report ──────────────────────────────────────────────────────────────────────────────

#[test]
fn a_loop_with_nothing_to_do_ends_at_once() {
    let mut stage = Stage::new();
    stage.registry().shutdown(PATIENCE);
    let report = stage.reactor.run(&mut stage.log).unwrap();
    assert_eq!((report.finished, report.bytes_lost), (0, 0));
    assert!(report.cut_off.is_empty());
    assert!(report.took < PATIENCE / 2);
}

#[test]
fn the_report_tells_who_finished_and_who_was_cut_off_and_what_was_lost() {
    let mut stage = Stage::new();
    let stream = StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() };
    let options = ListenOptions { stream, ..ListenOptions::default() };
    let address = stage.listen_with(&options, || {
        // It has much to say to whoever asks for it.
        server().on_data(|transport, input, _| {
            input.take_all();
            transport.write(&vec![0; 1 << 20]);
        })
    });
    let polite = client(address);
    let mut deaf = client(address);
    deaf.write_all(b"tell me everything").unwrap();
    stage.until(|log| log.opened.len() == 2 && log.has("server", "data 18"));

    stage.registry().shutdown(PATIENCE);
    // One says goodbye when it is said to it, the other does not even listen.
    let polite = stage.peer(move || (&polite).read_to_end(&mut Vec::new()).unwrap());
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(polite.join(), 0);
    stage.registry().shutdown(Duration::ZERO);
    let report = stage.until_shut_down();
    assert_eq!(report.finished, 1);
    let [cut] = &report.cut_off[..] else { panic!("{report:?}") };
    assert_eq!(cut.id, stage.log.opened[1].1);
    assert_eq!(cut.peer, deaf.local_addr().unwrap().into());
    assert_eq!(cut.reason, "cut off by the shutdown of the loop");
    assert!(cut.bytes_lost > 0);
    assert_eq!(report.bytes_lost, cut.bytes_lost);
    assert_eq!(stage.log.ends.iter().map(|end| end.unsent).sum::<u64>(), cut.bytes_lost);

    let text = report.to_string();
    let took = report.took.as_secs_f64();
    let lost = cut.bytes_lost;
    let (id, peer) = (cut.id, &cut.peer);
    assert_eq!(
        text,
        format!(
            "shut down in {took:.3} s: 1 connections finished, 1 were cut off, {lost} bytes lost\n  \
             {id} with {peer}: cut off by the shutdown of the loop ({lost} bytes lost)"
        )
    );
    assert_reset(deaf);
}

#[test]
fn a_protocol_may_say_goodbye_in_its_own_words() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        server().on_shutdown(|transport, _| {
            transport.write(b"221 service closing\r\n");
            transport.close();
        })
    });
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.registry().shutdown(PATIENCE);
    let reading = stage.peer(move || {
        let mut said = String::new();
        caller.read_to_string(&mut said).unwrap();
        said
    });
    let report = stage.until_shut_down();
    assert_eq!(reading.join(), "221 service closing\r\n");
    assert_eq!(stage.log.of("server"), ["open", "shutdown", "close closed"]);
    assert_eq!((report.finished, report.cut_off.len()), (1, 0));
    assert!(report.took < PATIENCE / 2, "it does not wait for the deadline");
}

#[test]
fn a_protocol_may_finish_what_it_is_at() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        server()
            .on_shutdown(|transport, _| transport.set_timer(TimerKey(1), Duration::from_millis(5)))
            .on_data(|transport, input, _| transport.write(input.take_all()))
            .on_timer(|transport, _, _| {
                transport.write(b"done");
                transport.close();
            })
    });
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.registry().shutdown(PATIENCE);
    turn(&mut stage);
    caller.write_all(b"almost ").unwrap();
    let reading = stage.peer(move || {
        let mut said = Vec::new();
        caller.read_to_end(&mut said).unwrap();
        said
    });
    let report = stage.until_shut_down();
    assert_eq!(reading.join(), b"almost done");
    assert_eq!(report.finished, 1);
}

// ── how it begins ───────────────────────────────────────────────────────────────────────────

#[test]
fn listeners_are_gone_before_anybody_is_waited_for() {
    let mut stage = Stage::new();
    let address = stage.listen(|| server().on_shutdown(|_, _| {}));
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.registry().shutdown(PATIENCE);
    turn(&mut stage);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let id = stage.log.id("server");
    assert!(stage.registry().is_connected(id), "who is in is waited for");
    // Its successor can listen already.
    drop(TcpListener::bind(address).unwrap());
    drop(caller);
    stage.until_shut_down();
}

#[test]
fn nothing_new_is_taken() {
    let mut stage = Stage::new();
    stage.registry().shutdown(PATIENCE);
    let registry = stage.registry();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let errors = [
        registry.listen(any_port(), |_, _| server()).map(drop),
        registry.connect(address.into(), server()).map(drop),
        registry.bind_datagram(any_port(), DatagramProbe::new("socket")).map(drop),
        registry
            .adopt(
                TcpStream::connect(address).unwrap(),
                &StreamOptions::default(),
                &StreamLimits::default(),
                server(),
            )
            .map(drop),
        registry
            .adopt_datagram(
                std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
                &DatagramLimits::default(),
                DatagramProbe::new("socket"),
            )
            .map(drop),
        registry.adopt_listener(listener, &ListenOptions::default(), |_, _| None).map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, OpenError::ShuttingDown(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("the loop is shutting down: 127.0.0.1:"), "{text}");
        assert!(text.ends_with(" was not opened"), "{text}");
    }
    stage.until_shut_down();
}

#[test]
fn another_thread_can_shut_the_loop_down() {
    let mut stage = Stage::new();
    let address = stage.listen(server);
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    let handle = stage.handle();
    let elsewhere = std::thread::spawn(move || {
        handle.shutdown(PATIENCE).unwrap();
        drop(caller);
    });
    let report = stage.reactor.run(&mut stage.log).unwrap();
    elsewhere.join().unwrap();
    assert_eq!((report.finished, report.cut_off.len()), (1, 0));
}

#[test]
fn a_callback_can_shut_the_loop_down() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        server().on_data(|transport, input, _| {
            transport.write(input.take_all());
            transport.registry().shutdown(PATIENCE);
        })
    });
    let mut caller = client(address);
    caller.write_all(b"stop").unwrap();
    let reading = stage.peer(move || {
        let mut said = Vec::new();
        caller.read_to_end(&mut said).unwrap();
        said
    });
    let report = stage.until_shut_down();
    assert_eq!(reading.join(), b"stop");
    assert_eq!(stage.log.of("server"), ["open", "data 4", "shutdown", "close closed"]);
    assert_eq!(report.finished, 1);
}

#[test]
fn who_comes_in_with_the_shutdown_is_not_forgotten() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        server().on_data(|transport, input, _| {
            input.take_all();
            transport.registry().shutdown(PATIENCE);
        })
    });
    let mut first = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    // Both in one batch of events: the word that ends the loop, and then a newcomer.
    first.write_all(b"stop").unwrap();
    let mut second = client(address);
    let reading = stage.peer(move || {
        let first = first.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        let second = second.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        (first, second)
    });
    let report = stage.until_shut_down();
    let (first, second) = reading.join();
    assert_eq!(first, Ok(0));
    // Whether it was let in before the listener closed is the poller's choice.
    assert!(matches!(second, Ok(0) | Err(ErrorKind::ConnectionReset)), "{second:?}");
    assert!(report.cut_off.is_empty(), "{report}");
    assert!(report.took < PATIENCE / 2, "{report}");
}

#[test]
fn the_last_connection_may_end_in_the_turn_of_the_shutdown() {
    let mut stage = Stage::new();
    let address = stage.listen(server);
    let _caller = client(address);
    stage.until(|log| log.has("server", "open"));
    let id = stage.log.id("server");
    stage
        .registry()
        .after(Duration::ZERO, move |registry, _| {
            registry.abort(id).unwrap();
            registry.shutdown(PATIENCE);
        })
        .unwrap();
    let report = stage.until_shut_down();
    assert_eq!(report.cut_off.len(), 1);
    assert_eq!(report.cut_off[0].reason, "aborted");
}

// ── whom it finds ───────────────────────────────────────────────────────────────────────────

#[test]
fn who_has_said_goodbye_already_is_not_told() {
    let mut stage = Stage::new();
    let address = stage.listen(|| server().on_open(|transport, _| transport.close()));
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.registry().shutdown(PATIENCE);
    turn(&mut stage);
    drop(caller);
    let report = stage.until_shut_down();
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    assert_eq!(report.finished, 1);
}

#[test]
#[cfg(unix)]
fn who_is_not_open_yet_hears_only_of_the_end() {
    let mut stage = Stage::new();
    let full = support::FullListener::new();
    stage.connect(full.address(), Probe::new("client"));
    stage.registry().shutdown(SHORT);
    let report = stage.until_shut_down();
    assert_eq!(stage.log.of("client"), ["close cut off by the shutdown of the loop"]);
    assert_eq!((report.finished, report.cut_off.len()), (0, 1));
}

#[test]
fn a_paused_connection_finishes_too() {
    let mut stage = Stage::new();
    let stream = StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() };
    let options = ListenOptions { stream, ..ListenOptions::default() };
    let address = stage.listen_with(&options, || {
        server().on_open(|transport, _| {
            transport.pause();
            transport.write(&vec![b'y'; 2 << 20]);
        })
    });
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    // Both wait for each other, and the kernel reports nothing.
    stage.fill(&mut caller);
    stage.registry().shutdown(PATIENCE);
    stage.until_quiet();
    assert!(stage.reactor.stats().read_bytes > 0, "it was read without an event");
    let talking = stage.peer(move || {
        caller.write_all(&vec![b'x'; 1 << 20])?;
        caller.read_to_end(&mut Vec::new())
    });
    let report = stage.until_shut_down();
    assert_eq!(talking.join().expect("it is not reset"), 2 << 20);
    assert_eq!((report.finished, report.cut_off.len()), (1, 0), "{report}");
    assert!(report.took < PATIENCE / 2, "{report}");
}

#[test]
fn datagram_sockets_are_told_and_closed() {
    let mut stage = Stage::new();
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = peer.local_addr().unwrap().into();
    let probe = DatagramProbe::new("socket").on_shutdown(move |socket, _| {
        socket.send_to(b"goodbye", &to).unwrap();
        socket.close();
    });
    stage.registry().bind_datagram(any_port(), probe).unwrap();
    // One that will not close by itself.
    let stubborn = DatagramProbe::new("stubborn").on_shutdown(|_, _| {});
    stage.registry().bind_datagram(any_port(), stubborn).unwrap();
    stage.until(|log| log.has("stubborn", "open"));
    stage.registry().shutdown(SHORT);
    let report = stage.until_shut_down();
    assert!(report.took >= SHORT);
    assert_eq!(retry(|| peer.recv(&mut [0; 16])).unwrap(), 7);
    assert_eq!(stage.log.of("socket"), ["open", "shutdown", "close closed"]);
    assert_eq!(
        stage.log.of("stubborn"),
        ["open", "shutdown", "close cut off by the shutdown of the loop"]
    );
}

#[test]
fn timers_and_resting_listeners_hold_nothing_up() {
    let mut stage = Stage::new();
    let hour = Duration::from_secs(3_600);
    let timer = stage.registry().every(hour, |_, _| {}).unwrap();
    let options = ListenOptions { accept_rate: Some(1), ..ListenOptions::default() };
    let address = stage.listen_with(&options, server);
    let callers = [client(address), client(address)];
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().accept_rests, 1, "the second waits in the queue");
    drop(callers);
    stage.until_closed("server");
    stage.registry().shutdown(PATIENCE);
    let report = stage.until_shut_down();
    assert!(report.took < PATIENCE / 2, "{report}");
    assert!(stage.registry().cancel(timer), "a program's timers are its own");
}

// ── the deadline ────────────────────────────────────────────────────────────────────────────

/// A stage with a connection that does not close, and its client.
fn stubborn() -> (Stage, TcpStream) {
    let mut stage = Stage::new();
    let address = stage.listen(|| server().on_shutdown(|_, _| {}));
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    (stage, caller)
}

#[test]
fn no_grace_cuts_everybody_off_but_tells_them_first() {
    let (mut stage, caller) = stubborn();
    stage.registry().shutdown(Duration::ZERO);
    let report = stage.until_shut_down();
    assert_eq!(
        stage.log.of("server"),
        ["open", "shutdown", "close cut off by the shutdown of the loop"]
    );
    assert_eq!((report.finished, report.cut_off.len()), (0, 1));
    assert_reset(caller);
}

#[test]
fn a_second_shutdown_can_shorten_the_grace() {
    let (mut stage, _caller) = stubborn();
    let began = Instant::now();
    stage.registry().shutdown(PATIENCE);
    turn(&mut stage);
    stage.registry().shutdown(SHORT);
    let report = stage.until_shut_down();
    assert!(report.took >= SHORT && report.took < PATIENCE / 2, "{report}");
    assert!(report.took <= began.elapsed(), "{report}");
    assert_eq!(stage.log.count("server", "shutdown"), 1, "it is told once");
}

#[test]
fn a_second_shutdown_cannot_lengthen_the_grace() {
    let (mut stage, _caller) = stubborn();
    stage.registry().shutdown(SHORT);
    turn(&mut stage);
    stage.registry().shutdown(PATIENCE);
    let report = stage.until_shut_down();
    assert!(report.took < PATIENCE / 2, "{report}");
}

#[test]
fn a_grace_without_end_waits_for_the_last() {
    let (mut stage, caller) = stubborn();
    stage.registry().shutdown(Duration::MAX);
    stage.until_quiet();
    drop(caller);
    let report = stage.until_shut_down();
    assert_eq!(report.finished, 1);
    assert_eq!(stage.log.of("server"), ["open", "shutdown", "end", PEER_CLOSED]);
}

// ── work that is out ────────────────────────────────────────────────────────────────────────

/// A server that has each piece it is sent worked on until the test opens the gate, and then writes how long it
/// was; and the gate.
fn worker() -> (mpsc::Sender<()>, Probe) {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let server = server().on_data(move |transport, input, _| {
        let (length, gate) = (input.take_all().len(), Arc::clone(&gate));
        let work = move || gate.lock().unwrap().recv().map_or(0, |()| length);
        let done = |_: &mut Probe, transport: &mut Transport<'_, Log>, log: &mut Log, result| {
            let length: usize = Result::unwrap(result);
            log.note("server", format!("worked on {length}"));
            transport.write(format!("{length} bytes\n").as_bytes());
            // As those do who have one piece out at a time.
            transport.resume();
        };
        transport.pause();
        transport.offload(work, done).unwrap();
    });
    (open, server)
}

/// A connection of such a server, with one piece of work out; what the client says reaches nobody until it is back.
fn at_work() -> (Stage, mpsc::Sender<()>, TcpStream) {
    let mut stage = Stage::new();
    let (open, server) = worker();
    let mut server = Some(server);
    let address = stage.listen(move || server.take().unwrap());
    let mut caller = client(address);
    caller.write_all(b"work").unwrap();
    stage.until(|log| log.has("server", "data 4"));
    (stage, open, caller)
}

#[test]
fn who_waits_for_offloaded_work_has_its_answer_before_it_is_told() {
    let (mut stage, open, mut caller) = at_work();
    caller.write_all(b"more work").unwrap();
    stage.registry().shutdown(PATIENCE);
    stage.until_quiet();
    assert_eq!(stage.log.of("server"), ["open", "data 4"], "it is not told yet, nor read");
    open.send(()).unwrap();
    let reading = stage.peer(move || {
        let mut said = String::new();
        caller.read_to_string(&mut said).map(|_| said)
    });
    let report = stage.until_shut_down();
    assert_eq!(reading.join().unwrap(), "4 bytes\n");
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 4", "worked on 4", "shutdown", "close closed"]
    );
    assert_eq!((report.finished, report.cut_off.len(), report.work_lost), (1, 0, 0), "{report}");
}

/// A server that handles one byte at a time and leaves the rest for later can tell at the end that there is some.
#[test]
fn who_has_read_more_than_it_has_handled_knows_and_may_handle_it_before_the_end() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        server()
            .on_data(|transport, input, log| {
                assert_eq!(transport.unread_bytes(), 0, "all of it is in the input");
                transport.write(input.take_front(1));
                if !log.has("server", "shutdown") {
                    return transport.pause();
                }
                transport.write(input.take_all());
                transport.close();
            })
            .on_shutdown(|transport, log| {
                log.note("server", format!("{} unread", transport.unread_bytes()));
                transport.resume();
            })
    });
    let mut caller = client(address);
    caller.write_all(b"work").unwrap();
    stage.until(|log| log.has("server", "data 1"));
    stage.registry().shutdown(PATIENCE);
    let reading = stage.peer(move || {
        let mut said = String::new();
        caller.read_to_string(&mut said).map(|_| said)
    });
    let report = stage.until_shut_down();
    assert_eq!(reading.join().unwrap(), "work");
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 1", "shutdown", "3 unread", "data 3", "close closed"]
    );
    assert_eq!((report.finished, report.bytes_lost), (1, 0), "{report}");
}

#[test]
fn work_that_is_out_is_waited_for_until_the_grace_is_over() {
    let (mut stage, _open, _caller) = at_work();
    stage.registry().shutdown(SHORT);
    let report = stage.until_shut_down();
    let cut = "close cut off by the shutdown of the loop";
    assert_eq!(stage.log.of("server")[2..], ["shutdown", cut]);
    assert_eq!((report.cut_off.len(), report.work_lost), (1, 1), "{report}");
    assert!(report.to_string().contains("0 bytes lost, 1 pieces of work not done"), "{report}");
}

#[test]
fn a_second_shutdown_does_not_wait_for_work() {
    let (mut stage, _open, _caller) = at_work();
    stage.registry().shutdown(PATIENCE);
    stage.until_quiet();
    assert!(stage.registry().is_shutting_down());
    stage.registry().shutdown(Duration::ZERO);
    let report = stage.until_shut_down();
    assert!(report.took < PATIENCE / 2 && report.work_lost == 1, "{report}");
    assert!(!stage.registry().is_shutting_down());
}

/// Whoever is told at last may go on for a while, and is read again.
#[test]
fn who_is_told_late_may_still_finish_what_it_is_at() {
    let mut stage = Stage::new();
    let (open, server) = worker();
    let mut server = Some(server.on_shutdown(|_, _| {}));
    let address = stage.listen(move || server.take().unwrap());
    let mut caller = client(address);
    caller.write_all(b"work").unwrap();
    stage.until(|log| log.has("server", "data 4"));
    stage.registry().shutdown(PATIENCE);
    stage.until_quiet();
    caller.write_all(b"and more").unwrap();
    stage.until_quiet();
    assert_eq!(stage.log.of("server"), ["open", "data 4"]);
    open.send(()).unwrap();
    stage.until(|log| log.has("server", "data 8"));
    assert_eq!(stage.log.of("server")[2..], ["worked on 4", "shutdown", "data 8"]);
    open.send(()).unwrap();
    let reading = stage.peer(move || {
        let mut said = [0; "4 bytes\n8 bytes\n".len()];
        caller.read_exact(&mut said).map(|()| said)
    });
    let report = stage.until_shut_down();
    assert_eq!(reading.join().unwrap(), *b"4 bytes\n8 bytes\n");
    assert_eq!((report.finished, stage.log.count("server", "shutdown")), (1, 1), "{report}");
}

#[test]
fn work_of_a_connection_that_has_gone_is_waited_for_and_told_to_nobody() {
    let (mut stage, open, _caller) = at_work();
    let id = stage.log.id("server");
    stage.registry().abort(id).unwrap();
    stage.until_closed("server");
    stage.registry().shutdown(PATIENCE);
    stage.until_quiet();
    open.send(()).unwrap();
    let report = stage.until_shut_down();
    assert_eq!((report.finished, report.work_lost), (0, 0), "{report}");
    assert_eq!(stage.log.of("server"), ["open", "data 4", "close aborted"]);
}

#[test]
fn work_of_nobody_is_waited_for_and_may_bring_more() {
    let mut stage = Stage::new();
    let (open, gate) = mpsc::channel::<()>();
    let done = move |registry: &mut Registry<Log>, log: &mut Log, _| {
        log.note("work", "stored");
        let more = registry.offload(|| (), |_, log: &mut Log, _| log.note("work", "synced"));
        more.unwrap();
    };
    stage.registry().offload(move || gate.recv().is_ok(), done).unwrap();
    stage.registry().shutdown(PATIENCE);
    stage.until_quiet();
    assert!(stage.log.of("work").is_empty());
    open.send(()).unwrap();
    let report = stage.until_shut_down();
    assert_eq!(stage.log.of("work"), ["stored", "synced"]);
    assert_eq!(report.work_lost, 0, "{report}");
}

/// What is done with a result may take several steps, each after the callback of the one before.
#[test]
fn what_work_leaves_to_be_done_is_done_before_the_end() {
    let mut stage = Stage::new();
    let handle = stage.handle();
    let done = move |registry: &mut Registry<Log>, _: &mut Log, _| {
        registry.defer(move |registry, log: &mut Log| {
            log.note("work", "deferred");
            registry.defer(move |_, log: &mut Log| {
                log.note("work", "deferred again");
                let post = handle.run(|_, log: &mut Log| log.note("work", "posted"));
                assert!(post.is_ok());
            });
        });
    };
    stage.registry().offload(|| (), done).unwrap();
    stage.registry().shutdown(PATIENCE);
    let report = stage.until_shut_down();
    assert_eq!(stage.log.of("work"), ["deferred", "deferred again", "posted"]);
    assert!(report.work_lost == 0 && report.took < PATIENCE / 2, "{report}");
}

#[test]
fn tasks_without_end_are_not_waited_for_longer_than_the_grace() {
    fn again(registry: &mut Registry<Log>, _: &mut Log) {
        registry.defer(again);
    }
    let mut stage = Stage::new();
    stage.registry().defer(again);
    stage.registry().shutdown(SHORT);
    let report = stage.until_shut_down();
    assert!(report.took >= SHORT && report.took < PATIENCE / 2, "{report}");
}

// ── afterwards ──────────────────────────────────────────────────────────────────────────────

#[test]
fn the_loop_can_be_used_again() {
    let mut stage = Stage::new();
    for round in 1..=3 {
        let address = stage
            .listen(|| server().on_data(|transport, input, _| transport.write(input.take_all())));
        let mut caller = client(address);
        caller.write_all(b"hello").unwrap();
        stage.until(|log| log.bytes("server").len() == 5 * round);
        caller.read_exact(&mut [0; 5]).unwrap();
        drop(caller);
        stage.registry().shutdown(PATIENCE);
        let report = stage.until_shut_down();
        assert_eq!(report.finished, 1, "each report is of its own");
        assert!(stage.registry().is_empty());
    }
    assert_eq!(stage.reactor.stats().accepted, 3);
}

/// What could it wait for?
#[test]
fn a_loop_that_has_ended_says_so_again_until_something_is_begun_anew() {
    let mut stage = Stage::new();
    let hour = Duration::from_secs(3_600);
    let left = stage.registry().every(hour, |_, _| {}).unwrap();
    let handle = stage.handle();
    stage.registry().shutdown(PATIENCE);
    let report = stage.reactor.run(&mut stage.log).unwrap();
    // A timer that is left, and a handle, are no reason to wait for ever.
    assert_eq!(stage.reactor.run(&mut stage.log).unwrap(), report);
    assert_eq!(stage.reactor.run_until_idle(&mut stage.log).unwrap(), Some(report.clone()));
    let turn = stage.reactor.turn(None, &mut stage.log).unwrap();
    assert_eq!(turn, reactor::Turn::Finished(report));

    // A message may begin it anew, and so may a timer.
    let begin = |registry: &mut Registry<Log>, _: &mut Log| {
        let end = |registry: &mut Registry<Log>, log: &mut Log| {
            log.note("timer", "fired");
            registry.shutdown(Duration::ZERO);
        };
        registry.after(Duration::from_millis(5), end).unwrap();
    };
    handle.run(begin).map_err(drop).unwrap();
    stage.reactor.run(&mut stage.log).unwrap();
    assert_eq!(stage.log.of("timer"), ["fired"]);
    assert!(stage.registry().cancel(left));
}

#[test]
fn a_loop_that_is_dropped_resets_nobody_who_has_all_and_leaks_nothing() {
    let _leaks = support::Leaks::watch();
    let mut reactor = Reactor::<Log>::new().unwrap();
    let mut log = Log::default();
    let id = reactor.registry().listen(any_port(), |_, _| server()).unwrap();
    let address = reactor.registry().listener_address(id).unwrap().socket_addr().unwrap();
    let mut caller = client(address);
    support::until(&mut reactor, &mut log, |log, _| log.has("server", "open"));
    drop(reactor);
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0);
    assert_eq!(log.of("server"), ["open"], "there is no loop left to call anybody");
    drop(caller);
}
