//! The reactor, every limit on: what the others are read beside.
//!
//! One buffer is shared by all who are sent it. Now and then those who are behind are found and sent
//! nothing more, until `on_drain` says that they have caught up; the limits bound what may happen in
//! between.

use bytes::Bytes;
use reactor::{
    Closed, ConnectionId, Input, ListenOptions, Protocol, Registry, StreamLimits, Transport,
};

use super::{BEHIND, whole_lines};
use crate::Result;
use crate::servers::Place;
use crate::servers::reactor::{run, stream_options};

/// How many times lines are sent between two looks at who is behind.
const LOOK_EVERY: u32 = 16;

pub(super) fn serve(place: Place) -> Result {
    let limits = StreamLimits { outbox_high: BEHIND, ..StreamLimits::default() };
    let options =
        ListenOptions { stream: stream_options(place), limits, ..ListenOptions::default() };
    run(Room::default(), |registry, _| {
        registry.listen_with(place.address.into(), &options, |_, _| Some(Box::new(Member)))
    })
}

/// Those who are sent what the others say.
#[derive(Default)]
struct Room {
    members: Vec<ConnectionId>,
    since_look: u32,
}

impl Room {
    fn tell_the_others(&mut self, from: ConnectionId, lines: Bytes, registry: &mut Registry<Self>) {
        // Whoever cannot be sent anything any more is about to leave.
        let others = self.members.iter().copied().filter(|member| *member != from);
        registry.broadcast(others, lines);
        self.since_look += 1;
        if self.since_look == LOOK_EVERY {
            self.since_look = 0;
            self.pass_over_those_behind(registry);
        }
    }

    fn pass_over_those_behind(&mut self, registry: &mut Registry<Self>) {
        let is_behind = |member| registry.queued_bytes(member).is_ok_and(|queued| queued > BEHIND);
        self.members.retain(|member| !is_behind(*member));
    }
}

struct Member;

impl Protocol<Room> for Member {
    fn on_open(&mut self, transport: &mut Transport<'_, Room>, room: &mut Room) {
        room.members.push(transport.id());
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Room>,
        input: &mut Input<'_>,
        room: &mut Room,
    ) {
        let whole = whole_lines(input);
        if whole > 0 {
            let lines = Bytes::copy_from_slice(input.take_front(whole));
            room.tell_the_others(transport.id(), lines, transport.registry());
        }
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, Room>, room: &mut Room) {
        let id = transport.id();
        if !room.members.contains(&id) {
            room.members.push(id);
        }
    }

    fn on_close(&mut self, _: &mut Registry<Room>, closed: &Closed, room: &mut Room) {
        room.members.retain(|member| *member != closed.id);
    }
}
