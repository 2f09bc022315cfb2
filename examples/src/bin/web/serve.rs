//! `web serve`: a directory, to browsers.

use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, seconds};
use examples::proxied::AcceptProxy;
use examples::service::{self, ServiceOptions};
use examples::tls::{ServeTls, Served};
use examples::{output, stop};
use protocols::http::ServerLimits;
use protocols::http::server::{self, Files, FilesOptions, Settings, Site};
use protocols::store::{Access, Store, VirtualPath};
use reactor::{ListenOptions, Reactor, Registry};

use crate::log::LogOptions;

/// Where it listens if it is told nothing: for this machine only.
const DEFAULT: &str = "127.0.0.1:8080";

/// Serve a directory over HTTP, until Ctrl-C
///
/// A directory is shown as its index.html, or as a page that lists it. Files whose names begin with a dot
/// are not there, .well-known excepted. NAME.br, NAME.zst and NAME.gz beside NAME, and not older, go to
/// browsers that take them.
///
/// With --tls, or --tls-self-signed, it speaks HTTPS, and the certificate is read again at SIGHUP.
///
/// Ctrl-C drains: answers may end, for three seconds at most. Ctrl-C again stops at once.
#[derive(Args)]
pub(crate) struct Options {
    /// The directory that is served; nothing outside of it can be reached
    #[arg(value_name = "DIR", default_value = ".")]
    root: PathBuf,

    /// Listen here; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = DEFAULT)]
    listen: Vec<HostPort>,

    /// Send index.html where there is no file, for an application that looks at the path by itself
    #[arg(long)]
    spa: bool,

    /// Do not list directories that have no index.html
    #[arg(long)]
    no_list: bool,

    /// Serve files whose names begin with a dot, too
    #[arg(long)]
    dot_files: bool,

    /// Compress texts with gzip for browsers that take it, where no NAME.gz lies beside them
    #[arg(long)]
    compress: bool,

    /// What Cache-Control says, "max-age=3600" for instance
    #[arg(long, value_name = "WORDS")]
    cache: Option<String>,

    /// Close connections that are idle for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "75")]
    idle: Duration,

    #[command(flatten)]
    tls: ServeTls,

    #[command(flatten)]
    log: LogOptions,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    service: ServiceOptions,
}

/// What is spoken over TLS (ALPN): browsers offer HTTP/2 as well, and are told that it is not this.
const PROTOCOLS: &[&str] = &["http/1.1"];

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&options.root, Access::ReadOnly)
        .map_err(|error| format!("{}: {error}", options.root.display()))?;
    let files = Files::with_options(store, files_options(options)?);
    let limits = ServerLimits { idle: options.idle, ..ServerLimits::default() };
    let mut site = Site::new(move |request, exchange, _: &mut ()| {
        files.serve(request.path(), request, exchange);
    })
    .with_settings(Settings { limits, ..Settings::default() });
    if let Some(log) = options.log.open()? {
        site = site.with_log(log);
    }
    serve(site, &options.listen, &options.tls, &options.accept_proxy, &options.service)
}

fn files_options(options: &Options) -> Result<FilesOptions, Box<dyn Error>> {
    let fallback = options.spa.then(|| VirtualPath::root().join(b"index.html")).transpose()?;
    Ok(FilesOptions {
        pages: !options.no_list,
        dot_files: options.dot_files,
        compress: options.compress,
        cache_control: options.cache.clone(),
        fallback,
        ..FilesOptions::default()
    })
}

/// Runs a site until it is told to stop.
pub(crate) fn serve(
    site: Site<()>,
    places: &[HostPort],
    tls: &ServeTls,
    proxies: &AcceptProxy,
    options: &ServiceOptions,
) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::<()>::new()?;
    let tls = tls.load_for(PROTOCOLS)?;
    let service = service::begin(reactor.registry())?;
    let listen = ListenOptions {
        tls: tls.as_ref().map(Served::tls),
        proxy_protocol: proxies.expected(),
        ..ListenOptions::default()
    };
    let mut listening = open(reactor.registry(), &Rc::new(site), places, &listen)?;
    listening.extend(tls.as_ref().map(Served::to_string));
    stop::on_request(reactor.registry())?;
    tls.iter().try_for_each(|tls| tls.reload_on_hangup(reactor.registry()))?;
    service.serve(reactor.registry(), options)?;
    listening.iter().try_for_each(output::say)?;
    let report = reactor.run(&mut ())?;
    output::say(report)?;
    Ok(())
}

/// Opens every socket, or none; what to print of them.
fn open(
    registry: &mut Registry<()>,
    site: &Rc<Site<()>>,
    places: &[HostPort],
    options: &ListenOptions,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for place in places {
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let id = server::listen(registry, place.first()?, options, site)
            .map_err(NotOpened::by("--listen"))?;
        lines.push(format!("{scheme}://{}/", registry.listener_address(id)?));
    }
    Ok(lines)
}
