//! What is subscribed to, and who is told.

use std::cell::RefCell;
use std::collections::BTreeMap;
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

/// Those of one client, in the order in which they were made: so a server is told of them.
pub(super) struct Subscriptions<App> {
    by_sid: BTreeMap<u64, Entry<App>>,
    /// Never one twice: a message of the last may still be on its way.
    last: u64,
}

struct Entry<App> {
    subject: Box<str>,
    queue: Option<Box<str>>,
    handler: Handler<App>,
    delivered: u64,
    /// How many of them came on earlier connections: a server counts from its `SUB` on.
    before: u64,
    /// After so many it ends.
    max: Option<u64>,
}

/// What becomes of a subscription that is to end after so many messages. What has ended is dropped by the caller:
/// a handler that is dropped may ask the client something.
pub(super) enum Limited<App> {
    /// It ends when this connection has brought so many.
    After(u64),
    Over(Handler<App>),
}

impl<App> Subscriptions<App> {
    pub(super) fn new() -> Self {
        Self { by_sid: BTreeMap::new(), last: 0 }
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
        let entry = Entry { subject, queue, handler, delivered: 0, before: 0, max: None };
        self.by_sid.insert(sid, entry);
        sid
    }

    /// Its handler, if it was there, to be dropped by the caller.
    pub(super) fn remove(&mut self, sid: u64) -> Option<Handler<App>> {
        self.by_sid.remove(&sid).map(|entry| entry.handler)
    }

    /// It ends after so many messages in all. `None` if it is not there.
    pub(super) fn limit(&mut self, sid: u64, max: u64) -> Option<Limited<App>> {
        let entry = self.by_sid.get_mut(&sid)?;
        if entry.delivered >= max {
            return self.remove(sid).map(Limited::Over);
        }
        entry.max = Some(max);
        Some(Limited::After(max.saturating_sub(entry.before)))
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
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        for (sid, entry) in &mut self.by_sid {
            entry.write(*sid, out);
        }
    }

    /// The same of one.
    pub(super) fn write_one(&mut self, sid: u64, out: &mut Vec<u8>) {
        if let Some(entry) = self.by_sid.get_mut(&sid) {
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
    fn write(&mut self, sid: u64, out: &mut Vec<u8>) {
        self.before = self.delivered;
        subscribe(&self.subject, self.queue.as_deref(), sid, out);
        if let Some(max) = self.max {
            unsubscribe(sid, Some(max.saturating_sub(self.before)), out);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_of_subscriptions_in_the_order_in_which_they_were_made() {
        let mut subscriptions = Subscriptions::<()>::new();
        for sid in 1..=20 {
            let handler: Handler<()> =
                Rc::new(RefCell::new(|_: &mut _, _: &mut _, _: &Message<'_>| {}));
            assert_eq!(subscriptions.insert("a", None, handler), sid);
        }
        let mut told = Vec::new();
        subscriptions.write(&mut told);
        subscriptions.write_end(&mut told);
        let expected: String = (1..=20).map(|sid| format!("SUB a {sid}\r\n")).collect();
        let ends: String = (1..=20).map(|sid| format!("UNSUB {sid}\r\n")).collect();
        assert_eq!(String::from_utf8_lossy(&told), expected + &ends);
    }
}
