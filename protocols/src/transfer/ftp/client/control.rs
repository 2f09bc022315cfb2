//! The client's side of the control connection: it finds the client whose connection it is, and tells the
//! program.

use reactor::{Closed, ConnectionId, Input, Protocol, Registry, Transport};

use super::conversation::News;
use super::data::DataEnd;
use super::{Caller, Failure};
use crate::transfer::ftp::wire::reply::Replies;
use reactor::framing::{Line, Lines};

/// The protocol of a control connection.
pub(super) struct ControlConnection {
    lines: Lines,
    replies: Replies,
}

impl ControlConnection {
    pub(super) fn new(longest: usize) -> Self {
        Self { lines: Lines::new(longest), replies: Replies::default() }
    }
}

impl<App: Caller> Protocol<App> for ControlConnection {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Some(client) = app.client(transport.id()) {
            client.handle_open(transport.peer());
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let id = transport.id();
        loop {
            let reply = match self.lines.next(input) {
                Line::Partial => return,
                Line::TooLong => Err(Failure::Nonsense("a reply that is too long".to_owned())),
                Line::Whole(line) => self.replies.handle_line(line).map_err(Failure::from),
            };
            let registry = transport.registry();
            let Some(client) = app.client(id) else {
                return transport.abort();
            };
            let news = match reply {
                Ok(None) => continue,
                Ok(Some(reply)) => client.handle_reply(registry, reply),
                Err(failure) => client.fail(registry, failure),
            };
            if let News::Secure = news {
                // What stands behind the reply is the handshake's, and never a reply (CVE-2011-0411).
                return client.begin_tls(transport);
            }
            tell(registry, app, id, news);
        }
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let id = transport.id();
        if let Some(client) = app.client(id) {
            let news = client.handle_secure(transport.registry());
            tell(transport.registry(), app, id, news);
        }
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        if let Some(client) = app.client(transport.id()) {
            client.close(transport.registry());
        }
        transport.close();
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        if let Some(client) = app.client(closed.id) {
            let (cut_off, outcome) = client.handle_close(registry, &closed.reason);
            if let Some(failure) = cut_off {
                app.on_done(registry, closed.id, Err(failure));
            }
            app.on_finish(registry, closed.id, outcome);
        }
    }
}

/// The data connection of a client's operation has ended.
pub(super) fn handle_data_end<App: Caller>(
    registry: &mut Registry<App>,
    app: &mut App,
    id: ConnectionId,
    end: DataEnd,
) {
    if let Some(client) = app.client(id) {
        let news = client.handle_data_end(registry, end);
        tell(registry, app, id, news);
    }
}

/// Tells the program what there is to tell.
pub(super) fn tell<App: Caller>(
    registry: &mut Registry<App>,
    app: &mut App,
    id: ConnectionId,
    news: News,
) {
    match news {
        News::Nothing | News::Secure => {}
        News::Ready => app.on_ready(registry, id),
        News::Done(outcome) => app.on_done(registry, id, outcome),
    }
}
