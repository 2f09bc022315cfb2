//! Every datagram server does its duty, with every byte in its place.

use benches::Result;
use benches::correspondents::{Correspondents, program};
use benches::datagrams::{Datagrams, Duty};

#[test]
fn every_datagram_comes_back_to_its_sender() -> Result {
    check(Duty::Echo, 20)
}

#[test]
fn every_request_is_answered_with_a_whole_run_in_order() -> Result {
    check(Duty::Bulk, 2)
}

fn check(duty: Duty, clients: usize) -> Result {
    for server in Datagrams::all() {
        let running = program(*server, duty)?.start()?;
        let complain = |error| format!("{server}: {error}");
        let mut clients =
            Correspondents::open(running.address(), duty, clients).map_err(complain)?;
        for _ in 0..50 {
            clients.round().map_err(complain)?;
        }
        running.stop()?;
    }
    Ok(())
}
