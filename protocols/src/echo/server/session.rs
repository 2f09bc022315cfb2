//! The server's sockets: everything they receive goes back.

use reactor::{
    Address, Closed, Datagram, DatagramProtocol, DatagramTransport, Input, Protocol, Registry,
    Transport,
};

use super::Server;

/// The server's side of one stream.
///
/// It keeps no buffer, and needs no flow control of its own: what the peer does not take waits in the
/// connection's outbox, and above its high mark the loop does not read. A peer that sends without
/// reading is held back by its own answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session;

impl<App: AsMut<Server>> Protocol<App> for Session {
    fn on_open(&mut self, _: &mut Transport<'_, App>, app: &mut App) {
        let counters = &mut app.as_mut().counters;
        counters.open += 1;
        counters.sessions += 1;
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        app.as_mut().counters.bytes += input.len() as u64;
        transport.write(input.take_all());
    }

    // `on_end` closes, as it does by default: FIN follows the last answer, so a peer that has
    // half-closed (RFC 9293, 3.6) gets everything back before the end. So does `on_shutdown`.

    fn on_close(&mut self, _: &mut Registry<App>, closed: &Closed, app: &mut App) {
        // A connection can end before it opens, and is not counted then.
        if closed.opened {
            app.as_mut().counters.open -= 1;
        }
    }
}

/// The server's side of one datagram socket.
#[derive(Debug)]
pub(super) struct Responder {
    /// Where it is bound, which `on_open` finds: the real port where port 0 was asked for.
    pub(super) own: Address,
}

impl<App: AsMut<Server>> DatagramProtocol<App> for Responder {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
        self.own = socket.local();
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let server = app.as_mut();
        let Datagram { bytes, from, .. } = datagram;
        match server.admit(from, &self.own, socket.registry().now()) {
            Ok(()) => {
                let sent = socket.send_to(bytes, from);
                server.counters.answered(bytes.len(), sent.is_ok());
            }
            Err(refusal) => server.counters.refused[refusal as usize] += 1,
        }
    }
}
