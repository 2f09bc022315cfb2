//! The playground: every protocol of this project, served by one process on one thread.
//!
//! ```console
//! $ cargo run --release
//! ```
//!
//! It prints where it listens, and what to type into another terminal to try it. Ctrl-C drains, and
//! prints what happened.

#![forbid(unsafe_code)]

use std::env::{self, consts::EXE_SUFFIX};
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use examples::advice::NotOpened;
use examples::calls::{self, Topics};
use examples::endpoint::HostPort;
use examples::torrents::{self, Giving};
use examples::{output, page, service, stop};
use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Settings};
use protocols::echo;
use protocols::http::server::{self as web, Files, Router, Site};
use protocols::rpc::{self, Service};
use protocols::torrent::InfoHash;
use protocols::torrent::peer::{Host, Swarm, Swarms};
use protocols::torrent::tracker::{self, Tracker};
use protocols::transfer::ftp::{self, users::Users};
use protocols::transfer::store::{Access, Store};
use protocols::transfer::tftp;
use reactor::{
    Address, DatagramOptions, ListenOptions, ListenerId, LoopGroup, OpenError, Reactor, Registry,
    SocketId,
};

/// The folder with the files to fetch, in the temporary directory.
const FILES: &str = "files";
/// The channel that is there before anybody is.
const LOBBY: &str = page::LOBBY;

/// Echo, chat, calls and files, also as a page for browsers and as a torrent, in one process and one thread, on loopback
///
/// It prints where it listens and what to type into another terminal to try it. Ctrl-C drains and
/// prints what happened; Ctrl-C again stops at once. It ends with its terminal (SIGHUP).
#[derive(Parser)]
#[command(name = "playground", version)]
struct Options {
    /// Where to serve echo over TCP [default: 127.0.0.1:7007, or any free port]
    #[arg(long, value_name = "ADDR")]
    tcp: Option<HostPort>,

    /// Where to serve echo over UDP [default: 127.0.0.1:7007, or any free port]
    #[arg(long, value_name = "ADDR")]
    udp: Option<HostPort>,

    /// Where to serve echo over a Unix socket [default: a path in a new temporary directory]
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// Where to serve chat, with a #lobby [default: 127.0.0.1:6667, or any free port]
    #[arg(long, value_name = "ADDR")]
    chat: Option<HostPort>,

    /// Where to serve files over FTP [default: 127.0.0.1:2121, or any free port]
    #[arg(long, value_name = "ADDR")]
    ftp: Option<HostPort>,

    /// Where to serve files over TFTP [default: 127.0.0.1:6969, or any free port]
    #[arg(long, value_name = "ADDR")]
    tftp: Option<HostPort>,

    /// Where to be called by JSON-RPC, a line a call [default: 127.0.0.1:7008, or any free port]
    #[arg(long, value_name = "ADDR")]
    calls: Option<HostPort>,

    /// Where to serve a page for browsers: chat and files [default: 127.0.0.1:8080, or any free port]
    #[arg(long, value_name = "ADDR")]
    web: Option<HostPort>,

    /// Where to give the files to peers, as a torrent: an address that they reach [default: 127.0.0.1:6881, or any free port]
    #[arg(long, value_name = "ADDR")]
    seed: Option<HostPort>,

    /// Where those peers ask for each other, over HTTP: an address that they reach [default: 127.0.0.1:6969, or any free port]
    #[arg(long, value_name = "ADDR")]
    tracker: Option<HostPort>,
}

/// The state of every server here: the application of the loop.
struct Playground {
    echo: echo::Server,
    chat: chat::Server,
    ftp: ftp::Server,
    tftp: tftp::Server,
    topics: Topics<Playground>,
    giving: Giving,
}

impl Playground {
    /// What its servers have done, a line each.
    fn counters(&self) -> String {
        let Self { echo, chat, ftp, tftp, .. } = self;
        let (echo, chat) = (echo.counters(), chat.counters());
        let (ftp, tftp) = (ftp.counters(), tftp.counters());
        format!("echo: {echo}\nchat: {chat}\nftp: {ftp}\ntftp: {tftp}")
    }
}

impl AsMut<Topics<Self>> for Playground {
    fn as_mut(&mut self) -> &mut Topics<Self> {
        &mut self.topics
    }
}

impl AsMut<echo::Server> for Playground {
    fn as_mut(&mut self) -> &mut echo::Server {
        &mut self.echo
    }
}

impl AsMut<chat::Server> for Playground {
    fn as_mut(&mut self) -> &mut chat::Server {
        &mut self.chat
    }
}

impl AsMut<ftp::Server> for Playground {
    fn as_mut(&mut self) -> &mut ftp::Server {
        &mut self.ftp
    }
}

impl AsMut<tftp::Server> for Playground {
    fn as_mut(&mut self) -> &mut tftp::Server {
        &mut self.tftp
    }
}

impl AsMut<Tracker> for Playground {
    fn as_mut(&mut self) -> &mut Tracker {
        &mut self.giving.tracker
    }
}

impl Host for Playground {
    fn swarms(&mut self) -> &mut Swarms {
        &mut self.giving.swarms
    }
}

fn main() -> ExitCode {
    output::exit("playground", run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // It keeps the default socket, and is removed at the end.
    let directory = tempfile::Builder::new().prefix("playground-").tempdir()?;
    let mut reactor = Reactor::<Playground>::new()?;
    stop::on_request(reactor.registry())?;
    service::tell_on_request(reactor.registry())?;
    output::never_wait();

    let mut opener = Opener { registry: reactor.registry(), lines: Vec::new() };
    opener.tcp("echo", options.tcp.as_ref(), "127.0.0.1:7007", echo::listen)?;
    opener.udp("echo", options.udp.as_ref(), "127.0.0.1:7007", echo::bind)?;
    let path = options.unix.clone().unwrap_or_else(|| directory.path().join("echo.sock"));
    opener.unix("echo", path, echo::listen)?;
    let settings = page::lobby("Playground", "Everybody in the playground comes by here");
    opener.chat(options.chat.as_ref(), &settings)?;
    opener.files(options)?;
    let store = files(directory.path())?;
    let service = Rc::new(service(&store));
    opener.calls(options.calls.as_ref(), &service)?;
    opener.web(options.web.as_ref(), store.clone(), &service)?;
    calls::tick(opener.registry)?;
    let mut giving = Giving::new(opener.registry);
    let hash = opener.seed(options, &mut giving, &directory.path().join(FILES))?;
    opener.announce();

    // What people register here is forgotten when it ends: it is a playground.
    let accounts = Accounts::in_memory(AccountLimits::default());
    let mut playground = Playground {
        echo: echo::Server::default(),
        chat: chat::Server::new(settings, accounts),
        ftp: ftp::Server::new(ftp::Settings::default(), Users::anonymous_only(), store.clone()),
        tftp: tftp::Server::new(store, tftp::Limits::default()),
        topics: Topics::new(LoopGroup::from(reactor.handle())),
        giving,
    };
    let report = reactor.run(&mut playground)?;
    output::say(format_args!("\n{report}\n{}", playground.counters()))?;
    let called = service.counters();
    output::say(format_args!("calls: {}, {} with an error", called.calls, called.failed))?;
    let torrent = playground.giving.swarms.get(&hash).and_then(Swarm::torrent);
    let given = torrent.map_or(0, |torrent| torrent.traffic().uploaded);
    output::say(format_args!("seed: {given} bytes to peers\n"))?;
    output::say(reactor.stats())?;
    Ok(())
}

/// A few files to fetch.
fn files(directory: &Path) -> Result<Store, Box<dyn Error>> {
    let root = directory.join(FILES);
    std::fs::create_dir_all(root.join("numbers"))?;
    std::fs::write(root.join("README"), "Fetch what you like. Nothing can be changed here.\n")?;
    let primes = (2_u32..10_000).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d > 0));
    let primes: String = primes.map(|prime| format!("{prime}\n")).collect();
    std::fs::write(root.join("numbers/primes"), primes)?;
    std::fs::write(root.join("numbers/zeros"), vec![0; 10_000_000])?;
    Ok(Store::open(root, Access::ReadOnly)?)
}

/// What can be called: the methods that `rpc serve` has, and two about the playground itself.
fn service(store: &Store) -> Service<Playground> {
    let mut service = Service::new("playground", env!("CARGO_PKG_VERSION"));
    calls::register(&mut service, Some(store));
    calls::add_statistics(&mut service, |registry, playground: &Playground| {
        format!("{}\n{}", playground.counters(), registry.stats())
    });
    service
}

/// How a protocol listens for streams: `echo::listen`, and its siblings.
type Listen =
    fn(&mut Registry<Playground>, Address, &ListenOptions) -> Result<ListenerId, OpenError>;
/// How a protocol binds a datagram socket: `echo::bind`, and its siblings.
type Bind = fn(&mut Registry<Playground>, Address, &DatagramOptions) -> Result<SocketId, OpenError>;

/// Opens sockets, and notes what to print of them.
struct Opener<'a> {
    registry: &'a mut Registry<Playground>,
    lines: Vec<String>,
}

impl Opener<'_> {
    fn tcp(
        &mut self,
        name: &str,
        wanted: Option<&HostPort>,
        default: &str,
        listen: Listen,
    ) -> Result<(), Box<dyn Error>> {
        let options = ListenOptions::default();
        let id =
            choose(wanted, default, "--tcp", |address| listen(self.registry, address, &options))?;
        let address = self.registry.listener_address(id)?;
        self.note(name, "tcp", &address.to_string(), &format!("nc {}", in_words(&address)));
        Ok(())
    }

    fn udp(
        &mut self,
        name: &str,
        wanted: Option<&HostPort>,
        default: &str,
        bind: Bind,
    ) -> Result<(), Box<dyn Error>> {
        let options = DatagramOptions::default();
        let id =
            choose(wanted, default, "--udp", |address| bind(self.registry, address, &options))?;
        let address = self.registry.socket_address(id)?;
        self.note(name, "udp", &address.to_string(), &format!("nc -u {}", in_words(&address)));
        Ok(())
    }

    fn unix(&mut self, name: &str, path: PathBuf, listen: Listen) -> Result<(), NotOpened> {
        let shown = path.display().to_string();
        listen(self.registry, path.into(), &ListenOptions::default())
            .map_err(NotOpened::by("--unix"))?;
        self.note(name, "unix", &shown, &format!("socat - UNIX-CONNECT:{shown}"));
        Ok(())
    }

    fn chat(
        &mut self,
        wanted: Option<&HostPort>,
        settings: &Settings,
    ) -> Result<(), Box<dyn Error>> {
        let limits = settings.limits.stream_limits();
        let options = ListenOptions { limits, ..ListenOptions::default() };
        let id = choose(wanted, "127.0.0.1:6667", "--chat", |address| {
            chat::listen(self.registry, address, &options)
        })?;
        let address = self.registry.listener_address(id)?.to_string();
        let chat = program("chat");
        let command = format!("{chat} connect {address} --nick NAME --channel '{LOBBY}'");
        self.note("chat", "tcp", &address, &command);
        Ok(())
    }

    fn calls(
        &mut self,
        wanted: Option<&HostPort>,
        service: &Rc<Service<Playground>>,
    ) -> Result<(), Box<dyn Error>> {
        let options = rpc::ServerOptions::default();
        let id = choose(wanted, "127.0.0.1:7008", "--calls", |address| {
            rpc::listen(self.registry, address, &options, Rc::clone(service))
        })?;
        let address = self.registry.listener_address(id)?.to_string();
        let command = format!("{} call tcp://{address} sum 1 2", program("rpc"));
        self.note("calls", "tcp", &address, &command);
        Ok(())
    }

    /// The page, the files that FTP and TFTP have, and calls by HTTP and by WebSocket.
    fn web(
        &mut self,
        wanted: Option<&HostPort>,
        store: Store,
        service: &Rc<Service<Playground>>,
    ) -> Result<(), Box<dyn Error>> {
        let (files, mut router) = (Files::new(store), Router::new());
        let called = rpc::Web::new(Rc::clone(service));
        router.route("", "/rpc", move |request, exchange, app| {
            called.answer(request, exchange, app);
        });
        page::add(&mut router, "/", "files/");
        router.route("", "/files/{*}", move |request, exchange, _| {
            files.serve(request.rest(), request, exchange);
        });
        let (site, options) = (Rc::new(Site::new(router.into_handler())), ListenOptions::default());
        let id = choose(wanted, "127.0.0.1:8080", "--web", |address| {
            web::listen(self.registry, address, &options, &site)
        })?;
        let address = self.registry.listener_address(id)?.to_string();
        self.note("web", "tcp", &address, &format!("a browser: http://{address}/"));
        let command = format!("{} describe http://{address}/rpc", program("rpc"));
        self.note("calls", "http", &format!("{address}/rpc"), &command);
        Ok(())
    }

    fn files(&mut self, options: &Options) -> Result<(), Box<dyn Error>> {
        let streams = ListenOptions::default();
        let id = choose(options.ftp.as_ref(), "127.0.0.1:2121", "--ftp", |address| {
            ftp::listen(self.registry, address, &streams)
        })?;
        let address = self.registry.listener_address(id)?.to_string();
        self.note("ftp", "tcp", &address, &format!("curl ftp://{address}/numbers/primes"));
        let datagrams = DatagramOptions::default();
        let id = choose(options.tftp.as_ref(), "127.0.0.1:6969", "--tftp", |address| {
            tftp::bind(self.registry, address, &datagrams)
        })?;
        let address = self.registry.socket_address(id)?.to_string();
        self.note("tftp", "udp", &address, &format!("curl tftp://{address}/README"));
        Ok(())
    }

    /// The same files to peers, who need only the link.
    fn seed(
        &mut self,
        wanted: &Options,
        giving: &mut Giving,
        files: &Path,
    ) -> Result<InfoHash, Box<dyn Error>> {
        let options = ListenOptions::default();
        for wanted in wanted.seed.iter().chain(&wanted.tracker) {
            torrents::named(wanted.first()?)?;
        }
        let id = choose(wanted.seed.as_ref(), "127.0.0.1:6881", "--seed", |address| {
            giving.swarms.listen(self.registry, address, &options)
        })?;
        let listens = self.registry.listener_address(id)?;
        let id = choose(wanted.tracker.as_ref(), "127.0.0.1:6969", "--tracker", |address| {
            tracker::listen_http(self.registry, address, &options)
        })?;
        let tracks = self.registry.listener_address(id)?;
        let link = giving.seed(self.registry, files, &listens, &tracks)?;
        let torrent = program("torrent");
        let command = format!("{torrent} get '{link}' --output DIR --once");
        self.note("seed", "tcp", &listens.to_string(), &command);
        let command = format!("{torrent} show '{link}' --ask");
        self.note("seed", "http", &tracks.to_string(), &command);
        Ok(link.hash)
    }

    fn note(&mut self, name: &str, kind: &str, address: &str, command: &str) {
        self.lines.push(format!("  {name:<6} {kind:<5} {address:<36} {command}"));
    }

    fn announce(&self) {
        let what = "One process, one thread. Try a line in another terminal; Ctrl-C stops.\n";
        output::announce(&[&[what.to_owned()], &*self.lines, &[String::new()]].concat());
    }
}

/// Opens what is wanted; or else the default, or if that is taken, any free port beside it.
fn choose<Id>(
    wanted: Option<&HostPort>,
    default: &str,
    option: &'static str,
    mut open: impl FnMut(Address) -> Result<Id, OpenError>,
) -> Result<Id, Box<dyn Error>> {
    if let Some(wanted) = wanted {
        return Ok(open(wanted.first()?).map_err(NotOpened::by(option))?);
    }
    let default: SocketAddr = default.parse()?;
    match open(default.into()) {
        Err(OpenError::AddressInUse(taken)) => {
            output::announce(&[format!("{taken} is taken, so this is another port:")]);
            let free = SocketAddr::from((default.ip(), 0));
            Ok(open(free.into()).map_err(NotOpened::by(option))?)
        }
        result => Ok(result.map_err(NotOpened::by(option))?),
    }
}

/// How to start another program beside this one; if it is not there, how to build it as this one was built, and
/// nothing else.
fn program(name: &str) -> String {
    let beside = env::current_exe().map(|own| own.with_file_name(format!("{name}{EXE_SUFFIX}")));
    let Ok(program) = beside.and_then(|program| program.canonicalize()) else {
        let release = if cfg!(debug_assertions) { "" } else { "--release " };
        return format!("cargo run {release}--bin {name} --");
    };
    let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    match program.strip_prefix(&here) {
        Ok(short) if short.components().count() > 1 => short.display().to_string(),
        _ => program.display().to_string(),
    }
}

/// As netcat wants it: `127.0.0.1 7007`.
fn in_words(address: &Address) -> String {
    match address.socket_addr() {
        Some(address) => format!("{} {}", address.ip(), address.port()),
        None => address.to_string(),
    }
}
