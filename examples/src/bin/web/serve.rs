//! `web serve`: a directory, to browsers.

use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, seconds};
use examples::loops::{self, LoopOptions};
use examples::proxied::AcceptProxy;
use examples::service::{self, ServiceOptions};
use examples::tls::{ServeTls, Served};
use examples::{output, page, stop};
use http::StatusCode;
use protocols::chat;
use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::http::ServerLimits;
use protocols::http::server::{self, Exchange, Files, FilesOptions, Router, Settings, Site};
use protocols::http::wire::Request;
use protocols::store::{Access, Store, VirtualPath};
use reactor::{Limits, ListenOptions, LoopGroup, OneLoop, Registry};

use crate::get::field_value;
use crate::log::LogOptions;

/// Where it listens if it is told nothing: for this machine only.
const DEFAULT: &str = "127.0.0.1:8080";

/// Serve a directory over HTTP, until Ctrl-C
///
/// A directory is shown as its index.html, or as a page that lists it. Files whose names begin with a dot
/// are not there, .well-known excepted. NAME.br, NAME.zst and NAME.gz beside NAME, and not older, go to
/// browsers that take them.
///
/// With --chat there is a page at /chat/ on which people who look at it talk with each other.
///
/// With --loops it uses several cores: connections are spread over as many loops. With --chat it stays on one, where all
/// who talk are.
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

    /// Have a page at /chat/ on which people talk with each other; it comes before what DIR has there
    #[arg(long)]
    chat: bool,

    /// What Cache-Control says, "max-age=3600" for instance
    #[arg(long, value_name = "WORDS", value_parser = field_value)]
    cache: Option<String>,

    /// Close connections that are idle for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "75")]
    idle: Duration,

    #[command(flatten)]
    serving: Serving,
}

/// What is spoken over TLS (ALPN): browsers offer HTTP/2 as well, and are told that it is not this.
const PROTOCOLS: &[&str] = &["http/1.1"];

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&options.root, Access::ReadOnly)
        .map_err(|error| format!("{}: {error}", options.root.display()))?;
    let file_options = files_options(options)?;
    let files = || Files::with_options(store.clone(), file_options.clone());
    let limits = ServerLimits { idle: options.idle, ..ServerLimits::default() };
    let settings = Settings { limits, ..Settings::default() };
    if options.chat {
        if options.serving.loops.are_several() {
            return Err(
                "--chat stays on one loop, where all who talk are: --loops has to be 1".into()
            );
        }
        return options.serving.serve(&options.listen, &settings, |_| Ok(talk(files())));
    }
    options.serving.serve(&options.listen, &settings, |_| {
        let files = files();
        let site =
            move |request: &Request<'_>, exchange: &mut Exchange<'_, '_, _>, _: &mut Here<()>| {
                files.serve(request.path(), request, exchange);
            };
        Ok((Site::new(site), ()))
    })
}

/// Files, and a page on which people talk.
fn talk(files: Files) -> (Site<Here<chat::Server>>, chat::Server) {
    let mut router = Router::new();
    page::add(&mut router, "/chat/", "../");
    router.get("/chat", |_, exchange, _| {
        exchange.answer(StatusCode::MOVED_PERMANENTLY).field("Location", "chat/").empty();
    });
    router.route("", "/{*}", move |request, exchange, _| {
        files.serve(request.path(), request, exchange);
    });
    let lobby = page::lobby("web", "Everybody who looks at these files comes by here");
    // Nobody has an account here, so that nothing is kept.
    let accounts = Accounts::in_memory(AccountLimits::default());
    (Site::new(router.into_handler()), chat::Server::new(lobby, accounts))
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

/// What every server of sites can be told.
#[derive(Args)]
pub(crate) struct Serving {
    #[command(flatten)]
    tls: ServeTls,

    #[command(flatten)]
    log: LogOptions,

    /// Say in each answer how long it took, for browsers to show to who develops a page
    #[arg(long)]
    server_timing: bool,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    pub(crate) loops: LoopOptions,

    #[command(flatten)]
    service: ServiceOptions,
}

/// The application of one loop: its site, and whatever that is about. Other loops have their own.
pub(crate) struct Here<T> {
    site: Rc<Site<Self>>,
    about: T,
}

impl AsMut<chat::Server> for Here<chat::Server> {
    fn as_mut(&mut self) -> &mut chat::Server {
        &mut self.about
    }
}

impl Serving {
    /// Whether it speaks HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_wanted()
    }

    /// Runs sites with these settings until it is told to stop: one on each loop, made there with what it is about.
    pub(crate) fn serve<T: 'static>(
        &self,
        places: &[HostPort],
        settings: &Settings,
        make: impl Fn(&mut Registry<Here<T>>) -> Result<(Site<Here<T>>, T), Box<dyn Error>> + Sync,
    ) -> Result<(), Box<dyn Error>> {
        let settings = Settings { server_timing: self.server_timing, ..settings.clone() };
        let connections = self.loops.share(Limits::default().connections);
        let loops = self.loops.loops().limits(Limits { connections, ..Limits::default() });
        let tls = self.tls.load_for(PROTOCOLS)?;
        let (report, _) = loops::run(&loops, |one| {
            let (site, about) = make(one.registry())?;
            let mut site = site.with_settings(settings.clone());
            if let Some(log) = self.log.open()? {
                site = site.with_log(log);
            }
            if one.index() == 0 {
                self.begin(one, places, &settings.limits, tls.as_ref())?;
            }
            one.run(&mut Here { site: Rc::new(site), about })?;
            Ok(())
        })?;
        output::say(report)?;
        Ok(())
    }

    /// What one loop does for all: it has the sockets, and hears of signals.
    fn begin<T: 'static>(
        &self,
        one: &mut OneLoop<'_, Here<T>>,
        places: &[HostPort],
        limits: &ServerLimits,
        tls: Option<&Served>,
    ) -> Result<(), Box<dyn Error>> {
        let listen = ListenOptions {
            tls: tls.map(Served::tls),
            proxy_protocol: self.accept_proxy.expected(),
            ..ListenOptions::default()
        };
        service::begin_for_all(one, &self.service, stop::GRACE, tls, |registry, group| {
            open(registry, group, places, &listen, limits)
        })
    }
}

/// Opens every socket, or none; what to print of them.
fn open<T: 'static>(
    registry: &mut Registry<Here<T>>,
    group: &LoopGroup<Here<T>>,
    places: &[HostPort],
    options: &ListenOptions,
    limits: &ServerLimits,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for place in places {
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let site = |here: &mut Here<T>| Rc::clone(&here.site);
        let (handles, at) = (group.handles(), place.first()?);
        let id = server::listen_among(registry, handles, at, options, limits, site)
            .map_err(NotOpened::by("--listen"))?;
        lines.push(format!("{scheme}://{}/", registry.listener_address(id)?));
    }
    Ok(lines)
}
