//! message-io: the endpoints of all members, each sent to in turn.
//!
//! Its `send` spins while a member does not read, and everyone waits with it: no room for those.

use std::collections::HashMap;

use message_io::network::{Endpoint, NetEvent, Transport};
use message_io::node;

use super::whole_lines;
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(place: Place) -> Result {
    let (handler, listener) = node::split::<()>();
    let (_, address) = handler.network().listen(Transport::Tcp, place.address)?;
    announce(address)?;
    // Everyone, and what each has said of a line so far.
    let mut members: HashMap<Endpoint, Vec<u8>> = HashMap::new();
    listener.for_each(move |event| match event.network() {
        NetEvent::Accepted(endpoint, _) => drop(members.insert(endpoint, Vec::new())),
        NetEvent::Disconnected(endpoint) => drop(members.remove(&endpoint)),
        NetEvent::Message(from, data) => {
            let lines = members.get_mut(&from).map(|said| take_lines(said, data));
            let lines = lines.unwrap_or_default();
            for member in members.keys().filter(|member| **member != from && !lines.is_empty()) {
                handler.network().send(*member, &lines);
            }
        }
        NetEvent::Connected(..) => {}
    });
    Ok(())
}

fn take_lines(said: &mut Vec<u8>, data: &[u8]) -> Vec<u8> {
    said.extend_from_slice(data);
    let whole = whole_lines(said);
    said.drain(..whole).collect()
}
