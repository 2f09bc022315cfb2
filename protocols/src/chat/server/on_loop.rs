//! The loop as the server sees it, and the call that opens a socket for clients.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reactor::{Address, ConnectionId, ListenOptions, ListenerId, OpenError, Pressure, Registry};

use super::accounts::{Accounts, NotSaved};
use super::network::{Network, Saver};
use super::session::{NICK, Session};
use super::work::Work;
use super::{Event, Server};

/// Listens for clients.
///
/// The options' limits want to be [`Limits::stream_limits`](super::Limits::stream_limits), so that a slow
/// reader is cut off where the settings say.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
) -> Result<ListenerId, OpenError> {
    registry.listen_with(address, options, |_peer, _app| Some(Box::new(Session::new())))
}

impl<App: AsMut<Server> + 'static> Network for Registry<App> {
    #[inline]
    fn send(&mut self, to: ConnectionId, line: Bytes) {
        let _ = Self::send(self, to, line);
    }

    fn send_all(&mut self, to: &[ConnectionId], line: &Bytes) {
        self.broadcast(to.iter().copied(), line.clone());
    }

    fn close(&mut self, connection: ConnectionId) {
        let _ = Self::close(self, connection);
    }

    fn offload(&mut self, connection: ConnectionId, kib: Option<u32>, work: Work) {
        let _ = self.with(connection, move |session: &mut Session, transport, app| {
            session.offload(transport, app, kib, work);
        });
    }

    fn save(&mut self, accounts: &mut Accounts, waiting: Option<Saver>) {
        accounts.commit(self, move |registry, app, saved| {
            match &saved {
                // What nobody waits for are modes, which are kept anew then.
                Ok(()) | Err(NotSaved::Conflict) => {}
                Err(error) => app.as_mut().log(&Event::NotSaved { error: &error.to_string() }),
            }
            if let Some(Saver { connection, result }) = waiting {
                result.set(saved);
                go_on(registry, connection);
            }
        });
    }

    fn guard_nick(&mut self, connection: ConnectionId, grace: Duration) {
        let _ = self.with_transport(connection, move |transport, _| {
            transport.set_timer(NICK, grace);
        });
    }

    fn tell_news(&mut self) {
        // It takes nothing along, and so no memory: this is for each line.
        self.defer(|registry, app| {
            if let Some(on_news) = app.as_mut().news_taker() {
                on_news.call(registry, app);
            }
        });
    }

    fn wait_for(&mut self, reader: ConnectionId, behind: &Rc<Cell<usize>>) {
        let counted = Rc::clone(behind);
        let has_read = move |_: &mut Self, _: &mut App, _| counted.set(counted.get() - 1);
        if self.when_drained(reader, has_read).is_ok() {
            behind.set(behind.get() + 1);
        }
    }

    fn answer_next(&mut self) {
        self.defer(|registry, app| {
            let Some((asker, are_others)) = app.as_mut().next_answer() else { return };
            if are_others {
                registry.answer_next();
            }
            if let Ok(Pressure::High) = registry.pressure(asker) {
                // If it has gone, nobody waits for the answer.
                let _ = registry.when_drained(asker, move |registry, app, _| {
                    if app.as_mut().queue_answer(asker) {
                        registry.answer_next();
                    }
                });
            } else {
                go_on(registry, asker);
            }
        });
    }

    fn go_on_leaving(&mut self, after: Duration) {
        let go_on = |registry: &mut Self, app: &mut App| app.as_mut().let_more_leave(registry);
        if self.after(after, go_on).is_err() {
            self.defer(go_on);
        }
    }

    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn wall_clock(&self) -> SystemTime {
        Self::wall_clock(self)
    }

    fn random(&mut self) -> u64 {
        Self::random(self)
    }

    fn statistics(&self) -> String {
        self.stats().to_string()
    }
}

/// What the user of a connection waited for is done.
fn go_on<App: AsMut<Server> + 'static>(registry: &mut Registry<App>, connection: ConnectionId) {
    let _ = registry.with(connection, |session: &mut Session, transport, app| {
        session.go_on(transport, app, Ok(()));
    });
}
