//! Too late: what is written or told after the end.

use reactor::{ConnectionId, Registry, Stale};

use super::*;

fn by_id(
    transport: &mut Transport<'_, Log>,
    end: impl FnOnce(&mut Registry<Log>, ConnectionId) -> Result<(), Stale>,
) {
    let id = transport.id();
    end(transport.registry(), id).expect("it is open");
}

#[test]
fn what_is_written_too_late_is_dropped_and_counted() {
    let mut stage = Stage::new();
    type End = fn(&mut Transport<'_, Log>);
    // By its own id it is the same.
    let endings: [(&str, End); 8] = [
        ("close", |transport| transport.close()),
        ("end", |transport| transport.end()),
        ("release", |transport| transport.release()),
        ("abort", |transport| transport.abort()),
        ("close by id", |transport| by_id(transport, Registry::close)),
        ("end by id", |transport| by_id(transport, Registry::end)),
        ("release by id", |transport| by_id(transport, Registry::release)),
        ("abort by id", |transport| by_id(transport, Registry::abort)),
    ];
    for (name, end) in endings {
        let before = stage.reactor.stats().discarded_bytes;
        let address = stage.listen(move || {
            Probe::new(name).on_open(move |transport, log| {
                transport.write(b"in time");
                end(transport);
                transport.write(b"late");
                transport.send(Bytes::from(vec![0; 10_000]));
                let id = transport.id();
                let refused = transport.registry().send(id, Bytes::from_static(b"late"));
                log.note(name, refused.unwrap_err().to_string());
            })
        });
        let mut caller = client(address);
        caller.shutdown(Shutdown::Write).unwrap();
        stage.until_closed(name);
        assert_eq!(stage.reactor.stats().discarded_bytes - before, 10_004, "{name}");
        assert!(stage.log.has(name, "the connection is closing"), "{:?}", stage.log);
        let mut seen = Vec::new();
        let read = caller.read_to_end(&mut seen);
        assert_eq!(
            (read.is_ok(), &seen[..]),
            match name {
                "abort" | "abort by id" => (false, &b""[..]),
                _ => (true, &b"in time"[..]),
            }
        );
    }
}

#[test]
fn what_it_sends_itself_by_its_id_after_ending_is_refused() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| transport.end()).on_data(
            |transport, input, log| {
                input.take_all();
                let id = transport.id();
                let refused = transport.registry().send(id, Bytes::from_static(b"late"));
                log.note("server", format!("{refused:?}"));
            },
        )
    });
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0, "it has said goodbye");
    caller.write_all(b"hello").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 5", "Err(Closing(b\"late\"))", "end", "close closed"]
    );
}

#[test]
fn a_stale_id_is_an_error_that_hands_the_bytes_back() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    drop(client(address));
    stage.until_closed("server");
    let id = stage.log.id("server");
    let registry = stage.registry();
    let error = registry.send(id, Bytes::from_static(b"hello")).unwrap_err();
    assert!(matches!(error, SendError::Stale(_)));
    assert_eq!(error.into_bytes(), "hello");
    assert!(registry.close(id).is_err());
    assert!(registry.abort(id).is_err());
    assert!(registry.pause(id).is_err());
    assert!(registry.resume(id).is_err());
    assert!(!registry.is_connected(id));
}

#[test]
fn closed_twice_or_aborted_after_it_ends_once() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let _caller = client(address);
    stage.until(|log| log.has("server", "open"));
    let id = stage.log.id("server");
    stage.registry().close(id).unwrap();
    stage.registry().close(id).unwrap();
    stage.registry().abort(id).unwrap();
    assert!(stage.registry().abort(id).is_err(), "it has ended");
    stage.until_closed("server");
    stage.until_quiet();
    assert_eq!(stage.log.of("server"), ["open", "close aborted"]);
}
