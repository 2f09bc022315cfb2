//! The reactor, every limit on: what the others are read beside.

use protocols::echo::{self, Limits, Server};
use reactor::{Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, Envelope, Reactor};

use super::{BULK, Duty, run};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let mut reactor = Reactor::<()>::new()?;
    let registry = reactor.registry();
    let address = place.address.into();
    let socket = match duty {
        Duty::Echo => registry.bind_datagram(address, Echo)?,
        Duty::Bulk => {
            // What lets a run leave in one call.
            let options = DatagramOptions { metadata: true, ..DatagramOptions::default() };
            registry.bind_datagram_with(address, &options, Bulk { run: run() })?
        }
    };
    announce(registry.socket_address(socket)?)?;
    reactor.run(&mut ())?;
    Ok(())
}

/// The echo server of our protocols, with a budget that no client of a measurement uses up.
pub(super) fn serve_protocol(place: Place) -> Result {
    let limits = Limits { datagrams_per_second: 100_000_000, ..Limits::default() };
    let mut reactor = Reactor::<Server>::new()?;
    let registry = reactor.registry();
    let socket = echo::bind(registry, place.address.into(), &DatagramOptions::default())?;
    announce(registry.socket_address(socket)?)?;
    reactor.run(&mut Server::new(&limits))?;
    Ok(())
}

struct Echo;

impl DatagramProtocol<()> for Echo {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, ()>,
        datagram: &Datagram<'_>,
        (): &mut (),
    ) {
        // What cannot be sent is lost, as it might be anywhere on its way.
        let _ = socket.send_to(datagram.bytes, &datagram.from);
    }
}

struct Bulk {
    run: Vec<u8>,
}

impl DatagramProtocol<()> for Bulk {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, ()>,
        datagram: &Datagram<'_>,
        (): &mut (),
    ) {
        let _ = socket.send_run(&self.run, BULK, Some(&datagram.from), Envelope::default());
    }
}
