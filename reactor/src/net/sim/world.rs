//! The world: every host's kernel, every socket, and what is going to happen next.
//!
//! All of it is one value behind one `RefCell`, borrowed for the time of a call. Nothing in here
//! calls a protocol, so no borrow is ever met by another.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use slab::Slab;

use super::agenda::Agenda;
use super::calls::{Call, CallFault, Calls, Errno};
use super::connection::{Connection, Side};
use super::directory::Directory;
use super::log::Log;
use super::names::Names;
pub(crate) use super::names::SocketIndex;
use super::queues::{Datagrams, Packet, Queue};
use super::route::{Route, Routes};
use super::rules::Rules;
use super::{Choices, Fault, FaultCounts, Faults};
use crate::Address;
use crate::id::Token;
use crate::net::Readiness;
use crate::offload::Job;

/// The world, as the sockets of all hosts share it.
pub(crate) type Shared = Rc<RefCell<World>>;

/// The longest that an event is late, or a call that would block has to wait.
const MOMENT: Duration = Duration::from_millis(5);

pub(crate) struct World {
    pub(super) epoch: Instant,
    pub(super) now: Duration,
    pub(crate) choices: Choices,
    pub(crate) faults: Faults,
    pub(crate) counts: FaultCounts,
    pub(crate) calls: Calls,
    pub(crate) rules: Rules,
    pub(crate) directory: Directory,
    /// How many sockets and timers its loops have registered, which is where their ids come from.
    pub(super) registrations: Rc<Cell<u64>>,
    pub(super) agenda: Agenda<Event>,
    pub(super) kernels: Vec<Kernel>,
    pub(super) sockets: Slab<Socket>,
    pub(super) connections: Slab<Connection>,
    pub(super) routes: Routes,
    pub(super) weather_is_planned: bool,
    pub(super) log: Log,
}

/// What one host has beside its sockets.
pub(crate) struct Kernel {
    pub(super) names: Names,
    /// Sockets with something to report, in the order in which it came up.
    pub(super) ready: VecDeque<Ready>,
    /// Another thread, or another host, has woken the loop.
    pub(super) is_due: Arc<AtomicBool>,
    /// It has crashed, and not come back.
    pub(super) is_down: bool,
    /// Its loop does not run before: it is paused, or a handler is slow.
    pub(super) busy_until: Duration,
    /// How much its wall clock has been set, in seconds.
    pub(super) clock_error: i64,
    pub(super) descriptors: usize,
    pub(super) descriptor_limit: Option<usize>,
    /// Tokens whose sockets have been closed: what a stale event would name.
    pub(super) closed: VecDeque<Token>,
}

/// A socket that has something to report.
pub(super) struct Ready {
    pub(super) socket: SocketIndex,
    /// Not before.
    pub(super) not_before: Duration,
    /// It is late; what it would have told at first.
    pub(super) late: Option<Readiness>,
}

pub(super) struct Socket {
    pub(super) host: u16,
    /// What its loop knows it by, while it is registered.
    pub(super) token: Option<Token>,
    /// What has come up since it was last reported.
    pub(super) pending: Readiness,
    pub(super) kind: SocketKind,
}

pub(super) enum SocketKind {
    Stream {
        connection: usize,
        side: Side,
    },
    Listener(Queue),
    Datagram(Datagrams),
    /// Between being opened and knowing what it is.
    New,
}

/// What is going to happen.
pub(crate) enum Event {
    /// The first segment of a connection reaches its server, or does not.
    Connect { connection: usize, tries: u32 },
    /// The answer to it reaches the client.
    Answer { connection: usize, answer: Result<(), Errno> },
    /// The client's next segment tells the server that there is a connection.
    Establish { connection: usize, listener: SocketIndex, tries: u32 },
    /// What this side was sent arrives.
    Arrive { connection: usize, side: Side, again: bool },
    /// This side learns that there is room for more.
    Room { connection: usize, side: Side },
    /// This side's kernel looks whether the other is still there.
    Probe { connection: usize, side: Side },
    /// A datagram arrives.
    Datagram(Packet),
    /// A socket is ready after all.
    Nudge { socket: SocketIndex, what: Readiness },
    /// A partition may be over.
    Heal { from: u16, to: u16 },
    /// Nothing, but that a loop is to be looked after: an event was late, or a pause is over.
    Wake,
    /// Offloaded work is done.
    Work { host: u16, job: Job },
    /// A host that crashed comes back.
    Restart { host: u16 },
    /// Something that a test wants done.
    Script(usize),
    /// Faults of hosts and paths.
    Incident,
}

/// A socket could not be opened: why, and because of which of its addresses.
pub(super) struct Failure {
    pub(super) errno: Errno,
    pub(super) address: Address,
}

impl Failure {
    /// Of an address.
    pub(super) fn of(address: &Address) -> impl FnOnce(Errno) -> Self {
        move |errno| Self { errno, address: address.clone() }
    }
}

/// What an event asks of those above the kernels.
pub(crate) enum Task {
    Work { host: u16, job: Job },
    Crash { host: u16 },
    Restart { host: u16 },
    Script(usize),
}

impl Kernel {
    pub(crate) fn busy_until(&self) -> Duration {
        self.busy_until
    }

    pub(crate) fn set_descriptor_limit(&mut self, limit: Option<usize>) {
        self.descriptor_limit = limit;
    }
}

impl World {
    pub(crate) fn new(choices: Choices, log: Log) -> Shared {
        Rc::new(RefCell::new(Self {
            epoch: Instant::now(),
            now: Duration::ZERO,
            choices,
            faults: Faults::calm(),
            counts: FaultCounts::default(),
            calls: Calls::default(),
            rules: Rules::default(),
            directory: Directory::default(),
            registrations: Rc::default(),
            agenda: Agenda::new(),
            kernels: Vec::new(),
            sockets: Slab::new(),
            connections: Slab::new(),
            routes: Routes::default(),
            weather_is_planned: false,
            log,
        }))
    }

    pub(crate) fn add_host(&mut self) -> u16 {
        self.kernels.push(Kernel {
            names: Names::default(),
            ready: VecDeque::new(),
            is_due: Arc::default(),
            is_down: false,
            busy_until: Duration::ZERO,
            clock_error: 0,
            descriptors: 0,
            descriptor_limit: None,
            closed: VecDeque::new(),
        });
        (self.kernels.len() - 1) as u16
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// When it all began, on the clock of the loops.
    pub(crate) fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Whether nothing is made to fail.
    pub(crate) fn is_calm(&self) -> bool {
        self.faults == Faults::calm() && self.calls.plan.is_none()
    }

    /// When the next thing happens that no loop does.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        self.agenda.next()
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, to: Duration) {
        self.now = self.now.max(to);
        self.log.set_now(self.now);
    }

    /// Lets the next event happen that is due; `None` if none is. Some are a task for those above.
    pub(crate) fn happen(&mut self) -> Option<Option<Task>> {
        let event = self.agenda.pop(self.now)?;
        Some(self.handle(event))
    }

    fn handle(&mut self, event: Event) -> Option<Task> {
        match event {
            Event::Connect { connection, tries } => self.handle_connect(connection, tries),
            Event::Answer { connection, answer } => self.handle_answer(connection, answer),
            Event::Establish { connection, listener, tries } => {
                self.handle_established(connection, listener, tries);
            }
            Event::Arrive { connection, side, again } => {
                self.handle_arrival(connection, side, again);
            }
            Event::Room { connection, side } => self.handle_room(connection, side),
            Event::Probe { connection, side } => self.handle_probe(connection, side),
            Event::Datagram(packet) => self.handle_packet(packet),
            Event::Nudge { socket, what } => self.notify(socket, what),
            Event::Heal { from, to } => self.handle_heal(from, to),
            Event::Wake => {}
            Event::Incident => return self.handle_incident(),
            Event::Work { host, job } => return Some(Task::Work { host, job }),
            Event::Restart { host } => return Some(Task::Restart { host }),
            Event::Script(script) => return Some(Task::Script(script)),
        }
        None
    }

    pub(crate) fn plan(&mut self, at: Duration, event: Event) {
        self.agenda.plan(at, event);
    }

    /// Plans something that names a connection, which is kept for it.
    pub(super) fn plan_for(&mut self, connection: usize, at: Duration, event: Event) {
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.planned += 1;
            self.agenda.plan(at, event);
        }
    }

    /// Something that was planned for a connection happens; `false` if it is no more.
    pub(super) fn unplan(&mut self, connection: usize) -> bool {
        self.connections.get_mut(connection).map(|found| found.planned -= 1).is_some()
    }

    // ── choices ─────────────────────────────────────────────────────────────────────────────

    /// Whether a fault happens here; it is counted.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.choices.chance(self.faults.rate(fault));
        if strikes {
            self.counts.note(fault);
        }
        strikes
    }

    /// What becomes of a call that a host's loop makes: it fails, or is told to do less than it could, or nothing.
    pub(super) fn gate(&mut self, call: Call, host: u16) -> Result<Option<CallFault>, Errno> {
        let Self { calls, faults, choices, counts, .. } = self;
        let call_fault = calls.next(call, faults, choices, counts);
        if let Some(call_fault) = call_fault {
            self.log.note_host(call_fault.name(), host);
        }
        match call_fault {
            Some(CallFault::Error(errno)) => Err(errno),
            other => Ok(other),
        }
    }

    /// As [`gate`](Self::gate), of a call that does all or nothing: if it would block, there is an event later.
    pub(super) fn pass(
        &mut self,
        call: Call,
        index: SocketIndex,
        what: Readiness,
    ) -> Result<(), Errno> {
        let host = self.host_of(index).ok_or(Errno::EINVAL)?;
        if self.gate(call, host)?.is_some() {
            self.nudge(index, what);
            return Err(Errno::EAGAIN);
        }
        Ok(())
    }

    pub(super) fn route(&mut self, from: u16, to: u16) -> &mut Route {
        let Self { routes, faults, choices, counts, .. } = self;
        routes.get(from, to, faults, choices, counts)
    }

    /// Whether nothing gets from one host to the other now.
    pub(super) fn is_cut(&self, from: u16, to: u16) -> bool {
        from != to && self.routes.is_cut(from, to, self.now)
    }

    // ── readiness ───────────────────────────────────────────────────────────────────────────

    /// An edge: something has come up at a socket.
    pub(super) fn notify(&mut self, index: SocketIndex, what: Readiness) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(index) else {
            return;
        };
        if socket.token.is_none() {
            return;
        }
        let was_silent = socket.pending == Readiness::default();
        socket.pending = socket.pending.with(what);
        if was_silent {
            let ready = Ready { socket: index, not_before: now, late: None };
            self.kernels[usize::from(socket.host)].ready.push_back(ready);
        }
    }

    /// A call has said that it would block, or done less than it could: an event has to follow.
    pub(super) fn nudge(&mut self, socket: SocketIndex, what: Readiness) {
        let at = self.now + self.moment();
        self.plan(at, Event::Nudge { socket, what });
    }

    /// A short while.
    pub(super) fn moment(&mut self) -> Duration {
        self.choices.between(Duration::from_micros(1), MOMENT)
    }

    /// What is so of a socket, whether it was reported or not.
    pub(super) fn level(&self, index: SocketIndex) -> Readiness {
        match self.sockets.get(index).map(|socket| &socket.kind) {
            Some(SocketKind::Stream { connection, side }) => self.stream_level(*connection, *side),
            Some(SocketKind::Listener(queue)) => Readiness::READ.when(!queue.is_empty()),
            Some(SocketKind::Datagram(datagrams)) => datagrams.level(),
            Some(SocketKind::New) | None => Readiness::default(),
        }
    }

    /// Whether a loop has events to wait for no longer.
    pub(crate) fn has_events(&self, host: u16) -> bool {
        let kernel = self.kernel(host);
        kernel.is_due.load(std::sync::atomic::Ordering::Acquire)
            || kernel.ready.iter().any(|ready| ready.not_before <= self.now)
    }

    // ── hosts ───────────────────────────────────────────────────────────────────────────────

    pub(crate) fn kernel(&self, host: u16) -> &Kernel {
        &self.kernels[usize::from(host)]
    }

    pub(crate) fn kernel_mut(&mut self, host: u16) -> &mut Kernel {
        &mut self.kernels[usize::from(host)]
    }

    pub(crate) fn hosts(&self) -> u16 {
        self.kernels.len() as u16
    }

    /// Has a host stand still until then.
    pub(crate) fn hold_up(&mut self, host: u16, until: Duration) {
        let kernel = self.kernel_mut(host);
        kernel.busy_until = kernel.busy_until.max(until);
        self.plan(until, Event::Wake);
    }

    /// A host has turned once, which takes a while.
    pub(crate) fn spend_turn(&mut self, host: u16, least: Duration, slow: Duration) {
        let mut until = self.now + least;
        if self.strikes(Fault::SlowHandler) {
            until += self.choices.between(Duration::ZERO, slow);
        }
        let kernel = self.kernel_mut(host);
        kernel.busy_until = kernel.busy_until.max(until);
    }

    /// A new descriptor, if the process may have one more.
    pub(super) fn take_descriptor(&mut self, host: u16) -> bool {
        let kernel = self.kernel_mut(host);
        let may = kernel.descriptor_limit.is_none_or(|limit| kernel.descriptors < limit);
        kernel.descriptors += usize::from(may);
        may
    }

    pub(super) fn release_descriptor(&mut self, host: u16) {
        let kernel = self.kernel_mut(host);
        kernel.descriptors = kernel.descriptors.saturating_sub(1);
    }

    /// Whose socket it is.
    pub(super) fn host_of(&self, index: SocketIndex) -> Option<u16> {
        self.sockets.get(index).map(|socket| socket.host)
    }

    // ── sockets ─────────────────────────────────────────────────────────────────────────────

    /// A new socket, of a kind to be told, for this call.
    pub(super) fn open_for(&mut self, call: Call, host: u16) -> Result<SocketIndex, Errno> {
        self.gate(call, host)?;
        self.open(host)
    }

    pub(super) fn open(&mut self, host: u16) -> Result<SocketIndex, Errno> {
        let socket =
            Socket { host, token: None, pending: Readiness::default(), kind: SocketKind::New };
        self.take_descriptor(host).then(|| self.sockets.insert(socket)).ok_or(Errno::EMFILE)
    }

    /// Reports what comes up from now on, and what is so already.
    pub(super) fn register(&mut self, index: SocketIndex, token: Token) -> Result<(), Errno> {
        let host = self.host_of(index).ok_or(Errno::EINVAL)?;
        self.gate(Call::Register, host)?;
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.token = Some(token);
        }
        let level = self.level(index);
        if level != Readiness::default() {
            self.notify(index, level);
        }
        Ok(())
    }

    pub(super) fn deregister(&mut self, index: SocketIndex) {
        if let Some(socket) = self.sockets.get_mut(index)
            && let Some(token) = socket.token.take()
        {
            let pending = std::mem::take(&mut socket.pending);
            let kernel = &mut self.kernels[usize::from(socket.host)];
            if pending != Readiness::default() {
                kernel.ready.retain(|ready| ready.socket != index);
            }
            kernel.closed.push_back(token);
            if kernel.closed.len() > 8 {
                kernel.closed.pop_front();
            }
        }
    }

    /// The last descriptor of a socket is closed.
    pub(super) fn close(&mut self, index: SocketIndex) {
        self.deregister(index);
        let Some(socket) = self.sockets.try_remove(index) else {
            return;
        };
        self.release_descriptor(socket.host);
        match socket.kind {
            SocketKind::Stream { connection, side } => self.close_stream(index, connection, side),
            SocketKind::Listener(queue) => self.close_listener(index, socket.host, queue),
            SocketKind::Datagram(datagrams) => {
                self.close_datagrams(index, socket.host, &datagrams);
            }
            SocketKind::New => {}
        }
    }
}
