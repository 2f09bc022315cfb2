//! Couples a connection with the first of several addresses that is reached.

use std::cell::Cell;
use std::rc::Rc;
use std::vec;

use thiserror::Error;

use super::{CoupleError, Uncoupled};
use crate::registry::{Protocol, Registry};
use crate::stream::Transport;
use crate::{Address, Closed, ConnectOptions, ConnectionId, OpenError};

/// Nobody was found to couple a connection with ([`Transport::couple_to`]); it was reset.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotCoupled {
    /// No address was given.
    #[error("there is no address to connect to")]
    NoAddress,
    /// The loop refused to connect, as it would to any other of them.
    #[error("{0}")]
    Open(OpenError),
    /// No connection came about with the last of the addresses; why is inside. Those before it were no better.
    #[error("{}: {}", .0.peer, .0.reason)]
    Unreached(Closed),
    /// The connection that was to be coupled is no longer there to be.
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
        let dial = Dial {
            client: self.id(),
            left: left.into_iter(),
            options: Rc::new(options.clone()),
            ended: Rc::new(Cell::new(Some(Box::new(ended)))),
        };
        dial.next(self.registry(), NotCoupled::NoAddress);
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
struct Dial<App> {
    client: ConnectionId,
    left: vec::IntoIter<Address>,
    options: Rc<ConnectOptions>,
    /// Shared, so that it is still there if the loop refuses to connect, and drops what was to run there.
    ended: Rc<Cell<Option<Ended<App>>>>,
}

impl<App: 'static> Dial<App> {
    /// Tries the next address, or tells what became of the last.
    fn next(mut self, registry: &mut Registry<App>, last: NotCoupled) {
        let (client, ended) = (self.client, Rc::clone(&self.ended));
        let why = match self.left.next() {
            None => last,
            Some(address) => {
                let options = Rc::clone(&self.options);
                match registry.connect_with(address, &options, self) {
                    Ok(_) => return,
                    Err(error) => NotCoupled::Open(error),
                }
            }
        };
        // It may have left meanwhile.
        let _ = registry.abort(client);
        tell(&ended, registry, why);
    }
}

impl<App: 'static> Protocol<App> for Dial<App> {
    fn on_open(&mut self, backend: &mut Transport<'_, App>, _: &mut App) {
        if let Err(error) = backend.registry().may_couple(self.client) {
            tell(&self.ended, backend.registry(), NotCoupled::Gone(error));
            return backend.abort();
        }
        let (id, ended) = (backend.id(), self.ended.take());
        let coupled = backend.registry().couple(self.client, id, |registry, app, how| {
            if let Some(ended) = ended {
                ended(registry, app, Ok(how));
            }
        });
        debug_assert!(coupled.is_ok(), "{coupled:?}");
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, _: &mut App) {
        if closed.opened {
            return;
        }
        let (options, ended) = (Rc::clone(&self.options), Rc::clone(&self.ended));
        if !registry.is_connected(self.client) {
            return tell(&ended, registry, NotCoupled::Gone(CoupleError::Stale(self.client)));
        }
        let left = std::mem::take(&mut self.left);
        let next = Self { client: self.client, left, options, ended };
        next.next(registry, NotCoupled::Unreached(closed.clone()));
    }
}

fn tell<App: 'static>(
    ended: &Cell<Option<Ended<App>>>,
    registry: &mut Registry<App>,
    why: NotCoupled,
) {
    if let Some(ended) = ended.take() {
        registry.defer(move |registry, app| ended(registry, app, Err(why)));
    }
}
