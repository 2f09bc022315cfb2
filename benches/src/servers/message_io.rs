//! message-io: one callback for the events of all sockets, as in its ping-pong example.
//!
//! It has no way to learn that a peer takes no more: its `send` spins until the kernel does, and the
//! whole loop waits with it.

use message_io::network::{NetEvent, Transport};
use message_io::node;

use super::{Place, announce};
use crate::Result;

pub(super) fn serve(place: Place) -> Result {
    let (handler, listener) = node::split::<()>();
    let (_, address) = handler.network().listen(Transport::Tcp, place.address)?;
    announce(address)?;
    listener.for_each(move |event| match event.network() {
        NetEvent::Message(endpoint, data) => drop(handler.network().send(endpoint, data)),
        NetEvent::Accepted(..) | NetEvent::Connected(..) | NetEvent::Disconnected(_) => {}
    });
    Ok(())
}
