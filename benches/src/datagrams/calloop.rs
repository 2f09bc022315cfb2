//! calloop: the socket as a `Generic` source, level-triggered, with a bounded number of datagrams an event.

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};

use super::{Answers, BATCH, Duty, bind};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let socket = bind(place)?;
    announce(socket.local_addr()?)?;
    let mut event_loop = EventLoop::<Answers>::try_new()?;
    let source = Generic::new(socket, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(source, |_, socket, answers| {
        for _ in 0..BATCH {
            if !answers.one(|scratch| socket.recv_from(scratch), |it, to| socket.send_to(it, to))? {
                break;
            }
        }
        Ok(PostAction::Continue)
    })?;
    Ok(event_loop.run(None, &mut Answers::new(duty), |_| {})?)
}
