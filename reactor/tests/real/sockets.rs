//! Sockets: both IP families, options as the system has them, adopting and giving back.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use crate::support;
use reactor::{
    Address, ConnectOptions, Detached, Keepalive, ListenOptions, OpenError, StdListener, StdStream,
    StreamLimits, StreamOptions, Transport,
};
use socket2::SockRef;
use support::{
    Log, Probe, Stage, any_port, assert_same_bytes, client, echo, patient, pattern, retry,
};

/// Sockets that protocols gave back.
type Taken = Rc<RefCell<Vec<Detached>>>;

/// What has the socket of the running connection put aside.
fn put_aside(taken: &Taken) -> impl FnMut(&mut Transport<'_, Log>, &mut Log) + use<> {
    let taken = Rc::clone(taken);
    move |transport, _| {
        let taken = Rc::clone(&taken);
        transport.detach(move |detached, _, _| taken.borrow_mut().push(detached));
    }
}

fn tcp(detached: Detached) -> TcpStream {
    let StdStream::Tcp(stream) = detached.stream else {
        panic!("it is a TCP stream");
    };
    stream.set_nonblocking(false).unwrap();
    patient(&stream);
    stream
}

/// The loopback address of IPv6, on a free port; `None` where there is no such interface. Called on a
/// stage, since it opens a socket to find out.
fn any_port_v6(_: &Stage) -> Option<Address> {
    let free = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !free {
        eprintln!("SKIPPED: this machine has no IPv6 loopback");
    }
    free.then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into())
}

// ── families ────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn assert_echoes_on(mut stage: Stage, address: Address) {
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    stage.will_close(id);
    let bound = stage.registry().listener_address(id).unwrap();
    assert_eq!(bound.ip(), address.ip());
    assert_ne!(bound.port(), Some(0), "the real port is told");

    let caller = Probe::new("client")
        .on_open(|transport, log| {
            log.note("client", format!("calls {}", transport.peer()));
            transport.write(b"hello");
        })
        .on_data(|transport, input, _| {
            input.take_all();
            transport.close();
        });
    stage.registry().connect(bound.clone(), caller).unwrap();
    stage.until_closed("client");
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("client"),
        ["open", &format!("calls {bound}"), "data 5", "close closed"]
    );
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 5", "end", "close the peer closed the connection"]
    );
}

#[test]
fn tcp_over_ipv4_is_served_and_called() {
    assert_echoes_on(Stage::new(), any_port());
}

#[test]
fn tcp_over_ipv6_is_served_and_called() {
    let stage = Stage::new();
    if let Some(address) = any_port_v6(&stage) {
        assert_echoes_on(stage, address);
    }
}

/// Addresses of IPv6 are kept beside their connections, and their places are taken by others.
#[test]
fn every_connection_has_its_own_peer_until_its_end_whoever_comes_and_goes() {
    let mut stage = Stage::new();
    let Some(v6) = any_port_v6(&stage) else { return };
    let bound = [v6, any_port()].map(|address| {
        let server = |peer: &Address| {
            let came = peer.clone();
            Probe::new("server").on_data(move |transport, input, log| {
                log.note("server", format!("its own: {}", transport.peer() == came));
                input.take_all();
            })
        };
        let id = stage.registry().listen(address, move |peer, _| server(peer)).unwrap();
        stage.will_close(id);
        stage.registry().listener_address(id).unwrap().socket_addr().unwrap()
    });
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for round in 0..60 {
        let mut stream = client(bound[round % 2]);
        let name = stream.local_addr().unwrap();
        stream.write_all(b"?").unwrap();
        here.push((name, stream));
        stage.until(|log| log.count("server", "its own: true") == round + 1);
        if round % 3 > 0 {
            let (name, stream) = here.swap_remove(round * 7 % here.len());
            drop(stream);
            gone.push(Address::from(name));
            stage.until(|log| log.ends.len() == gone.len());
            assert_eq!(stage.log.ends.last().unwrap().peer, *gone.last().unwrap());
        }
    }
    let rows = stage.reactor.snapshot().sockets;
    assert!(here.iter().all(|(name, _)| rows.iter().any(|row| row.peer == Some((*name).into()))));
    drop(here);
    stage.until(|log| log.ends.len() == 60);
}

#[test]
fn an_ipv6_listener_leaves_ipv4_to_others() {
    let mut stage = Stage::new();
    if any_port_v6(&stage).is_none() {
        return;
    }
    // Another process may happen to have the port in IPv4, but not ten times.
    let left = (0..10).any(|_| {
        let every = "[::]:0".parse().unwrap();
        let id = stage.registry().listen(every, |_, _| echo()).unwrap();
        let port = stage.registry().listener_address(id).unwrap().port().unwrap();
        let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        stage.registry().close_listener(id).unwrap();
        free
    });
    assert!(left);
}

#[test]
fn a_dual_stack_listener_serves_both_families() {
    let mut stage = Stage::new();
    if any_port_v6(&stage).is_none() {
        return;
    }
    let options = ListenOptions { only_v6: Some(false), ..ListenOptions::default() };
    let every = "[::]:0".parse().unwrap();
    let listening = stage.registry().listen_with(every, &options, |peer, log| {
        log.note("factory", format!("sees {}", peer.ip().unwrap()));
        Some(Box::new(Probe::new("server")))
    });
    let id = listening.unwrap();
    stage.will_close(id);
    let port = stage.registry().listener_address(id).unwrap().port().unwrap();
    for (ip, seen) in [("127.0.0.1", "sees ::ffff:127.0.0.1"), ("::1", "sees ::1")] {
        drop(client(SocketAddr::new(ip.parse().unwrap(), port)));
        stage.until(|log| log.has("factory", seen));
    }
    stage.until(|log| log.ends.len() == 2);
}

// ── options ─────────────────────────────────────────────────────────────────────────────────

/// None of them is what a system has by default, nor what this library has.
fn unusual() -> StreamOptions {
    StreamOptions {
        nodelay: false,
        keepalive: Some(Keepalive {
            idle: Duration::from_secs(77),
            interval: Duration::from_secs(11),
            probes: 3,
        }),
        receive_buffer: Some(40_000),
        send_buffer: Some(50_000),
        ttl: Some(17),
        urgent_inline: true,
    }
}

#[track_caller]
fn assert_default_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_keepalive(&socket, Keepalive::default());
    assert!(!socket.out_of_band_inline().unwrap());
}

#[track_caller]
fn assert_unusual_options(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    assert!(!socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_keepalive(&socket, unusual().keepalive.unwrap());
    // Linux doubles what it is asked for, others take it as it is.
    let sizes = [40_000, 80_000];
    assert!(sizes.contains(&socket.recv_buffer_size().unwrap()), "{:?}", socket.recv_buffer_size());
    let sizes = [50_000, 100_000];
    assert!(sizes.contains(&socket.send_buffer_size().unwrap()), "{:?}", socket.send_buffer_size());
    assert_eq!(socket.ttl_v4().unwrap(), 17);
    assert!(socket.out_of_band_inline().unwrap());
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
#[track_caller]
fn assert_keepalive(socket: &SockRef<'_>, wanted: Keepalive) {
    assert_eq!(socket.tcp_keepalive_time().unwrap(), wanted.idle);
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), wanted.interval);
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), wanted.probes);
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "macos")))]
fn assert_keepalive(_: &SockRef<'_>, _: Keepalive) {}

/// A connection as a listener with these options accepts it.
fn accepted(stage: &mut Stage, stream: StreamOptions) -> TcpStream {
    let taken = Taken::default();
    let hand = Rc::clone(&taken);
    let options = ListenOptions { stream, ..ListenOptions::default() };
    let address =
        stage.listen_with(&options, move || Probe::new("server").on_open(put_aside(&hand)));
    let _caller = client(address);
    stage.until_closed("server");
    tcp(taken.take().remove(0))
}

/// A connection as the loop makes it.
fn connected(stage: &mut Stage, stream: StreamOptions) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = Taken::default();
    let options = ConnectOptions { stream, ..ConnectOptions::default() };
    let probe = Probe::new("client").on_open(put_aside(&taken));
    let address = listener.local_addr().unwrap();
    stage.registry().connect_with(address.into(), &options, probe).unwrap();
    stage.until_closed("client");
    tcp(taken.take().remove(0))
}

/// A connection that was made elsewhere, as the loop adopts it.
fn adopted(stage: &mut Stage, options: &StreamOptions) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let taken = Taken::default();
    let probe = Probe::new("adopted").on_open(put_aside(&taken));
    stage.registry().adopt(stream, options, &StreamLimits::default(), probe).unwrap();
    stage.until_closed("adopted");
    tcp(taken.take().remove(0))
}

#[test]
fn what_is_accepted_has_nodelay_and_keepalive() {
    let mut stage = Stage::new();
    let stream = accepted(&mut stage, StreamOptions::default());
    assert_default_options(&stream);
}

#[test]
fn what_is_accepted_has_the_options_of_its_listener() {
    let mut stage = Stage::new();
    let stream = accepted(&mut stage, unusual());
    assert_unusual_options(&stream);
}

#[test]
fn what_connects_has_nodelay_and_keepalive() {
    let mut stage = Stage::new();
    let stream = connected(&mut stage, StreamOptions::default());
    assert_default_options(&stream);
}

#[test]
fn what_connects_has_the_options_it_was_given() {
    let mut stage = Stage::new();
    let stream = connected(&mut stage, unusual());
    assert_unusual_options(&stream);
}

#[test]
fn what_is_adopted_has_the_options_it_was_given() {
    let mut stage = Stage::new();
    let stream = adopted(&mut stage, &unusual());
    assert_unusual_options(&stream);
}

#[test]
fn keepalive_can_be_left_off() {
    let mut stage = Stage::new();
    let off = StreamOptions { keepalive: None, ..StreamOptions::default() };
    for stream in [accepted(&mut stage, off.clone()), connected(&mut stage, off)] {
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}

#[test]
fn options_can_be_changed_on_an_open_connection() {
    let mut stage = Stage::new();
    let taken = Taken::default();
    let mut put_aside = put_aside(&taken);
    let address = stage.listen(|| Probe::new("server"));
    let probe = Probe::new("client").on_open(move |transport, log| {
        let quiet = StreamOptions { keepalive: None, ttl: Some(9), ..StreamOptions::default() };
        transport.set_options(&quiet).unwrap();
        put_aside(transport, log);
    });
    stage.connect(address, probe);
    stage.until_closed("client");
    let stream = tcp(taken.take().remove(0));
    assert!(!SockRef::from(&stream).keepalive().unwrap(), "None is off");
    assert_eq!(SockRef::from(&stream).ttl_v4().unwrap(), 9);
    drop(stream);
    stage.until_closed("server");
}

#[test]
fn hops_are_set_for_ipv6() {
    let mut stage = Stage::new();
    let Some(address) = any_port_v6(&stage) else { return };
    let taken = Taken::default();
    let hand = Rc::clone(&taken);
    let options = ListenOptions { stream: unusual(), ..ListenOptions::default() };
    let listening = stage.registry().listen_with(address, &options, move |_, _| {
        Some(Box::new(Probe::new("server").on_open(put_aside(&hand))))
    });
    let id = listening.unwrap();
    stage.will_close(id);
    let bound = stage.registry().listener_address(id).unwrap();
    let _caller = client(bound.socket_addr().unwrap());
    stage.until_closed("server");
    let stream = tcp(taken.take().remove(0));
    assert_eq!(SockRef::from(&stream).unicast_hops_v6().unwrap(), 17);
}

#[test]
#[cfg(target_os = "linux")]
fn the_backlog_is_as_long_as_it_was_asked_for() {
    let mut stage = Stage::new();
    let options = ListenOptions { backlog: 3, ..ListenOptions::default() };
    // A loop that does not turn: the kernel alone completes connections.
    let mut still = reactor::Reactor::<Log>::new().unwrap();
    let listening = still.registry().listen_with(any_port(), &options, |_, _| None);
    let address = still.registry().listener_address(listening.unwrap()).unwrap();
    let callers: Vec<_> = (0..12)
        .map(|_| stage.registry().connect(address.clone(), Probe::new("client")).unwrap())
        .collect();
    // Linux lets in one more than it was told.
    stage.until(|log| log.opened.len() == 4);
    stage.until_quiet();
    assert_eq!(stage.log.opened.len(), 4);
    for id in callers {
        stage.registry().abort(id).unwrap();
    }
    stage.until(|log| log.ends.len() == 12);
}

/// A port with a connection in TIME_WAIT: its server closed first.
fn port_in_time_wait(stage: &mut Stage) -> Address {
    let address = any_port();
    let greeter = |_: &Address, _: &mut Log| Probe::new("server").on_open(|to, _| to.close());
    let id = stage.registry().listen(address, greeter).unwrap();
    let bound = stage.registry().listener_address(id).unwrap();
    let mut caller = client(bound.socket_addr().unwrap());
    stage.until(|log| log.has("server", "open"));
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0, "the server has said goodbye");
    drop(caller);
    stage.until_closed("server");
    stage.registry().close_listener(id).unwrap();
    bound
}

#[test]
fn a_server_can_be_restarted_at_once() {
    let mut stage = Stage::new();
    let address = port_in_time_wait(&mut stage);
    let id = stage.registry().listen(address, |_, _| echo()).unwrap();
    stage.will_close(id);
}

#[test]
#[cfg(target_os = "linux")]
fn without_reuse_address_a_server_has_to_wait() {
    let mut stage = Stage::new();
    let address = port_in_time_wait(&mut stage);
    let options = ListenOptions { reuse_address: false, ..ListenOptions::default() };
    let listening = stage.registry().listen_with(address.clone(), &options, |_, _| None);
    assert!(
        matches!(&listening, Err(OpenError::AddressInUse(taken)) if *taken == address),
        "{listening:?}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn listeners_share_a_port_if_both_say_so() {
    let mut stage = Stage::new();
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let address: Address =
        stage.listen_with(&options, || Probe::new("one").on_open(|to, _| to.close())).into();
    let second = stage.registry().listen_with(address.clone(), &options, |_, _| {
        Some(Box::new(Probe::new("other").on_open(|to, _| to.close())))
    });
    stage.will_close(second.unwrap());
    // The kernel spreads them by a hash of the client's port: 64 go one way once in 2⁶³ runs.
    for _ in 0..64 {
        drop(client(address.socket_addr().unwrap()));
    }
    stage.until(|log| log.ends.len() == 64);
    assert!(stage.log.has("one", "open"));
    assert!(stage.log.has("other", "open"));
}

// ── adopting, and giving back ───────────────────────────────────────────────────────────────

#[test]
fn a_stream_made_elsewhere_is_served() {
    let mut stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut caller = client(listener.local_addr().unwrap());
    let (stream, peer) = listener.accept().unwrap();
    caller.write_all(b"early").unwrap();
    let (options, limits) = (StreamOptions::default(), StreamLimits::default());
    stage.registry().adopt(stream, &options, &limits, echo()).unwrap();
    stage.until(|log| log.bytes("server") == b"early");
    let mut reply = [0; 5];
    caller.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"early");
    drop((caller, listener));
    stage.until_closed("server");
    assert_eq!(stage.log.end("server").unwrap().peer, peer.into());
}

#[test]
fn an_adopted_streams_duplicate_causes_no_events_once_it_is_closed() {
    let mut stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut caller = client(listener.local_addr().unwrap());
    let (stream, _) = listener.accept().unwrap();
    // The description stays open behind the loop's back, and with it what epoll knows of it.
    let duplicate = stream.try_clone().unwrap();
    let (options, limits) = (StreamOptions::default(), StreamLimits::default());
    let id = stage.registry().adopt(stream, &options, &limits, Probe::new("server")).unwrap();
    stage.until(|log| log.has("server", "open"));
    stage.registry().abort(id).unwrap();
    stage.until_closed("server");
    let before = stage.reactor.stats();
    caller.write_all(b"is anybody there?").unwrap();
    duplicate.set_nonblocking(false).unwrap();
    patient(&duplicate);
    (&duplicate).read_exact(&mut [0; 17]).unwrap();
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().events, before.events);
}

#[test]
fn a_listener_made_elsewhere_is_served() {
    let mut stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It waits already when the loop takes over.
    let early = client(address);
    let options = ListenOptions::default();
    let adopting =
        stage.registry().adopt_listener(listener, &options, |_, _| Some(Box::new(echo())));
    stage.will_close(adopting.unwrap());
    stage.until(|log| log.has("server", "open"));
    drop(early);
    stage.until_closed("server");
}

#[test]
fn what_an_adopted_listener_accepts_has_the_options_it_was_given() {
    let mut stage = Stage::new();
    let taken = Taken::default();
    let hand = Rc::clone(&taken);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _caller = client(listener.local_addr().unwrap());
    let options = ListenOptions { stream: unusual(), ..ListenOptions::default() };
    let adopting = stage.registry().adopt_listener(listener, &options, move |_, _| {
        Some(Box::new(Probe::new("server").on_open(put_aside(&hand))))
    });
    stage.will_close(adopting.unwrap());
    stage.until_closed("server");
    let stream = tcp(taken.take().remove(0));
    assert_unusual_options(&stream);
}

#[test]
fn a_detached_stream_comes_with_what_was_not_read_and_not_sent() {
    let mut stage = Stage::new();
    let taken = Taken::default();
    let mut put_aside = put_aside(&taken);
    let reply = pattern(4 << 20);
    let large = reply.clone();
    let mut probe = Some(Probe::new("server").on_data(move |transport, input, log| {
        if input.len() == 10 {
            input.take_front(4);
            transport.write(&large);
            put_aside(transport, log);
        }
    }));
    let address = stage.listen(move || probe.take().unwrap());
    let mut caller = client(address);
    caller.write_all(b"head, tail").unwrap();
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 4", "close the socket was given back to the program"]
    );
    assert_eq!(stage.log.end("server").unwrap().unsent, 0, "nothing is lost");

    let Detached { stream, unread, unsent, .. } = taken.take().remove(0);
    assert_eq!(unread, b", tail");
    assert!(!unsent.is_empty(), "the kernel has not taken four megabytes");
    // The new owner goes on where the loop stopped, and the peer sees no seam.
    let StdStream::Tcp(mut stream) = stream else { unreachable!() };
    let successor = stage.peer(move || {
        stream.set_nonblocking(false).unwrap();
        patient(&stream);
        stream.write_all(&unsent).unwrap();
    });
    let mut seen = Vec::new();
    caller.read_to_end(&mut seen).unwrap();
    assert_same_bytes(&seen, &reply);
    stage.join(successor);
}

#[test]
fn a_detached_listener_keeps_who_waits_in_its_queue() {
    let mut stage = Stage::new();
    let id = stage.registry().listen(any_port(), |_, _| echo()).unwrap();
    let address = stage.registry().listener_address(id).unwrap();
    let caller = client(address.socket_addr().unwrap());
    let StdListener::Tcp(listener) = stage.registry().detach_listener(id).unwrap() else {
        panic!("it is a TCP listener");
    };
    assert!(stage.registry().is_empty());
    assert!(stage.registry().listener_address(id).is_err(), "its id is stale");
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, caller.local_addr().unwrap());
    drop((listener, caller));
}

// ── errors ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_address_in_use_is_named() {
    let mut stage = Stage::new();
    let address: Address = stage.listen(echo).into();
    let error = stage.registry().listen(address.clone(), |_, _| echo()).unwrap_err();
    assert!(matches!(&error, OpenError::AddressInUse(taken) if *taken == address), "{error:?}");
    assert_eq!(error.to_string(), format!("address already in use: {address}"));
}

#[test]
fn an_address_of_nobody_here_is_named() {
    let mut stage = Stage::new();
    // TEST-NET-3 (RFC 5737): no machine has it.
    let address: Address = "203.0.113.1:0".parse().unwrap();
    let error = stage.registry().listen(address.clone(), |_, _| echo()).unwrap_err();
    assert!(matches!(&error, OpenError::AddressNotAvailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "no interface of this machine has the address 203.0.113.1:0");
}

#[test]
#[cfg(unix)]
fn a_port_that_is_not_allowed_is_named() {
    let mut stage = Stage::new();
    let address: Address = "127.0.0.1:1".parse().unwrap();
    match stage.registry().listen(address, |_, _| echo()) {
        Err(error) => {
            assert!(matches!(&error, OpenError::PermissionDenied(_)), "{error:?}");
            assert_eq!(error.to_string(), "permission denied: 127.0.0.1:1");
        }
        Ok(id) => {
            eprintln!("SKIPPED: this user may listen on port 1");
            stage.will_close(id);
        }
    }
}

#[test]
fn nobody_can_listen_where_there_is_no_address() {
    let mut stage = Stage::new();
    let error = stage.registry().listen(Address::Unnamed, |_, _| echo()).unwrap_err();
    assert!(matches!(&error, OpenError::Unsupported(..)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "unix:(unnamed) cannot be used here: it has no name by which one could reach it"
    );
    let name = "localhost:1".parse().unwrap();
    let error = stage.registry().listen(name, |_, _| echo()).unwrap_err();
    assert!(matches!(&error, OpenError::Unsupported(..)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "localhost:1 cannot be used here: a name may have several addresses; \
         say one, such as 127.0.0.1:PORT, or 0.0.0.0:PORT for all"
    );
    let error = stage.registry().connect(Address::Unnamed, Probe::new("client")).unwrap_err();
    assert!(matches!(&error, OpenError::Unsupported(..)), "{error:?}");
}

#[test]
fn a_factory_that_refuses_a_peer_has_it_closed_at_once() {
    let mut stage = Stage::new();
    let refusing = stage.registry().listen_with(any_port(), &ListenOptions::default(), |_, log| {
        log.note("factory", "refuses");
        None
    });
    let id = refusing.unwrap();
    stage.will_close(id);
    let address = stage.registry().listener_address(id).unwrap();
    let mut caller = client(address.socket_addr().unwrap());
    stage.until(|log| log.has("factory", "refuses"));
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0);
    let stats = stage.reactor.stats();
    assert_eq!((stats.refused_by_factory, stats.accepted), (1, 0));
}
