//! `torrent tracker`: who else shares a torrent?

use std::error::Error;
use std::time::Duration;

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, seconds};
use examples::{output, stop};
use protocols::torrent::TrackerLimits;
use protocols::torrent::tracker::{Tracker, listen_http, listen_udp};
use reactor::{DatagramOptions, ListenOptions, Reactor, Registry};

/// Tell peers of each other, over HTTP and over UDP, until Ctrl-C
///
/// It is there for every torrent that somebody asks for, and keeps nothing when it ends. Peers are known by the
/// address they ask from.
///
/// What peers are told is printed: the URLs to make torrents with.
#[derive(Args)]
pub(crate) struct Options {
    /// Listen here for peers that ask over HTTP; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6969")]
    listen: Vec<HostPort>,

    /// Listen here for peers that ask over UDP
    #[arg(long, value_name = "ADDR")]
    udp: Vec<HostPort>,

    /// When peers are to ask again
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1800")]
    interval: Duration,

    /// How many torrents there may be
    #[arg(long, value_name = "COUNT", default_value_t = TrackerLimits::default().torrents)]
    torrents: usize,

    /// How many peers there may be, of all torrents
    #[arg(long, value_name = "COUNT", default_value_t = TrackerLimits::default().peers)]
    peers: usize,
}

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
    let mut tracker = Tracker::new(limits, registry);
    let urls = open(registry, options)?;
    stop::on_request(registry)?;
    urls.iter().try_for_each(output::say)?;
    let report = reactor.run(&mut tracker)?;
    output::say(format_args!("{} torrents, {} peers", tracker.torrents(), tracker.peers()))?;
    Ok(output::say(report)?)
}

/// Opens every socket, or none; where peers ask.
fn open(
    registry: &mut Registry<Tracker>,
    options: &Options,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut urls = Vec::new();
    for place in &options.listen {
        let id = listen_http(registry, place.first()?, &ListenOptions::default())
            .map_err(NotOpened::by("--listen"))?;
        urls.push(format!("http://{}/announce", registry.listener_address(id)?));
    }
    let from_where_it_was_asked = DatagramOptions { metadata: true, ..DatagramOptions::default() };
    for place in &options.udp {
        let id = listen_udp(registry, place.first()?, &from_where_it_was_asked)
            .map_err(NotOpened::by("--udp"))?;
        urls.push(format!("udp://{}", registry.socket_address(id)?));
    }
    Ok(urls)
}
