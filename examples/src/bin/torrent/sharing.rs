//! What `seed` and `get` have in common: one torrent, its files, its peers.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use examples::advice::NotOpened;
use examples::endpoint::HostPort;
use examples::{output, service, torrents};
use protocols::store::Access;
use protocols::torrent::InfoHash;
use protocols::torrent::dht::{self, DhtOptions};
use protocols::torrent::disk::{Allocation, Disk, DiskError, DiskOptions};
use protocols::torrent::machine::{Bitfield, Traffic};
use protocols::torrent::peer::{self, Event, Host, Limits, Shared, Swarm, Swarms};
use protocols::torrent::tracker::{AnnounceOptions, Announcer, TrackerEvent};
use protocols::torrent::wire::announce::Progress as TrackerProgress;
use protocols::torrent::wire::mse::Encryption;
use protocols::torrent::wire::{DhtTable, Info, Magnet, Metainfo};
use reactor::{Address, ConnectOptions, ListenOptions, Reactor, Registry, Signal};

use crate::progress::Progress;
use crate::{ask, choice, file, nodes};

/// How long the end may take: what peers are owed is on its way by then.
const GRACE: Duration = Duration::from_secs(1);
/// How often it is written down which pieces are there.
const REMEMBER: Duration = Duration::from_secs(30);

/// How peers are met.
#[derive(Args)]
pub(crate) struct Peers {
    /// Let peers connect here; port 0 is any free one. Connections to peers are made from this address, too. It may be said
    /// twice: an address of IPv4 and one of IPv6. Trackers and web servers are asked from the first
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: Vec<HostPort>,

    /// A peer to connect to
    #[arg(long, value_name = "ADDR")]
    peer: Vec<HostPort>,

    /// Look for peers on the network of --listen, and tell of this one there (BEP 14); not if the torrent is private. It
    /// opens UDP port 6771; on Linux only what is sent to that network's group is heard there
    #[arg(long)]
    lan: bool,

    /// Take part in the DHT, on UDP at the address of --listen (BEP 5); not for a private torrent. Nobody is known but those
    /// that --dht-node or a peer names, and those they know
    #[arg(long)]
    dht: bool,

    /// A node of the DHT that is asked first; --dht is implied
    #[arg(long, value_name = "ADDR")]
    dht_node: Vec<HostPort>,

    /// Ask the DHT only, and take no questions (BEP 43)
    #[arg(long)]
    dht_read_only: bool,

    /// Keep in this file whom the DHT's node knows, so that the next start needs no --dht-node; --dht is implied. It may be
    /// Transmission's dht.dat
    #[arg(long, value_name = "FILE")]
    dht_file: Option<PathBuf>,

    /// Let trackers and web servers that the torrent names be on this machine and its network, whatever they are called
    /// there. Else a name may not lead there, and an address only to a tracker or a file: a torrent is a stranger's
    #[arg(long)]
    allow_inside: bool,

    /// When connections to peers are encrypted (MSE): off; allow, where the peer wants it; prefer, where it can; require,
    /// and others are not met
    #[arg(long, value_name = "WHEN", default_value = "allow")]
    encryption: When,

    /// Peers at a time. One more is let in if another has been of no use for a minute, which goes for it
    #[arg(long, value_name = "N", default_value_t = Limits::default().peers)]
    max_peers: usize,

    /// Tell how it goes as JSON, an object a line
    #[arg(long)]
    json: bool,
}

/// As others call it: `off` is `disabled`, `allow` is `tolerated`, `require` is `forced`.
#[derive(Clone, Copy, ValueEnum)]
enum When {
    #[value(alias = "disabled")]
    Off,
    #[value(alias = "tolerated")]
    Allow,
    #[value(alias = "preferred")]
    Prefer,
    #[value(alias = "required", alias = "forced")]
    Require,
}

/// What is known of a torrent at first.
pub(crate) struct Known {
    hash: InfoHash,
    /// All of it; a link says no more than the rest.
    info: Option<Info>,
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    /// Peers that a link names.
    peers: Vec<HostPort>,
}

/// What a torrent is shared for.
pub(crate) enum Purpose {
    /// To give what is there.
    Give,
    /// To get what is not.
    Get {
        /// Patterns of the files that are wanted; none: all are.
        select: Vec<String>,
        /// Whether to end when everything is there.
        once: bool,
        /// When room is taken on the disk.
        allocation: Allocation,
    },
}

/// The program while its loop runs.
pub(crate) struct Sharing {
    swarms: Swarms,
    hash: InfoHash,
    folder: PathBuf,
    purpose: Purpose,
    progress: Progress,
    disk: Option<Disk>,
    /// What is looked at, on a thread, to know what is there.
    checked: Arc<Checked>,
    trackers: Option<Announcer<Self>>,
    nodes: nodes::Kept,
    /// Whom to ask when it is known what is missing: a seed is not to be taken for one that wants everything.
    tiers: Vec<Vec<String>>,
    /// Why pieces cannot be kept, if that was said; nothing, since one was.
    trouble: Option<Discriminant<DiskError>>,
    phase: Phase,
    outcome: Outcome,
}

/// Bytes that were looked at so far, of how many that are to be: none is of a piece that is known to be there, or not to be.
#[derive(Debug, Default)]
struct Checked {
    so_far: AtomicU64,
    of: AtomicU64,
}

enum Phase {
    Sharing,
    /// It was told to end.
    Ending,
}

/// What has come of it.
enum Outcome {
    Incomplete,
    Complete,
    Failed(Box<dyn Error>),
}

/// What was found in the folder.
type Found = Result<(Disk, Bitfield, Bitfield), Box<dyn Error + Send + Sync>>;

impl From<When> for Encryption {
    fn from(when: When) -> Self {
        match when {
            When::Off => Self::Off,
            When::Allow => Self::Allow,
            When::Prefer => Self::Prefer,
            When::Require => Self::Require,
        }
    }
}

impl Known {
    /// Reads a `.torrent` file, or a magnet link.
    pub(crate) fn read(text: &str) -> Result<Self, Box<dyn Error>> {
        match file::is_link(text) {
            true => Ok(text.parse::<Magnet>()?.into()),
            false => Ok(file::read(Path::new(text))?.into()),
        }
    }
}

impl From<Metainfo> for Known {
    fn from(Metainfo { info, trackers, web_seeds, .. }: Metainfo) -> Self {
        Self { hash: info.hash(), info: Some(info), trackers, web_seeds, peers: Vec::new() }
    }
}

impl From<Magnet> for Known {
    /// Its trackers stand for themselves. A peer that is nowhere is told of, and does not keep the others out.
    fn from(Magnet { hash, trackers, web_seeds, peers, .. }: Magnet) -> Self {
        let place = |at: &String| at.parse().inspect_err(|why| say_nowhere(at, why)).ok();
        let peers = peers.iter().filter_map(place).collect();
        let trackers = trackers.into_iter().map(|url| vec![url]).collect();
        Self { hash, info: None, trackers, web_seeds, peers }
    }
}

fn say_nowhere(peer: &str, why: &dyn fmt::Display) {
    let peer = file::printable(peer);
    output::complain(format_args!("torrent: the link names {peer} as a peer: {why}"));
}

/// Shares a torrent until it is over.
pub(crate) fn run(
    known: Known,
    folder: &Path,
    purpose: Purpose,
    peers: &Peers,
) -> Result<(), Box<dyn Error>> {
    output::never_wait();
    let mut reactor = Reactor::new()?;
    let registry = reactor.registry();
    let listen = listen_at(&peers.listen)?;
    let from: Vec<IpAddr> = listen.iter().filter_map(Address::ip).collect();
    let encryption = peers.encryption.into();
    // Who gives only needs no server that gives.
    let web_seeds = match purpose {
        Purpose::Give => Vec::new(),
        Purpose::Get { .. } => known.web_seeds,
    };
    let reach = ask::reach(peers.allow_inside);
    let limits = Limits { peers: peers.max_peers, ..Limits::default() };
    let mut options = peer::Options { from, encryption, reach, limits, ..peer::Options::default() };
    options.secure = ask::secure(&web_seeds, options.first_from());
    let mut swarms = Swarms::new(torrents::peer_id(registry), options);
    let mut addresses = Vec::new();
    for at in listen {
        let listener = swarms
            .listen(registry, at, &ListenOptions::default())
            .map_err(NotOpened::by("--listen"))?;
        addresses.push(registry.listener_address(listener)?);
    }
    if peers.lan {
        look_on_lan(registry, &mut swarms, &addresses)?;
    }
    let nodes = nodes::Kept::new(peers.dht_file.clone());
    if peers.dht || peers.dht_read_only || peers.dht_file.is_some() || !peers.dht_node.is_empty() {
        join_dht(registry, &addresses, peers, &nodes)?;
    }
    let progress = Progress::new(peers.json);
    addresses.iter().for_each(|address| progress.say_listening(address));
    let mut sharing = Sharing {
        swarms,
        hash: known.hash,
        folder: folder.to_owned(),
        purpose,
        progress,
        disk: None,
        checked: Arc::default(),
        trackers: None,
        nodes,
        tiers: known.trackers,
        trouble: None,
        phase: Phase::Sharing,
        outcome: Outcome::Incomplete,
    };
    let peers = resolve(peers.peer.iter())?;
    match known.info {
        Some(info) => sharing.look(registry, Arc::new(info))?,
        None => {
            sharing.swarms.seek(registry, known.hash);
            sharing.ask_trackers(registry);
        }
    }
    begin(registry, peers, known.peers, web_seeds)?;
    reactor.run(&mut sharing)?;
    sharing.end()
}

/// Where to listen: one address of IPv4 and one of IPv6 at most, since peers and the DHT are told of one port for each.
fn listen_at(places: &[HostPort]) -> Result<Vec<Address>, Box<dyn Error>> {
    let mut addresses: Vec<Address> = Vec::new();
    for place in places {
        let address = place.first()?;
        let is_v6 = |address: &Address| address.ip().is_some_and(|ip| ip.is_ipv6());
        if addresses.iter().any(|other| is_v6(other) == is_v6(&address)) {
            return Err("--listen takes one address of IPv4 and one of IPv6".into());
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn look_on_lan(
    registry: &mut Registry<Sharing>,
    swarms: &mut Swarms,
    listen: &[Address],
) -> Result<(), Box<dyn Error>> {
    let ips = listen.iter().filter_map(Address::ip);
    let Some(interface) = ips.filter_map(v4_of).next() else {
        return Err("--lan wants an IPv4 address to --listen on".into());
    };
    let looks = swarms.look_on_lan(registry, interface);
    looks.map_err(|error| format!("--lan: {error}"))?;
    Ok(())
}

fn v4_of(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn join_dht(
    registry: &mut Registry<Sharing>,
    listen: &[Address],
    peers: &Peers,
    kept: &nodes::Kept,
) -> Result<(), Box<dyn Error>> {
    let (nodes, saved) = (resolve(peers.dht_node.iter())?, kept.read()?);
    let read_only = peers.dht_read_only;
    let options = DhtOptions { nodes, saved, read_only, ..DhtOptions::default() };
    for address in listen.iter().filter_map(Address::socket_addr) {
        dht::join(registry, address, options.clone()).map_err(NotOpened::by("--listen"))?;
    }
    Ok(())
}

fn resolve<'p>(
    places: impl Iterator<Item = &'p HostPort>,
) -> Result<Vec<SocketAddr>, Box<dyn Error>> {
    let mut addresses = Vec::new();
    for peer in places {
        addresses.extend(peer.resolve()?.iter().filter_map(Address::socket_addr));
    }
    Ok(addresses)
}

/// Sets what happens by itself while the loop runs.
fn begin(
    registry: &mut Registry<Sharing>,
    addresses: Vec<SocketAddr>,
    strangers: Vec<HostPort>,
    web_seeds: Vec<String>,
) -> Result<(), Box<dyn Error>> {
    for signal in [Signal::Interrupt, Signal::Terminate] {
        registry.on_signal(signal, |registry, sharing: &mut Sharing| sharing.stop(registry))?;
    }
    service::tell_on_request(registry)?;
    registry.defer(move |registry, sharing: &mut Sharing| {
        for address in addresses {
            // It is shared, or sought, from the beginning.
            let _ = sharing.swarms.add_peer(registry, sharing.hash, address, true);
        }
        strangers.into_iter().for_each(|place| sharing.add_stranger(registry, place));
        for url in web_seeds {
            let _ = sharing.swarms.add_web_seed(registry, sharing.hash, &url);
        }
    });
    registry.every(Duration::from_secs(1), |_, sharing: &mut Sharing| sharing.show())?;
    registry.every(REMEMBER, |registry, sharing: &mut Sharing| sharing.remember(registry))?;
    Ok(())
}

impl Host for Sharing {
    fn swarms(&mut self) -> &mut Swarms {
        &mut self.swarms
    }

    fn on_dht(&mut self, _: &mut Registry<Self>, known: DhtTable) {
        if let Err(error) = self.nodes.write(&known) {
            output::complain(format_args!("torrent: {error}"));
        }
    }

    fn on_torrent(&mut self, registry: &mut Registry<Self>, _: InfoHash, event: Event) {
        match event {
            Event::Info(info) => {
                if let Err(error) = self.look(registry, info) {
                    self.fail(registry, error);
                }
            }
            Event::Complete => self.complete(registry),
            Event::Banned(ip) => {
                output::complain(format_args!(
                    "torrent: {ip} sent what is wrong: nobody listens to it any more"
                ));
            }
            Event::Web { url, why, pause } => {
                let then = pause.map_or("not again".to_owned(), |pause| {
                    format!("again in {} s", pause.as_secs())
                });
                output::complain(format_args!("torrent: {}: {why}; {then}", file::printable(&url)));
            }
            Event::Piece(_) => self.trouble = None,
            // All pieces that are on their way have the same, and again when it is tried again.
            Event::NotKept(error) if self.trouble != Some(discriminant(&error)) => {
                output::complain(format_args!("torrent: {error}; trying again"));
                self.trouble = Some(discriminant(&error));
            }
            _ => {}
        }
    }
}

impl Sharing {
    /// Adds a peer that the link names, and not the person who runs this: its name is looked up on a thread.
    fn add_stranger(&mut self, registry: &mut Registry<Self>, place: HostPort) {
        if let Ok(ip) = place.host().parse::<IpAddr>() {
            let address = SocketAddr::new(ip, place.port());
            let _ = self.swarms.add_peer(registry, self.hash, address, false);
            return;
        }
        let name = place.to_string();
        let looks = registry.offload(
            move || place.resolve().map_err(|error| error.to_string()),
            move |registry, sharing: &mut Self, found| match found {
                Ok(Ok(found)) => {
                    for address in found.iter().filter_map(Address::socket_addr) {
                        let _ = sharing.swarms.add_peer(registry, sharing.hash, address, false);
                    }
                }
                Ok(Err(why)) => say_nowhere(&name, &why),
                Err(why) => say_nowhere(&name, &why),
            },
        );
        // Where no thread is free it is found in another way, or not.
        let _ = looks;
    }

    /// Looks for what is there, on a thread, and shares it then.
    fn look(
        &mut self,
        registry: &mut Registry<Self>,
        info: Arc<Info>,
    ) -> Result<(), Box<dyn Error>> {
        // So that peers can be named meanwhile, and of a private torrent nobody else is told.
        self.swarms.find(registry, Arc::clone(&info));
        let (files, options) = match &self.purpose {
            Purpose::Give => {
                let access = Access::ReadOnly;
                (Vec::new(), DiskOptions { access, ..DiskOptions::default() })
            }
            Purpose::Get { select, allocation, .. } => {
                let (access, allocation) = (Access::ReadWrite, *allocation);
                let options = DiskOptions { access, allocation, ..DiskOptions::default() };
                (choice::files(&info, select)?, options)
            }
        };
        let (folder, checked) = (self.folder.clone(), Arc::clone(&self.checked));
        registry
            .offload(
                move || -> Found { look_for(&info, &folder, options, &files, &checked) },
                |registry, sharing: &mut Self, found| match found {
                    Ok(Ok((disk, have, wanted))) => sharing.share(registry, disk, have, wanted),
                    Ok(Err(error)) => sharing.fail(registry, error),
                    Err(error) => sharing.fail(registry, error.into()),
                },
            )
            .map_err(|_| "there is no thread to look for files with")?;
        Ok(())
    }

    fn share(
        &mut self,
        registry: &mut Registry<Self>,
        disk: Disk,
        have: Bitfield,
        wanted: Bitfield,
    ) {
        if matches!(self.purpose, Purpose::Give) && have.is_empty() && disk.info().pieces() > 0 {
            let folder = self.folder.display();
            return self.fail(registry, format!("nothing of it is in {folder}").into());
        }
        self.disk = Some(disk.clone());
        let info = Arc::clone(disk.info());
        self.swarms.share(registry, Shared { info, store: Arc::new(disk), have, wanted });
        self.ask_trackers(registry);
    }

    fn complete(&mut self, registry: &mut Registry<Self>) {
        // Who has found everything in the folder has completed nothing.
        if let Some(trackers) = self.trackers.as_ref().filter(|_| self.so_far().downloaded > 0) {
            trackers.complete(registry);
        }
        self.outcome = Outcome::Complete;
        self.show();
        if matches!(self.purpose, Purpose::Get { once: true, .. }) {
            self.stop(registry);
        }
    }

    fn fail(&mut self, registry: &mut Registry<Self>, error: Box<dyn Error>) {
        self.outcome = Outcome::Failed(error);
        self.stop(registry);
    }

    /// Says goodbye to the trackers, and then to the peers; the second time at once.
    fn stop(&mut self, registry: &mut Registry<Self>) {
        match std::mem::replace(&mut self.phase, Phase::Ending) {
            Phase::Ending => registry.shutdown(Duration::ZERO),
            Phase::Sharing => match self.trackers.take() {
                Some(trackers) => {
                    trackers.stop(registry, self, |registry, _| registry.shutdown(GRACE));
                }
                None => registry.shutdown(GRACE),
            },
        }
    }

    // ── trackers ────────────────────────────────────────────────────────────────────────────

    /// Begins to ask them, if that has not begun.
    fn ask_trackers(&mut self, registry: &mut Registry<Self>) {
        let tiers = std::mem::take(&mut self.tiers);
        let Some(port) = self.swarms.port().filter(|_| !tiers.is_empty()) else { return };
        let options = self.swarms.options();
        let from = match options.from[..] {
            // Also where that is everywhere: what has asked by the other family is listed where nobody listens.
            [only] => Some(Address::Ip((only, 0).into())),
            _ => options.first_from(),
        };
        let options = AnnounceOptions {
            key: registry.random() as u32,
            port_v6: self.swarms.port_v6(),
            reach: self.swarms.options().reach,
            secure: ask::secure(&tiers.concat(), from.clone()),
            connect: ConnectOptions { from, ..ConnectOptions::default() },
            ..AnnounceOptions::new(self.hash, self.swarms.id(), port, tiers)
        };
        let trackers = Announcer::start(
            registry,
            options,
            |sharing: &mut Self| sharing.so_far(),
            Self::handle_tracker,
        );
        let wants = |swarms: &Swarms, hash| swarms.get(&hash).is_some_and(Swarm::wants_peers);
        trackers.want_more_while(registry, move |it: &mut Self| wants(&it.swarms, it.hash));
        self.trackers = Some(trackers);
    }

    /// What trackers are told.
    fn so_far(&self) -> TrackerProgress {
        let torrent = self.swarms.get(&self.hash).and_then(Swarm::torrent);
        // As long as nobody knows how much is missing, something is.
        torrent.map_or(TrackerProgress { left: 1, ..TrackerProgress::default() }, |torrent| {
            let Traffic { downloaded, uploaded } = torrent.traffic();
            TrackerProgress { uploaded, downloaded, left: torrent.left() }
        })
    }

    fn handle_tracker(registry: &mut Registry<Self>, sharing: &mut Self, event: TrackerEvent) {
        match event {
            TrackerEvent::Answered { url, answer } => {
                for address in answer.peers {
                    // One that is left meanwhile needs no peers.
                    let _ = sharing.swarms.add_peer(registry, sharing.hash, address, false);
                }
                answer.warning.iter().for_each(|warning| {
                    output::complain(format_args!("torrent: {url}: {}", file::printable(warning)));
                });
            }
            TrackerEvent::Failed { url, why, pause } => {
                output::complain(format_args!(
                    "torrent: {url}: {why}; again in {} s",
                    pause.as_secs()
                ));
            }
        }
    }

    /// Writes down which pieces are there, for the next start.
    fn remember(&mut self, registry: &mut Registry<Self>) {
        if let (Some(disk), Some(have)) = (&self.disk, self.have()) {
            // If there is no thread now, there will be one the next time.
            let _ = disk.remember(registry, have, |_, _: &mut Self, written| {
                written.unwrap_or_else(|error| output::complain(format_args!("torrent: {error}")));
            });
        }
    }

    fn have(&self) -> Option<Vec<u8>> {
        let torrent = self.swarms.get(&self.hash)?.torrent()?;
        Some(torrent.have().as_bytes().to_vec())
    }

    fn show(&mut self) {
        let is_seed = matches!(self.purpose, Purpose::Give);
        if let Some(swarm) = self.swarms.get(&self.hash) {
            self.progress.show(swarm, is_seed, self.checked.load());
        }
    }

    /// What it owes the shell.
    fn end(mut self) -> Result<(), Box<dyn Error>> {
        if let (Some(disk), Some(have)) = (&self.disk, self.have()) {
            disk.remember_now(&have)?;
        }
        // What is there is there, also where nobody is left to be told.
        let _ = self.progress.end();
        match (self.outcome, self.purpose) {
            (Outcome::Failed(error), _) => Err(error),
            (Outcome::Complete, _) | (_, Purpose::Give) => Ok(()),
            (Outcome::Incomplete, Purpose::Get { .. }) => Err("it is not complete".into()),
        }
    }
}

impl Checked {
    fn load(&self) -> (u64, u64) {
        (self.so_far.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
    }
}

/// Opens the folder, and finds out what is there and what is wanted.
fn look_for(
    info: &Arc<Info>,
    folder: &Path,
    options: DiskOptions,
    files: &[usize],
    checked: &Checked,
) -> Found {
    let disk = Disk::open(Arc::clone(info), folder, options)?;
    if options.access == Access::ReadWrite {
        let files: BTreeSet<usize> = files.iter().copied().collect();
        disk.prepare(|index| files.contains(&index))?;
    }
    let resumed = disk.resume()?;
    let mut have = Bitfield::read(&resumed.have, info.pieces())?;
    let sizes = resumed.doubtful.iter().map(|piece| u64::from(info.piece_size(*piece)));
    checked.of.store(sizes.sum(), Ordering::Relaxed);
    disk.verify_all(resumed.doubtful, |piece, is_right| {
        if is_right {
            have.insert(piece);
        }
        checked.so_far.fetch_add(info.piece_size(piece).into(), Ordering::Relaxed);
        ControlFlow::Continue(())
    })?;
    Ok((disk, have, choice::pieces(info, files)))
}
