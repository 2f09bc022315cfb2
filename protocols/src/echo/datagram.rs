//! The server's datagram socket: every datagram goes back to where it came from, or is refused.

use reactor::{Address, Datagram, DatagramProtocol, DatagramTransport};

use super::Server;

/// Answers the datagrams of one UDP or Unix socket. Whom it does not answer, [`Refusal`] says.
///
/// [`Refusal`]: super::Refusal
#[derive(Debug)]
pub struct Responder {
    /// Where it is bound, as [`on_open`](DatagramProtocol::on_open) finds it: the real port where
    /// port 0 was asked for.
    own: Address,
}

impl Responder {
    /// A responder that has yet to be bound.
    #[must_use]
    pub fn new() -> Self {
        Self { own: Address::Unnamed }
    }
}

impl Default for Responder {
    fn default() -> Self {
        Self::new()
    }
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
        match server.admit(&datagram.from, &self.own, socket.registry().now()) {
            Ok(()) => {
                let sent = socket.send_to(datagram.bytes, &datagram.from);
                server.datagram_answered(datagram.bytes.len(), sent.is_ok());
            }
            Err(refusal) => server.datagram_refused(refusal),
        }
    }
}
