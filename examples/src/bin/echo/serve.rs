//! `echo serve`: everything comes back.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{Endpoint, HostPort, UnixMode, how_many, of_streams, some_seconds};
use examples::loops::{self, LoopOptions};
use examples::proxied::AcceptProxy;
use examples::service::{self, ServiceOptions};
use examples::tls::{ServeTls, Served};
use examples::{output, stop};
use protocols::echo::{self, Counters, Server, Session};
use reactor::{
    Address, DatagramOptions, Limits, ListenOptions, LoopGroup, Protocol, Registry, StreamLimits,
};

/// Where it listens if it is told nothing: for this machine only.
const DEFAULT: &str = "127.0.0.1:7007";

/// Send everything back that arrives, until Ctrl-C
///
/// Without --listen, --udp and --unix it listens on 127.0.0.1:7007, TCP and UDP.
///
/// With --loops it uses several cores: connections are spread over as many loops. UDP stays on the first.
///
/// Ctrl-C drains: connections get what they are owed, for three seconds at most. Ctrl-C again stops
/// at once. Then it prints what it has done. It ends with its terminal (SIGHUP), unless it speaks TLS over
/// TCP and Unix sockets: then SIGHUP has it read its certificate again.
#[derive(Args)]
pub(crate) struct Options {
    /// Listen here for connections, HOST:PORT or unix:PATH; port 0 is any free one
    #[arg(long, alias = "tcp", value_name = "ADDR", value_parser = of_streams)]
    listen: Vec<Endpoint>,

    /// Answer UDP datagrams
    #[arg(long, value_name = "ADDR")]
    udp: Vec<HostPort>,

    /// The same as --listen unix:PATH
    #[arg(long, value_name = "PATH")]
    unix: Vec<PathBuf>,

    #[command(flatten)]
    tls: ServeTls,

    /// Refuse more connections than N at one time
    ///
    /// Each takes a file descriptor: `ulimit -n` says how many there are. Without any left, clients
    /// are turned away, or wait until one is free.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections,
          value_parser = how_many::<usize>)]
    max_connections: usize,

    /// Close connections on which nothing has moved for so long
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    idle: Option<Duration>,

    /// Answer no more than N UDP datagrams a second from one address; the rest are dropped
    ///
    /// UDP lets a sender claim any source, so one that asks for more may be a victim of somebody who
    /// does.
    #[arg(long, value_name = "N", default_value_t = echo::Limits::default().datagrams_per_second,
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    loops: LoopOptions,

    #[command(flatten)]
    unix_mode: UnixMode,

    #[command(flatten)]
    service: ServiceOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let connections = options.loops.share(options.max_connections);
    let loops = options.loops.loops().limits(Limits { connections, ..Limits::default() });
    let tls = options.tls.load()?;
    let limits = echo::Limits { datagrams_per_second: options.rate, ..echo::Limits::default() };
    let (report, counters) = loops::run(&loops, |one| {
        if one.index() == 0 {
            let tls = tls.as_ref();
            service::begin_for_all(one, &options.service, stop::GRACE, tls, |registry, group| {
                open(registry, group, options, tls)
            })?;
        }
        let mut server = Server::new(&limits);
        one.run(&mut server)?;
        Ok(*server.counters())
    })?;
    output::say(report)?;
    output::say(counters.into_iter().sum::<Counters>())?;
    tls.iter().try_for_each(output::say)?;
    Ok(())
}

/// Opens every socket, or none; what to print of them.
fn open(
    registry: &mut Registry<Server>,
    group: &LoopGroup<Server>,
    options: &Options,
    tls: Option<&Served>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let streams = streams(options, tls);
    let listen = |registry: &mut Registry<Server>, address| {
        let session = |_: &Address, _: &mut Server| -> Option<Box<dyn Protocol<Server>>> {
            Some(Box::new(Session))
        };
        registry.listen_among(group.handles(), address, &streams, session)
    };
    let mut lines = Vec::new();
    let (places, udp) = places(options)?;
    for place in places {
        let address = place.resolve()?.swap_remove(0);
        let kind = if address.ip().is_some() { "tcp " } else { "" };
        let id = listen(registry, address).map_err(NotOpened::by("--listen"))?;
        lines.push(format!("listening on {kind}{}", registry.listener_address(id)?));
    }
    for place in udp {
        let datagrams = DatagramOptions::default();
        let id =
            echo::bind(registry, place.first()?, &datagrams).map_err(NotOpened::by("--udp"))?;
        lines.push(format!("listening on udp {}", registry.socket_address(id)?));
    }
    for path in &options.unix {
        let address = Address::from(path.clone());
        listen(registry, address).map_err(NotOpened::by("--unix"))?;
        lines.push(format!("listening on unix {}", path.display()));
    }
    Ok(lines)
}

/// Where to take connections, and where datagrams: as it was told, or at the default if it was told nothing.
fn places(options: &Options) -> Result<(Vec<Endpoint>, Vec<HostPort>), Box<dyn Error>> {
    let Options { listen, udp, unix, .. } = options;
    if listen.is_empty() && udp.is_empty() && unix.is_empty() {
        let default: HostPort = DEFAULT.parse()?;
        return Ok((vec![Endpoint::Tcp(default.clone())], vec![default]));
    }
    Ok((listen.clone(), udp.clone()))
}

fn streams(options: &Options, tls: Option<&Served>) -> ListenOptions {
    let limits = StreamLimits { idle_timeout: options.idle, ..StreamLimits::default() };
    let (tls, proxy_protocol) = (tls.map(Served::tls), options.accept_proxy.expected());
    let UnixMode { unix_mode } = options.unix_mode;
    ListenOptions { limits, tls, proxy_protocol, unix_mode, ..ListenOptions::default() }
}
