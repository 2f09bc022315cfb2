//! `echo serve`: everything comes back.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, seconds};
use examples::{output, stop};
use protocols::echo::{self, Server};
use reactor::{Address, DatagramOptions, Limits, ListenOptions, Reactor, Registry, StreamLimits};

/// Where it listens if it is told nothing: for this machine only.
const DEFAULT: &str = "127.0.0.1:7007";

/// Send everything back that arrives, until Ctrl-C
///
/// Without --tcp, --udp and --unix it listens on 127.0.0.1:7007, TCP and UDP.
///
/// Ctrl-C drains: connections get what they are owed, for three seconds at most. Ctrl-C again stops
/// at once. Then it prints what it has done. It ends with its terminal (SIGHUP).
#[derive(Args)]
pub(crate) struct Options {
    /// Listen for TCP connections; port 0 is any free one
    #[arg(long, value_name = "ADDR")]
    tcp: Vec<HostPort>,

    /// Answer UDP datagrams
    #[arg(long, value_name = "ADDR")]
    udp: Vec<HostPort>,

    /// Listen for connections to a Unix socket
    #[arg(long, value_name = "PATH")]
    unix: Vec<PathBuf>,

    /// Refuse more connections than N at one time
    ///
    /// Each takes a file descriptor: `ulimit -n` says how many there are. Without any left, clients
    /// are turned away, or wait until one is free.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// Close connections on which nothing has moved for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,

    /// Answer no more than N UDP datagrams a second from one address; the rest are dropped
    ///
    /// UDP lets a sender claim any source, so one that asks for more may be a victim of somebody who
    /// does.
    #[arg(long, value_name = "N", default_value_t = echo::Limits::default().datagrams_per_second,
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let limits = Limits { connections: options.max_connections, ..Limits::default() };
    let mut reactor = Reactor::<Server>::with_limits(limits)?;
    let listening = open(reactor.registry(), options)?;
    stop::on_request(reactor.registry())?;
    listening.iter().try_for_each(output::say)?;

    let limits = echo::Limits { datagrams_per_second: options.rate, ..echo::Limits::default() };
    let mut server = Server::new(&limits);
    let report = reactor.run(&mut server)?;
    output::say(report)?;
    output::say(server.counters())?;
    Ok(())
}

/// Opens every socket, or none; what to print of them.
fn open(registry: &mut Registry<Server>, options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for address in addresses(&options.tcp, options)? {
        let id =
            echo::listen(registry, address, &streams(options)).map_err(NotOpened::by("--tcp"))?;
        lines.push(format!("listening on tcp {}", registry.listener_address(id)?));
    }
    for address in addresses(&options.udp, options)? {
        let datagrams = DatagramOptions::default();
        let id = echo::bind(registry, address, &datagrams).map_err(NotOpened::by("--udp"))?;
        lines.push(format!("listening on udp {}", registry.socket_address(id)?));
    }
    for path in &options.unix {
        let address = Address::from(path.clone());
        echo::listen(registry, address, &streams(options)).map_err(NotOpened::by("--unix"))?;
        lines.push(format!("listening on unix {}", path.display()));
    }
    Ok(lines)
}

/// The addresses that were given, or the default if none was given of any kind.
fn addresses(given: &[HostPort], options: &Options) -> Result<Vec<Address>, Box<dyn Error>> {
    if options.tcp.is_empty() && options.udp.is_empty() && options.unix.is_empty() {
        return Ok(vec![DEFAULT.parse()?]);
    }
    Ok(given.iter().map(HostPort::first).collect::<Result<_, _>>()?)
}

fn streams(options: &Options) -> ListenOptions {
    let limits = StreamLimits { idle_timeout: options.idle, ..StreamLimits::default() };
    ListenOptions { limits, ..ListenOptions::default() }
}
