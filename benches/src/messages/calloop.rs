//! calloop's bounded channel, a source of its event loop.

use calloop::EventLoop;
use calloop::channel::{Event, sync_channel};

use super::{Leave, ROOM, Reader};
use crate::Result;

pub(super) fn run(mut reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let mut event_loop = EventLoop::<Reader>::try_new()?;
    let (sender, channel) = sync_channel(ROOM);
    let signal = event_loop.get_signal();
    event_loop
        .handle()
        .insert_source(channel, move |event, (), reader| match event {
            Event::Msg(message) if reader.take(message) => {}
            Event::Msg(_) | Event::Closed => signal.stop(),
        })
        .map_err(|refused| refused.error)?;
    give(Box::new(move |message| Ok(sender.send(message)?)))?;
    Ok(event_loop.run(None, &mut reader, |_| {})?)
}
