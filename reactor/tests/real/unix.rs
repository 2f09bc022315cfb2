//! Unix sockets: streams and datagrams, and the paths and names they go by.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use crate::support;
use reactor::{
    Address, ConnectOptions, DatagramOptions, ListenOptions, OpenError, StdDatagram, StdListener,
    StreamOptions,
};
use support::{DatagramProbe, Probe, Stage, echo, echo_datagrams, retry};
use tempfile::TempDir;

fn caller() -> Probe {
    Probe::new("client").on_open(|transport, _| transport.write(b"hello")).on_data(
        |transport, input, _| {
            input.take_all();
            transport.close();
        },
    )
}

/// An address in a directory of the test's own.
fn address_in(directory: &TempDir, name: &str) -> Address {
    directory.path().join(name).into()
}

fn path(address: &Address) -> &Path {
    address.path().expect("it is a path")
}

#[track_caller]
fn assert_echoes(stage: &mut Stage, address: &Address) {
    let before = stage.log.ends.len();
    stage.registry().connect(address.clone(), caller()).unwrap();
    stage.until(|log| log.ends.len() == before + 2);
    assert_eq!(stage.log.of("client"), ["open", "data 5", "close closed"]);
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 5", "end", "close the peer closed the connection"]
    );
}

// ── streams and their paths ─────────────────────────────────────────────────────────────────

#[test]
fn a_unix_stream_is_served_and_called() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    stage.will_close(id);
    assert_eq!(stage.registry().listener_address(id).as_ref(), Ok(&address));
    assert_echoes(&mut stage, &address);
    assert_eq!(stage.log.end("client").unwrap().peer, address);
    assert_eq!(stage.log.end("server").unwrap().peer, Address::Unnamed);
}

#[test]
fn a_listeners_path_goes_with_it() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    assert!(path(&address).symlink_metadata().unwrap().file_type().is_socket());
    stage.registry().close_listener(id).unwrap();
    assert!(!path(&address).exists());

    // Whether it is closed, shut down, or dropped with its loop.
    stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    stage.registry().shutdown(support::PATIENCE);
    stage.until_shut_down();
    assert!(!path(&address).exists());

    let mut reactor = reactor::Reactor::<()>::new().unwrap();
    reactor
        .registry()
        .listen_with(address.clone(), &ListenOptions::default(), |_, ()| None)
        .unwrap();
    assert!(path(&address).exists());
    drop(reactor);
    assert!(!path(&address).exists());
}

#[test]
fn a_path_has_the_mode_that_it_was_given_whatever_the_umask_is() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let mode_of = |address: &Address| fs::metadata(path(address)).unwrap().mode() & 0o777;
    // The usual umask, 0o022, takes writing away from the group, and leaves others the right to read.
    for mode in [0o600, 0o660, 0o777] {
        let [stream, datagram] =
            ["stream", "datagram"].map(|name| address_in(&directory, &format!("{name}-{mode:o}")));
        let options = ListenOptions { unix_mode: Some(mode), ..ListenOptions::default() };
        let listening = stage.registry().listen_with(stream.clone(), &options, |_, _| None);
        stage.will_close(listening.unwrap());
        let options = DatagramOptions { unix_mode: Some(mode), ..DatagramOptions::default() };
        let probe = DatagramProbe::new("socket");
        let bound = stage.registry().bind_datagram_with(datagram.clone(), &options, probe);
        stage.will_close_socket(bound.unwrap());
        assert_eq!((mode_of(&stream), mode_of(&datagram)), (mode, mode), "{mode:o}");
    }
}

#[test]
fn a_path_that_a_crash_left_behind_is_taken_over() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    drop(UnixListener::bind(path(&address)).unwrap());
    assert!(path(&address).exists(), "the system leaves it");
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    stage.will_close(id);
    assert_echoes(&mut stage, &address);
}

#[test]
fn a_path_that_a_crash_left_behind_is_left_alone_if_told_so() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    drop(UnixListener::bind(path(&address)).unwrap());
    let options = ListenOptions { replace_stale: false, ..ListenOptions::default() };
    let listening = stage.registry().listen_with(address.clone(), &options, |_, _| None);
    assert!(matches!(listening, Err(OpenError::AddressInUse(_))), "{listening:?}");
    assert!(path(&address).exists());
}

#[test]
fn a_path_that_somebody_listens_on_is_in_use_and_stays_theirs() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    stage.will_close(id);
    let error = stage.registry().listen(address.clone(), |_, _| echo()).unwrap_err();
    assert!(matches!(&error, OpenError::AddressInUse(taken) if *taken == address), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("address already in use: unix:{}", path(&address).display())
    );
    // The attempt has looked whether somebody answers there, and the one there has seen it.
    stage.until(|log| log.has("server", "close the peer closed the connection"));
    stage.log = support::Log::default();
    assert_echoes(&mut stage, &address);
}

#[test]
fn a_path_that_is_no_socket_is_never_touched() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "precious");
    fs::write(path(&address), "words").unwrap();
    let listening = stage.registry().listen(address.clone(), |_, _| echo()).unwrap_err();
    let binding =
        stage.registry().bind_datagram(address.clone(), DatagramProbe::new("socket")).unwrap_err();
    for error in [listening, binding] {
        assert!(matches!(&error, OpenError::PathTaken(taken) if *taken == address), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("unix:{} exists and is not a socket", path(&address).display())
        );
    }
    assert_eq!(fs::read_to_string(path(&address)).unwrap(), "words");
}

#[test]
fn a_missing_directory_is_a_readable_error() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "missing/echo");
    let error = stage.registry().listen(address.clone(), |_, _| echo()).unwrap_err();
    assert!(matches!(&error, OpenError::Io { .. }), "{error:?}");
    let text = error.to_string();
    let expected = format!("cannot open unix:{}: No such file", path(&address).display());
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_path_too_long_for_the_system_is_a_readable_error() {
    let mut stage = Stage::new();
    let address: Address = Path::new("/tmp").join("x".repeat(200)).as_path().into();
    let error = stage.registry().listen(address, |_, _| echo()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot open unix:/tmp/xxx"), "{text}");
}

#[test]
fn a_successors_path_is_not_removed() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    let old = stage.registry().listen(address.clone(), |_, _| Probe::new("old")).unwrap();
    // The successor does what one does to replace a server without a gap.
    let aside = address_in(&directory, "echo.new");
    let successor = UnixListener::bind(path(&aside)).unwrap();
    fs::rename(path(&aside), path(&address)).unwrap();
    stage.registry().close_listener(old).unwrap();
    assert!(path(&address).exists());
    let _caller = UnixStream::connect(path(&address)).unwrap();
    successor.accept().unwrap();
}

#[test]
fn a_detached_listener_keeps_its_path() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "echo");
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    let listener = stage.registry().detach_listener(id).unwrap();
    assert!(matches!(listener, StdListener::Unix(_)));
    assert!(path(&address).exists());
    // An adopted one is not ours to remove either.
    let options = ListenOptions::default();
    let adopting =
        stage.registry().adopt_listener(listener, &options, |_, _| Some(Box::new(echo())));
    let id = adopting.unwrap();
    assert_echoes(&mut stage, &address);
    stage.registry().close_listener(id).unwrap();
    assert!(path(&address).exists());
}

#[test]
fn a_path_stays_for_who_has_the_same_socket_once_more() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let (stream, datagram) = (address_in(&directory, "stream"), address_in(&directory, "datagram"));
    let listener = stage.registry().listen(stream.clone(), |_, _| echo()).unwrap();
    let socket =
        stage.registry().bind_datagram(datagram.clone(), DatagramProbe::new("socket")).unwrap();
    let StdListener::Unix(listens) = stage.registry().duplicate_listener(listener).unwrap() else {
        panic!("it is a Unix socket");
    };
    let _receives = stage.registry().duplicate_socket(socket).unwrap();
    stage.registry().close_listener(listener).unwrap();
    stage.registry().close_socket(socket).unwrap();
    stage.until_quiet();
    let _caller = UnixStream::connect(path(&stream)).unwrap();
    listens.set_nonblocking(false).unwrap();
    listens.accept().unwrap();
    assert!(path(&datagram).exists());
}

#[test]
fn nobody_at_a_path_is_told_like_nobody_at_a_port() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let stale = address_in(&directory, "stale");
    drop(UnixListener::bind(path(&stale)).unwrap());
    let missing = address_in(&directory, "missing");
    for (ends, (address, why)) in
        [(missing, "No such file"), (stale, "Connection refused")].into_iter().enumerate()
    {
        let id = stage.registry().connect(address.clone(), caller()).expect("it begins");
        assert!(stage.log.ends.len() == ends, "no callback came yet");
        stage.until(|log| log.ends.len() == ends + 1);
        let end = &stage.log.ends[ends];
        assert!(end.reason.starts_with(&format!("could not connect: {why}")), "{end:?}");
        assert_eq!(end.peer, address);
        assert!(!stage.registry().is_connected(id));
    }
    assert!(!stage.log.has("client", "open"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_queue_at_a_path_is_told_like_nobody() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "busy");
    let options = ListenOptions { backlog: 1, ..ListenOptions::default() };
    // A loop that does not turn lets nobody in.
    let mut still = reactor::Reactor::<()>::new().unwrap();
    still.registry().listen_with(address.clone(), &options, |_, ()| None).unwrap();
    for _ in 0..10 {
        stage.registry().connect(address.clone(), caller()).expect("it begins");
    }
    // Ten do not fit in a queue of one.
    stage.until(|log| log.ends.iter().any(|end| end.reason.starts_with("could not connect: ")));
    drop(still);
    stage.until(|log| log.ends.len() == 10);
}

#[test]
fn a_client_may_have_a_name_too() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let (server, name) = (address_in(&directory, "echo"), address_in(&directory, "client"));
    let id = stage.registry().listen(server.clone(), |_, _| echo()).unwrap();
    stage.will_close(id);
    let options = ConnectOptions { from: Some(name.clone()), ..ConnectOptions::default() };
    stage.registry().connect_with(server, &options, caller()).unwrap();
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.end("server").unwrap().peer, name);
    assert!(!path(&name).exists(), "its path goes with it");

    // Even if nobody is there to be called.
    let nobody = address_in(&directory, "nobody");
    stage.registry().connect_with(nobody, &options, caller()).expect("it begins");
    stage.until(|log| log.ends.len() == 3);
    assert!(!path(&name).exists());
}

#[test]
fn a_stream_made_elsewhere_is_served() {
    let mut stage = Stage::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let options = StreamOptions::default();
    stage.registry().adopt(ours, &options, &Default::default(), echo()).unwrap();
    stage.registry().adopt(theirs, &options, &Default::default(), caller()).unwrap();
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("client"), ["open", "data 5", "close closed"]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_is_served_and_leaves_no_path() {
    let mut stage = Stage::new();
    let name = format!("unix:@reactor-test-{}-stream", std::process::id());
    let address: Address = name.parse().unwrap();
    let id = stage.registry().listen(address.clone(), |_, _| echo()).unwrap();
    assert_eq!(stage.registry().listener_address(id).as_ref(), Ok(&address));
    assert_echoes(&mut stage, &address);
    let error = stage.registry().listen(address.clone(), |_, _| echo()).unwrap_err();
    assert_eq!(error.to_string(), format!("address already in use: {name}"));
    stage.registry().close_listener(id).unwrap();
    // The name went with its socket.
    let id = stage.registry().listen(address, |_, _| echo()).unwrap();
    stage.registry().close_listener(id).unwrap();
}

#[test]
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_names_are_refused_where_there_are_none() {
    let mut stage = Stage::new();
    let address = "unix:@reactor-test".parse().unwrap();
    assert!(stage.registry().listen(address, |_, _| echo()).is_err());
}

// ── datagrams ───────────────────────────────────────────────────────────────────────────────

#[test]
fn a_unix_datagram_is_answered() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let (server, client) = (address_in(&directory, "server"), address_in(&directory, "client"));
    let id = stage.registry().bind_datagram(server.clone(), echo_datagrams()).unwrap();
    stage.will_close_socket(id);
    assert_eq!(stage.registry().socket_address(id).as_ref(), Ok(&server));
    let to = server.clone();
    let caller = DatagramProbe::new("client").on_open(move |socket, _| {
        socket.send_to(b"hello", &to).unwrap();
        socket.send_to(b"", &to).unwrap();
    });
    let id = stage.registry().bind_datagram(client.clone(), caller).unwrap();
    stage.will_close_socket(id);
    stage.until(|log| log.has("client", "datagram 0"));
    assert_eq!(stage.log.of("server"), ["open", "datagram 5", "datagram 0"]);
    assert_eq!(stage.log.of("client"), ["open", "datagram 5", "datagram 0"]);
    let (_, bytes, from) = &stage.log.datagrams[0];
    assert_eq!((&bytes[..], from), (&b"hello"[..], &client));
    drop(stage);
    assert!(!path(&server).exists(), "its path goes with it");
}

#[test]
fn a_unix_datagram_socket_without_a_name_can_send() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let server = address_in(&directory, "server");
    let id = stage.registry().bind_datagram(server.clone(), DatagramProbe::new("server")).unwrap();
    stage.will_close_socket(id);
    let options = DatagramOptions { peer: Some(server), ..DatagramOptions::default() };
    let caller = DatagramProbe::new("client").on_open(|socket, _| socket.send(b"hello").unwrap());
    let id = stage.registry().bind_datagram_with(Address::Unnamed, &options, caller).unwrap();
    stage.will_close_socket(id);
    stage.until(|log| log.has("server", "datagram 5"));
    assert_eq!(stage.log.datagrams[0].2, Address::Unnamed);
}

#[test]
fn a_datagram_path_that_a_crash_left_behind_is_taken_over() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "socket");
    drop(UnixDatagram::bind(path(&address)).unwrap());
    let id = stage.registry().bind_datagram(address.clone(), DatagramProbe::new("socket")).unwrap();
    stage.will_close_socket(id);
    let other = stage.registry().bind_datagram(address.clone(), DatagramProbe::new("other"));
    assert!(matches!(other, Err(OpenError::AddressInUse(_))), "{other:?}");
}

#[test]
fn a_detached_datagram_socket_keeps_its_path_and_what_waits_in_it() {
    let mut stage = Stage::new();
    let directory = TempDir::new().unwrap();
    let address = address_in(&directory, "socket");
    let id = stage.registry().bind_datagram(address.clone(), DatagramProbe::new("socket")).unwrap();
    stage.until(|log| log.has("socket", "open"));
    let caller = UnixDatagram::unbound().unwrap();
    caller.send_to(b"hello", path(&address)).unwrap();
    let StdDatagram::Unix(socket) = stage.registry().detach_socket(id).unwrap() else {
        panic!("it is a Unix socket");
    };
    let mut buffer = [0; 16];
    assert_eq!(retry(|| socket.recv(&mut buffer)).unwrap(), 5);
    assert!(path(&address).exists());
    assert_eq!(stage.log.of("socket"), ["open"], "no callback told of the end");
    drop((socket, caller));
}

#[test]
#[cfg(target_os = "linux")]
fn datagrams_reach_an_abstract_name() {
    let mut stage = Stage::new();
    let name = |side| format!("unix:@reactor-test-{}-{side}", std::process::id());
    let server: Address = name("server").parse().unwrap();
    let id = stage.registry().bind_datagram(server.clone(), echo_datagrams()).unwrap();
    stage.will_close_socket(id);
    let caller = DatagramProbe::new("client").on_open(move |socket, _| {
        socket.send_to(b"hello", &server).unwrap();
    });
    let id = stage.registry().bind_datagram(name("client").parse().unwrap(), caller).unwrap();
    stage.will_close_socket(id);
    stage.until(|log| log.has("client", "datagram 5"));
}
