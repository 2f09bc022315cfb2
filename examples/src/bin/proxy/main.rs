//! A proxy for streams, TCP and Unix, in front of several backends.
//!
//! ```console
//! $ cargo run --release --bin proxy -- --listen 127.0.0.1:8080 127.0.0.1:8081 unix:/run/app.sock
//! listening on tcp 127.0.0.1:8080
//! ```
//!
//! and, when it is stopped with Ctrl-C,
//!
//! ```text
//! shut down in 0.000 s: 0 connections finished, 0 were cut off, 0 bytes lost
//! 3 clients, 0 of them refused
//! 127.0.0.1:8081: 2 connections (0 open, 0 cut short), 0 failed; 158 bytes to it, 1402 from it
//! unix:/run/app.sock: 1 connections (0 open, 0 cut short), 1 failed; 79 bytes to it, 701 from it
//! ```
//!
//! How it works, drawn, is a chapter of the book: `docs/proxying.md`.

#![forbid(unsafe_code)]

mod backends;
mod proxy;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use examples::advice::NotOpened;
use examples::endpoint::{Endpoint, UnixMode, of_streams, seconds, some_seconds};
use examples::loops::{self, LoopOptions};
use examples::output;
use examples::proxied::AcceptProxy;
use examples::service::{self, ServiceOptions};
use examples::tls::{BackendTrust, CallTls, ServeTls, Served};
use reactor::tls::{ClientTls, TlsError};
use reactor::{
    ConnectOptions, Limits, ListenOptions, LoopGroup, OneLoop, ProxyVersion, Registry, Signal,
    StreamLimits,
};

use backends::Backends;
use proxy::{Counts, Front, Proxy};

/// Pass on what TCP and Unix clients say to one of several backends, until Ctrl-C
///
/// Each client is given the backend whose turn it is. One that cannot be reached is skipped for a while,
/// and the client is given the next. Half-closes pass both ways; whoever is slow is waited for, with
/// little memory. On Linux bytes go from socket to socket, without a copy, where neither side speaks TLS.
///
/// With --tls, or --tls-self-signed, the clients speak TLS, and the certificate is read again at SIGHUP; with
/// --backend-tls, or one of its siblings, the backends do.
///
/// With --loops it uses several cores: clients are spread over as many loops, each of which takes the backends in
/// turn.
///
/// Ctrl-C and SIGTERM drain: nobody new comes in, and who is in may finish, for --grace seconds at
/// most. The second one stops at once. SIGUSR1 prints the counters. SIGUSR2
/// starts a successor, which takes over when it is ready.
#[derive(Parser)]
#[command(name = "proxy", version, after_help = AFTER_HELP)]
struct Cli {
    /// Listen here; may be given several times. Port 0 is any free one
    #[arg(long, value_name = "ADDR", value_parser = of_streams, default_value = "127.0.0.1:8080")]
    listen: Vec<Endpoint>,

    /// Where the clients' connections go, in turn
    #[arg(value_name = "BACKEND", required = true, value_parser = backend)]
    backends: Vec<Endpoint>,

    #[command(flatten)]
    tls: ServeTls,

    #[command(flatten)]
    backend_tls: BackendTls,

    /// Skip a backend that could not be reached for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    rest: Duration,

    /// Give up a backend that takes longer to answer
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "5")]
    connect_timeout: Duration,

    /// Reset connections on which nothing has moved for so long
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "600")]
    idle: Duration,

    /// Let those who are in finish for so long when it is stopped
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    grace: Duration,

    /// Take no more connections than N at one time, those to the backends among them
    ///
    /// Each client takes two, and two file descriptors: `ulimit -n` says how many there are.
    #[arg(long, value_name = "N", value_parser = two_or_more,
          default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// Tell backends who the client is, by the PROXY protocol; only those that expect it
    ///
    /// It comes before everything else, and before TLS with the backend.
    #[arg(long, value_enum, value_name = "VERSION")]
    send_proxy: Option<Version>,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    loops: LoopOptions,

    #[command(flatten)]
    unix_mode: UnixMode,

    #[command(flatten)]
    service: ServiceOptions,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    /// A line of text
    V1,
    /// Binary
    V2,
}

impl From<Version> for ProxyVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::V1 => Self::V1,
            Version::V2 => Self::V2,
        }
    }
}

/// Whether the backends speak TLS, and whom among them to trust.
#[derive(Args, Clone)]
struct BackendTls {
    /// Speak TLS with the backends; each one's certificate has to be for its name, and vouched for by whom the system
    /// trusts
    #[arg(long)]
    backend_tls: bool,

    #[command(flatten)]
    trust: BackendTrust,
}

impl BackendTls {
    fn load(&self) -> Result<Option<ClientTls>, TlsError> {
        CallTls::with(self.backend_tls, self.trust.trust()).load(None)
    }
}

const AFTER_HELP: &str = "\
ADDR and BACKEND are HOST:PORT or unix:PATH. A backend's name is looked up for each connection, and its addresses
are tried side by side.
Exit code: 0 if all went well, 1 if something failed, 2 if the command line makes no sense.";

fn main() -> ExitCode {
    output::exit("proxy", run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    // A client takes two.
    let connections = cli.loops.share(cli.max_connections).max(2);
    let loops = cli.loops.loops().limits(Limits { connections, ..Limits::default() });
    let backends = cli.backends.iter().map(|backend| Ok(backend.address()?));
    let backends: Vec<_> = backends.collect::<Result<_, Box<dyn Error>>>()?;
    let connect = ConnectOptions {
        limits: streams(cli),
        tls: cli.backend_tls.load()?,
        ..ConnectOptions::default()
    };
    let tls = cli.tls.load()?;
    let (report, counts) = loops::run(&loops, |one| {
        if one.index() == 0 {
            begin(one, cli, tls.as_ref())?;
        }
        let backends = Backends::new(backends.clone(), cli.rest, one.index());
        let version = cli.send_proxy.map(ProxyVersion::from);
        let mut proxy = Proxy::new(backends, connect.clone(), version);
        one.run(&mut proxy)?;
        Ok(proxy.counts())
    })?;
    output::say(report)?;
    tell(counts);
    Ok(())
}

/// What one loop does for all: it has the listeners, and hears of signals.
fn begin(
    one: &mut OneLoop<'_, Proxy>,
    cli: &Cli,
    tls: Option<&Served>,
) -> Result<(), Box<dyn Error>> {
    service::begin_for_all(one, &cli.service, cli.grace, tls, |registry, group| {
        let all = group.clone();
        registry.on_signal(Signal::User1, move |registry, _| {
            let tell = |_: &mut Registry<Proxy>, _: &mut Proxy, counts: Vec<_>| {
                tell(counts.into_iter().flatten());
            };
            all.ask(registry, |_, proxy| proxy.counts(), tell);
        })?;
        open(registry, group, cli, tls)
    })
}

/// Prints what all loops have done. Nobody may read it; the program goes on all the same.
fn tell(counts: impl IntoIterator<Item = Counts>) {
    let _ = output::say(counts.into_iter().sum::<Counts>());
}

/// Opens every socket, or none; what to print of them.
fn open(
    registry: &mut Registry<Proxy>,
    group: &LoopGroup<Proxy>,
    cli: &Cli,
    tls: Option<&Served>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let options = ListenOptions {
        limits: streams(cli),
        tls: tls.map(Served::tls),
        proxy_protocol: cli.accept_proxy.expected(),
        unix_mode: cli.unix_mode.unix_mode,
        ..ListenOptions::default()
    };
    let mut lines = Vec::new();
    for place in &cli.listen {
        let address = place.resolve()?.swap_remove(0);
        let kind = if address.ip().is_some() { "tcp " } else { "" };
        let id = registry
            .listen_among(group.handles(), address, &options, |_, proxy: &mut Proxy| {
                proxy.note_client();
                Some(Box::new(Front))
            })
            .map_err(NotOpened::by("--listen"))?;
        lines.push(format!("listening on {kind}{}", registry.listener_address(id)?));
    }
    Ok(lines)
}

/// Where somebody listens: nobody does at port 0.
fn backend(text: &str) -> Result<Endpoint, String> {
    match of_streams(text).map_err(|error| error.to_string())? {
        Endpoint::Tcp(place) if place.port() == 0 => {
            Err("port 0 is any free one to listen on, and none to connect to".to_owned())
        }
        endpoint => Ok(endpoint),
    }
}

/// A client and its backend.
fn two_or_more(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number >= 2);
    number.ok_or_else(|| "expected a whole number, 2 or more: each client takes two".to_owned())
}

/// Both sides of a couple are given the same time. The end is no exception: whoever reads slowly may take as
/// long for the last bytes as for those before.
fn streams(cli: &Cli) -> StreamLimits {
    StreamLimits {
        connect_timeout: Some(cli.connect_timeout),
        idle_timeout: Some(cli.idle),
        close_timeout: cli.idle,
        ..StreamLimits::default()
    }
}
