//! message-io: one callback, and its UDP transport.

use message_io::network::{NetEvent, Transport};
use message_io::node;

use super::{BULK, Duty, run};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let (handler, listener) = node::split::<()>();
    let (_, address) = handler.network().listen(Transport::Udp, place.address)?;
    announce(address)?;
    let run = run();
    listener.for_each(move |event| {
        let NetEvent::Message(from, data) = event.network() else {
            return;
        };
        match duty {
            Duty::Echo => drop(handler.network().send(from, data)),
            Duty::Bulk => {
                for datagram in run.chunks(BULK) {
                    handler.network().send(from, datagram);
                }
            }
        }
    });
    Ok(())
}
