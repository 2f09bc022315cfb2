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
use examples::{output, page, stop};
use http::StatusCode;
use protocols::chat;
use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::http::ServerLimits;
use protocols::http::server::{self, Files, FilesOptions, Router, Settings, Site};
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
/// With --chat there is a page at /chat/ on which people who look at it talk with each other.
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
    #[arg(long, value_name = "WORDS")]
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
    let files = Files::with_options(store, files_options(options)?);
    let limits = ServerLimits { idle: options.idle, ..ServerLimits::default() };
    let settings = Settings { limits, ..Settings::default() };
    if options.chat {
        let mut router = Router::new();
        page::add(&mut router, "/chat/", "../");
        router.get("/chat", |_, exchange, _| {
            exchange.answer(StatusCode::MOVED_PERMANENTLY).field("Location", "chat/").empty();
        });
        router.route("", "/{*}", move |request, exchange, _| {
            files.serve(request.path(), request, exchange);
        });
        let site = Site::new(router.into_handler()).with_settings(settings);
        let lobby = page::lobby("web", "Everybody who looks at these files comes by here");
        // Nobody has an account here, so that nothing is kept.
        let accounts = Accounts::in_memory(AccountLimits::default());
        let mut talk = Talk(chat::Server::new(lobby, accounts));
        return options.serving.serve(site, &options.listen, &mut talk);
    }
    let site = Site::new(move |request, exchange, _: &mut ()| {
        files.serve(request.path(), request, exchange);
    });
    options.serving.serve(site.with_settings(settings), &options.listen, &mut ())
}

/// The application of a server on which people talk.
struct Talk(chat::Server);

impl AsMut<chat::Server> for Talk {
    fn as_mut(&mut self) -> &mut chat::Server {
        &mut self.0
    }
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
    service: ServiceOptions,
}

impl Serving {
    /// Whether it speaks HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_wanted()
    }

    /// Runs a site until it is told to stop.
    pub(crate) fn serve<App: 'static>(
        &self,
        site: Site<App>,
        places: &[HostPort],
        app: &mut App,
    ) -> Result<(), Box<dyn Error>> {
        self.serve_with(site, places, app, |_| Ok(()))
    }

    /// The same, and something beside it, which begins when all sockets are open.
    pub(crate) fn serve_with<App: 'static>(
        &self,
        mut site: Site<App>,
        places: &[HostPort],
        app: &mut App,
        begin: impl FnOnce(&mut Registry<App>) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        if let Some(log) = self.log.open()? {
            site = site.with_log(log);
        }
        if self.server_timing {
            let settings = Settings { server_timing: true, ..site.settings().clone() };
            site = site.with_settings(settings);
        }
        let mut reactor = Reactor::<App>::new()?;
        let tls = self.tls.load_for(PROTOCOLS)?;
        let service = service::begin(reactor.registry())?;
        let listen = ListenOptions {
            tls: tls.as_ref().map(Served::tls),
            proxy_protocol: self.accept_proxy.expected(),
            ..ListenOptions::default()
        };
        let mut listening = open(reactor.registry(), &Rc::new(site), places, &listen)?;
        listening.extend(tls.as_ref().map(Served::to_string));
        begin(reactor.registry())?;
        stop::on_request(reactor.registry())?;
        tls.iter().try_for_each(|tls| tls.reload_on_hangup(reactor.registry()))?;
        service.serve(reactor.registry(), &self.service)?;
        listening.iter().try_for_each(output::say)?;
        let report = reactor.run(app)?;
        output::say(report)?;
        Ok(())
    }
}

/// Opens every socket, or none; what to print of them.
fn open<App: 'static>(
    registry: &mut Registry<App>,
    site: &Rc<Site<App>>,
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
