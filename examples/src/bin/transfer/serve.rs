//! `transfer serve`: a directory, over FTP and TFTP.

use std::error::Error;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use examples::advice::NotOpened;
use examples::endpoint::{HostPort, how_many, some_seconds};
use examples::service::{self, ServiceOptions, notify};
use examples::tls::{ServeTls, Served};
use examples::{output, stop};
use protocols::password::PasswordHash;
use protocols::transfer::ftp::users::{Anonymous, Permissions, User, Users};
use protocols::transfer::ftp::{self, Settings, TlsSettings};
use protocols::transfer::store::{Access, Replace, Store, VirtualPath};
use protocols::transfer::tftp;
use reactor::{Address, DatagramOptions, ListenOptions, Reactor, Registry};

#[cfg(unix)]
use crate::control;
use crate::user;

/// Where it listens if it is told nothing: for this machine only, and at ports that anybody may have.
const FTP: &str = "127.0.0.1:2121";
const TFTP: &str = "127.0.0.1:6969";

/// Serve a directory over FTP and TFTP, until Ctrl-C
///
/// Without --ftp and --tftp it listens on 127.0.0.1, port 2121 for FTP and port 6969 for TFTP.
/// Everything is for reading only, unless --write is given. Neither protocol hides anything from whoever
/// listens on the way; with --tls, or --tls-self-signed, clients of FTP may ask for TLS (AUTH TLS, PROT P).
///
/// Ctrl-C drains: transfers may end, for three seconds at most. Ctrl-C again stops at once. Then it prints
/// what it has done. SIGHUP reads the file of --users, and the certificate, anew and drops nobody, also when the terminal is
/// closed.
#[derive(Args)]
pub(crate) struct Options {
    /// Listen for FTP; port 0 is any free one
    #[arg(long, value_name = "ADDR")]
    ftp: Vec<HostPort>,

    /// Listen for FTP that begins with TLS (ftps, port 990)
    #[arg(long, value_name = "ADDR")]
    ftps: Vec<HostPort>,

    #[command(flatten)]
    tls: ServeTls,

    /// Take no password and send no file without TLS
    #[arg(long)]
    require_tls: bool,

    /// Take no data connection that does not go on with the TLS session of its control connection
    #[arg(long)]
    require_reuse: bool,

    /// Answer TFTP
    #[arg(long, value_name = "ADDR")]
    tftp: Vec<HostPort>,

    /// The directory that is served; nothing outside of it can be reached
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,

    /// Let users of FTP do what they may, and anybody send new files over TFTP
    ///
    /// Those who log in to FTP as anonymous may do what --anonymous says.
    #[arg(long)]
    write: bool,

    /// Who may log in to FTP: a file that `transfer user` keeps
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// One more who may; everybody on this machine can see the password in the list of processes
    #[arg(long, value_name = "NAME:PASSWORD[:DIR]")]
    user: Vec<Account>,

    /// What those may do who log in to FTP as anonymous: r to read, c to create, m to modify, d to
    /// delete; "none" for not to log in
    #[arg(long, value_name = "LETTERS", default_value = "r")]
    anonymous: AnonymousOption,

    /// Have data connections of FTP come to these ports
    #[arg(long, value_name = "A-B", value_parser = ports)]
    passive_ports: Option<RangeInclusive<u16>>,

    /// Tell clients to come to this address for data, if it is another than they see (behind a NAT)
    #[arg(long, value_name = "IP")]
    passive_address: Option<Ipv4Addr>,

    /// Keep what there is of an upload that ends early, so that it can be gone on with (FTP), also if
    /// this server was killed in the middle of it
    #[arg(long)]
    keep: bool,

    /// Let files that are sent over TFTP replace those that are there
    #[arg(long, requires = "write")]
    replace: bool,

    /// Call an upload whole only when it is on the disk itself
    #[arg(long)]
    durable: bool,

    /// Refuse more than N sessions of FTP at one time, and as many transfers of TFTP
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = how_many::<u32>)]
    max_sessions: u32,

    /// Of these, let one address have no more than N (of IPv6, one /64)
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = how_many::<u32>)]
    max_per_address: u32,

    /// Let one user have no more than N sessions of FTP; each address is a user of its own where nobody
    /// logs in
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = how_many::<u32>)]
    max_per_user: u32,

    /// Refuse files over TFTP that are longer than so many bytes
    #[arg(long, value_name = "BYTES", requires = "write", default_value_t = 1 << 30)]
    tftp_max_file: u64,

    /// Send up to N blocks over TFTP before an acknowledgement is waited for, to clients that ask for so
    /// many; some firmware asks for more than it can take
    #[arg(long, value_name = "N", default_value_t = tftp::Limits::default().bounds.window,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(i16::MAX)))]
    tftp_window: u16,

    /// Let all transfers of FTP together take no more than so many bytes a second
    #[arg(long, value_name = "BYTES", value_parser = how_many::<u64>)]
    rate: Option<u64>,

    /// Close FTP sessions in which nothing has been said for so long; a login may take a minute
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "300")]
    idle: Duration,

    /// Let `transfer control` and `transfer user --control` reach it while it runs, over a Unix socket that
    /// only you can open
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,

    /// Print a line for everything that happens over FTP; transfers as xferlog has them
    #[arg(long)]
    log: bool,

    #[command(flatten)]
    service: ServiceOptions,
}

/// How old an upload has to be that nobody is writing any more.
const LEFT_OVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Both servers: the application of the loop.
pub(crate) struct Servers {
    ftp: ftp::Server,
    tftp: tftp::Server,
}

impl Servers {
    /// Takes other users; how many have a name.
    #[cfg(unix)]
    pub(crate) fn set_users(&mut self, users: Users) -> usize {
        let count = users.iter().count();
        self.ftp.set_users(users);
        count
    }

    #[cfg(unix)]
    pub(crate) fn user_names(&self) -> Vec<String> {
        self.ftp.users().iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// Who is logged in to FTP, once a session.
    #[cfg(unix)]
    pub(crate) fn logged_in(&self) -> Vec<String> {
        self.ftp.logged_in().map(str::to_owned).collect()
    }

    /// Ends the sessions of a user; how many there were.
    #[cfg(unix)]
    pub(crate) fn kick(&self, registry: &mut Registry<Self>, user: &str) -> usize {
        self.ftp.kick(registry, user)
    }

    pub(crate) fn statistics(&self) -> String {
        format!("ftp: {}\ntftp: {}", self.ftp.counters(), self.tftp.counters())
    }
}

impl AsMut<ftp::Server> for Servers {
    fn as_mut(&mut self) -> &mut ftp::Server {
        &mut self.ftp
    }
}

impl AsMut<tftp::Server> for Servers {
    fn as_mut(&mut self) -> &mut tftp::Server {
        &mut self.tftp
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let store = store(options)?;
    let mut reactor = Reactor::<Servers>::new()?;
    let service = service::begin(reactor.registry())?;
    let everybody = Everybody::of(options, &store)?;
    let tls = load_tls(options)?;
    let mut servers = servers(options, everybody.read()?, store.clone(), tls.as_ref());
    #[cfg(unix)]
    if let Some(path) = &options.control {
        let methods = control::service(everybody.clone());
        examples::control::listen(reactor.registry(), path, methods)
            .map_err(NotOpened::by("--control"))?;
    }
    #[cfg(unix)]
    on_hangup(reactor.registry(), everybody, tls.clone())?;
    let mut listening = open(reactor.registry(), options)?;
    listening.extend(tls.as_ref().map(Served::to_string));
    stop::on_request(reactor.registry())?;
    service.serve(reactor.registry(), &options.service)?;
    output::announce(&listening);
    // As the user that it has become.
    if options.write {
        sweep(reactor.registry(), store);
    }
    let report = reactor.run(&mut servers)?;
    output::say(report)?;
    output::say(servers.statistics())?;
    Ok(())
}

fn load_tls(options: &Options) -> Result<Option<Served>, Box<dyn Error>> {
    let tls = options.tls.load()?;
    let is_needed = options.require_tls || options.require_reuse || !options.ftps.is_empty();
    if tls.is_none() && is_needed {
        return Err("TLS wants a certificate: --tls or --tls-self-signed".into());
    }
    Ok(tls)
}

fn store(options: &Options) -> Result<Store, Box<dyn Error>> {
    let access = if options.write { Access::ReadWrite } else { Access::ReadOnly };
    let store = Store::open(&options.root, access)
        .map_err(|error| format!("{}: {error}", options.root.display()))?;
    Ok(store.durable(options.durable))
}

fn servers(options: &Options, users: Users, store: Store, tls: Option<&Served>) -> Servers {
    let mut ftp = ftp::Server::new(settings(options, tls), users, store.clone());
    if options.log {
        ftp.set_log(|event| {
            // If nobody reads it any more, it is for nobody.
            let _ = output::say(event);
        });
    }
    let limits = tftp::Limits {
        transfers: options.max_sessions as usize,
        transfers_per_source: options.max_per_address as usize,
        file: options.tftp_max_file,
        bounds: tftp_bounds(options.tftp_window),
        ..tftp::Limits::default()
    };
    let replace = if options.replace { Replace::Yes } else { Replace::No };
    Servers { ftp, tftp: tftp::Server::new(store, limits).replacing(replace) }
}

/// Windows of so many blocks, if these are no longer than what an Ethernet frame has room for.
fn tftp_bounds(window: u16) -> tftp::Bounds {
    const FRAME: u32 = 1_468;
    let defaults = tftp::Limits::default().bounds;
    let window_bytes = defaults.window_bytes.max(u32::from(window) * FRAME);
    tftp::Bounds { window, window_bytes, ..defaults }
}

fn settings(options: &Options, tls: Option<&Served>) -> Settings {
    let defaults = Settings::default();
    let tls = tls.map(|tls| TlsSettings {
        required: options.require_tls,
        bound: options.require_reuse,
        ..TlsSettings::new(tls.tls())
    });
    Settings {
        tls,
        passive_ports: options.passive_ports.clone(),
        passive_address: options.passive_address,
        keep_uploads: options.keep,
        limits: ftp::Limits {
            sessions: options.max_sessions,
            sessions_per_address: options.max_per_address,
            sessions_per_user: options.max_per_user,
            total_rate: options.rate,
            idle_timeout: options.idle,
            ..defaults.limits
        },
        ..defaults
    }
}

/// Everybody who may log in: those of the command line, whose passwords are hashed like all others, and
/// those of the file, which may change.
#[derive(Clone)]
pub(crate) struct Everybody {
    file: Option<PathBuf>,
    given: Vec<(String, User)>,
    anonymous: Option<Anonymous>,
}

impl Everybody {
    fn of(options: &Options, store: &Store) -> Result<Self, Box<dyn Error>> {
        let hashed = |account: &Account| {
            let Account { name, home, .. } = account;
            // Nobody can log in without: it is better known now.
            store.beneath(home).map_err(|error| format!("--user {name}: {home}: {error}"))?;
            let password = PasswordHash::of(&account.password)?;
            let user = User::new(password, account.home.clone(), Permissions::ALL);
            Ok::<_, Box<dyn Error>>((account.name.clone(), user))
        };
        let given = options.user.iter().map(hashed).collect::<Result<_, _>>()?;
        let (file, anonymous) = (options.users.clone(), options.anonymous.0.clone());
        Ok(Self { file, given, anonymous })
    }

    pub(crate) fn read(&self) -> Result<Users, Box<dyn Error>> {
        let mut users = match &self.file {
            Some(file) => user::read(file)?,
            None => Users::anonymous_only(),
        };
        for (name, user) in &self.given {
            users.insert(name, user.clone())?;
        }
        users.set_anonymous(self.anonymous.clone());
        Ok(users)
    }
}

/// Reads the users anew. A file that makes no sense leaves those who were there.
#[cfg(unix)]
fn on_hangup(
    registry: &mut Registry<Servers>,
    everybody: Everybody,
    tls: Option<Served>,
) -> std::io::Result<()> {
    registry.on_signal(reactor::Signal::Hangup, move |registry, _| {
        tls.iter().for_each(|tls| tls.reload(registry));
        if everybody.file.is_none() {
            if tls.is_some() {
                return;
            }
            return tell("there is no file of --users to read anew (SIGHUP)");
        }
        notify::reloading();
        let everybody = everybody.clone();
        let offloaded = registry.offload(
            move || everybody.read().map_err(|error| error.to_string()),
            |_, servers: &mut Servers, result| {
                match result {
                    Ok(Ok(users)) => {
                        let count = servers.set_users(users);
                        tell(format_args!("read the users anew (SIGHUP): {count} with a name"));
                    }
                    Ok(Err(why)) => tell(format_args!("the users stay as they were: {why}")),
                    Err(error) => tell(format_args!("the users stay as they were: {error}")),
                }
                notify::ready();
            },
        );
        if offloaded.is_err() {
            tell("the users stay as they were: there is too much other work");
            notify::ready();
        }
    })
}

#[cfg(unix)]
fn tell(what: impl std::fmt::Display) {
    output::complain(format_args!("transfer: {what}"));
}

/// Removes what a power failure has left of uploads, in the background. One that is under way is never
/// that old: connections that stand still for minutes are closed.
fn sweep(registry: &mut Registry<Servers>, store: Store) {
    let before = registry.wall_clock().checked_sub(LEFT_OVER).unwrap_or(UNIX_EPOCH);
    // Nothing else has been asked of the pool yet; and what stays is in nobody's way.
    let _ = registry.offload(
        move || store.sweep(before),
        |_, _, swept| {
            if let Ok(Ok(count @ 1..)) = swept {
                let _ = output::say(format_args!(
                    "uploads that were cut off and are removed now: {count}"
                ));
            }
        },
    );
}

/// Opens every socket, or none; what to print of them.
fn open(
    registry: &mut Registry<Servers>,
    options: &Options,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for address in addresses(&options.ftp, FTP, options)? {
        let id = ftp::listen(registry, address, &ListenOptions::default())
            .map_err(NotOpened::by("--ftp"))?;
        lines.push(format!("ftp listening on {}", registry.listener_address(id)?));
    }
    for place in &options.ftps {
        let id = ftp::listen_implicit(registry, place.first()?, &ListenOptions::default())
            .map_err(NotOpened::by("--ftps"))?;
        lines.push(format!("ftps listening on {}", registry.listener_address(id)?));
    }
    for address in addresses(&options.tftp, TFTP, options)? {
        // Where it is asked at any address, it has to answer from that one.
        let metadata = address.ip().is_some_and(|ip| ip.is_unspecified());
        let datagrams = DatagramOptions { metadata, ..DatagramOptions::default() };
        let id = tftp::bind(registry, address, &datagrams).map_err(NotOpened::by("--tftp"))?;
        lines.push(format!("tftp listening on {}", registry.socket_address(id)?));
    }
    let may = if options.write { "for reading and writing" } else { "for reading only" };
    // As it is called from anywhere: the default is wherever one happens to stand.
    let root = options.root.canonicalize().unwrap_or_else(|_| options.root.clone());
    lines.push(format!("serving {}, {may}", root.display()));
    Ok(lines)
}

/// The addresses that were given, or the default if none was given of either kind.
fn addresses(
    given: &[HostPort],
    default: &str,
    options: &Options,
) -> Result<Vec<Address>, Box<dyn Error>> {
    if options.ftp.is_empty() && options.ftps.is_empty() && options.tftp.is_empty() {
        return Ok(vec![default.parse()?]);
    }
    Ok(given.iter().map(HostPort::first).collect::<Result<_, _>>()?)
}

/// `NAME:PASSWORD[:DIR]`.
#[derive(Clone)]
struct Account {
    name: String,
    password: String,
    home: VirtualPath,
}

impl std::str::FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(password)) = (parts.next(), parts.next()) else {
            return Err("expected NAME:PASSWORD or NAME:PASSWORD:DIR".to_owned());
        };
        let home = VirtualPath::root().join(parts.next().unwrap_or("/").as_bytes());
        let home = home.map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), password: password.to_owned(), home })
    }
}

/// What anybody without a name may do, if they are let in.
#[derive(Clone)]
struct AnonymousOption(Option<Anonymous>);

impl std::str::FromStr for AnonymousOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let permissions = text.parse().map_err(|error| format!("{error}, or none"))?;
        Ok(Self(Some(Anonymous { permissions, ..Anonymous::default() })))
    }
}

/// `A-B`.
fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || "expected two ports, such as 50000-50100".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u16, u16) =
        (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if first == 0 || first > last { Err(wrong()) } else { Ok(first..=last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_what_their_help_says() {
        assert_eq!(ports("50000-50100"), Ok(50_000..=50_100));
        for text in ["", "1", "2-1", "0-9", "1-99999"] {
            assert!(ports(text).is_err(), "{text}");
        }
        let account: Account = "ann:secret:/home/ann".parse().expect("an account");
        assert_eq!((&*account.name, &*account.password), ("ann", "secret"));
        assert_eq!(account.home.to_string(), "/home/ann");
        assert!("ann".parse::<Account>().is_err());
        assert!("none".parse::<AnonymousOption>().is_ok_and(|it| it.0.is_none()));
        assert!("rx".parse::<AnonymousOption>().is_err());
    }
}
