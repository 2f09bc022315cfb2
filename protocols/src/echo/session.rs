//! One connection of the server: everything it sends goes back.

use reactor::{Closed, Input, Protocol, Registry, Transport};

use super::Server;

/// The server's side of one stream.
///
/// It keeps no buffer, and needs no flow control of its own: what the peer does not take waits in the
/// connection's outbox, and above its high mark the loop does not read. A peer that sends without
/// reading is held back by its own answers.
///
/// ```text
///   New ──on_open──▶ Open ──┬─ on_data: written back ─┐
///                     │ ▲   └─────────────────────────┘
///                     │ on_end: all that was read is answered; close
///                     ▼
///                   (gone) on_close
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Session;

impl<App: AsMut<Server>> Protocol<App> for Session {
    fn on_open(&mut self, _: &mut Transport<'_, App>, app: &mut App) {
        app.as_mut().session_opened();
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        app.as_mut().bytes_echoed(input.len());
        transport.write(input.take_all());
    }

    // `on_end` closes, as it does by default: FIN follows the last answer, so a peer that has
    // half-closed (RFC 9293, 3.6) gets everything back before the end. So does `on_shutdown`.

    fn on_close(&mut self, _: &mut Registry<App>, closed: &Closed, app: &mut App) {
        // A connection can end before it opens, and is not counted then.
        if closed.opened {
            app.as_mut().session_closed();
        }
    }
}
