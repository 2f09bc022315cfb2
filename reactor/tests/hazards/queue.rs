//! 6: a connection that failed in the queue.

use super::*;

/// Hazard 6: a client has reset its connection before it was accepted. Some systems have `accept`
/// fail for it, others the first read; the next in the queue is served in either case.
#[test]
fn a_client_that_is_gone_before_it_is_accepted_does_not_hide_the_next() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()))
    });
    let clients: Vec<TcpStream> = (0..20).map(|_| client(address)).collect();
    let mut staying = Vec::new();
    for (at, theirs) in clients.into_iter().enumerate() {
        if at % 2 == 0 {
            SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).expect("it is a socket");
        } else {
            staying.push(theirs);
        }
    }
    let peer = stage.peer(move || {
        for mut theirs in staying {
            theirs.write_all(b"hello").expect("it has room");
            let mut answer = [0; 5];
            theirs.read_exact(&mut answer).expect("it answers");
            assert_eq!(&answer, b"hello");
        }
    });
    stage.join(peer);
    stage.until(|log| log.count("server", "close the peer closed the connection") == 10);
    let stats = stage.reactor.stats();
    assert_eq!(stats.accepted + stats.accept_errors, 20, "{stats}");
    let accepted = stats.accepted as usize;
    stage.until(|log| log.ends.len() == accepted);
}
