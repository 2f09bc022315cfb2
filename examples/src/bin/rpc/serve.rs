//! `rpc serve`: methods to try things with. They are in `examples::calls`; here is where they are served.

use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use examples::advice::NotOpened;
use examples::calls::{self, Topics};
use examples::endpoint::{HostPort, UnixMode};
use examples::loops::{self, LoopOptions};
use examples::proxied::AcceptProxy;
use examples::service::{self, ServiceOptions};
use examples::tls::{ServeTls, Served};
use examples::{output, stop};
use protocols::http::server as web;
use protocols::rpc::{self, Counters, Event, ServerOptions, Service};
use protocols::transfer::store::{Access, Store};
use reactor::{Address, DatagramOptions, ListenOptions, LoopGroup, Registry};

use crate::talk::Cut;

/// Where it listens if it is told nothing: for this machine only.
const DEFAULT: &str = "127.0.0.1:7008";

/// Serve methods to try things with, until Ctrl-C
///
/// Without --listen, --http, --unix and --udp it listens on 127.0.0.1:7008. `rpc describe` prints what it can be
/// asked.
///
/// With --loops it uses several cores: connections are spread over as many loops. UDP stays on the first.
///
/// Ctrl-C waits for calls that are being answered, for three seconds at most; Ctrl-C again stops at once.
#[derive(Args)]
pub(crate) struct Options {
    /// Listen for TCP connections; port 0 is any free one
    #[arg(long, short, value_name = "ADDR", value_parser = tcp)]
    listen: Vec<HostPort>,

    /// Listen for HTTP: calls by POST, and WebSockets, on every path
    #[arg(long, value_name = "ADDR", value_parser = http)]
    http: Vec<HostPort>,

    /// Listen for connections to a Unix socket
    #[arg(long, value_name = "PATH")]
    unix: Vec<PathBuf>,

    /// Take notifications as UDP datagrams
    #[arg(long, value_name = "ADDR")]
    udp: Vec<HostPort>,

    #[command(flatten)]
    tls: ServeTls,

    /// How messages are told apart: a line each, Content-Length headers, or nothing at all
    #[arg(long, value_enum, value_name = "HOW", default_value = "lines")]
    framing: Cut,

    /// Let everybody list and read the files below a directory
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,

    /// Say who calls what, on standard error
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    loops: LoopOptions,

    #[command(flatten)]
    unix_mode: UnixMode,

    #[command(flatten)]
    service: ServiceOptions,
}

/// The application: what each loop has.
pub(crate) struct Site {
    service: Rc<Service<Site>>,
    /// The same by HTTP.
    web: Rc<web::Site<Site>>,
    topics: Topics<Site>,
    verbose: bool,
}

impl AsMut<Topics<Self>> for Site {
    fn as_mut(&mut self) -> &mut Topics<Self> {
        &mut self.topics
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let tls = options.tls.load()?;
    let (report, counters) = loops::run(&options.loops.loops(), |one| {
        let service = Rc::new(service(options)?);
        if one.index() == 0 {
            let tls = tls.as_ref();
            service::begin_for_all(one, &options.service, stop::GRACE, tls, |registry, group| {
                open(registry, group, options, &service, tls)
            })?;
        }
        calls::tick(one.registry())?;
        let topics = Topics::new(one.group().clone());
        let web = rpc::site(Rc::clone(&service));
        let counted = Rc::clone(&service);
        one.run(&mut Site { service, web, topics, verbose: options.verbose })?;
        Ok(counted.counters())
    })?;
    output::say(report)?;
    let sum = |of: fn(&Counters) -> u64| counters.iter().map(of).sum::<u64>();
    output::say(format_args!(
        "answered {} calls and notifications of {} connections, {} with an error; {} texts were no message",
        sum(|it| it.calls),
        sum(|it| it.connections),
        sum(|it| it.failed),
        sum(|it| it.invalid)
    ))?;
    Ok(())
}

fn service(options: &Options) -> Result<Service<Site>, Box<dyn Error>> {
    let mut service = Service::<Site>::new("rpc serve", env!("CARGO_PKG_VERSION"));
    let open = |root: &PathBuf| {
        Store::open(root, Access::ReadOnly)
            .map_err(|error| format!("cannot open {}: {error}", root.display()))
    };
    let files = options.files.as_ref().map(open).transpose()?;
    calls::register(&mut service, files.as_ref());
    service.on_event(|site, event| {
        if site.verbose {
            log(event);
        }
    });
    Ok(service)
}

fn log(event: &Event<'_>) {
    match event {
        Event::Opened { id, peer } => output::complain(format_args!("{id} is {peer}")),
        Event::Closed { id, why, .. } => output::complain(format_args!("{id}: {why}")),
        Event::Called { id, method, error } => {
            let who = id.map_or_else(|| "a datagram".to_owned(), |id| id.to_string());
            let failed = error.map(|error| format!(": {error}")).unwrap_or_default();
            output::complain(format_args!("{who} calls {method}{failed}"));
        }
        Event::Invalid { id, error } => output::complain(format_args!("{id} is told: {error}")),
        Event::Broken { id, why } => output::complain(format_args!("{id} makes no sense: {why}")),
        Event::Stray { id, answer } => {
            output::complain(format_args!("{id} answers {answer}, which nobody has asked"));
        }
        Event::Complaint { id, error } => output::complain(format_args!("{id} complains: {error}")),
        // The rest happens to those who connect, and this one listens.
        _ => {}
    }
}

/// Opens every socket, or none; what to print of them.
fn open(
    registry: &mut Registry<Site>,
    group: &LoopGroup<Site>,
    options: &Options,
    service: &Rc<Service<Site>>,
    tls: Option<&Served>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let UnixMode { unix_mode } = options.unix_mode;
    let (tls_of_all, proxy_protocol) = (tls.map(Served::tls), options.accept_proxy.expected());
    let listen =
        ListenOptions { tls: tls_of_all, proxy_protocol, unix_mode, ..ListenOptions::default() };
    let framing = options.framing.into();
    let server = ServerOptions { framing, listen: listen.clone(), ..ServerOptions::default() };
    let [tcp, http, ws] =
        if tls.is_some() { ["tls", "https", "wss"] } else { ["tcp", "http", "ws"] };
    let (handles, limits) = (group.handles(), service.limits());
    let listen_here = |registry: &mut Registry<Site>, address| {
        let of = |site: &mut Site| Rc::clone(&site.service);
        rpc::listen_among(registry, handles, address, &server, limits, of)
    };
    let mut lines = Vec::new();
    for address in addresses(options)? {
        let id = listen_here(registry, address).map_err(NotOpened::by("--listen"))?;
        lines.push(format!("listening on {tcp}://{}", registry.listener_address(id)?));
    }
    for place in &options.http {
        let of = |site: &mut Site| Rc::clone(&site.web);
        let id = rpc::listen_http_among(registry, handles, place.first()?, &listen, limits, of)
            .map_err(NotOpened::by("--http"))?;
        let address = registry.listener_address(id)?;
        lines.push(format!("listening on {http}://{address}/ and {ws}://{address}/"));
    }
    for path in &options.unix {
        listen_here(registry, Address::from(path.clone())).map_err(NotOpened::by("--unix"))?;
        lines.push(format!("listening on unix:{}", path.display()));
    }
    for place in &options.udp {
        let datagrams = DatagramOptions::default();
        let id = rpc::bind(registry, place.first()?, &datagrams, Rc::clone(service))
            .map_err(NotOpened::by("--udp"))?;
        lines.push(format!("listening on udp {}", registry.socket_address(id)?));
    }
    Ok(lines)
}

/// The addresses that were given, or the default if none was given of any kind.
fn addresses(options: &Options) -> Result<Vec<Address>, Box<dyn Error>> {
    let Options { listen, http, unix, udp, .. } = options;
    if listen.is_empty() && http.is_empty() && unix.is_empty() && udp.is_empty() {
        return Ok(vec![DEFAULT.parse()?]);
    }
    Ok(options.listen.iter().map(HostPort::first).collect::<Result<_, _>>()?)
}

/// As a client writes it, or without the scheme.
fn tcp(text: &str) -> Result<HostPort, String> {
    place(text.strip_prefix("tcp://").unwrap_or(text))
}

/// The same for HTTP.
fn http(text: &str) -> Result<HostPort, String> {
    place(text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/'))
}

fn place(text: &str) -> Result<HostPort, String> {
    text.parse().map_err(|error: examples::endpoint::NoEndpoint| error.to_string())
}
