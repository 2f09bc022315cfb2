//! Requests that wait for their answers, and the one address that all of these come to.

use std::fmt;
use std::time::{Duration, Instant};

use reactor::{Registry, RequestError as Refused, Requests};

use super::{Message, RequestError};
use crate::nats::wire::Status;

/// Who is told what came of a request.
pub(super) type Done<App> =
    Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<Message<'_>, RequestError>)>;

/// The requests of a client.
pub(super) struct Asking<App> {
    open: Requests<u64, Asked<App>>,
    last: u64,
    inbox: Option<Inbox>,
}

/// One of them.
pub(super) struct Asked<App> {
    pub(super) done: Done<App>,
    pub(super) timeout: Duration,
    deadline: Instant,
    /// Whether it was handed to a connection.
    is_sent: bool,
}

/// `_INBOX.<chance>.*`, to which everything is answered; the last word says to what.
#[derive(Debug)]
struct Inbox {
    sid: u64,
    prefix: String,
}

impl<App> Asking<App> {
    pub(super) fn new(most: usize) -> Self {
        Self { open: Requests::new(most), last: 0, inbox: None }
    }

    /// Remembers a request; its number. If there are too many it comes back, to be dropped by the caller: what is
    /// dropped may ask the client something.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        timeout: Duration,
        done: Done<App>,
    ) -> Result<u64, Asked<App>> {
        self.last += 1;
        // A time that no clock reaches is as long as one can be.
        let deadline = now.checked_add(timeout).unwrap_or(now + Duration::from_secs(1 << 31));
        let asked = Asked { done, timeout, deadline, is_sent: false };
        let last = self.last;
        self.open.insert(last, asked, deadline).map(|()| last).map_err(Refused::into_request)
    }

    pub(super) fn take(&mut self, request: u64) -> Option<Asked<App>> {
        self.open.take(&request)
    }

    /// A request has left. Whether anybody still waits for its answer.
    pub(super) fn handle_sent(&mut self, request: u64) -> bool {
        let Some(mut asked) = self.open.take(&request) else {
            return false;
        };
        asked.is_sent = true;
        let deadline = asked.deadline;
        // There was room for it a moment ago.
        self.open.insert(request, asked, deadline).is_ok()
    }

    pub(super) fn expire(&mut self, now: Instant) -> Option<Asked<App>> {
        self.open.expire(now).map(|(_, asked)| asked)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.open.next_deadline()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The connection has ended: those that left by it. The others wait on.
    pub(super) fn take_sent(&mut self) -> Vec<Asked<App>> {
        let (sent, others): (Vec<_>, Vec<_>) =
            self.open.drain().partition(|(_, asked)| asked.is_sent);
        for (request, asked) in others {
            let deadline = asked.deadline;
            // As many were there a moment ago.
            let _ = self.open.insert(request, asked, deadline);
        }
        sent.into_iter().map(|(_, asked)| asked).collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Asked<App>> {
        self.open.drain().map(|(_, asked)| asked).collect()
    }

    // ── the address ─────────────────────────────────────────────────────────────────────────

    pub(super) fn has_inbox(&self) -> bool {
        self.inbox.is_some()
    }

    /// Its subscription is to be made by the caller.
    pub(super) fn set_inbox(&mut self, sid: u64, prefix: String) {
        self.inbox = Some(Inbox { sid, prefix });
    }

    /// The subscription, as every connection has to be told it.
    pub(super) fn pattern(&self) -> Option<(u64, String)> {
        self.inbox.as_ref().map(|inbox| (inbox.sid, format!("{}*", inbox.prefix)))
    }

    /// Where the answer to this request goes.
    pub(super) fn address_of(&self, request: u64) -> String {
        let prefix = self.inbox.as_ref().map_or("", |inbox| &*inbox.prefix);
        format!("{prefix}{request}")
    }

    pub(super) fn is_inbox(&self, sid: u64) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.sid == sid)
    }

    /// To what this is the answer.
    pub(super) fn answered(&mut self, subject: &str) -> Option<Asked<App>> {
        let inbox = self.inbox.as_ref()?;
        let request = subject.strip_prefix(&*inbox.prefix)?.parse().ok()?;
        self.open.take(&request)
    }
}

/// What an answer is: that nobody was there to give one, or one.
pub(super) fn result(message: Message<'_>) -> Result<Message<'_>, RequestError> {
    let is_nobody = |status: Status<'_>| status.code == Status::NO_RESPONDERS;
    if message.payload.is_empty() && message.status().is_some_and(is_nobody) {
        return Err(RequestError::NoResponders);
    }
    Ok(message)
}

impl<App> fmt::Debug for Asking<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("open", &self.open.len())
            .field("inbox", &self.inbox)
            .finish()
    }
}
