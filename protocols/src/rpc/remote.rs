//! The other side, as the program reaches it.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use reactor::{ConnectionId, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::asking::{Asking, Made, State, Tell};
use super::channel::HangUp;
use super::dial::{Dial, Link};
use super::event::Event;
#[cfg(feature = "rpc-web")]
use super::posts::Posts;
use super::wire::{Encoding, as_text};
use super::{CallError, Error, Service};

/// The other side of a connection: call it, tell it something, hang up. It can be cloned and kept: a method
/// that was called over the connection finds it in [`Call::remote`](crate::rpc::Call::remote).
pub struct Remote<App> {
    line: Rc<Line<App>>,
}

/// Names a call that was made, to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(u64);

struct Line<App> {
    service: Rc<Service<App>>,
    encoding: Encoding,
    inner: RefCell<Inner<App>>,
    /// By what calls are posted, if they are.
    #[cfg(feature = "rpc-web")]
    posts: Option<Posts<App>>,
}

struct Inner<App> {
    link: Link,
    /// How it is ended, once it is there.
    hang_up: Option<HangUp<App>>,
    /// Why there is no connection, if there was one or was to be.
    why: Option<Box<str>>,
    /// Notifications and batches that a WebSocket takes when its handshake is made.
    early: Vec<Bytes>,
    asking: Asking<App>,
    /// Topics of the service that the other side has subscribed to.
    subscriptions: Vec<usize>,
    /// How the connection is made again, if this side made it.
    dial: Option<Dial<App>>,
}

impl<App: 'static> Remote<App> {
    /// Calls a method. `done` is told the result, or why there is none, once; later, never from within.
    ///
    /// Parameters are anything that becomes a JSON array or object; `&()` stands for none.
    ///
    /// # Errors
    ///
    /// If it cannot be sent: [`CallError::Full`], [`CallError::Params`], [`CallError::NoTimer`], or
    /// [`CallError::Lost`] for a connection that has ended for good. `done` is not told then.
    pub fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        registry: &mut Registry<App>,
        method: &str,
        params: &P,
        timeout: Duration,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<R, CallError>) + 'static,
    ) -> Result<CallId, CallError> {
        let (id, text) = self.prepare(method, params)?;
        self.keep(registry, id, text.clone(), timeout, typed(done))?;
        self.send_kept(registry);
        Ok(id)
    }

    /// Calls a notification: nobody tells whether it has arrived. One that is sent while the connection is
    /// being made waits for that.
    ///
    /// # Errors
    ///
    /// [`CallError::Lost`] if there is no connection, [`CallError::Params`].
    pub fn notify<P: Serialize + ?Sized>(
        &self,
        registry: &mut Registry<App>,
        method: &str,
        params: &P,
    ) -> Result<(), CallError> {
        let params = self.params(params)?;
        let text = self.line.encoding.request(None, method, &params);
        self.send(registry, text, &[])
    }

    /// Begins a batch.
    #[must_use]
    pub fn batch(&self) -> Batch<App> {
        Batch { remote: self.clone(), calls: Vec::new(), texts: Vec::new() }
    }

    /// Gives a call up: the other side is told with `$/cancelRequest`, and `done` with
    /// [`CallError::Cancelled`]. Whether it was still waiting.
    pub fn cancel(&self, registry: &mut Registry<App>, CallId(id): CallId) -> bool {
        let Some(made) = self.line.inner.borrow_mut().asking.remove(id) else {
            return false;
        };
        if made.state.is_sent() {
            // Nobody to be told is as good.
            let _ = self.notify(registry, "$/cancelRequest", &Cancel { id });
        }
        registry.cancel(made.timer);
        registry.defer(|registry, app| (made.tell)(registry, app, Err(CallError::Cancelled)));
        true
    }

    /// Hangs up, when what was sent has left. Calls that wait fail.
    pub fn close(&self, registry: &mut Registry<App>) {
        let link = {
            let mut inner = self.line.inner.borrow_mut();
            if let Some(timer) = inner.dial.take().and_then(|dial| dial.timer) {
                registry.cancel(timer);
            }
            match inner.link {
                Link::Down | Link::Posting => mem::replace(&mut inner.link, Link::Ended),
                link => link,
            }
        };
        match link {
            // If it has ended, that is told anyhow.
            Link::Connecting(id) | Link::Up(id) => self.hang_up(registry, id),
            Link::Posting | Link::Down => self.fail_all(registry, "closed"),
            Link::Ended => {}
        }
    }

    fn hang_up(&self, registry: &mut Registry<App>, id: ConnectionId) {
        let hang_up = self.line.inner.borrow().hang_up;
        match hang_up {
            Some(hang_up) => hang_up(registry, id),
            // It is still being made; if it has ended, that is told anyhow.
            None => drop(registry.close(id)),
        }
    }

    /// The connection, while there is one that lasts.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.line.inner.borrow().link {
            Link::Up(id) => Some(id),
            Link::Down | Link::Connecting(_) | Link::Posting | Link::Ended => None,
        }
    }

    /// Calls of this side that wait for their answers.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.inner.borrow().asking.len()
    }

    /// Notifications and batches that have yet to leave: those that wait for the handshake of a WebSocket, and
    /// everything that is posted, until the server has said that it is there. What a stream has been given
    /// leaves before it ends.
    #[must_use]
    pub fn unsent(&self) -> usize {
        let early = self.line.inner.borrow().early.len();
        #[cfg(feature = "rpc-web")]
        let early = early + self.line.posts.as_ref().map_or(0, Posts::under_way);
        early
    }

    // ── sending ─────────────────────────────────────────────────────────────────────────────

    fn params<P: Serialize + ?Sized>(&self, params: &P) -> Result<String, CallError> {
        let text =
            serde_json::to_string(params).map_err(|error| CallError::Params(error.to_string()))?;
        let most = self.service().limits().message;
        if text.len() > most {
            return Err(CallError::Params(format!("they are longer than {most} bytes")));
        }
        match text.as_bytes().first() {
            Some(b'[' | b'{') => Ok(text),
            _ if text == "null" => Ok(text),
            _ => Err(CallError::Params("they are neither an array nor an object".to_owned())),
        }
    }

    fn prepare<P: Serialize + ?Sized>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<(CallId, Bytes), CallError> {
        let params = self.params(params)?;
        let id = self.line.inner.borrow_mut().asking.next();
        let text = self.line.encoding.request(Some(id), method, &params);
        Ok((CallId(id), text.into()))
    }

    /// Remembers a call, which is to be sent.
    fn keep(
        &self,
        registry: &mut Registry<App>,
        CallId(id): CallId,
        text: Bytes,
        timeout: Duration,
        tell: Tell<App>,
    ) -> Result<(), CallError> {
        self.room_for(1, text.len())?;
        let remote = self.clone();
        let timer = registry.after(timeout, move |registry, app| {
            let made = remote.line.inner.borrow_mut().asking.remove(id);
            if let Some(made) = made {
                let error = remote.late(&made);
                (made.tell)(registry, app, Err(error));
            }
        });
        let timer = timer.map_err(|_| CallError::NoTimer)?;
        let made = Made { state: State::Waits(text), timer, timeout, tell };
        self.line.inner.borrow_mut().asking.insert(id, made);
        Ok(())
    }

    /// Why a call has no answer in time.
    fn late(&self, made: &Made<App>) -> CallError {
        let timeout = made.timeout;
        match &self.line.inner.borrow().why {
            Some(why) if !made.state.is_sent() => {
                CallError::Unreachable { timeout, why: why.to_string() }
            }
            _ => CallError::Timeout(timeout),
        }
    }

    /// Whether so many more calls, of so many bytes, can be remembered.
    fn room_for(&self, calls: usize, bytes: usize) -> Result<(), CallError> {
        let (inner, limits) = (self.line.inner.borrow(), self.service().limits());
        if let Link::Ended = inner.link {
            return Err(lost(inner.why.as_deref().unwrap_or("it has ended"), false));
        }
        if inner.asking.len() + calls > limits.made || inner.asking.kept() + bytes > limits.kept {
            return Err(CallError::Full);
        }
        Ok(())
    }

    /// Sends every call that waits for a connection, if there is one.
    pub(super) fn send_kept(&self, registry: &mut Registry<App>) {
        let link = self.link();
        if !matches!(link, Link::Up(_) | Link::Posting) {
            return;
        }
        let (texts, early) = {
            let mut inner = self.line.inner.borrow_mut();
            let keeps = inner.keeps();
            (inner.asking.send_all(keeps), mem::take(&mut inner.early))
        };
        // A connection that does not take it has ended, and that is told.
        for text in early {
            let _ = self.send(registry, text.into(), &[]);
        }
        for (id, text) in texts {
            let _ = self.send(registry, text.into(), &[id]);
        }
        if let Link::Up(id) = link {
            // It may be held back for the calls that are answered on it, and now has to be read.
            let _ = registry.resume(id);
        }
    }

    /// Sends a text, in which there are these calls.
    fn send(
        &self,
        registry: &mut Registry<App>,
        text: Vec<u8>,
        ids: &[u64],
    ) -> Result<(), CallError> {
        let id = match self.link() {
            Link::Posting => return self.post(registry, text, ids),
            // What comes before its handshake is no message yet.
            Link::Connecting(_) if !self.line.encoding.is_stream() => return self.send_early(text),
            Link::Up(id) | Link::Connecting(id) => id,
            Link::Down | Link::Ended => return Err(lost("not connected", false)),
        };
        let mut bytes = Vec::with_capacity(text.len() + 32);
        self.line.encoding.frame(&text, || registry.random(), &mut bytes);
        registry.send(id, bytes.into()).map(drop).map_err(|_| lost("not connected", false))
    }

    fn send_early(&self, text: Vec<u8>) -> Result<(), CallError> {
        self.room_for(0, text.len())?;
        self.line.inner.borrow_mut().early.push(text.into());
        Ok(())
    }

    #[cfg(feature = "rpc-web")]
    fn post(
        &self,
        registry: &mut Registry<App>,
        text: Vec<u8>,
        ids: &[u64],
    ) -> Result<(), CallError> {
        let Some(posts) = &self.line.posts else {
            return Err(lost("not connected", false));
        };
        let patience = {
            let asking = &self.line.inner.borrow().asking;
            ids.iter().filter_map(|id| asking.timeout(*id)).max()
        };
        posts.send(registry, self, text, ids, patience)
    }

    #[cfg(not(feature = "rpc-web"))]
    fn post(&self, _: &mut Registry<App>, _: Vec<u8>, _: &[u64]) -> Result<(), CallError> {
        Err(lost("not connected", false))
    }
}

impl<App: 'static> Remote<App> {
    /// The other side of a connection that somebody else has made.
    pub(super) fn new(service: Rc<Service<App>>, encoding: Encoding) -> Self {
        Self::of(
            service,
            encoding,
            None,
            #[cfg(feature = "rpc-web")]
            None,
        )
    }

    /// The other side of one that this side makes; or of none, if calls are posted.
    pub(super) fn dialed(
        service: Rc<Service<App>>,
        encoding: Encoding,
        dial: Dial<App>,
        #[cfg(feature = "rpc-web")] posts: Option<Posts<App>>,
    ) -> Self {
        Self::of(
            service,
            encoding,
            Some(dial),
            #[cfg(feature = "rpc-web")]
            posts,
        )
    }

    fn of(
        service: Rc<Service<App>>,
        encoding: Encoding,
        dial: Option<Dial<App>>,
        #[cfg(feature = "rpc-web")] posts: Option<Posts<App>>,
    ) -> Self {
        let inner = Inner {
            link: Link::Down,
            hang_up: None,
            why: None,
            early: Vec::new(),
            asking: Asking::default(),
            subscriptions: Vec::new(),
            dial,
        };
        Self {
            line: Rc::new(Line {
                service,
                encoding,
                inner: RefCell::new(inner),
                #[cfg(feature = "rpc-web")]
                posts,
            }),
        }
    }

    /// An answer has come.
    pub(super) fn handle_response(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        connection: ConnectionId,
        id: &[u8],
        result: Result<&[u8], Error>,
    ) {
        let made = {
            let asking = &mut self.line.inner.borrow_mut().asking;
            // Who could not read what was sent cannot say its id. If only one was, it is that.
            let number = if id == b"null" { asking.only() } else { as_text(id).parse().ok() };
            number.and_then(|number| asking.remove(number))
        };
        let service = self.service();
        match (made, result) {
            (Some(made), result) => {
                registry.cancel(made.timer);
                (made.tell)(registry, app, result.map_err(CallError::Refused));
            }
            (None, Err(error)) if id == b"null" => {
                service.tell(app, || Event::Complaint { id: connection, error: &error });
            }
            (None, _) => {
                service.count(|counters| counters.strays += 1);
                service.tell(app, || Event::Stray { id: connection, answer: as_text(id) });
            }
        }
    }

    /// Fails every call there is: there will be no connection any more.
    pub(super) fn fail_all(&self, registry: &mut Registry<App>, why: &str) {
        {
            let mut inner = self.line.inner.borrow_mut();
            (inner.link, inner.why) = (Link::Ended, Some(why.into()));
            inner.early.clear();
        }
        let made = self.line.inner.borrow_mut().asking.take_all();
        tell_lost(registry, made, why);
    }

    /// Fails every call that was sent, and is not to be sent again.
    pub(super) fn fail_sent(&self, registry: &mut Registry<App>, why: &str) {
        self.line.inner.borrow_mut().why = Some(why.into());
        let made = self.line.inner.borrow_mut().asking.lose_sent();
        tell_lost(registry, made, why);
    }

    /// Fails these calls, which were sent or not.
    #[cfg(feature = "rpc-web")]
    pub(super) fn fail(&self, registry: &mut Registry<App>, ids: &[u64], why: &str, sent: bool) {
        for id in ids {
            let made = self.line.inner.borrow_mut().asking.remove(*id);
            if let Some(made) = made {
                registry.cancel(made.timer);
                let error = lost(why, sent);
                registry.defer(move |registry, app| (made.tell)(registry, app, Err(error)));
            }
        }
    }

    /// Has these calls wait to be sent again.
    #[cfg(feature = "rpc-web")]
    pub(super) fn wait_again(&self, registry: &mut Registry<App>, ids: &[u64], why: &str) {
        self.line.inner.borrow_mut().why = Some(why.into());
        let lost = self.line.inner.borrow_mut().asking.wait_again(ids);
        tell_lost(registry, lost, why);
    }

    /// Whether this side waits for answers.
    pub(super) fn is_asking(&self) -> bool {
        self.waiting() > 0
    }

    pub(super) fn set_link(&self, link: Link) {
        self.line.inner.borrow_mut().link = link;
    }

    pub(super) fn set_up(&self, id: ConnectionId, hang_up: HangUp<App>) {
        let mut inner = self.line.inner.borrow_mut();
        (inner.link, inner.hang_up, inner.why) = (Link::Up(id), Some(hang_up), None);
    }

    pub(super) fn link(&self) -> Link {
        self.line.inner.borrow().link
    }

    /// Lets something be done with how the connection is made; nothing, if this side does not make it.
    pub(super) fn with_dial<R>(&self, act: impl FnOnce(&mut Dial<App>) -> R) -> Option<R> {
        self.line.inner.borrow_mut().dial.as_mut().map(act)
    }

    pub(super) fn subscribed(&self, topic: usize) {
        let subscriptions = &mut self.line.inner.borrow_mut().subscriptions;
        if !subscriptions.contains(&topic) {
            subscriptions.push(topic);
        }
    }

    pub(super) fn unsubscribed(&self, topic: usize) {
        self.line.inner.borrow_mut().subscriptions.retain(|it| *it != topic);
    }

    pub(super) fn take_subscriptions(&self) -> Vec<usize> {
        mem::take(&mut self.line.inner.borrow_mut().subscriptions)
    }
}

impl<App> Inner<App> {
    /// Whether the text of a call that is sent is kept, since it may have to be sent again.
    fn keeps(&self) -> bool {
        let may_be_refused = self.link == Link::Posting;
        self.dial.as_ref().is_some_and(|dial| dial.keeps(may_be_refused))
    }
}

impl<App> Remote<App> {
    pub(super) fn service(&self) -> &Rc<Service<App>> {
        &self.line.service
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.line.encoding
    }
}

/// Several calls and notifications in one text, which the other side answers in one.
pub struct Batch<App> {
    remote: Remote<App>,
    calls: Vec<(CallId, Bytes, Duration, Tell<App>)>,
    texts: Vec<Bytes>,
}

impl<App: 'static> Batch<App> {
    /// Adds a call; as [`Remote::call`].
    ///
    /// # Errors
    ///
    /// [`CallError::Params`].
    pub fn call<P: Serialize + ?Sized, R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &P,
        timeout: Duration,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<R, CallError>) + 'static,
    ) -> Result<CallId, CallError> {
        let (id, text) = self.remote.prepare(method, params)?;
        self.texts.push(text.clone());
        self.calls.push((id, text, timeout, typed(done)));
        Ok(id)
    }

    /// Adds a notification.
    ///
    /// # Errors
    ///
    /// [`CallError::Params`].
    pub fn notify<P: Serialize + ?Sized>(
        &mut self,
        method: &str,
        params: &P,
    ) -> Result<(), CallError> {
        let params = self.remote.params(params)?;
        self.texts.push(self.remote.line.encoding.request(None, method, &params).into());
        Ok(())
    }

    /// Sends it: all of it, or nothing. If the connection is lost and its calls are sent again, they are
    /// sent one by one.
    ///
    /// # Errors
    ///
    /// [`CallError::Lost`] if there is no connection, [`CallError::Full`], [`CallError::NoTimer`];
    /// no call's `done` is told then.
    pub fn send(self, registry: &mut Registry<App>) -> Result<(), CallError> {
        let remote = self.remote;
        if matches!(remote.link(), Link::Down | Link::Ended) {
            return Err(lost("not connected", false));
        }
        let bytes: usize = self.texts.iter().map(Bytes::len).sum();
        remote.room_for(self.calls.len(), bytes)?;
        if self.texts.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::new();
        for (id, text, timeout, tell) in self.calls {
            if let Err(error) = remote.keep(registry, id, text, timeout, tell) {
                remote.drop_calls(registry, &kept);
                return Err(error);
            }
            kept.push(id);
        }
        let ids: Vec<u64> = kept.iter().map(|CallId(id)| *id).collect();
        {
            // They are on their way with the batch, and nothing but the connection holds it up.
            let mut inner = remote.line.inner.borrow_mut();
            let keeps = inner.keeps();
            inner.asking.sent(ids.iter().copied(), keeps);
        }
        let mut text = b"[".to_vec();
        text.extend_from_slice(&self.texts.join(&b","[..]));
        text.push(b']');
        // A connection that does not take it has ended, and that is told.
        let _ = remote.send(registry, text, &ids);
        Ok(())
    }
}

impl<App> Remote<App> {
    /// Forgets calls without telling anybody.
    fn drop_calls(&self, registry: &mut Registry<App>, ids: &[CallId]) {
        for CallId(id) in ids {
            let made = self.line.inner.borrow_mut().asking.remove(*id);
            if let Some(made) = made {
                registry.cancel(made.timer);
            }
        }
    }
}

#[derive(Serialize)]
struct Cancel {
    id: u64,
}

/// Reads the result for whoever has called.
fn typed<App, R: DeserializeOwned>(
    done: impl FnOnce(&mut Registry<App>, &mut App, Result<R, CallError>) + 'static,
) -> Tell<App> {
    Box::new(move |registry, app, result| {
        let result = result.and_then(|value| {
            serde_json::from_slice(value).map_err(|error| CallError::Unexpected(error.to_string()))
        });
        done(registry, app, result);
    })
}

/// Tells whoever has called that no answer will come, when no callback is on the stack.
fn tell_lost<App: 'static>(registry: &mut Registry<App>, made: Vec<Made<App>>, why: &str) {
    for made in made {
        registry.cancel(made.timer);
        let error = lost(why, made.state.is_sent());
        registry.defer(move |registry, app| (made.tell)(registry, app, Err(error)));
    }
}

fn lost(why: &str, sent: bool) -> CallError {
    CallError::Lost { why: why.to_owned(), sent }
}

impl<App> Clone for Remote<App> {
    fn clone(&self) -> Self {
        Self { line: Rc::clone(&self.line) }
    }
}

impl<App> fmt::Debug for Remote<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("link", &self.line.inner.borrow().link)
            .finish_non_exhaustive()
    }
}

impl<App> fmt::Debug for Batch<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("messages", &self.texts.len()).finish_non_exhaustive()
    }
}
