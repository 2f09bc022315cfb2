//! TLS with a host that is connected to by its name: whose certificate it has to be, and who wins the race.

use super::*;

use std::net::TcpListener;
use std::time::Duration;

use reactor::{Address, Finish, RaceOptions, StreamLimits};

/// A server that greets, at an address that some names lead to.
fn stage_with_names(keys: &Keys) -> (Stage, SocketAddr) {
    let mut stage = Stage::new();
    let greeter = || echo("server").on_open(|transport, _| transport.write(b"hello "));
    let address = stage.listen_with(&with_tls(&keys.server("a.example")), greeter);
    (stage, address)
}

fn connect(stage: &mut Stage, name: &str, options: &ConnectOptions, probe: Probe) {
    let address = Address::to_host(name, 443).expect("it is a name");
    stage.registry().connect_with(address, options, probe).expect("it begins to connect");
}

/// Trusts whoever these keys vouch for, under the name that is connected to.
fn anybody(keys: &Keys) -> ClientTls {
    ClientTls::new(keys.roots()).expect("it is fine")
}

fn caller() -> Probe {
    Probe::new("client").on_open(|transport, _| transport.write(b"world"))
}

#[test]
fn the_certificate_has_to_be_for_the_name_that_was_connected_to() {
    let keys = Keys::new();
    let (mut stage, address) = stage_with_names(&keys);
    stage.registry().set_resolver(move |lookup, registry| {
        registry.resolved(lookup, Ok(vec![address]));
    });
    let options = to_tls(anybody(&keys));
    connect(&mut stage, "A.example.", &options, caller());
    stage.until(|log| log.bytes("client").len() == 11);
    assert_eq!(stage.log.bytes("client"), b"hello world");

    connect(&mut stage, "b.example", &options, Probe::new("other"));
    stage.until_closed("other");
    let reason = &stage.log.end("other").expect("it has ended").reason;
    assert!(reason.starts_with("the peer's certificate is not accepted"), "{reason}");
    assert_eq!(stage.log.of("other").len(), 1, "it was never open");
    let id = stage.log.id("client");
    stage.registry().abort(id).expect("it is open");
    stage.until(|log| log.ends.len() == 4);
}

#[test]
fn a_server_that_is_there_and_does_not_speak_loses_where_tls_decides_the_race() {
    let keys = Keys::new();
    let (mut stage, address) = stage_with_names(&keys);
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let dumb = silent.local_addr().expect("it is bound");
    stage.registry().set_resolver(move |lookup, registry| {
        registry.resolved(lookup, Ok(vec![dumb, address]));
    });
    let race = RaceOptions { delay: Duration::from_millis(10), finish: Finish::Secured };
    let options = ConnectOptions { race, ..to_tls(anybody(&keys)) };
    connect(&mut stage, "a.example", &options, caller());
    stage.until(|log| log.bytes("client").len() == 11);
    assert_eq!(stage.log.bytes("client"), b"hello world");
    let id = stage.log.id("client");
    stage.registry().close(id).expect("it is open");
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("client").first(), Some(&"open"));
    assert_eq!(stage.log.of("client").last(), Some(&CLOSED));

    // Otherwise whoever is connected first has won, and its handshake decides.
    let race = RaceOptions { finish: Finish::Connected, ..race };
    let limits = StreamLimits {
        handshake_timeout: Some(Duration::from_millis(50)),
        ..StreamLimits::default()
    };
    let options = ConnectOptions { race, limits, ..options };
    connect(&mut stage, "a.example", &options, Probe::new("other"));
    stage.until_closed("other");
    assert_eq!(stage.log.of("other"), ["close the handshake took too long"]);
}

#[test]
fn where_tls_decides_the_race_each_attempt_that_fails_at_it_is_told_of() {
    let keys = Keys::new();
    let (mut stage, address) = stage_with_names(&keys);
    stage.registry().set_resolver(move |lookup, registry| {
        registry.resolved(lookup, Ok(vec![address]));
    });
    let race = RaceOptions { finish: Finish::Secured, ..RaceOptions::default() };
    let options = ConnectOptions { race, ..to_tls(anybody(&keys)) };
    connect(&mut stage, "b.example", &options, Probe::new("client"));
    stage.until(|log| log.ends.len() == 2);
    let failure =
        stage.log.end("client").and_then(|end| end.host.clone()).expect("the race was lost");
    assert_eq!(failure.attempts().len(), 1);
    let reason = failure.attempts()[0].reason.to_string();
    assert!(reason.starts_with("the peer's certificate is not accepted"), "{reason}");
}
