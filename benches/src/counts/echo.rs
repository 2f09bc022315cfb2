//! An echo of 64 bytes, by connections and messages in flight.

use super::{Runner, Subject};
use crate::load::{Clients, Load};
use crate::servers::{self, Peer};

/// Connections and depth.
const LOADS: [(usize, usize); 3] = [(50, 1), (1, 1), (50, 16)];

const MESSAGES: usize = 20_000;

pub(super) fn subjects() -> Vec<Subject> {
    LOADS.map(|(connections, depth)| subject(Load { connections, depth, size: 64 })).into()
}

fn subject(load: Load) -> Subject {
    let Load { connections, depth, .. } = load;
    Subject {
        name: format!("echo.{connections}x{depth}"),
        about: format!(
            "an echo of 64 bytes, connections: {connections}, in flight on each: {depth}"
        ),
        unit: "message",
        program: servers::PROGRAM,
        units: MESSAGES.next_multiple_of(load.round()),
        round: load.round(),
        runners: Runner::each(Peer::all(), move |peer, instrument, messages| {
            let server = servers::program(peer)?.start_under(instrument)?;
            let mut clients = Clients::connect(server.address(), load)?;
            clients.exchange(messages)?;
            // The clients stay connected: how many closes the server would still see is chance.
            server.stop()
        }),
    }
}
