//! Handing over to a successor.

use super::*;

#[test]
fn a_successor_is_opened_and_offered_what_was_left() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("first").on_data(|transport, input, _| {
            if input.starts_with(b"UPGRADE\n") {
                input.take_front(8);
                transport.write(b"switching; ");
                let second = Probe::new("second").on_open(|to, _| to.write(b"welcome; ")).on_data(
                    |transport, input, _| {
                        if input.ends_with(b".") {
                            transport.write(input.take_all());
                        }
                    },
                );
                transport.replace(second);
            }
        })
    });
    let mut caller = client(address);
    caller.write_all(b"UPGRADE\nafter.").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"switching; welcome; after.");
    stage.until_closed("second");
    assert_eq!(stage.log.of("first"), ["open", "data 8"], "it hears nothing more, no end either");
    assert_eq!(stage.log.of("second"), ["open", "data 6", "end", PEER_CLOSED]);
}

#[test]
fn a_successor_may_take_over_in_any_callback() {
    let mut stage = Stage::new();
    // A chain: each hands over in another callback.
    let third = || Probe::new("third").on_open(|to, _| to.write(b"third"));
    let second = move || {
        Probe::new("second")
            .on_open(|to, _| to.set_timer(TimerKey(1), Duration::ZERO))
            .on_timer(move |transport, _, _| transport.replace(third()))
    };
    let address =
        stage.listen(move || Probe::new("first").on_open(move |to, _| to.replace(second())));
    let mut caller = client(address);
    stage.until(|log| log.has("third", "open"));
    let mut greeting = [0; 5];
    caller.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"third");
    drop(caller);
    stage.until_closed("third");
    assert_eq!(stage.log.of("first"), ["open"]);
    assert_eq!(stage.log.of("second"), ["open", "timer 1"]);
    assert_eq!(stage.log.of("third"), ["open", "end", PEER_CLOSED]);
    assert_eq!(stage.reactor.stats().accepted, 1);
}

#[test]
fn a_successor_of_a_connection_that_is_closed_hears_only_of_the_end() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("first").on_open(|transport, _| {
            transport.replace(Probe::new("second"));
            transport.close();
        })
    });
    drop(client(address));
    stage.until_closed("second");
    assert_eq!(stage.log.of("first"), ["open"]);
    assert_eq!(stage.log.of("second"), ["close closed"]);
}

#[test]
fn closing_a_listener_leaves_its_connections_alone() {
    let mut stage = Stage::new();
    let echo =
        || Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()));
    let any = support::any_port();
    let listener = stage.registry().listen(any, move |_, _| echo()).unwrap();
    let address = stage.registry().listener_address(listener).unwrap().socket_addr().unwrap();
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.registry().close_listener(listener).unwrap();
    assert!(stage.registry().close_listener(listener).is_err(), "its id is stale");
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // The address is free, and the connection lives.
    drop(TcpListener::bind(address).unwrap());
    caller.write_all(b"still there?").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"still there?");
    stage.until_closed("server");
}
