//! A datagram back to each of many peers, and a run of them to one.

use super::{Runner, Subject};
use crate::correspondents::{self, Correspondents};
use crate::datagrams::{self, Datagrams, Duty};

/// What a server does, and for how many clients.
const DUTIES: [(Duty, usize); 2] = [(Duty::Echo, 50), (Duty::Bulk, 1)];

/// Enough for a few thousand runs, whose number of turns is not quite the same every time.
const DATAGRAMS: usize = 80_000;

pub(super) fn subjects() -> Vec<Subject> {
    DUTIES.map(|(duty, clients)| subject(duty, clients)).into()
}

fn subject(duty: Duty, clients: usize) -> Subject {
    let round = Correspondents::round_of(duty, clients) as usize;
    Subject {
        name: format!("datagrams.{duty}"),
        about: format!("datagrams, {duty}, clients: {clients}"),
        unit: "datagram",
        program: datagrams::PROGRAM,
        units: DATAGRAMS.next_multiple_of(round),
        round,
        runners: Runner::each(Datagrams::all(), move |server, instrument, datagrams| {
            let server = correspondents::program(server, duty)?.start_under(instrument)?;
            let mut clients = Correspondents::open(server.address(), duty, clients)?;
            (0..datagrams / round).try_for_each(|_| clients.round())?;
            server.stop()
        }),
    }
}
