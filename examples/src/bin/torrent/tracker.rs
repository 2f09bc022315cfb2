//! `torrent tracker`: who else shares a torrent?

use std::error::Error;
use std::time::Duration;

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, how_many, some_seconds};
use examples::proxied::AcceptProxy;
use examples::service::{self, ServiceOptions};
use examples::tls::{ServeTls, Served};
use examples::{output, stop};
use protocols::torrent::TrackerLimits;
use protocols::torrent::tracker::{Tracker, listen_http, listen_udp};
use reactor::{DatagramOptions, ListenOptions, Reactor, Registry};

/// Tell peers of each other, over HTTP and over UDP, until Ctrl-C
///
/// It is there for every torrent that somebody asks for, and keeps nothing when it ends, nor for a successor (SIGUSR2):
/// peers tell that one when they ask again. They are known by the address they ask from.
///
/// What peers are told is printed: the URLs to make torrents with. It ends with its terminal (SIGHUP), unless it speaks
/// TLS: then SIGHUP has it read its certificate again.
#[derive(Args)]
pub(crate) struct Options {
    /// Listen here for peers that ask over HTTP; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6969")]
    listen: Vec<HostPort>,

    /// Listen here for peers that ask over UDP
    #[arg(long, value_name = "ADDR")]
    udp: Vec<HostPort>,

    /// When peers are to ask again
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "1800")]
    interval: Duration,

    /// How many torrents there may be
    #[arg(long, value_name = "COUNT", default_value_t = TrackerLimits::default().torrents,
          value_parser = how_many::<usize>)]
    torrents: usize,

    /// How many peers there may be, of all torrents
    #[arg(long, value_name = "COUNT", default_value_t = TrackerLimits::default().peers,
          value_parser = how_many::<usize>)]
    peers: usize,

    #[command(flatten)]
    tls: ServeTls,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    service: ServiceOptions,
}

/// What is spoken over TLS (ALPN).
const PROTOCOLS: &[&str] = &["http/1.1"];

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let limits = TrackerLimits {
        interval: options.interval,
        least_interval: TrackerLimits::default().least_interval.min(options.interval),
        torrents: options.torrents,
        peers: options.peers,
        ..TrackerLimits::default()
    };
    let mut reactor = Reactor::<Tracker>::new()?;
    let registry = reactor.registry();
    let begun = service::begin(registry)?;
    let mut tracker = Tracker::new(limits, registry);
    let tls = options.tls.load_for(PROTOCOLS)?;
    let mut listening = open(registry, options, tls.as_ref())?;
    listening.extend(tls.as_ref().map(Served::to_string));
    tls.iter().try_for_each(|tls| tls.reload_on_hangup(registry))?;
    stop::on_request(registry)?;
    begun.serve(registry, &options.service)?;
    output::announce(&listening);
    let report = reactor.run(&mut tracker)?;
    output::say(format_args!("{} torrents, {} peers", tracker.torrents(), tracker.peers()))?;
    Ok(output::say(report)?)
}

/// Opens every socket, or none; where peers ask.
fn open(
    registry: &mut Registry<Tracker>,
    options: &Options,
    tls: Option<&Served>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut urls = Vec::new();
    let (scheme, proxy_protocol) =
        (if tls.is_some() { "https" } else { "http" }, options.accept_proxy.expected());
    let listen =
        ListenOptions { tls: tls.map(Served::tls), proxy_protocol, ..ListenOptions::default() };
    for place in &options.listen {
        let id =
            listen_http(registry, place.first()?, &listen).map_err(NotOpened::by("--listen"))?;
        urls.push(format!("{scheme}://{}/announce", registry.listener_address(id)?));
    }
    let from_where_it_was_asked = DatagramOptions { metadata: true, ..DatagramOptions::default() };
    for place in &options.udp {
        let id = listen_udp(registry, place.first()?, &from_where_it_was_asked)
            .map_err(NotOpened::by("--udp"))?;
        urls.push(format!("udp://{}", registry.socket_address(id)?));
    }
    Ok(urls)
}
