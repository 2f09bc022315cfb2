//! An upgrade in place: a successor is started with the sockets, and takes over when it is ready.
//!
//! ```text
//!            SIGUSR2                    free                    "ready"             all are gone, or the time is over
//!   Serving ─────────▶ LettingGo ─────────────────▶ Waiting ─────────────▶ Leaving ──────────────────▶ shut down
//!      ▲     let go of     │      start, hand over     │    its sockets are
//!      │     the estate    │      duplicates           │    the successor's
//!      └───────────────────┴───────────────────────────┘
//!        take back: it cannot be let go of, the successor ends, or says nothing
//! ```
//!
//! Both accept while the successor begins, so at no moment is there nobody who would. A successor that is not ready ends
//! with this process: nobody else knows of it. It is asked by a timer, and not by a connection of the loop's, for which a
//! server that is full would have no room.

use std::cell::Cell;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::rc::Rc;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use reactor::{
    ListenerId, LoopGroup, Registry, Signal, SocketId, StdDatagram, StdListener, TimerId,
};

use super::estate::Estate;
use super::{inherit, notify};
use crate::{output, stop};

/// How long a successor may take until it is ready: it may have much to read. Meanwhile this one serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after it could not be taken back something is tried to be taken back again.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it looks whether the successor is ready, and then whether everybody has gone.
const LOOK: Duration = Duration::from_millis(50);

/// The first descriptor that is handed over (`sd_listen_fds(3)`).
const FIRST: i32 = 3;

const READY: &[u8] = b"ready";

/// What does not change, and how far it has come.
struct Upgrade<App> {
    /// All loops: those of them that have no listener have connections.
    group: LoopGroup<App>,
    /// As it was found at the start: a file that was replaced meanwhile is the successor's.
    program: PathBuf,
    arguments: Vec<OsString>,
    listeners: Vec<ListenerId>,
    sockets: Vec<SocketId>,
    drain: Duration,
    watchdog: Option<TimerId>,
    estate: Estate<App>,
    state: Cell<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Serving,
    LettingGo,
    Waiting,
    Leaving,
}

/// Has SIGUSR2 start a successor with everything that is registered now.
pub(super) fn on_request<App: 'static>(
    registry: &mut Registry<App>,
    group: &LoopGroup<App>,
    drain: Duration,
    watchdog: Option<TimerId>,
    estate: Estate<App>,
) -> io::Result<()> {
    let upgrade = Rc::new(Upgrade {
        group: group.clone(),
        program: env::current_exe()?,
        arguments: env::args_os().skip(1).collect(),
        listeners: registry.listeners().collect(),
        sockets: registry.sockets().collect(),
        drain,
        watchdog,
        estate,
        state: Cell::new(State::Serving),
    });
    registry.on_signal(Signal::User2, move |registry, app| begin(&upgrade, registry, app))
}

/// Says to the process before this one, if there is one, that it may leave.
pub(super) fn tell(predecessor: Option<UnixStream>) {
    // One that has ended meanwhile needs no telling.
    let _ = predecessor.map(|mut predecessor| predecessor.write_all(READY));
}

fn begin<App: 'static>(upgrade: &Rc<Upgrade<App>>, registry: &mut Registry<App>, app: &mut App) {
    if upgrade.state.get() != State::Serving {
        return output::complain("a successor has been started already (SIGUSR2)");
    }
    upgrade.state.set(State::LettingGo);
    let starting = Rc::clone(upgrade);
    let then = move |registry: &mut Registry<App>, app: &mut App, free: Result<(), String>| {
        let started = free.map_err(Into::into).and_then(|()| starting.start(registry));
        match started {
            Ok(successor) => starting.poll(registry, app, successor),
            Err(error) => {
                output::complain(format_args!("a successor cannot be started: {error}"));
                starting.serve_on(registry, app);
            }
        }
    };
    (upgrade.estate.let_go)(registry, app, Box::new(then));
}

impl<App: 'static> Upgrade<App> {
    fn start(&self, registry: &Registry<App>) -> Result<Successor, Box<dyn Error>> {
        // Asked here, and not at the signal: letting go may have taken a while.
        if registry.is_shutting_down() {
            return Err("this process is ending".into());
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut descriptors = self.duplicates(registry)?;
        descriptors.push(theirs.into());
        let child = self.spawn(descriptors)?;
        output::complain(format_args!("started process {} as successor (SIGUSR2)", child.id()));
        self.state.set(State::Waiting);
        let deadline = registry.now().checked_add(PATIENCE);
        Ok(Successor { child: Some(child), line: ours, deadline })
    }

    /// Looks whether the successor is ready, and later again if it has said nothing yet. One that is ready serves
    /// already, also if this process is ending by now; one that is not ends with it.
    fn poll(
        self: &Rc<Self>,
        registry: &mut Registry<App>,
        app: &mut App,
        mut successor: Successor,
    ) {
        match successor.heard(registry.now()) {
            Heard::Ready => self.hand_over(registry, app, successor.leave_alone()),
            _ if registry.is_shutting_down() => {}
            Heard::Failed(why) => self.end(registry, app, successor, why),
            Heard::Nothing => {
                let again = Rc::clone(self);
                let poll = move |registry: &mut Registry<App>, app: &mut App| {
                    again.poll(registry, app, successor);
                };
                if let Err(error) = registry.after(LOOK, poll) {
                    self.has_failed(registry, app, &error.to_string());
                }
            }
        }
    }

    /// Those of the sockets that are still there.
    fn duplicates(&self, registry: &Registry<App>) -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = Vec::new();
        for id in &self.listeners {
            match registry.duplicate_listener(*id) {
                Ok(StdListener::Tcp(listener)) => descriptors.push(listener.into()),
                Ok(StdListener::Unix(listener)) => descriptors.push(listener.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for id in &self.sockets {
            match registry.duplicate_socket(*id) {
                Ok(StdDatagram::Udp(socket)) => descriptors.push(socket.into()),
                Ok(StdDatagram::Unix(socket)) => descriptors.push(socket.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(descriptors)
    }

    fn spawn(&self, descriptors: Vec<OwnedFd>) -> io::Result<Child> {
        let count = descriptors.len();
        let mut names = vec!["listener"; count.saturating_sub(1)];
        names.push(inherit::PREDECESSOR);
        let mapping = |(child_fd, parent_fd)| FdMapping { parent_fd, child_fd };
        Command::new(&self.program)
            .args(&self.arguments)
            .env("LISTEN_FDS", count.to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            // They name this process.
            .env_remove("LISTEN_PID")
            .env_remove("WATCHDOG_PID")
            .fd_mappings((FIRST..).zip(descriptors).map(mapping).collect())
            .map_err(io::Error::other)?
            .spawn()
    }

    /// The successor serves: the sockets are its own from now on, with whoever waits in their queues.
    fn hand_over(&self, registry: &mut Registry<App>, app: &mut App, process: u32) {
        self.state.set(State::Leaving);
        // Detached, not closed: a Unix socket keeps its path.
        for id in &self.listeners {
            let _ = registry.detach_listener(*id);
        }
        for id in &self.sockets {
            let _ = registry.detach_socket(*id);
        }
        self.watchdog.map(|timer| registry.cancel(timer));
        notify::succeeded_by(process);
        let (drain, deadline) = (self.drain, registry.now().checked_add(self.drain));
        output::complain(format_args!(
            "process {process} has taken over; leaving when all have finished, in {drain:?} at most"
        ));
        (self.estate.leave)(registry, app);
        leave(registry, self.group.clone(), deadline);
    }

    /// There is no successor: what was let go of is this process's again, as soon as it can be.
    fn serve_on(self: &Rc<Self>, registry: &mut Registry<App>, app: &mut App) {
        if let Err(error) = (self.estate.take_back)(registry, app) {
            output::complain(format_args!("{error}; trying again"));
            let again = Rc::clone(self);
            let later = registry.after(AGAIN, move |registry, app| again.serve_on(registry, app));
            // Without a timer the next SIGUSR2 tries it.
            if later.is_ok() {
                return;
            }
        }
        self.state.set(State::Serving);
    }

    fn has_failed(self: &Rc<Self>, registry: &mut Registry<App>, app: &mut App, why: &str) {
        output::complain(format_args!("the successor has failed: {why}; serving on"));
        self.serve_on(registry, app);
    }

    /// Ends a successor that has failed, and waits for that away from the loop: until then it may have what was let
    /// go of.
    fn end(
        self: &Rc<Self>,
        registry: &mut Registry<App>,
        app: &mut App,
        mut successor: Successor,
        why: &'static str,
    ) {
        let Some(mut child) = successor.child.take() else { return };
        let _ = child.kill();
        let upgrade = Rc::clone(self);
        let ended = registry.offload(
            move || child.wait(),
            move |registry, app, ended| {
                let status = ended.ok().and_then(Result::ok).map(|status| format!(" ({status})"));
                let why = format!("{why}{}", status.unwrap_or_default());
                upgrade.has_failed(registry, app, &why);
            },
        );
        // What cannot be waited for now is waited for by the system, when this process ends.
        if ended.is_err() {
            self.has_failed(registry, app, why);
        }
    }
}

/// Shuts down when nobody is left, or when the time is over. It is not done at once: who has just been accepted
/// may not have said yet what he wants.
fn leave<App: 'static>(
    registry: &mut Registry<App>,
    group: LoopGroup<App>,
    deadline: Option<Instant>,
) {
    let is_late = deadline.is_some_and(|deadline| registry.now() >= deadline);
    if group.connections() == 0 || is_late {
        return group.shutdown(stop::GRACE);
    }
    let all = group.clone();
    let later = registry.after(LOOK, move |registry, _| leave(registry, all, deadline));
    if later.is_err() {
        group.shutdown(stop::GRACE);
    }
}

/// A successor that has yet to say that it is ready. Whoever drops it ends it, unless it has said so meanwhile.
struct Successor {
    /// `None` once it is left alone.
    child: Option<Child>,
    line: UnixStream,
    /// When it is to be ready.
    deadline: Option<Instant>,
}

enum Heard {
    Nothing,
    Ready,
    Failed(&'static str),
}

impl Successor {
    fn heard(&mut self, now: Instant) -> Heard {
        let mut said = [0; READY.len()];
        match self.line.read(&mut said) {
            Ok(_) if said == READY => Heard::Ready,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.deadline.is_some_and(|deadline| now >= deadline) {
                    return Heard::Failed("it was not ready within a minute");
                }
                Heard::Nothing
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Heard::Nothing,
            _ => Heard::Failed("it ended before it was ready"),
        }
    }

    /// It is on its own from now on; its process.
    fn leave_alone(mut self) -> u32 {
        self.child.take().map_or(0, |child| child.id())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let is_ready = matches!(self.heard(Instant::now()), Heard::Ready);
        let Some(mut child) = self.child.take() else { return };
        if is_ready {
            // It has said so since it was last looked at: it is what serves.
            return notify::succeeded_by(child.id());
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
