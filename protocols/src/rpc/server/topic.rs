//! Who is told of something as it happens.

use bytes::Bytes;
use indexmap::IndexSet;
use reactor::{ConnectionId, Registry};
use serde::Serialize;

use super::super::CallError;
use super::super::wire::Encoding;

/// The subscribers of one kind of news. It is part of the application;
/// [`Service::topic`](crate::rpc::Service::topic) lets people in.
///
/// What is published is written once, and sent to all as the same bytes. Whoever does not read it is
/// dropped when [`Limits::outbox`](crate::rpc::Limits::outbox) is full, and the others never notice.
///
/// ```
/// use protocols::rpc::{Service, Topic};
///
/// /// The application of the server.
/// struct Room {
///     said: Topic,
/// }
///
/// let mut service = Service::<Room>::new("a room", "1.0.0");
/// service.topic("listen", "leave", "What people say", |room: &mut Room| &mut room.said);
/// service.method("say", "Tells everybody", |call, (text,): (String,)| {
///     // To whoever has called `listen`: a notification, which calls their method `said`.
///     let heard = call.app.said.publish(call.registry, &(text,));
///     heard.map_err(protocols::rpc::Error::internal)
/// });
/// let room = Room { said: Topic::new("said") };
/// # assert!(room.said.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Topic {
    method: String,
    /// A group for each way of writing.
    groups: Vec<(Encoding, IndexSet<ConnectionId>)>,
}

impl Topic {
    /// A topic without subscribers, whose notifications call this method.
    #[must_use]
    pub fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), groups: Vec::new() }
    }

    /// Tells every subscriber; how many there were to be told.
    ///
    /// # Errors
    ///
    /// [`CallError::Params`] if it cannot be JSON.
    pub fn publish<App>(
        &self,
        registry: &mut Registry<App>,
        params: &impl Serialize,
    ) -> Result<usize, CallError> {
        if self.is_empty() {
            return Ok(0);
        }
        let params =
            serde_json::to_string(params).map_err(|error| CallError::Params(error.to_string()))?;
        let told = self.groups.iter().map(|(encoding, members)| {
            let mut bytes = Vec::new();
            let text = encoding.request(None, &self.method, &params);
            // A server masks nothing.
            encoding.frame(&text, || 0, &mut bytes);
            registry.broadcast(members.iter().copied(), Bytes::from(bytes))
        });
        Ok(told.sum())
    }

    /// The method of its notifications.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// How many have subscribed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.iter().map(|(_, members)| members.len()).sum()
    }

    /// Whether nobody has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|(_, members)| members.is_empty())
    }

    pub(in crate::rpc) fn add(&mut self, id: ConnectionId, encoding: Encoding) {
        match self.groups.iter_mut().find(|(of, _)| *of == encoding) {
            Some((_, members)) => {
                members.insert(id);
            }
            None => self.groups.push((encoding, IndexSet::from([id]))),
        }
    }

    /// Whether it was there.
    pub(in crate::rpc) fn remove(&mut self, id: ConnectionId) -> bool {
        self.groups.iter_mut().any(|(_, members)| members.swap_remove(&id))
    }
}
