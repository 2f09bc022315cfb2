//! What is subscribed to, and who is told.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use reactor::Registry;

use super::Message;
use crate::nats::wire::Op;

/// Who is told of messages.
pub(super) type Handler<App> = Rc<RefCell<dyn FnMut(&mut Registry<App>, &mut App, &Message<'_>)>>;

/// Names a subscription, for as long as it lasts. No other one of the same client ever has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription(pub(super) u64);

/// Those of one client.
pub(super) struct Subscriptions<App> {
    by_sid: HashMap<u64, Entry<App>>,
    /// Never one twice: a message of the last may still be on its way.
    last: u64,
}

struct Entry<App> {
    subject: Box<str>,
    queue: Option<Box<str>>,
    handler: Handler<App>,
    delivered: u64,
    /// After so many it ends.
    max: Option<u64>,
}

impl<App> Subscriptions<App> {
    pub(super) fn new() -> Self {
        Self { by_sid: HashMap::new(), last: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.by_sid.len()
    }

    pub(super) fn next_sid(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn insert(
        &mut self,
        subject: &str,
        queue: Option<&str>,
        handler: Handler<App>,
    ) -> u64 {
        let sid = self.next_sid();
        let (subject, queue) = (subject.into(), queue.map(Into::into));
        self.by_sid.insert(sid, Entry { subject, queue, handler, delivered: 0, max: None });
        sid
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, sid: u64) -> bool {
        self.by_sid.remove(&sid).is_some()
    }

    /// It ends after so many messages in all; whether it does so now. `None` if it is not there.
    pub(super) fn limit(&mut self, sid: u64, max: u64) -> Option<bool> {
        let entry = self.by_sid.get_mut(&sid)?;
        entry.max = Some(max);
        let is_over = entry.delivered >= max;
        if is_over {
            self.by_sid.remove(&sid);
        }
        Some(is_over)
    }

    /// How many messages are still to come.
    pub(super) fn left(&self, sid: u64) -> Option<u64> {
        let entry = self.by_sid.get(&sid)?;
        entry.max.map(|max| max.saturating_sub(entry.delivered))
    }

    /// A message has come: who is told. It may be the last one.
    pub(super) fn deliver(&mut self, sid: u64) -> Option<Handler<App>> {
        let entry = self.by_sid.get_mut(&sid)?;
        entry.delivered += 1;
        let handler = Rc::clone(&entry.handler);
        if entry.max.is_some_and(|max| entry.delivered >= max) {
            self.by_sid.remove(&sid);
        }
        Some(handler)
    }

    /// What a new connection has to be told.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (sid, entry) in &self.by_sid {
            entry.write(*sid, out);
        }
    }

    /// The same of one.
    pub(super) fn write_one(&self, sid: u64, out: &mut Vec<u8>) {
        if let Some(entry) = self.by_sid.get(&sid) {
            entry.write(sid, out);
        }
    }

    /// What a connection has to be told so that nothing comes any more.
    pub(super) fn write_end(&self, out: &mut Vec<u8>) {
        for sid in self.by_sid.keys() {
            unsubscribe(*sid, None, out);
        }
    }

    /// Takes all, to be dropped by the caller.
    pub(super) fn take(&mut self) -> Self {
        Self { by_sid: std::mem::take(&mut self.by_sid), last: self.last }
    }
}

impl<App> Entry<App> {
    fn write(&self, sid: u64, out: &mut Vec<u8>) {
        subscribe(&self.subject, self.queue.as_deref(), sid, out);
        if let Some(max) = self.max {
            unsubscribe(sid, Some(max.saturating_sub(self.delivered)), out);
        }
    }
}

/// Appends a `SUB`.
pub(super) fn subscribe(subject: &str, queue: Option<&str>, sid: u64, out: &mut Vec<u8>) {
    let sid = sid.to_string();
    let (subject, queue) = (subject.as_bytes(), queue.map(str::as_bytes));
    Op::Sub { subject, queue, sid: sid.as_bytes() }.write(out);
}

/// Appends an `UNSUB`.
pub(super) fn unsubscribe(sid: u64, max: Option<u64>, out: &mut Vec<u8>) {
    let sid = sid.to_string();
    Op::Unsub { sid: sid.as_bytes(), max }.write(out);
}

impl<App> fmt::Debug for Subscriptions<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = self.by_sid.iter().map(|(sid, entry)| (sid, &entry.subject));
        f.debug_map().entries(subjects).finish()
    }
}
