//! tokio's bounded channel, and a task that receives on the current-thread runtime.

use tokio::runtime;
use tokio::sync::mpsc;

use super::{Leave, ROOM, Reader};
use crate::Result;

pub(super) fn run(mut reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let (sender, mut receiver) = mpsc::channel(ROOM);
    give(Box::new(move |message| Ok(sender.blocking_send(message)?)))?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        while let Some(message) = receiver.recv().await {
            if !reader.take(message) {
                break;
            }
        }
    });
    Ok(())
}
