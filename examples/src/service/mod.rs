//! A program as a service: what it shares with whoever starts it.
//!
//! | file | what it is |
//! |---|---|
//! | `notify` | says to a supervisor that it is ready, alive, reloading, stopping (`sd_notify(3)`) |
//! | `inherit` | takes over sockets (`sd_listen_fds(3)`) |
//! | `run_as` | becomes another user, when the sockets are open |
//! | `short` | says when there are no descriptors left |
//! | `estate` | what one process at a time may have beside its sockets |
//! | `upgrade` | starts a successor with its sockets, and leaves them to it |
//!
//! A server calls [`begin`] before it opens its sockets, and [`Service::serve`] when it has; one on several loops
//! [`begin_for_all`].

mod estate;
mod inherit;
pub mod notify;
mod run_as;
mod short;
mod upgrade;

use std::error::Error;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::Args;
use reactor::{LoopGroup, OneLoop, Registry, Signal, Stats};

use crate::endpoint::seconds;
use crate::tls::Served;
use crate::{output, stop};

pub use estate::{Estate, Then};

/// What every server lets be chosen.
#[derive(Args, Clone, Debug)]
pub struct ServiceOptions {
    /// Become this user when the sockets are open: for whoever starts it as root, because of a low port
    ///
    /// Files that are read later have to be readable for that user: at SIGHUP, or by a successor.
    #[arg(long, value_name = "NAME")]
    run_as: Option<String>,

    /// When a successor has taken over (SIGUSR2), let those who are in finish for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    drain: Duration,
}

/// A server whose sockets are yet to be opened.
#[derive(Debug)]
#[must_use]
pub struct Service {
    /// The process before this one, which wants to know when it may leave.
    predecessor: Option<UnixStream>,
}

/// Takes over the sockets that this process was started with, if any: those who listen at their addresses get
/// them. It comes before other threads do anything; those of other
/// loops wait until it is their turn. SIGUSR1 prints what the loop has done, unless the server has more to tell.
///
/// # Errors
///
/// If a descriptor is none of a socket that a server can use, or the system has none left.
pub fn begin<App: 'static>(registry: &mut Registry<App>) -> Result<Service, Box<dyn Error>> {
    output::never_wait();
    short::tell(registry);
    tell_on_request(registry)?;
    Ok(Service { predecessor: inherit::inherit(registry)? })
}

/// What one of several loops does for all: it opens the sockets, hears of signals, and says where it listens, which is
/// what `open` gives back.
///
/// # Errors
///
/// Those of what it does; none of the sockets is served then.
pub fn begin_for_all<App: 'static>(
    one: &mut OneLoop<'_, App>,
    options: &ServiceOptions,
    grace: Duration,
    tls: Option<&Served>,
    open: impl FnOnce(&mut Registry<App>, &LoopGroup<App>) -> Result<Vec<String>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (group, registry) = (one.group().clone(), one.registry());
    let service = begin(registry)?;
    let all = group.clone();
    registry.on_signal(Signal::User1, move |registry, _| {
        let told = |_: &mut Registry<App>, _: &mut App, all: Vec<_>| {
            tell(all.into_iter().flatten().sum());
        };
        all.ask(registry, |registry, _| registry.stats(), told);
    })?;
    let mut listening = open(registry, &group)?;
    listening.extend(tls.map(Served::to_string));
    stop::all_within(registry, &group, grace)?;
    tls.into_iter().try_for_each(|tls| tls.reload_on_hangup(registry))?;
    service.begin_serving(registry, &group, options, Estate::none())?;
    output::announce(&listening);
    Ok(())
}

/// Has SIGUSR1 print what the loop has done.
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn tell_on_request<App: 'static>(registry: &mut Registry<App>) -> io::Result<()> {
    registry.on_signal(Signal::User1, |registry, _| tell(registry.stats()))
}

/// Prints what loops have done.
fn tell(stats: Stats) {
    output::complain(stats.to_string().trim_end());
}

impl Service {
    /// All sockets are open: becomes another user if that is wanted, listens to SIGUSR2, and says that it is
    /// ready. What is registered by now goes to a successor; what a protocol opens later does not.
    ///
    /// # Errors
    ///
    /// If it was given a socket in vain, or cannot become that user.
    pub fn serve<App: 'static>(
        self,
        registry: &mut Registry<App>,
        options: &ServiceOptions,
    ) -> Result<(), Box<dyn Error>> {
        self.serve_with_estate(registry, options, Estate::none())
    }

    /// As [`serve`](Self::serve), for a server that has something which one process at a time may have.
    ///
    /// # Errors
    ///
    /// As of [`serve`](Self::serve).
    pub fn serve_with_estate<App: 'static>(
        self,
        registry: &mut Registry<App>,
        options: &ServiceOptions,
        estate: Estate<App>,
    ) -> Result<(), Box<dyn Error>> {
        let alone = LoopGroup::from(registry.handle());
        self.begin_serving(registry, &alone, options, estate)
    }

    fn begin_serving<App: 'static>(
        self,
        registry: &mut Registry<App>,
        group: &LoopGroup<App>,
        options: &ServiceOptions,
        estate: Estate<App>,
    ) -> Result<(), Box<dyn Error>> {
        if let Some(address) = registry.inherited().next() {
            let why = "and no option says to listen there";
            return Err(format!("it was started with a socket at {address}, {why}").into());
        }
        if let Some(user) = &options.run_as {
            run_as::become_user(user)?;
        }
        let watchdog = notify::feed_watchdog(registry)?;
        upgrade::on_request(registry, group, options.drain, watchdog, estate)?;
        notify::ready();
        upgrade::tell(self.predecessor);
        Ok(())
    }
}
