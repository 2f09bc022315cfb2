//! The last callback.

use super::*;

#[test]
fn whatever_ends_it_the_last_callback_comes_once_and_last() {
    type Ending = (&'static str, fn() -> Probe, fn(SocketAddr) -> Option<TcpStream>);
    let hello = |address| {
        let mut caller = client(address);
        caller.write_all(b"hello").unwrap();
        Some(caller)
    };
    let endings: [Ending; 9] = [
        ("closed", || Probe::new("it").on_data(|to, _, _| to.close()), hello),
        ("aborted", || Probe::new("it").on_data(|to, _, _| to.abort()), hello),
        (
            "the peer closed the connection",
            || Probe::new("it"),
            |address| {
                drop(client(address));
                None
            },
        ),
        (
            "the peer reset the connection",
            || Probe::new("it"),
            |address| {
                reset(client(address));
                None
            },
        ),
        (
            "its outbox is full: more was written than the peer has taken",
            || Probe::new("it").on_open(|to, _| to.write(&vec![0; 16 * MIB])),
            |address| Some(client(address)),
        ),
        (
            "its handler panicked: on purpose",
            || Probe::new("it").on_data(|_, _, _| panic!("on purpose")),
            hello,
        ),
        (
            "closing took too long",
            || Probe::new("it").on_open(|to, _| to.close()),
            |address| Some(client(address)),
        ),
        (
            "the socket was given back to the program",
            || Probe::new("it").on_open(|to, _| to.detach(|_, _, _| {})),
            |address| Some(client(address)),
        ),
        (
            "aborted",
            || {
                Probe::new("it").on_data(|transport, _, _| {
                    // Several at once: the first that ends it counts.
                    let id = transport.id();
                    transport.close();
                    transport.abort();
                    transport.detach(|_, _, _| unreachable!("it was aborted"));
                    transport.registry().abort(id).unwrap();
                    transport.registry().close(id).unwrap();
                })
            },
            hello,
        ),
    ];
    for (reason, probe, play) in endings {
        let mut stage = Stage::new();
        let is_patient = reason != "closing took too long";
        let options = if is_patient { ListenOptions::default() } else { hasty() };
        let address = stage.listen_with(&options, probe);
        // A client that is still there answers a goodbye with its own, unless it is to be too late. And
        // who reads on another processor might take so much that the outbox is never full.
        let reads = is_patient && !reason.starts_with("its outbox is full");
        let mut caller = play(address);
        let answering = caller
            .take_if(|_| reads)
            .map(|mut caller| stage.peer(move || drop(caller.read_to_end(&mut Vec::new()))));
        stage.until_closed("it");
        if let Some(answering) = answering {
            stage.join(answering);
        }
        drop(caller);
        stage.until_quiet();
        let told = stage.log.of("it");
        let closes = told.iter().filter(|line| line.starts_with("close")).count();
        assert_eq!((closes, told.last().copied()), (1, Some(&*format!("close {reason}"))));
        assert_eq!(stage.log.count("it", "open"), 1);
        assert_eq!(stage.reactor.stats().closed(), 1);
    }
}

#[test]
fn the_last_callback_may_begin_anew() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server").on_open(|to, _| to.close()));
    let again = |name, next: Option<Probe>| {
        let mut next = next;
        Probe::new(name).on_close(move |registry, closed, _| {
            assert!(!registry.is_connected(closed.id), "its id is stale already");
            if let Some(next) = next.take() {
                registry.connect(closed.peer.clone(), next).unwrap();
            }
        })
    };
    let third = again("third", None);
    let second = again("second", Some(third));
    stage.connect(address, again("first", Some(second)));
    stage.until_closed("third");
    for name in ["first", "second", "third"] {
        assert_eq!(stage.log.of(name), ["open", "end", PEER_CLOSED]);
    }
    stage.until(|log| log.ends.len() == 6);
}

#[test]
fn the_last_callback_may_close_others_who_are_told_later() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let other = stage.connect(address, Probe::new("other"));
    let depth = Rc::new(Cell::new(0));
    let inner = Rc::clone(&depth);
    let probe = Probe::new("first").on_close(move |registry, _, log| {
        inner.set(inner.get() + 1);
        registry.abort(other).unwrap();
        assert!(!registry.is_connected(other), "it takes effect at once");
        assert!(log.end("other").is_none(), "no callback runs inside another");
        inner.set(inner.get() - 1);
    });
    let first = stage.connect(address, probe);
    stage.until(|log| log.opened.len() == 4);
    stage.registry().abort(first).unwrap();
    stage.until(|log| log.ends.len() == 4);
    assert_eq!(stage.log.of("other"), ["open", "close aborted"]);
    assert_eq!(depth.get(), 0);
}
