//! Couples a connection with the first of several addresses that is reached.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec;

use thiserror::Error;

use super::{CoupleError, Uncoupled};
use crate::registry::{Protocol, Registry};
use crate::stream::Transport;
use crate::{Address, Closed, ConnectOptions, ConnectionId, OpenError};

/// Nobody was found to couple a connection with ([`Transport::couple_to`]); it was reset, unless it is
/// [`Gone`](Self::Gone).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotCoupled {
    /// No address was given.
    #[error("there is no address to connect to")]
    NoAddress,
    /// The loop refused to connect: as it would to any other of them, or to the last. (An address that cannot be used,
    /// or with which TLS cannot be begun, is passed over.)
    #[error("{0}")]
    Open(OpenError),
    /// No connection came about with the last of the addresses; why is inside. Those before it were no better.
    #[error("{0}")]
    Unreached(Closed),
    /// The connection that was to be coupled has ended meanwhile, is closing, or is coupled with another one. It was
    /// left as it is.
    #[error("{0}")]
    Gone(CoupleError),
}

/// What is called at the end: of both, or of the search.
type Ended<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<Uncoupled, NotCoupled>)>;

impl<App: 'static> Transport<'_, App> {
    /// Connects to the first of these addresses that is reached, and [couples](Self::couple) this connection with it:
    /// a proxy, in one call. Meanwhile this one is paused, so what its peer says early waits for the other; what was
    /// read before and left in the input goes first. If none is reached it is reset, since nobody else's end may look
    /// like one of the server's.
    ///
    /// `ended` is called once: when both have ended, with this connection as the first, or with why it came to nothing.
    ///
    /// An address has [`connect_timeout`](crate::StreamLimits::connect_timeout) before the next is tried, 30 s unless
    /// `options` say less. Whose turn it is, is the order of the addresses.
    ///
    /// ```
    /// use reactor::{Address, ConnectOptions, Protocol, Reactor, Transport};
    ///
    /// /// Connects each client to one of the backends: each time another is the first to be asked.
    /// struct Front;
    ///
    /// impl Protocol<Vec<Address>> for Front {
    ///     fn on_open(&mut self, client: &mut Transport<'_, Vec<Address>>, backends: &mut Vec<Address>) {
    ///         backends.rotate_left(1);
    ///         client.couple_to(backends.clone(), &ConnectOptions::default(), |_, _, ended| match ended {
    ///             Ok(ended) => println!("{}: {} bytes up", ended.first.peer, ended.first_to_second),
    ///             Err(error) => eprintln!("{error}"),
    ///         });
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::<Vec<Address>>::new()?;
    /// reactor.registry().listen("127.0.0.1:0".parse()?, |_, _| Front)?;
    /// # reactor.registry().shutdown(std::time::Duration::ZERO);
    /// reactor.run(&mut vec!["10.0.0.1:80".parse()?, "10.0.0.2:80".parse()?])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn couple_to(
        &mut self,
        addresses: impl IntoIterator<Item = Address>,
        options: &ConnectOptions,
        ended: impl FnOnce(&mut Registry<App>, &mut App, Result<Uncoupled, NotCoupled>) + 'static,
    ) {
        self.pause();
        let left: Vec<Address> = addresses.into_iter().collect();
        let search = Search {
            client: self.id(),
            left: RefCell::new(left.into_iter()),
            options: options.clone(),
            ended: Cell::new(Some(Box::new(ended))),
        };
        let search = Rc::new(search);
        if let Err(why) = search.next(self.registry(), NotCoupled::NoAddress) {
            // A callback is running, and has the application.
            self.registry().defer(move |registry, app| search.tell(registry, app, why));
        }
    }
}

/// What the connection to one of the addresses runs until it is open.
///
/// ```text
///   next ──▶ connect ──▶ open ──▶ coupled ──▶ both have ended
///    ▲          │
///    └──────────┤ not reached
///               └ none is left ──▶ the client is reset
/// ```
struct Dial<App>(Rc<Search<App>>);

/// What all of these have in common.
struct Search<App> {
    client: ConnectionId,
    left: RefCell<vec::IntoIter<Address>>,
    options: ConnectOptions,
    ended: Cell<Option<Ended<App>>>,
}

impl<App: 'static> Search<App> {
    /// Tries the next address that can be used; if there is none, what is to be told of the last.
    fn next(
        self: &Rc<Self>,
        registry: &mut Registry<App>,
        mut last: NotCoupled,
    ) -> Result<(), NotCoupled> {
        registry.may_couple(self.client).map_err(NotCoupled::Gone)?;
        loop {
            let Some(address) = self.left.borrow_mut().next() else { break };
            match registry.connect_with(address, &self.options, Dial(Rc::clone(self))) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    let may_another = error.is_mistake();
                    last = NotCoupled::Open(error);
                    if !may_another {
                        break;
                    }
                }
            }
        }
        let _ = registry.abort(self.client);
        Err(last)
    }

    /// Tells that it came to nothing, and why.
    fn tell(&self, registry: &mut Registry<App>, app: &mut App, why: NotCoupled) {
        if let Some(ended) = self.ended.take() {
            ended(registry, app, Err(why));
        }
    }
}

impl<App: 'static> Protocol<App> for Dial<App> {
    fn on_open(&mut self, backend: &mut Transport<'_, App>, app: &mut App) {
        let client = self.0.client;
        if let Err(error) = backend.registry().may_couple(client) {
            backend.abort();
            return self.0.tell(backend.registry(), app, NotCoupled::Gone(error));
        }
        // What else there is of the search is not kept for as long as the two talk.
        let (id, ended) = (backend.id(), self.0.ended.take());
        let coupled = backend.registry().couple(client, id, |registry, app, how| {
            if let Some(ended) = ended {
                ended(registry, app, Ok(how));
            }
        });
        debug_assert!(coupled.is_ok(), "{coupled:?}");
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        if closed.opened {
            return;
        }
        // Not later: if the grace of a shutdown is over, there is no later.
        if let Err(why) = self.0.next(registry, NotCoupled::Unreached(closed.clone())) {
            self.0.tell(registry, app, why);
        }
    }
}
