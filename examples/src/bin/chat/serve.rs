//! `chat serve`: the server.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use chrono::Local;
use clap::{Args, ValueEnum};
use examples::advice::NotOpened;
use examples::endpoint::{self, Endpoint, UnixMode};
use examples::proxied::AcceptProxy;
use examples::service::{self, Estate, ServiceOptions, Then, notify};
use examples::tls::{ServeTls, Served};
use examples::{output, stop};
use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::cluster::Membership;
use protocols::chat::config::{Config, Node};
use protocols::chat::{self, Event, Operator, Password, Server, Settings};
use protocols::websocket::Origins;
use reactor::{Address, Limits, ListenOptions, Reactor, Registry};
#[cfg(unix)]
use reactor::{Rows, SocketRow};

use crate::account;
use crate::cluster::{self, ClusterOptions};
#[cfg(unix)]
use crate::control;

/// Where it listens if it is told nothing: for this machine only.
const DEFAULT: &str = "127.0.0.1:6667";
/// The same for those who speak TLS (RFC 7194).
const DEFAULT_TLS: &str = "127.0.0.1:6697";

/// Why a node of a network has no file.
const OF_THE_NETWORK: &str = "the accounts of a network are in NATS, and no data directory is used: leave it out; \
    `chat account export --data DIR | chat account import --control PATH` brings those that are there into the network";

/// Serve chat until Ctrl-C
///
/// Without any option it listens on 127.0.0.1:6667, and forgets everything when it ends. What the
/// command line says counts more than what the configuration says. With --tls, or --tls-self-signed, it
/// listens on 127.0.0.1:6697 as well, for those who speak TLS.
///
/// With --cluster and --node, it is one network with all other servers that were told the same: users and
/// channels are seen everywhere, and accounts are the network's: they are in NATS, and there is no --data. Until it has
/// heard of them once it lets nobody in.
///
/// Ctrl-C tells everybody and drains, for three seconds at most; Ctrl-C again stops at once. SIGHUP
/// reads the configuration anew, as an operator's REHASH does, and the certificate, and drops nobody, also when the terminal
/// is closed; what counts from the next start on only is told. SIGUSR1 prints what it and its loop have
/// done, at once, and then every connection, some at a time. Who comes, goes and is refused, and why, is
/// on standard error.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen: HOST:PORT or unix:PATH; port 0 is any free one
    #[arg(long, short, value_name = "ADDR", value_parser = endpoint::of_streams)]
    listen: Vec<Endpoint>,

    #[command(flatten)]
    tls: ServeTls,

    /// Where to listen with TLS; default 127.0.0.1:6697
    #[arg(long, value_name = "ADDR")]
    tls_listen: Vec<Endpoint>,

    /// Where to listen for WebSocket as well, for browsers: a line is a message
    #[arg(long, value_name = "ADDR", value_parser = endpoint::of_streams)]
    websocket: Vec<Endpoint>,

    /// An origin whose pages may open a WebSocket, scheme and host; default: the host that
    /// is asked
    #[arg(long, value_name = "URL", requires = "websocket", value_parser = origin)]
    origin: Vec<String>,

    /// A file of configuration; docs/chat.toml has everything that can be in it
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The server's name: a host's, with a dot
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A directory for accounts and registered channels, so that they outlive the server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// A password that everybody has to know
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,

    /// Somebody who may become an operator, with /oper NAME PASSWORD
    #[arg(long, value_name = "NAME:PASSWORD")]
    oper: Vec<NamePassword>,

    /// Whether those who talk too fast are slowed down
    #[arg(long, value_name = "on|off")]
    flood: Option<Flood>,

    /// Let `chat account` and `chat control` reach it while it runs, over a Unix socket that only you can open
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// Say nothing of users: who comes and goes, and what they do. The network and the accounts are told all the same
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    cluster: ClusterOptions,

    #[command(flatten)]
    accept_proxy: AcceptProxy,

    #[command(flatten)]
    unix_mode: UnixMode,

    #[command(flatten)]
    service: ServiceOptions,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flood {
    On,
    Off,
}

#[derive(Clone)]
struct NamePassword {
    name: String,
    password: String,
}

/// What counts more than the configuration, also when that is read anew.
#[derive(Clone)]
struct Overrides {
    config: Option<PathBuf>,
    name: Option<String>,
    data: Option<PathBuf>,
    password: Option<String>,
    operators: Vec<NamePassword>,
    flood: Option<Flood>,
    cluster: ClusterOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let overrides = Overrides::of(options);
    let config = overrides.read()?;
    let mut reactor = Reactor::<Server>::with_limits(Limits {
        connections: config.connections.unwrap_or(Limits::default().connections),
        ..Limits::default()
    })?;
    let accounts = match (&config.settings.data, &config.cluster) {
        (Some(_), Some(_)) => return Err(OF_THE_NETWORK.into()),
        (Some(directory), None) => account::open(directory)?,
        (None, Some(_)) => Accounts::of_network(AccountLimits::default()),
        (None, None) => Accounts::in_memory(AccountLimits::default()),
    };
    let mut server = Server::new(config.settings.clone(), accounts);
    let is_quiet = options.quiet;
    server.on_event(move |event| {
        if !is_quiet || !event.is_of_user() {
            log(event);
        }
    });
    let again = Again { start: AtStart::of(options, &config), overrides };
    let loader = again.clone();
    server.set_loader(Arc::new(move || {
        let (settings, later) = loader.read()?;
        // An operator is told of what the server itself keeps; the rest is for whoever started it.
        later.into_iter().for_each(log_later);
        Ok(settings)
    }));

    let tls = options.tls.load()?;
    let service = service::begin(reactor.registry())?;
    let mut listening = open(reactor.registry(), options, &config)?;
    listening.extend(open_tls(reactor.registry(), options, &config, tls.as_ref())?);
    listening.extend(open_websocket(reactor.registry(), options, &config)?);
    let mut membership = None;
    server.begin(reactor.registry());
    if let Some(node) = &config.cluster {
        let (line, joined) = cluster::join(reactor.registry(), &mut server, node)?;
        listening.push(line);
        membership = Some(joined);
    }
    stop::on_request(reactor.registry())?;
    #[cfg(unix)]
    if let Some(path) = &options.control {
        examples::control::listen(reactor.registry(), path, control::service(again.clone()))
            .map_err(NotOpened::by("--control"))?;
    }
    #[cfg(unix)]
    on_signals(reactor.registry(), again, tls.clone())?;
    listening.extend(tls.as_ref().map(Served::to_string));
    service.serve_with_estate(reactor.registry(), &options.service, estate(membership))?;
    output::announce(&listening);
    let report = reactor.run(&mut server)?;
    // What was changed while the loop was ending.
    server.accounts().save()?;
    output::say(report)?;
    output::say(server.counters())?;
    Ok(())
}

/// The file of accounts, which is one process's at a time: its successor's, before that reads it. So is the place in a
/// network, once that one serves.
fn estate(membership: Option<Membership<Server>>) -> Estate<Server> {
    let let_go = |registry: &mut Registry<Server>, server: &mut Server, then: Then<Server>| {
        server.accounts().hand_on(registry, move |registry, server, saved| {
            then(registry, server, saved.map_err(|error| error.to_string()));
        });
    };
    Estate::new(let_go, |registry, server| Ok(server.take_back_accounts(registry)?)).with_leave(
        move |registry, server| {
            if let Some(membership) = &membership {
                membership.leave(registry, server);
            }
        },
    )
}

/// Opens every socket, or none; what to print of them.
fn open(
    registry: &mut Registry<Server>,
    options: &Options,
    config: &Config,
) -> Result<Vec<String>, Box<dyn Error>> {
    let listen = streams(options, config);
    let mut lines = Vec::new();
    for address in addresses(options, config)? {
        let id = chat::listen(registry, address, &listen).map_err(NotOpened::by("--listen"))?;
        let address = registry.listener_address(id)?;
        lines.push(format!("listening on {address}"));
    }
    Ok(lines)
}

/// As [`open`], those for TLS.
fn open_tls(
    registry: &mut Registry<Server>,
    options: &Options,
    config: &Config,
    tls: Option<&Served>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let Some(tls) = tls else {
        return match options.tls_listen.first() {
            Some(_) => Err("--tls-listen wants a certificate: --tls or --tls-self-signed".into()),
            None => Ok(Vec::new()),
        };
    };
    let addresses = match &options.tls_listen[..] {
        [] => vec![DEFAULT_TLS.parse()?],
        endpoints => endpoints.iter().map(first).collect::<Result<_, _>>()?,
    };
    let listen = ListenOptions { tls: Some(tls.tls()), ..streams(options, config) };
    let mut lines = Vec::new();
    for address in addresses {
        let id = chat::listen(registry, address, &listen).map_err(NotOpened::by("--tls-listen"))?;
        lines.push(format!("listening with TLS on {}", registry.listener_address(id)?));
    }
    Ok(lines)
}

/// As [`open`], those for WebSocket.
fn open_websocket(
    registry: &mut Registry<Server>,
    options: &Options,
    config: &Config,
) -> Result<Vec<String>, Box<dyn Error>> {
    let listen = streams(options, config);
    let origins = match &options.origin[..] {
        [] => Origins::SameHost,
        origins => Origins::Only(origins.to_vec()),
    };
    let endpoint = chat::endpoint(origins);
    let mut lines = Vec::new();
    for place in &options.websocket {
        let id = chat::listen_websocket(registry, first(place)?, &listen, &endpoint)
            .map_err(NotOpened::by("--websocket"))?;
        lines.push(format!("listening for WebSocket on {}", registry.listener_address(id)?));
    }
    Ok(lines)
}

/// Reads an origin as browsers tell theirs: anything else would let nobody in.
fn origin(text: &str) -> Result<String, String> {
    let host = text.split_once("://").map(|(_, host)| host);
    if text == "null" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' '])) {
        return Ok(text.to_owned());
    }
    Err("expected what browsers say of a page: https://irc.example, and no path".to_owned())
}

/// What is the same for every socket.
fn streams(options: &Options, config: &Config) -> ListenOptions {
    let limits = config.settings.limits.stream_limits();
    let proxy_protocol = options.accept_proxy.expected();
    let UnixMode { unix_mode } = options.unix_mode;
    ListenOptions { limits, proxy_protocol, unix_mode, ..ListenOptions::default() }
}

/// Where to listen: as the command line says, or else the configuration, or else the default.
fn addresses(options: &Options, config: &Config) -> Result<Vec<Address>, Box<dyn Error>> {
    if !options.listen.is_empty() {
        return options.listen.iter().map(first).collect();
    }
    if config.listen.is_empty() { Ok(vec![DEFAULT.parse()?]) } else { Ok(config.listen.clone()) }
}

/// A name with several addresses is one place all the same: its first.
fn first(endpoint: &Endpoint) -> Result<Address, Box<dyn Error>> {
    if matches!(endpoint, Endpoint::Udp(_)) {
        return Err("chat is not spoken over UDP; say HOST:PORT or unix:PATH".into());
    }
    Ok(endpoint.resolve()?.swap_remove(0))
}

#[cfg(unix)]
fn on_signals(
    registry: &mut Registry<Server>,
    again: Again,
    tls: Option<Served>,
) -> std::io::Result<()> {
    use reactor::Signal;
    let certificate = tls.clone();
    registry.on_signal(Signal::Hangup, move |registry, _| {
        certificate.iter().for_each(|tls| tls.reload(registry));
        if again.overrides.config.is_none() {
            if certificate.is_none() {
                log("there is no --config to read anew (SIGHUP)");
            }
            return;
        }
        notify::reloading();
        let again = again.clone();
        let offloaded = registry.offload(
            move || again.read(),
            |_, server: &mut Server, result| {
                match result {
                    Ok(Ok((settings, later))) => {
                        log("read the configuration anew (SIGHUP)");
                        later.into_iter().chain(server.rehash(settings)).for_each(log_later);
                    }
                    Ok(Err(why)) => log(format_args!("the configuration stays as it was:\n{why}")),
                    Err(error) => log(format_args!("the configuration stays as it was: {error}")),
                }
                notify::ready();
            },
        );
        if offloaded.is_err() {
            log("the configuration stays as it was: there is too much other work");
            notify::ready();
        }
    })?;
    registry.on_signal(Signal::User1, move |registry, server| {
        tls.iter().for_each(log);
        log(format_args!("{}\n{}", control::statistics(registry, server), SocketRow::HEADER));
        list_sockets(registry, Rows::default(), 0);
    })
}

/// Sockets listed in one turn of the loop: half a millisecond of it.
#[cfg(unix)]
const SLICE: usize = 100;

/// Lists the sockets, some in this turn and the rest in the next ones: with thousands of them everybody
/// would wait for the list.
#[cfg(unix)]
fn list_sockets(registry: &mut Registry<Server>, mut rows: Rows, listed: usize) {
    let slice = registry.socket_rows(&mut rows, SLICE);
    if slice.is_empty() {
        return log(format_args!("{listed} sockets"));
    }
    let listed = listed + slice.len();
    let lines: Vec<String> = slice.iter().map(ToString::to_string).collect();
    output::complain(lines.join("\n"));
    registry.defer(move |registry, _| list_sockets(registry, rows, listed));
}

/// A line on standard error, with the time.
fn log(what: impl fmt::Display) {
    output::complain(format_args!("{} {what}", Local::now().format("%Y-%m-%d %H:%M:%S")));
}

fn log_later(setting: &'static str) {
    log(Event::NotYet { setting });
}

/// What reads everything anew.
#[derive(Clone)]
pub(crate) struct Again {
    overrides: Overrides,
    start: AtStart,
}

/// What the loop was told when it began, and will not be told again.
#[derive(Clone)]
struct AtStart {
    /// `None`: the command line says it.
    listen: Option<Vec<Address>>,
    connections: Option<usize>,
    cluster: Option<Node>,
}

impl AtStart {
    fn of(options: &Options, config: &Config) -> Self {
        let listen = options.listen.is_empty().then(|| config.listen.clone());
        Self { listen, connections: config.connections, cluster: config.cluster.clone() }
    }
}

impl Again {
    /// The settings, and which of the rest is other than it was at the start.
    pub(crate) fn read(&self) -> Result<(Settings, Vec<&'static str>), String> {
        let config = self.overrides.read().map_err(|error| error.to_string())?;
        let AtStart { listen, connections, cluster } = &self.start;
        let changed = [
            (listen.as_ref().is_some_and(|before| *before != config.listen), "listen"),
            (*connections != config.connections, "connections"),
            (*cluster != config.cluster, "cluster"),
        ];
        let later = changed.into_iter().filter_map(|(is_other, name)| is_other.then_some(name));
        Ok((config.settings, later.collect()))
    }
}

impl Overrides {
    fn of(options: &Options) -> Self {
        Self {
            config: options.config.clone(),
            name: options.name.clone(),
            data: options.data.clone(),
            password: options.password.clone(),
            operators: options.oper.clone(),
            flood: options.flood,
            cluster: options.cluster.clone(),
        }
    }

    /// The configuration, or the defaults, and what counts more.
    fn read(&self) -> Result<Config, Box<dyn Error>> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        self.cluster.apply(&mut config)?;
        let has_name = config.settings.name != Settings::default().name;
        if let (false, Some(node)) = (has_name, &config.cluster) {
            config.settings.name = cluster::default_name(node);
        }
        self.apply(&mut config.settings)?;
        Ok(config)
    }

    fn apply(&self, settings: &mut Settings) -> Result<(), Box<dyn Error>> {
        if let Some(name) = &self.name {
            // The same that the file has to keep.
            let checked = Config::parse(&format!("[server]\nname = {name:?}"));
            settings.name = checked.map_err(|_| bad_name(name))?.settings.name;
        }
        if let Some(data) = &self.data {
            settings.data = Some(data.clone());
        }
        if let Some(password) = &self.password {
            settings.password = Some(Password::Plain(password.clone()));
        }
        for NamePassword { name, password } in &self.operators {
            settings.operators.retain(|known| known.name != *name);
            let (name, password) = (name.clone(), Password::Plain(password.clone()));
            settings.operators.push(Operator { name, password, host: "*@*".to_owned() });
        }
        if let Some(flood) = self.flood {
            settings.limits.flood_control = flood == Flood::On;
        }
        Ok(())
    }
}

fn bad_name(name: &str) -> String {
    format!("'{name}' is no name for a server: it is a host's, with a dot, such as irc.example")
}

impl FromStr for NamePassword {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                Ok(Self { name: name.to_owned(), password: password.to_owned() })
            }
            _ => Err("expected NAME:PASSWORD"),
        }
    }
}
