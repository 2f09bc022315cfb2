//! Calls that are posted: a text a request of HTTP, and its answer the body of the answer.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use reactor::{Address, ConnectionId, Registry};

use super::dial::{Dial, Link, connect_after};
use super::event::Event;
use super::wire::{self, Message, Text};
use super::{CallError, Carrier, ClientOptions, Limits, Remote};

use crate::http::client::{
    self as web, Ask, Call, Client, ClientLimits, Failure, Payload, Reader, Url,
};
use crate::http::wire::Response;

/// How calls are posted to one server.
pub(super) struct Posts<App> {
    client: Client<App>,
    server: Address,
    url: Url,
    /// Posts that are under way, and how many notifications there may be among them.
    under_way: Rc<Cell<usize>>,
    most: usize,
    /// How long one may take in which nobody waits for an answer.
    answer: Duration,
}

impl<App: 'static> Posts<App> {
    /// If it is HTTP that carries the calls.
    pub(super) fn new(options: &ClientOptions, limits: &Limits) -> Option<Self> {
        let Carrier::Http(url) = &options.carrier else {
            return None;
        };
        let mut web = web::ClientOptions {
            limits: ClientLimits { connections: limits.calls, ..ClientLimits::default() },
            ..web::ClientOptions::default()
        };
        web.connect.limits.connect_timeout = Some(options.connect_timeout);
        #[cfg(feature = "tls")]
        web.connect.tls.clone_from(&options.tls);
        Some(Self {
            client: Client::new(web),
            server: options.server.clone(),
            url: url.clone(),
            under_way: Rc::default(),
            most: limits.made,
            answer: limits.answer,
        })
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.get()
    }

    /// Sends a text, in which there are these calls; for the answer to the last of which there is so much
    /// patience.
    ///
    /// # Errors
    ///
    /// [`CallError::Full`].
    pub(super) fn send(
        &self,
        registry: &mut Registry<App>,
        remote: &Remote<App>,
        text: Vec<u8>,
        ids: &[u64],
        patience: Option<Duration>,
    ) -> Result<(), CallError> {
        // Calls are counted where they wait for their answers; notifications nowhere else.
        if ids.is_empty() && self.under_way.get() >= self.most {
            return Err(CallError::Full);
        }
        // Whoever waits no more, and has been told so, gives the connection up, too.
        let most = patience.unwrap_or(self.answer).saturating_add(Duration::from_secs(1));
        let ask = Ask::new(Method::POST, &self.url)
            .field("Content-Type", "application/json")
            .field("Accept", "application/json")
            .with_payload(Payload::Bytes(text.into()))
            .with_head_timeout(most)
            .with_timeout(most);
        self.under_way.set(self.under_way.get() + 1);
        let posted = Posted {
            remote: remote.clone(),
            ids: ids.to_vec(),
            head: None,
            body: Vec::new(),
            under_way: Rc::clone(&self.under_way),
        };
        self.client.send(registry, &self.server, ask, posted);
        Ok(())
    }
}

/// One text that was posted, and what has come back.
struct Posted<App> {
    remote: Remote<App>,
    ids: Vec<u64>,
    head: Option<(ConnectionId, StatusCode)>,
    body: Vec<u8>,
    under_way: Rc<Cell<usize>>,
}

impl<App: 'static> Posted<App> {
    /// Tells the calls what came of them. Those that the answer does not speak of have failed.
    fn handle_answer(self, registry: &mut Registry<App>, app: &mut App) {
        let Some((connection, status)) = self.head else {
            return;
        };
        let limits = self.remote.service().limits();
        let (dialect, depth) = (self.remote.encoding().dialect, limits.depth);
        match wire::read(&self.body, dialect, depth) {
            Ok(Text::One(message)) => self.handle_message(message, connection, registry, app),
            Ok(Text::Batch(members)) => {
                for message in
                    members.iter().filter_map(|it| Message::read(it, dialect, depth).ok())
                {
                    self.handle_message(message, connection, registry, app);
                }
            }
            // A page that says "not found" is none either.
            Err(_) => {}
        }
        let why = format!("the server has said {status}, and nothing of the call");
        self.remote.fail(registry, &self.ids, &why, true);
    }

    fn handle_message(
        &self,
        message: Message<'_>,
        connection: ConnectionId,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        // A server has nothing to ask here.
        let Message::Response { id, result } = message else {
            return;
        };
        // Who could not read what was sent cannot say its id. If only one call was, it is that.
        let only = self.ids.first().filter(|_| id == b"null" && self.ids.len() == 1);
        let id = only.map_or_else(|| id.to_owned(), |id| id.to_string().into());
        self.remote.handle_response(registry, app, connection, &id, result);
    }

    /// Nothing came of it. `sent`: whether the server may have seen it.
    fn handle_failure(self, registry: &mut Registry<App>, app: &mut App, why: &str, sent: bool) {
        let again = self.remote.with_dial(|dial| dial.keeps(!sent)).unwrap_or_default();
        if !again || self.remote.link() == Link::Ended {
            return self.remote.fail(registry, &self.ids, why, sent);
        }
        self.remote.wait_again(registry, &self.ids, why);
        if self.remote.link() != Link::Posting {
            // Another post has failed before, and its pause is this one's.
            return;
        }
        self.remote.set_link(Link::Down);
        let chance = registry.random();
        let pause = self.remote.with_dial(|dial| dial.pause(chance)).flatten().unwrap_or_default();
        connect_after(&self.remote, registry, pause, why);
        self.remote.service().tell(app, || Event::Unreachable { why });
    }
}

impl<App: 'static> Reader<App> for Posted<App> {
    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, _: &mut App) {
        self.head = Some((call.connection(), response.status()));
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, _: &mut App) {
        self.body.extend_from_slice(bytes);
        if self.body.len() > self.remote.service().limits().message {
            call.cancel();
        }
    }

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        self.under_way.set(self.under_way.get() - 1);
        match outcome {
            Ok(()) => {
                self.remote.with_dial(Dial::handle_connected);
                self.handle_answer(registry, app);
            }
            Err(Failure::Cancelled) => {
                let most = self.remote.service().limits().message;
                let why = format!("the answer is longer than {most} bytes");
                self.remote.fail(registry, &self.ids, &why, true);
            }
            Err(failure) => {
                let sent = !failure.is_before_sending();
                self.handle_failure(registry, app, &failure.to_string(), sent);
            }
        }
    }
}
