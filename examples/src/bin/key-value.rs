//! A key-value server, which `docs/key-value.md` builds step by step.
//!
//! ```console
//! $ cargo run --bin key-value             # in one terminal
//! listening on 127.0.0.1:7070
//! looking up on 127.0.0.1:7070
//! $ nc 127.0.0.1 7070                     # in another; type
//! SET tea black
//! OK
//! GET tea
//! VALUE black
//! ```
//!
//! What to look at: the store is an ordinary value that is lent to every callback, for streams and for
//! datagrams. [`examples::key_value`] has all of it; here its sockets are opened, with a limit each.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, some_seconds};
use examples::key_value::{Lookup, Store, session};
use examples::{output, stop};
use reactor::{Limits, ListenOptions, Reactor, StreamLimits};

/// Keep values by their keys, for everybody who asks over TCP, and over UDP to be looked up
///
/// Nothing is kept on a disk. Ctrl-C says goodbye to everybody, and again stops at once.
#[derive(Parser)]
#[command(name = "key-value", version)]
struct Options {
    /// Where to listen for TCP connections
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    listen: HostPort,

    /// Where to answer UDP datagrams
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    lookup: HostPort,

    /// Say goodbye to whoever has said nothing for so long, and watches nothing
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "300")]
    idle: Duration,
}

fn main() -> ExitCode {
    output::exit("key-value", run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    output::never_wait();
    let limits = Limits { connections_per_address: Some(1_000), ..Limits::default() };
    let mut reactor = Reactor::<Store>::with_limits(limits)?;
    let registry = reactor.registry();
    let limits = StreamLimits { idle_timeout: Some(options.idle), ..StreamLimits::default() };
    let listening = ListenOptions { limits, ..ListenOptions::default() };
    let listener = registry
        .listen_with(options.listen.first()?, &listening, |_, _| Some(Box::new(session())))
        .map_err(NotOpened::by("--listen"))?;
    let socket = registry
        .bind_datagram(options.lookup.first()?, Lookup)
        .map_err(NotOpened::by("--lookup"))?;
    stop::on_request(registry)?;
    #[cfg(unix)]
    examples::service::tell_on_request(registry)?;
    output::announce(&[
        format!("listening on {}", registry.listener_address(listener)?),
        format!("looking up on {}", registry.socket_address(socket)?),
    ]);
    let report = reactor.run(&mut Store::default())?;
    output::say(report)?;
    Ok(())
}
