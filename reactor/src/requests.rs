//! What was asked and has yet to be answered.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::Instant;

use thiserror::Error;

/// The requests of one client that have yet to be answered, each with a deadline.
///
/// It is for protocols in which answers come in any order, and an id says what each is the answer to. It is pure:
/// what time it is, is an argument. One timer of the connection is enough, set to the earliest deadline.
///
/// ```
/// use reactor::{Requests, TimerKey, Transport};
/// use std::time::Duration;
///
/// const DEADLINE: TimerKey = TimerKey(1);
///
/// struct Client {
///     next: u64,
///     asked: Requests<u64, String>,
/// }
///
/// impl Client {
///     fn ask<App>(&mut self, transport: &mut Transport<'_, App>, question: &str) {
///         let now = transport.registry().now();
///         self.next += 1;
///         let asked = self.asked.insert(self.next, question.to_owned(), now + Duration::from_secs(5));
///         match asked {
///             Ok(()) => transport.write(format!("{} {question}\n", self.next).as_bytes()),
///             Err(error) => println!("{error}: {}", error.request()),
///         }
///         self.set_timer(transport);
///     }
///
///     fn handle_answer(&mut self, id: u64, answer: &str) {
///         // What nobody has asked, or not any more, is not answered.
///         if let Some(question) = self.asked.take(&id) {
///             println!("{question}? {answer}");
///         }
///     }
///
///     /// `on_timer` calls it.
///     fn handle_deadline<App>(&mut self, transport: &mut Transport<'_, App>) {
///         let now = transport.registry().now();
///         while let Some((_, question)) = self.asked.expire(now) {
///             println!("{question}? No answer.");
///         }
///         self.set_timer(transport);
///     }
///
///     fn set_timer<App>(&mut self, transport: &mut Transport<'_, App>) {
///         let now = transport.registry().now();
///         if let Some(deadline) = self.asked.next_deadline() {
///             transport.set_timer(DEADLINE, deadline.saturating_duration_since(now));
///         }
///     }
/// }
/// # let mut client = Client { next: 0, asked: Requests::new(16) };
/// # client.asked.insert(7, "a".into(), std::time::Instant::now()).unwrap();
/// # client.handle_answer(7, "b");
/// # assert!(client.asked.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Requests<K, T> {
    most: usize,
    open: HashMap<K, Open<T>>,
    /// The same by their deadlines; the number tells apart what is due at one moment, in the order in which
    /// it was asked.
    due: BTreeMap<(Instant, u64), K>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Open<T> {
    request: T,
    due: (Instant, u64),
}

/// A request was not added. It comes back.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError<T> {
    /// As many wait already as may: the peer is slow, or does not answer at all.
    #[error("too many requests wait for their answers")]
    Full(T),
    /// One with this id waits already, and an answer could be that one's.
    #[error("a request with this id waits for its answer already")]
    Taken(T),
}

impl<K: Clone + Eq + Hash, T> Requests<K, T> {
    /// No requests yet; at most so many are ever open.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, open: HashMap::new(), due: BTreeMap::new(), next: 0 }
    }

    /// Adds what was asked, or is about to be, and is to be answered by a deadline.
    ///
    /// # Errors
    ///
    /// If as many wait as may, or one with this id does. The request comes back.
    pub fn insert(&mut self, id: K, request: T, deadline: Instant) -> Result<(), RequestError<T>> {
        if self.open.contains_key(&id) {
            return Err(RequestError::Taken(request));
        }
        if self.open.len() >= self.most {
            return Err(RequestError::Full(request));
        }
        let due = (deadline, self.next);
        self.next += 1;
        self.due.insert(due, id.clone());
        self.open.insert(id, Open { request, due });
        Ok(())
    }

    /// An answer has come: what it is the answer to. `None` if nobody waits for it: it comes too late or twice,
    /// or was never asked for.
    pub fn take<Q: Eq + Hash + ?Sized>(&mut self, id: &Q) -> Option<T>
    where
        K: Borrow<Q>,
    {
        let Open { request, due } = self.open.remove(id)?;
        self.due.remove(&due);
        Some(request)
    }

    /// Time has passed: the request whose deadline passed first, if one has. To be called until there is
    /// `None`.
    pub fn expire(&mut self, now: Instant) -> Option<(K, T)> {
        if self.next_deadline()? > now {
            return None;
        }
        self.pop()
    }

    /// When the first of them is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(&(deadline, _), _)| deadline)
    }

    /// Takes all, the earliest deadline first: the connection has ended, say, and nothing will be answered.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, T)> + '_ {
        std::iter::from_fn(|| self.pop())
    }

    /// What was asked with this id, and has yet to be answered.
    #[must_use]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, id: &Q) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        self.open.get(id).map(|open| &open.request)
    }

    /// How many wait for their answers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether all was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn pop(&mut self) -> Option<(K, T)> {
        let (_, id) = self.due.pop_first()?;
        let Open { request, .. } = self.open.remove(&id)?;
        Some((id, request))
    }
}

impl<T> RequestError<T> {
    /// The request that was not added.
    pub fn request(&self) -> &T {
        match self {
            Self::Full(request) | Self::Taken(request) => request,
        }
    }

    /// The same, back in its owner's hands.
    pub fn into_request(self) -> T {
        match self {
            Self::Full(request) | Self::Taken(request) => request,
        }
    }
}

impl<T> fmt::Debug for RequestError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Taken(_) => "Taken(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn answers_come_in_any_order_and_find_what_was_asked() {
        let begin = Instant::now();
        let mut asked = Requests::<String, &str>::new(3);
        asked.insert("a".into(), "first", at(begin, 3)).expect("there is room");
        asked.insert("b".into(), "second", at(begin, 1)).expect("there is room");
        assert_eq!(asked.next_deadline(), Some(at(begin, 1)));
        assert_eq!(asked.take("b"), Some("second"));
        assert_eq!(asked.take("b"), None, "it was answered already");
        assert_eq!(asked.next_deadline(), Some(at(begin, 3)));
        assert_eq!(asked.get("a"), Some(&"first"));
        assert_eq!(asked.take("a"), Some("first"));
        assert_eq!((asked.next_deadline(), asked.is_empty()), (None, true));
    }

    #[test]
    fn what_is_not_answered_in_time_is_told_in_the_order_of_the_deadlines() {
        let begin = Instant::now();
        let mut asked = Requests::new(9);
        for (id, seconds) in [(1, 2), (2, 1), (3, 2), (4, 9)] {
            asked.insert(id, (), at(begin, seconds)).expect("there is room");
        }
        assert_eq!(asked.expire(begin), None);
        let late = std::iter::from_fn(|| asked.expire(at(begin, 2))).map(|(id, ())| id);
        assert_eq!(late.collect::<Vec<_>>(), [2, 1, 3]);
        assert_eq!(asked.take(&1), None, "it comes too late");
        assert_eq!(asked.drain().collect::<Vec<_>>(), [(4, ())]);
        assert!(asked.is_empty());
    }

    #[test]
    fn there_is_a_most_and_no_id_is_used_twice_at_a_time() {
        let begin = Instant::now();
        let mut asked = Requests::new(1);
        asked.insert(1, "one", begin).expect("there is room");
        assert_eq!(asked.insert(1, "again", begin), Err(RequestError::Taken("again")));
        let full = asked.insert(2, "two", begin).expect_err("there is no room");
        assert_eq!(full.into_request(), "two");
        assert_eq!(asked.len(), 1);
        assert_eq!(asked.take(&1), Some("one"));
        asked.insert(1, "again", begin).expect("it was answered");
    }
}
