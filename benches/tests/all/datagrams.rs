//! Every datagram server does its duty, with every byte in its place.

use benches::Result;
use benches::clients::correspondents::datagrams;
use benches::datagrams::{Datagrams, Duty};
use benches::loaded::Start;
use benches::work::Work;

#[test]
fn every_datagram_comes_back_to_its_sender() -> Result {
    check(Duty::Echo, 20)
}

#[test]
fn every_request_is_answered_with_a_whole_run_in_order() -> Result {
    check(Duty::Bulk, 2)
}

fn check(duty: Duty, clients: usize) -> Result {
    for server in Datagrams::that_do(duty) {
        let mut loaded = datagrams(Start::Here, server, duty, clients)?;
        for _ in 0..50 {
            loaded.run(1).map_err(|error| format!("{server}: {error}"))?;
        }
        loaded.stop()?;
    }
    Ok(())
}
