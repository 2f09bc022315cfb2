//! How a conversation is found again, when no callback is on the stack.

use std::time::Duration;

use reactor::{Registry, TimerId, TimersFull};

use super::channel::Channel;
use super::conversation::Conversation;
use super::place::Place;
use super::{Error, Gone, Peer};

impl Place {
    /// Has something done with the conversation there, when no callback is on the stack.
    ///
    /// # Errors
    ///
    /// If the connection has ended.
    pub(super) fn reach<App: 'static>(
        self,
        registry: &mut Registry<App>,
        act: impl FnOnce(&mut Conversation<App>, &mut dyn Channel<App>, &mut App) + 'static,
    ) -> Result<(), Gone> {
        let reached = match self {
            Self::Stream(id) => registry.with(id, move |peer: &mut Peer<App>, transport, app| {
                let (conversation, mut stream) = peer.parts(transport);
                act(conversation, &mut stream, app);
            }),
            #[cfg(feature = "rpc-web")]
            Self::WebSocket(id) => super::web::reach_socket(registry, id, act),
            #[cfg(feature = "rpc-web")]
            Self::Exchange(id) => super::web::reach_exchange(registry, id, act),
        };
        reached.map_err(|_| Gone)
    }
}

impl<App: 'static> dyn Channel<App> + '_ {
    /// Has a call that waits answered with an error, when no callback is on the stack.
    pub(super) fn fail(&mut self, number: u64, error: Error) {
        let place = self.place();
        fail(self.registry(), place, number, error);
    }

    /// The same after that time.
    pub(super) fn fail_after(
        &mut self,
        after: Duration,
        number: u64,
        error: Error,
    ) -> Result<TimerId, TimersFull> {
        let place = self.place();
        self.registry().after(after, move |registry, _| fail(registry, place, number, error))
    }
}

fn fail<App: 'static>(registry: &mut Registry<App>, place: Place, number: u64, error: Error) {
    // If the connection has ended nobody waits.
    let _ = place.reach(registry, move |conversation, channel, app: &mut App| {
        conversation.handle_answer(number, Err(error), channel, app);
    });
}
