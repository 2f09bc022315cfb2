//! Scenarios of connections, from the first word to the last.

use std::io::{Seek, Write};
use std::time::Duration;

use reactor::{
    ConnectOptions, Input, ListenOptions, StreamLimits, StreamOptions, TimerKey, Transport,
};

use super::setting::{CONNECTIONS_PER_ADDRESS, Play, Role, boxed};
use crate::support::{Log, Probe, assert_same_bytes, pattern};

/// Long enough for whatever is on its way to arrive, on any machine and in any simulation.
const A_WHILE: Duration = Duration::from_millis(30);
const TIMER: TimerKey = TimerKey(1);
const MIB: usize = 1 << 20;

/// A probe that also writes down whether it had been open, and whether bytes were lost.
pub(crate) fn actor(who: &'static str) -> Probe {
    Probe::new(who).on_close(move |_, closed, log| {
        let opened = if closed.opened { "had opened" } else { "never opened" };
        let lost = if closed.unsent > 0 { ", and lost bytes" } else { "" };
        log.note(who, format!("{opened}{lost}"));
    })
}

type OnData = dyn FnMut(&mut Transport<'_, Log>, &mut Input<'_>, &mut Log);

/// Sends everything back.
fn echo(transport: &mut Transport<'_, Log>, input: &mut Input<'_>, _: &mut Log) {
    transport.write(input.take_all());
}

fn close(transport: &mut Transport<'_, Log>) {
    transport.close();
}

/// Waits until so many bytes are there, however they are cut, and then does something, once.
fn after(count: usize, mut act: impl FnMut(&mut Transport<'_, Log>) + 'static) -> Box<OnData> {
    let mut done = false;
    Box::new(move |transport, input, _| {
        if done {
            input.take_all();
        } else if input.len() >= count {
            input.take_front(count);
            done = true;
            act(transport);
        }
    })
}

fn says(words: &'static [u8]) -> impl FnMut(&mut Transport<'_, Log>, &mut Log) {
    move |transport, _| transport.write(words)
}

fn listen_limits(limits: StreamLimits) -> ListenOptions {
    ListenOptions { limits, ..ListenOptions::default() }
}

fn connect_limits(limits: StreamLimits) -> ConnectOptions {
    ConnectOptions { limits, ..ConnectOptions::default() }
}

/// Both are open, and the server's connection and the client's are known.
#[track_caller]
fn both_open(play: &mut Play) {
    play.until(|seen| seen.has("server", "open") && seen.has("client", "open"));
}

// ── endings ─────────────────────────────────────────────────────────────────────────────────

pub(crate) fn what_is_said_comes_back(play: &mut Play) {
    let address = play.listen(|| actor("server").on_data(echo));
    let client = actor("client").on_open(says(b"hello"));
    play.connect(&address, client.on_data(after(5, close)));
    play.until_closed(&["server", "client"]);
}

pub(crate) fn one_side_ends_and_is_answered(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_end(|transport, _| {
            transport.write(b"an answer");
            transport.close();
        })
    });
    let client = actor("client").on_open(|transport, _| {
        transport.write(b"a question");
        transport.end();
    });
    play.connect(&address, client);
    play.until_closed(&["server", "client"]);
}

pub(crate) fn the_server_ends_first_and_hears_the_client_out(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_open(|transport, _| {
            transport.write(b"that is all");
            transport.end();
        })
    });
    let client = actor("client").on_end(|transport, _| {
        transport.write(b"one more thing");
        transport.close();
    });
    play.connect(&address, client);
    play.until_closed(&["server", "client"]);
}

pub(crate) fn both_close_at_once(play: &mut Play) {
    let address = play.listen(|| actor("server"));
    let client = play.connect(&address, actor("client"));
    both_open(play);
    play.on(Role::Server, |registry, log| registry.close(log.id("server")).expect("it is open"));
    play.on(Role::Client, |registry, _| registry.close(client).expect("it is open"));
    play.until_closed(&["server", "client"]);
}

pub(crate) fn the_client_aborts(play: &mut Play) {
    let address = play.listen(|| actor("server"));
    let client = play.connect(&address, actor("client"));
    both_open(play);
    play.on(Role::Client, |registry, _| registry.abort(client).expect("it is open"));
    play.until_closed(&["server", "client"]);
}

pub(crate) fn the_server_aborts(play: &mut Play) {
    let address = play.listen(|| actor("server"));
    play.connect(&address, actor("client"));
    both_open(play);
    play.on(Role::Server, |registry, log| registry.abort(log.id("server")).expect("it is open"));
    play.until_closed(&["server", "client"]);
}

pub(crate) fn an_abort_leaves_input_unread(play: &mut Play) {
    let address = play.listen(|| {
        actor("server")
            .on_open(|transport, _| {
                transport.pause();
                transport.set_timer(TIMER, A_WHILE);
            })
            .on_timer(|transport, _, _| transport.abort())
    });
    play.connect(&address, actor("client").on_open(says(b"nobody reads this")));
    play.until_closed(&["server", "client"]);
}

pub(crate) fn what_came_before_a_reset_is_still_read(play: &mut Play) {
    let address = play.listen(|| actor("server").on_open(says(b"the last words")));
    let client = actor("client").on_open(|transport, _| transport.pause());
    let client = play.connect(&address, client);
    both_open(play);
    play.on(Role::Server, |registry, log| registry.abort(log.id("server")).expect("it is open"));
    play.until_closed(&["server"]);
    play.on(Role::Client, |registry, _| {
        registry.defer(move |registry, log: &mut Log| {
            log.note("client", "goes on");
            registry.resume(client).expect("it is open");
        });
    });
    play.until_closed(&["client"]);
}

/// On a Unix socket there is no reset to be seen: the server finds out when it writes.
pub(crate) fn a_reset_follows_a_goodbye(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").outlives_its_peer().on_timer(|transport, _, _| transport.write(b"hello?"))
    });
    let client = play.connect(&address, actor("client").on_open(|transport, _| transport.end()));
    play.until(|seen| seen.has("server", "end"));
    play.on(Role::Client, |registry, _| registry.abort(client).expect("it is open"));
    play.until_closed(&["client"]);
    if !play.family.is_ip() {
        play.on(Role::Server, |registry, log| {
            let _ = registry.send(log.id("server"), b"hello?"[..].into()).expect("it is open");
        });
    }
    play.until_closed(&["server"]);
}

pub(crate) fn somebody_writes_to_a_peer_that_is_gone(play: &mut Play) {
    // The server does not look until it writes, and the client does not wait for its goodbye.
    let address = play.listen(|| {
        actor("server")
            .on_open(|transport, _| {
                transport.pause();
                transport.set_timer(TIMER, A_WHILE);
            })
            .on_timer(|transport, key, _| {
                transport.write(b"are you there?");
                transport.set_timer(TimerKey(key.0 + 1), A_WHILE);
            })
    });
    let hasty = StreamLimits { close_timeout: Duration::ZERO, ..StreamLimits::default() };
    let client = actor("client").on_open(|transport, _| transport.close());
    play.connect_with(&address, &connect_limits(hasty), client);
    play.until_closed(&["server", "client"]);
}

pub(crate) fn a_reply_survives_a_close_while_its_peer_talks(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_data(after(5, |transport| {
            transport.write(&pattern(100_000));
            transport.close();
        }))
    });
    let client = actor("client").on_open(|transport, _| transport.write(&pattern(300_000)));
    play.connect(&address, client);
    play.until_closed(&["server", "client"]);
}

pub(crate) fn a_connection_is_closed_before_it_is_open(play: &mut Play) {
    let address = play.listen(|| actor("server"));
    let client = play.connect(&address, actor("client"));
    play.on(Role::Client, |registry, _| {
        let _ = registry.send(client, b"a word in passing"[..].into()).expect("it is queued");
        registry.close(client).expect("it has begun");
    });
    play.until_closed(&["server", "client"]);
}

/// The server never hears of it, or finds it gone.
pub(crate) fn a_connection_is_aborted_before_it_is_open(play: &mut Play) {
    let address = play.listen(|| Probe::new("anybody"));
    let client = play.connect(&address, actor("client"));
    play.on(Role::Client, |registry, _| registry.abort(client).expect("it has begun"));
    play.until_closed(&["client"]);
    let next = play.connect(&address, actor("next").on_open(|transport, _| transport.abort()));
    play.until_closed(&["next"]);
    play.on(Role::Client, |registry, _| assert!(!registry.is_connected(next)));
    // Whether the server saw either is a matter of time; that nobody is left at the end is not.
    play.until(|seen| seen.count("anybody", "open") == ends(seen, "anybody"));
    play.ignore("anybody", "");
}

fn ends(seen: &super::setting::Seen<'_>, who: &str) -> usize {
    (0..9).find(|&times| seen.closed(who, times)).unwrap_or_default()
}

// ── refusals ────────────────────────────────────────────────────────────────────────────────

pub(crate) fn nobody_listens(play: &mut Play) {
    let address = play.deserted(Role::Server);
    play.connect(&address, actor("client"));
    play.until_closed(&["client"]);
}

/// A queue of one holds two, as the kernel counts. Whoever comes then waits, or is refused at once
/// where connecting does not wait; whoever is in it is reset when the listener closes.
pub(crate) fn a_queue_is_full_and_its_listener_closes(play: &mut Play) {
    // After the first the listener rests for a second.
    let options = ListenOptions { backlog: 1, accept_rate: Some(1), ..ListenOptions::default() };
    let address = play.address(Role::Server);
    let (id, address) = play.on(Role::Server, |registry, _| {
        let factory = |_: &reactor::Address, _: &mut Log| boxed(actor("server"));
        let id = registry.listen_with(address, &options, factory).expect("it is free");
        (id, registry.listener_address(id).expect("it was just opened"))
    });
    play.will_close(Role::Server, id);
    let first = play.connect(&address, actor("client"));
    both_open(play);
    play.connect(&address, actor("second"));
    play.until(|seen| seen.has("second", "open"));
    play.connect(&address, actor("third"));
    play.until(|seen| seen.has("third", "open"));
    let hasty = StreamLimits { connect_timeout: Some(A_WHILE), ..StreamLimits::default() };
    play.connect_with(&address, &connect_limits(hasty), actor("fourth"));
    play.until_closed(&["fourth"]);
    play.on(Role::Server, |registry, _| registry.close_listener(id).expect("it listens"));
    play.until_closed(&["second", "third"]);
    play.on(Role::Client, |registry, _| registry.close(first).expect("it is open"));
    play.until_closed(&["client", "server"]);
}

pub(crate) fn a_factory_refuses_its_peers(play: &mut Play) {
    let address = play.address(Role::Server);
    let (id, address) = play.on(Role::Server, |registry, _| {
        let refuse = |_: &reactor::Address, _: &mut Log| None;
        let id = registry.listen_with(address, &ListenOptions::default(), refuse);
        let id = id.expect("it is free");
        (id, registry.listener_address(id).expect("it was just opened"))
    });
    play.will_close(Role::Server, id);
    play.connect(&address, actor("client"));
    play.until_closed(&["client"]);
    let refused = play.on(Role::Server, |registry, _| registry.stats().refused_by_factory);
    play.note("client", &format!("{refused} refused"), &address);
}

pub(crate) fn an_address_has_one_connection_too_many(play: &mut Play) {
    let address = play.listen(|| Probe::new("server"));
    let mut let_in = Vec::new();
    for nth in 1..=CONNECTIONS_PER_ADDRESS as usize {
        let_in.push(play.connect(&address, Probe::new("client")));
        play.until(|seen| seen.count("server", "open") == nth);
        play.until(|seen| seen.count("client", "open") == nth);
    }
    play.connect(&address, actor("refused"));
    play.until_closed(&["refused"]);
    play.on(Role::Client, |registry, _| {
        let_in.into_iter().for_each(|id| registry.close(id).expect("it is open"));
    });
    let times = CONNECTIONS_PER_ADDRESS as usize;
    play.until(|seen| seen.closed("client", times) && seen.closed("server", times));
    // How those of one name take turns is nobody's promise.
    play.ignore("server", "");
    play.ignore("client", "");
}

// ── flow ────────────────────────────────────────────────────────────────────────────────────

/// Writes a long text as its outbox drains, and ends behind it.
fn pours(text: Vec<u8>) -> impl FnMut(&mut Transport<'_, Log>) {
    let mut sent = 0;
    move |transport| {
        while sent < text.len() && transport.queued_bytes() <= 64 * 1024 {
            let end = text.len().min(sent + 100_000);
            transport.write(&text[sent..end]);
            sent = end;
        }
        if sent == text.len() {
            sent += 1;
            transport.end();
        }
    }
}

pub(crate) fn much_goes_both_ways_through_full_queues(play: &mut Play) {
    // Kernels that hold little, so that both have to wait for each other often.
    let stream = StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() };
    let options = ListenOptions { stream: stream.clone(), ..ListenOptions::default() };
    let address = play.listen_with(&options, || actor("server").on_data(echo));
    let pour = std::rc::Rc::new(std::cell::RefCell::new(pours(pattern(MIB / 2))));
    let first = std::rc::Rc::clone(&pour);
    let client = actor("client")
        .on_open(move |transport, _| first.borrow_mut()(transport))
        .on_drain(move |transport, _| pour.borrow_mut()(transport));
    let options = ConnectOptions { stream, ..ConnectOptions::default() };
    play.connect_with(&address, &options, client);
    play.until_closed(&["server", "client"]);
    play.on(Role::Client, |_, log| {
        assert_same_bytes(log.bytes("client"), &pattern(MIB / 2));
    });
}

pub(crate) fn a_paused_connection_is_resumed(play: &mut Play) {
    let address = play.listen(|| {
        actor("server")
            .on_open(|transport, _| {
                transport.pause();
                transport.set_timer(TIMER, A_WHILE);
            })
            .on_timer(|transport, _, _| transport.resume())
    });
    let client = actor("client").on_open(|transport, _| {
        transport.write(b"whenever you like");
        transport.end();
    });
    play.connect(&address, client);
    play.until_closed(&["server", "client"]);
}

pub(crate) fn a_message_is_longer_than_allowed(play: &mut Play) {
    let strict = listen_limits(StreamLimits { inbox: 1_000, ..StreamLimits::default() });
    let address = play.listen_with(&strict, || actor("server").on_data(|_, _, _| {}));
    play.connect(&address, actor("client").on_open(|transport, _| transport.write(&[b'x'; 2_000])));
    play.until_closed(&["server", "client"]);
}

pub(crate) fn a_file_is_sent_between_words(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_open(|transport, _| {
            let mut file = tempfile::tempfile().expect("there is a place for it");
            file.write_all(&pattern(300_000)).expect("there is room for it");
            file.rewind().expect("it is a file");
            let short = file.try_clone().expect("a descriptor is left");
            transport.write(b"before");
            transport.send_file(file, 100, 250_000);
            transport.write(b"between");
            // It is shorter than this.
            transport.send_file(short, 299_990, 1_000);
            transport.write(b"behind");
            transport.end();
        })
    });
    play.connect(&address, actor("client"));
    play.until_closed(&["server", "client"]);
}

// ── deadlines and timers ────────────────────────────────────────────────────────────────────

pub(crate) fn nobody_says_anything_for_too_long(play: &mut Play) {
    let impatient = StreamLimits { idle_timeout: Some(A_WHILE), ..StreamLimits::default() };
    let address = play.listen(|| actor("server").on_data(echo));
    let client = actor("client").on_open(says(b"hello"));
    play.connect_with(&address, &connect_limits(impatient), client);
    play.until_closed(&["server", "client"]);
}

pub(crate) fn the_peer_says_nothing_for_too_long(play: &mut Play) {
    let impatient = StreamLimits { read_timeout: Some(A_WHILE), ..StreamLimits::default() };
    let address = play.listen_with(&listen_limits(impatient), || actor("server"));
    play.connect(&address, actor("client").on_open(says(b"hello")));
    play.until_closed(&["server", "client"]);
}

/// At the deadline the connection is reset. A Unix socket's peer only learns of it as it writes.
pub(crate) fn a_peer_never_says_goodbye(play: &mut Play) {
    let hasty = StreamLimits { close_timeout: A_WHILE, ..StreamLimits::default() };
    let address = play.listen(|| actor("server").outlives_its_peer());
    let client = actor("client").on_open(|transport, _| transport.close());
    play.connect_with(&address, &connect_limits(hasty), client);
    play.until_closed(&["client"]);
    if !play.family.is_ip() {
        play.on(Role::Server, |registry, log| {
            let _ = registry.send(log.id("server"), b"hello?"[..].into()).expect("it is open");
        });
    }
    play.until_closed(&["server"]);
}

pub(crate) fn timers_fire_in_their_order(play: &mut Play) {
    let address = play.listen(|| {
        actor("server")
            .on_open(|transport, _| {
                for (key, wait) in [(3, 30), (1, 10), (2, 20), (4, 15), (5, 40)] {
                    transport.set_timer(TimerKey(key), Duration::from_millis(wait));
                }
                transport.set_timer(TimerKey(4), Duration::from_millis(50));
                assert!(transport.cancel_timer(TimerKey(5)));
            })
            .on_timer(|transport, key, _| {
                if key == TimerKey(4) {
                    transport.close();
                }
            })
    });
    play.connect(&address, actor("client"));
    play.until_closed(&["server", "client"]);
}

// ── handing over ────────────────────────────────────────────────────────────────────────────

pub(crate) fn another_protocol_takes_over(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_data(after(5, |transport| {
            transport.replace(actor("successor").on_data(after(6, close)));
        }))
    });
    play.connect(&address, actor("client").on_open(says(b"hello, world")));
    play.until_closed(&["successor", "client"]);
}

pub(crate) fn a_socket_is_taken_out_and_adopted_again(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_data(after(5, |transport| {
            transport.write(b"one moment");
            transport.detach(|detached, registry, _| {
                // What the kernel did not take yet, it takes now.
                let successor = actor("successor").on_open(move |transport, _| {
                    transport.write(&detached.unsent);
                    transport.write(b"go on");
                });
                let (options, limits) = (StreamOptions::default(), StreamLimits::default());
                let successor = successor.on_data(echo);
                let adopting = registry.adopt(detached.stream, &options, &limits, successor);
                adopting.expect("the loop takes it");
            });
        }))
    });
    let mut heard = 0;
    let client = actor("client").on_open(says(b"hello")).on_data(move |transport, input, _| {
        let before = heard;
        heard += input.take_all().len();
        if before < 15 && heard >= 15 {
            transport.write(b"thank you");
        } else if heard == 24 {
            transport.close();
        }
    });
    play.connect(&address, client);
    play.until_closed(&["server", "successor", "client"]);
}

// ── the end of the loops ────────────────────────────────────────────────────────────────────

/// In one loop: of two the second would hear of the goodbye before it is told of its own end.
pub(crate) fn polite_connections_end_with_their_loops(play: &mut Play) {
    let address = play.listen(|| actor("server"));
    play.connect(&address, actor("client"));
    both_open(play);
    play.shut_down(Duration::from_secs(5), Duration::from_secs(5));
}

/// In two loops: one would cut off both sides at once.
pub(crate) fn a_stubborn_connection_is_cut_off_with_its_loop(play: &mut Play) {
    let address = play.listen(|| actor("server").outlives_its_peer().on_shutdown(|_, _| {}));
    // It closes as it is told to, and waits for a goodbye that does not come.
    play.connect(&address, actor("client"));
    both_open(play);
    play.shut_down(A_WHILE, Duration::from_secs(5));
}

// ── names ───────────────────────────────────────────────────────────────────────────────────

pub(crate) fn both_know_where_they_are(play: &mut Play) {
    let address = play.listen(|| {
        actor("server").on_data(|transport, input, log| {
            // The client sends what it believes of both.
            let text = format!("{} {}\n", transport.peer(), transport.local());
            if input.ends_with(b"\n") {
                let agrees = *input.take_all() == *text.as_bytes();
                log.note("server", format!("agrees: {agrees}"));
                transport.close();
            }
        })
    });
    let asked = address.clone();
    let client = actor("client").on_open(move |transport, log| {
        log.note("client", format!("is where it asked for: {}", transport.peer() == asked));
        let text = format!("{} {}\n", transport.local(), transport.peer());
        transport.write(text.as_bytes());
    });
    play.connect(&address, client);
    play.until_closed(&["server", "client"]);
    // The message is as long as the addresses are.
    play.ignore("server", "data");
}

pub(crate) fn sockets_are_listed_with_their_states(play: &mut Play) {
    let address = play.listen(|| actor("server").outlives_its_peer());
    play.note_rows();
    let client = play.connect(&address, actor("client"));
    both_open(play);
    play.on(Role::Client, |registry, _| registry.end(client).expect("it is open"));
    play.until(|seen| seen.has("server", "end"));
    play.note_rows();
    play.on(Role::Server, |registry, log| registry.close(log.id("server")).expect("it is open"));
    play.until_closed(&["server", "client"]);
}
