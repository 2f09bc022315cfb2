//! The loop inside another loop: a plain `poll(2)` that watches the reactor next to standard input.
//!
//! ```console
//! $ cargo run --bin embed-poll            # in one terminal
//! listening on 127.0.0.1:7062
//! $ nc 127.0.0.1 7062                     # in a second one, and in a third
//! ```
//!
//! What you type goes to everybody who is connected; what they type is printed. Ctrl-D ends it.
//!
//! What to look at: the outer loop needs to know two things about the reactor. *Which descriptor
//! says that something has happened?* The reactor is one (`AsFd`), readable when an event waits.
//! *When does it have to be called without any event?* That is `next_deadline`, the outer loop's
//! timeout. Whenever either has come to pass it calls `turn` with no time to wait.

use std::process::ExitCode;

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
fn main() -> ExitCode {
    examples::output::exit("embed-poll", nested::run())
}

#[cfg(not(all(unix, not(mio_unsupported_force_poll_poll))))]
fn main() -> ExitCode {
    eprintln!("here the system's event queue is not a descriptor that poll(2) could watch");
    ExitCode::FAILURE
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod nested {
    use std::collections::BTreeSet;
    use std::error::Error;
    use std::io::{self, Stdin};
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use clap::Parser;
    use examples::advice::NotOpened;
    use reactor::{
        Address, Closed, ConnectionId, Input, Protocol, Reactor, Registry, Transport, Turn,
    };
    use rustix::event::{PollFd, PollFlags, Timespec};
    use rustix::io::Errno;

    const GRACE: Duration = Duration::from_secs(1);

    /// The loop inside another loop: poll(2) watches the reactor next to standard input.
    #[derive(Parser)]
    struct Options {
        /// Where people come in.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7062")]
        listen: Address,
        /// Seconds until the end, if standard input does not end before.
        #[arg(long)]
        seconds: Option<u64>,
    }

    /// Everybody who is connected.
    type Room = BTreeSet<ConnectionId>;

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let options = Options::parse();
        let mut reactor = Reactor::new()?;
        let mut room = Room::new();
        let registry = reactor.registry();
        let listening = registry.listen(options.listen, |_peer, _room| Guest);
        let listener = listening.map_err(NotOpened::by("--listen"))?;
        println!("listening on {}", registry.listener_address(listener)?);
        if let Some(seconds) = options.seconds {
            registry.after(Duration::from_secs(seconds), |registry, _| registry.shutdown(GRACE))?;
        }

        let stdin = io::stdin();
        let mut typing = true;
        loop {
            let mut watched =
                [PollFd::new(&reactor, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
            // A standard input that has ended is readable for ever: it is watched no more.
            let count = if typing { 2 } else { 1 };
            poll(&mut watched[..count], reactor.next_deadline())?;
            if !watched[1].revents().is_empty() {
                typing = pass_on(&stdin, reactor.registry(), &room)?;
            }
            // It costs one system call to ask a reactor that has nothing to do.
            if let Turn::Finished(report) = reactor.turn(Some(Duration::ZERO), &mut room)? {
                println!("{report}");
                return Ok(());
            }
        }
    }

    /// Waits until a descriptor is ready or the reactor's deadline has come.
    fn poll(watched: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time too long for the system to count is as good as for ever.
        let timeout = rest.and_then(|rest| Timespec::try_from(rest).ok());
        match rustix::event::poll(watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends what was typed to everybody; `false` when there is no more to come.
    ///
    /// The descriptor is read, not `Stdin`: that has a buffer of its own, where a second line could
    /// hide from `poll`.
    fn pass_on(stdin: &Stdin, registry: &mut Registry<Room>, room: &Room) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let length = rustix::io::read(stdin, &mut buffer[..])?;
        if length == 0 {
            registry.shutdown(GRACE);
            return Ok(false);
        }
        let typed = Bytes::copy_from_slice(&buffer[..length]);
        for &guest in room {
            // Whoever is leaving right now is told of in `on_close`.
            let _ = registry.send(guest, typed.clone());
        }
        Ok(true)
    }

    struct Guest;

    impl Protocol<Room> for Guest {
        fn on_open(&mut self, transport: &mut Transport<'_, Room>, room: &mut Room) {
            room.insert(transport.id());
            println!("{} joined", transport.peer());
        }

        fn on_data(
            &mut self,
            transport: &mut Transport<'_, Room>,
            input: &mut Input<'_>,
            _: &mut Room,
        ) {
            // Escaped: what strangers send must not get to command our terminal.
            let text = input.take_all().trim_ascii_end().escape_ascii();
            println!("{}: {text}", transport.peer());
        }

        fn on_close(&mut self, _: &mut Registry<Room>, closed: &Closed, room: &mut Room) {
            room.remove(&closed.id);
            println!("{} left: {}", closed.peer, closed.reason);
        }
    }
}
