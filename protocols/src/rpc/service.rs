//! What a program offers to whoever is connected to it: methods, topics, and hooks that see every call.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use reactor::{Address, ConnectionId, Registry};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::event::Event;
use super::openrpc::{self, Describe, Described};
use super::place::{Claim, Place};
use super::server::Topic;
use super::wire::{Reply, as_text};
use super::{Error, Limits, Remote};

/// Everything that can be called, by name. It is built once, and then shared by all connections.
///
/// Parameters are any type that can be read from JSON and describe itself. A `struct` takes them by name
/// and by position, in the order of its fields; a field with `#[serde(default)]` may be left out. A tuple or
/// a `Vec` takes them by position only; `()` and [`NoParams`] none.
///
/// ```
/// use protocols::rpc::Service;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Say {
///     text: String,
///     #[serde(default)]
///     loudly: bool,
/// }
///
/// let mut service = Service::<Vec<String>>::new("megaphone", "1.0.0");
/// service.method("say", "Says something to everybody", |call, Say { text, loudly }: Say| {
///     call.app.push(if loudly { text.to_uppercase() } else { text });
///     Ok(call.app.len())
/// });
/// ```
pub struct Service<App> {
    title: String,
    version: String,
    limits: Limits,
    methods: Methods<App>,
    topics: Vec<Accessor<App>>,
    fallback: Option<Fallback<App>>,
    authorize: Option<Authorize<App>>,
    on_event: Option<OnEvent<App>>,
    counters: RefCell<Counters>,
    /// Room for the answers of one callback: one for all connections, since one runs at a time.
    scratch: Cell<Vec<u8>>,
}

/// What a service has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that are open.
    pub open: u64,
    /// Connections that were ever open.
    pub connections: u64,
    /// Calls and notifications that came and were looked at.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Texts that were no message, or not within the limits.
    pub invalid: u64,
    /// Calls that wait for their answers now.
    pub waiting: u64,
    /// Answers that nobody waits for: late, or with an id that was never given.
    pub strays: u64,
    /// Datagrams that were no notification.
    pub datagrams_refused: u64,
}

/// One call, as its method sees it.
pub struct Call<'a, App> {
    /// Everything that is registered with the loop.
    pub registry: &'a mut Registry<App>,
    /// The application.
    pub app: &'a mut App,
    pub(super) caller: Caller<'a, App>,
    pub(super) method: &'a [u8],
    pub(super) slot: Slot,
}

/// Where a call has come from.
pub(super) enum Caller<'a, App> {
    Connection(&'a Remote<App>, Place),
    Datagram(&'a Address),
}

/// Whether an answer can come later.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// Nobody waits for one: it is a notification.
    Nobody,
    /// Too many are waited for already.
    Full,
    /// It can, under this number.
    Free(u64),
}

/// No parameters: `[]`, `{}`, or none at all.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct NoParams {}

/// What a method has done.
pub(super) enum Done {
    /// The answer, if one was wanted, is written.
    Now,
    /// It comes later: this is who waits for it.
    Later(Claim),
}

type Run<App> =
    Box<dyn Fn(&mut Call<'_, App>, Option<&[u8]>, &mut Reply<'_>) -> Result<Done, Error>>;
type Accessor<App> = Rc<dyn Fn(&mut App) -> &mut Topic>;
type Fallback<App> = Box<dyn Fn(&mut Call<'_, App>, Option<&str>) -> Result<Box<RawValue>, Error>>;
type Authorize<App> = Box<dyn Fn(&mut Call<'_, App>) -> Result<(), Error>>;
type OnEvent<App> = Box<dyn Fn(&mut App, &Event<'_>)>;

/// The methods by their names, in the order in which they were registered. Peers ask for names, and add none, so that
/// a hash which they could foresee does no harm.
type Methods<App> = IndexMap<Box<[u8]>, Method<App>, FixedState>;

/// One method, and what `rpc.discover` says of it.
struct Method<App> {
    about: String,
    params: Describe,
    result: Describe,
    run: Run<App>,
}

impl<App: 'static> Service<App> {
    /// A service without methods of its own, but `rpc.discover`; the name and version are what that
    /// tells.
    #[must_use]
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self::with_limits(title, version, Limits::default())
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(
        title: impl Into<String>,
        version: impl Into<String>,
        limits: Limits,
    ) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            limits,
            methods: Methods::default(),
            topics: Vec::new(),
            fallback: None,
            authorize: None,
            on_event: None,
            counters: RefCell::default(),
            scratch: Cell::default(),
        }
    }

    /// A method that answers at once. `about` is a sentence for people.
    pub fn method<P, R>(
        &mut self,
        name: &str,
        about: &str,
        handler: impl Fn(&mut Call<'_, App>, P) -> Result<R, Error> + 'static,
    ) where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
    {
        self.add::<P, R>(name, about, move |call, params, reply| {
            let result = handler(call, decode(params)?)?;
            reply.result(&result)?;
            Ok(Done::Now)
        });
    }

    /// A topic that whoever is connected can subscribe to with one method, and leave with another. Where
    /// it is kept, `topic` tells; what is published there goes to all subscribers as notifications, and
    /// the answer to subscribing is their method's name. A subscription ends with its connection.
    pub fn topic(
        &mut self,
        subscribe: &str,
        unsubscribe: &str,
        about: &str,
        topic: impl Fn(&mut App) -> &mut Topic + 'static,
    ) {
        let topic: Accessor<App> = Rc::new(topic);
        let number = self.topics.len();
        self.topics.push(Rc::clone(&topic));
        let leaving = Rc::clone(&topic);
        self.method(subscribe, about, move |call, NoParams {}| {
            let (remote, place) = match call.caller {
                Caller::Connection(remote, place) if place.is_lasting() => (remote, place),
                Caller::Connection(..) => {
                    return Err(Error::new(
                        Error::FORBIDDEN,
                        "Subscribe by WebSocket, not by HTTP",
                    ));
                }
                Caller::Datagram(_) => {
                    return Err(Error::new(Error::FORBIDDEN, "Nobody can subscribe by a datagram"));
                }
            };
            let topic = topic(call.app);
            topic.add(place.connection(), remote.encoding());
            remote.subscribed(number);
            Ok(topic.method().to_owned())
        });
        let about = format!("Ends what {subscribe} began; whether it had begun");
        self.method(unsubscribe, &about, move |call, NoParams {}| {
            let Caller::Connection(remote, place) = call.caller else {
                return Ok(false);
            };
            remote.unsubscribed(number);
            Ok(leaving(call.app).remove(place.connection()))
        });
    }

    /// What is called that has no method, with its parameters as they came: for a client that wants to see every notification.
    pub fn fallback(
        &mut self,
        handler: impl Fn(&mut Call<'_, App>, Option<&str>) -> Result<Box<RawValue>, Error> + 'static,
    ) {
        self.fallback = Some(Box::new(handler));
    }

    /// Decides on every call and notification before its method runs, and before its parameters are looked
    /// at.
    pub fn authorize(&mut self, hook: impl Fn(&mut Call<'_, App>) -> Result<(), Error> + 'static) {
        self.authorize = Some(Box::new(hook));
    }

    /// Hears of everything that happens: for a log.
    pub fn on_event(&mut self, hook: impl Fn(&mut App, &Event<'_>) + 'static) {
        self.on_event = Some(Box::new(hook));
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it is: a document of OpenRPC 1.3, as `rpc.discover` answers it.
    #[must_use]
    pub fn describe(&self) -> serde_json::Value {
        let methods = self.methods.iter().map(|(name, method)| Described {
            name: as_text(name),
            about: &method.about,
            params: method.params,
            result: method.result,
        });
        openrpc::describe(&self.title, &self.version, methods)
    }

    pub(super) fn add<P: JsonSchema, R: JsonSchema>(
        &mut self,
        name: &str,
        about: &str,
        run: impl Fn(&mut Call<'_, App>, Option<&[u8]>, &mut Reply<'_>) -> Result<Done, Error> + 'static,
    ) {
        let method = Method {
            about: about.to_owned(),
            params: SchemaGenerator::subschema_for::<P>,
            result: SchemaGenerator::subschema_for::<R>,
            run: Box::new(run),
        };
        let before = self.methods.insert(name.as_bytes().into(), method);
        debug_assert!(before.is_none(), "there are two methods {name}");
    }

    /// Runs a call's method; which one it was is in the call.
    pub(super) fn run(
        &self,
        call: &mut Call<'_, App>,
        params: Option<&[u8]>,
        reply: &mut Reply<'_>,
    ) -> Result<Done, Error> {
        self.count(|counters| counters.calls += 1);
        if let Some(authorize) = &self.authorize {
            authorize(call)?;
        }
        if let Some(method) = self.methods.get(call.method) {
            return (method.run)(call, params, reply);
        }
        match &self.fallback {
            // Names that begin so are the specification's (section 8), and this is the one it has.
            None if call.method == b"rpc.discover" => reply.result(&self.describe())?,
            None => return Err(Error::method_not_found()),
            Some(fallback) => {
                let result = fallback(call, params.map(as_text))?;
                reply.result(&result)?;
            }
        }
        Ok(Done::Now)
    }

    pub(super) fn leave_topic(&self, number: usize, id: ConnectionId, app: &mut App) {
        if let Some(topic) = self.topics.get(number) {
            topic(app).remove(id);
        }
    }
}

impl<App> Service<App> {
    pub(super) fn tell<'e>(&self, app: &mut App, event: impl FnOnce() -> Event<'e>) {
        if let Some(hook) = &self.on_event {
            hook(app, &event());
        }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.borrow_mut());
    }

    /// Lends the room for answers; it comes back with [`put_back`](Self::put_back).
    pub(super) fn scratch(&self) -> Vec<u8> {
        let mut scratch = self.scratch.take();
        scratch.clear();
        scratch
    }

    /// What has grown for one long answer is not kept for the rest of its life.
    pub(super) fn put_back(&self, scratch: Vec<u8>) {
        if scratch.capacity() <= 64 * 1024 {
            self.scratch.set(scratch);
        }
    }
}

impl<App> Call<'_, App> {
    /// The method's name, as the caller wrote it.
    #[must_use]
    pub fn method(&self) -> &str {
        as_text(self.method)
    }

    /// The caller, to be called, told, or kept in mind; `None` if it has come by HTTP or by a datagram.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote<App>> {
        match &self.caller {
            Caller::Connection(remote, place) if place.is_lasting() => Some(remote),
            _ => None,
        }
    }

    /// The caller's connection; `None` if a datagram has come from it.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.caller {
            Caller::Connection(_, place) => Some(place.connection()),
            Caller::Datagram(_) => None,
        }
    }

    /// Where a datagram came from; `None` if the caller is connected.
    #[must_use]
    pub fn sender(&self) -> Option<&Address> {
        match self.caller {
            Caller::Connection(..) => None,
            Caller::Datagram(from) => Some(from),
        }
    }
}

/// Reads parameters. None at all are as good as an empty object, or array, where that is enough.
pub(super) fn decode<P: DeserializeOwned>(params: Option<&[u8]>) -> Result<P, Error> {
    let read = match params {
        Some(params) => {
            let mut reader = Deserializer::from_slice(params);
            // Who reads by hand may leave something unread, and nothing is to be passed over in silence.
            P::deserialize(&mut reader).and_then(|params| reader.end().map(|()| params))
        }
        None => serde_json::from_str("{}")
            .or_else(|of_names| serde_json::from_str("[]").map_err(|_| of_names)),
    };
    read.or_else(|error| match size_of::<P>() {
        // To serde `()` is null, which parameters never are (section 4.2).
        0 if are_none(params) => serde_json::from_str("null").map_err(|_| error),
        _ => Err(error),
    })
    .map_err(Error::invalid_params)
}

/// Whether they are an empty array or object, or not there.
fn are_none(params: Option<&[u8]>) -> bool {
    params.is_none_or(|params| {
        let shown = || params.iter().filter(|byte| !byte.is_ascii_whitespace());
        shown().eq(b"[]") || shown().eq(b"{}")
    })
}

impl<App> fmt::Debug for Service<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.methods.keys().map(|name| as_text(name)).collect();
        f.debug_struct("Service").field("methods", &methods).finish_non_exhaustive()
    }
}

impl<App> fmt::Debug for Call<'_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserializer;

    use super::*;

    #[test]
    fn a_method_without_parameters_may_say_so_as_rust_does() {
        for params in [None, Some("[]"), Some("{}"), Some(" [\n] "), Some("{ }")] {
            let params = params.map(str::as_bytes);
            assert!(decode::<()>(params).is_ok() && decode::<NoParams>(params).is_ok());
        }
        for params in ["[1]", "{\"a\":1}", "[[]]", "1"] {
            assert!(decode::<()>(Some(params.as_bytes())).is_err(), "{params}");
        }
    }

    #[test]
    fn parameters_that_a_type_leaves_unread_are_refused() {
        struct Blind;
        impl<'de> Deserialize<'de> for Blind {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Ok(Self)
            }
        }
        assert!(decode::<Blind>(Some(b"[1]")).is_err());
        assert!(decode::<[u8; 1]>(Some(b"[1]")).is_ok());
    }
}
