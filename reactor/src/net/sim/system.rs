//! The kernel of one host, as its loop sees it: what `net` asks of a system.

use std::any::Any;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::Fault;
use super::poller::Events;
use super::socket::{DatagramSocket, ListenerSocket, Socket, StreamSocket};
use super::world::{Event, Failure, Shared, SocketIndex};
use crate::id::Generations;
use crate::net::{Found, NO_METADATA, NOBODY, refuse_from, refuse_mismatch, refuse_name};
use crate::offload::Job;
use crate::{Address, ConnectOptions, DatagramOptions, Host, ListenOptions, OpenError};

/// When the wall clocks begin: 2001-01-01, in seconds since the Unix epoch.
const BEGINNING: Duration = Duration::from_secs(978_307_200);
/// The longest that offloaded work takes.
const WORK: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(crate) struct System {
    world: Shared,
    host: u16,
}

impl System {
    pub(crate) fn new(world: Shared, host: u16) -> Self {
        Self { world, host }
    }

    pub(crate) fn now(&self) -> Instant {
        let world = self.world.borrow();
        world.epoch + world.now
    }

    pub(crate) fn wall_clock(&self) -> SystemTime {
        let world = self.world.borrow();
        let error = world.kernel(self.host).clock_error;
        let right = SystemTime::UNIX_EPOCH + BEGINNING + world.now;
        let by = Duration::from_secs(error.unsigned_abs());
        let set = if error < 0 { right.checked_sub(by) } else { right.checked_add(by) };
        set.unwrap_or(right)
    }

    pub(crate) fn generations(&self) -> Generations {
        Generations::of_network(Rc::clone(&self.world.borrow().registrations))
    }

    pub(crate) fn random(&self) -> u64 {
        self.world.borrow_mut().choices.bits()
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.world.borrow().kernel(self.host).is_due))
    }

    /// Fills `events` with what is reported now; never waits.
    pub(crate) fn wait(&self, events: &mut Events) -> io::Result<()> {
        self.world.borrow_mut().wait(self.host, events);
        Ok(())
    }

    pub(crate) fn connect(
        &self,
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<StreamSocket, OpenError> {
        refuse_nobody(address)?;
        refuse_from(address, options.from.as_ref())?;
        let opened = self.world.borrow_mut().connect(self.host, address, options);
        self.socket(opened)
    }

    pub(crate) fn listen(
        &self,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<ListenerSocket, OpenError> {
        refuse_name(address)?;
        refuse_nobody(address)?;
        let opened = self.world.borrow_mut().listen(self.host, address, options);
        self.socket(opened)
    }

    pub(crate) fn bind(
        &self,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<DatagramSocket, OpenError> {
        refuse_name(address)?;
        refuse_mismatch(address, options.peer.as_ref())?;
        if options.metadata && address.ip().is_none() {
            return Err(OpenError::Unsupported(address.clone(), NO_METADATA));
        }
        let opened = self.world.borrow_mut().bind(self.host, address, options);
        self.socket(opened)
    }

    fn socket<Kind: 'static>(
        &self,
        opened: Result<SocketIndex, Failure>,
    ) -> Result<Socket<Kind>, OpenError> {
        let index =
            opened.map_err(|Failure { errno, address }| OpenError::new(&address, errno.into()))?;
        Ok(Socket::new(Rc::clone(&self.world), index))
    }

    /// Takes in what a loop of the same host has given back.
    pub(crate) fn attach<Kind: 'static>(
        &self,
        socket: Box<dyn Any>,
    ) -> Result<Socket<Kind>, OpenError> {
        Socket::attach(socket, |world, index| {
            Rc::ptr_eq(&self.world, world) && world.borrow().host_of(index) == Some(self.host)
        })
    }

    /// Has work done after a virtual while.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Job> {
        self.submit_after(Duration::ZERO, job);
        Ok(())
    }

    /// Looks a host up in the network's directory.
    pub(crate) fn look_up(&self, host: &Host, found: Found) -> bool {
        let (delay, addresses) = self.world.borrow().directory.find(host);
        self.submit_after(delay, Box::new(move || found(addresses)));
        true
    }

    fn submit_after(&self, delay: Duration, job: Job) {
        let mut world = self.world.borrow_mut();
        let mut at = world.now() + delay;
        if world.strikes(Fault::SlowWork) {
            at += world.choices.between(Duration::ZERO, WORK);
        }
        world.plan(at, Event::Work { host: self.host, job });
    }
}

/// One of the descriptors that a process may have, kept in reserve.
pub(crate) struct SpareDescriptor {
    system: System,
    is_there: bool,
}

impl SpareDescriptor {
    pub(crate) fn new(system: &System) -> Self {
        let mut spare = Self { system: system.clone(), is_there: false };
        spare.restore();
        spare
    }

    pub(crate) fn release(&mut self) -> bool {
        let was_there = std::mem::take(&mut self.is_there);
        if was_there {
            self.system.world.borrow_mut().release_descriptor(self.system.host);
        }
        was_there
    }

    pub(crate) fn restore(&mut self) {
        let System { world, host } = &self.system;
        self.is_there = self.is_there || world.borrow_mut().take_descriptor(*host);
    }
}

impl Drop for SpareDescriptor {
    /// A process may end one loop and go on with another.
    fn drop(&mut self) {
        self.release();
    }
}

/// Refuses to connect to, or to listen at, what nobody can find.
fn refuse_nobody(address: &Address) -> Result<(), OpenError> {
    match address {
        Address::Unnamed | Address::Host(_) => Err(OpenError::Unsupported(address.clone(), NOBODY)),
        _ => Ok(()),
    }
}

/// Wakes a loop, from any thread.
#[derive(Clone)]
pub(crate) struct Waker(Arc<AtomicBool>);

impl Waker {
    pub(crate) fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}
