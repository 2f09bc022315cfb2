//! A torrent that a program gives to others, beside whatever else it does.

use std::error::Error;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use protocols::store::Access;
use protocols::torrent::disk::{Disk, DiskOptions};
use protocols::torrent::machine::Bitfield;
use protocols::torrent::peer::{Host, Limits, Options, Shared, Swarms};
use protocols::torrent::tracker::Tracker;
use protocols::torrent::wire::announce::{Announce, Event, Progress};
use protocols::torrent::wire::{Magnet, Metainfo};
use protocols::torrent::{Draft, InfoHash, PeerId, TrackerLimits};
use reactor::{Address, Registry, TimersFull};

/// What a program has that gives a torrent away: the swarm of who comes for it, and a tracker that tells those of each other.
#[derive(Debug)]
pub struct Giving {
    /// The swarm.
    pub swarms: Swarms,
    /// The tracker. It is for this torrent alone.
    pub tracker: Tracker,
}

impl Giving {
    /// Nothing is given yet.
    ///
    /// Who has everything needs nobody, so it makes no connections and hears of nobody's address. Else whoever connects could
    /// have it dial anywhere.
    pub fn new<App: 'static>(registry: &mut Registry<App>) -> Self {
        let limits = Limits { dials: 0, ..Limits::default() };
        let options = Options { pex: false, limits, ..Options::default() };
        let limits = TrackerLimits { torrents: 1, ..TrackerLimits::default() };
        let tracker = Tracker::new(limits, registry);
        Self { swarms: Swarms::new(peer_id(registry), options), tracker }
    }

    /// Makes a torrent of a file or a folder, shares it, and has the tracker list that. `listens` is where peers can connect,
    /// `tracks` where the tracker is asked over HTTP. What it returns is a link that names both: some programs take peers from
    /// trackers only.
    ///
    /// All of it is read before this returns: it is for a program that starts.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or cannot be a torrent.
    pub fn seed<App: Host + AsMut<Tracker>>(
        &mut self,
        registry: &mut Registry<App>,
        path: &Path,
        listens: &Address,
        tracks: &Address,
    ) -> Result<Magnet, Box<dyn Error>> {
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        let torrent = Draft::of(&path)?.hash(|_| ControlFlow::Continue(()))?;
        let link = Magnet {
            trackers: vec![format!("http://{tracks}/announce")],
            peers: vec![listens.to_string()],
            ..magnet(&torrent)
        };
        let info = Arc::new(torrent.info);
        let options = DiskOptions { access: Access::ReadOnly, ..DiskOptions::default() };
        let disk = Disk::open(Arc::clone(&info), path.parent().unwrap_or(&path), options)?;
        let (have, wanted) = (Bitfield::all(info.pieces()), Bitfield::none(info.pieces()));
        self.swarms.share(registry, Shared { info, store: Arc::new(disk), have, wanted });
        if let Some(listens) = listens.socket_addr() {
            self.list(registry, link.hash, listens)?;
        }
        Ok(link)
    }

    /// Has the tracker list the seed, now and whenever peers have to ask again. It is first, so nobody's torrent takes its place.
    fn list<App: AsMut<Tracker> + 'static>(
        &mut self,
        registry: &mut Registry<App>,
        hash: InfoHash,
        at: SocketAddr,
    ) -> Result<(), TimersFull> {
        let announce = Announce {
            hash,
            peer: self.swarms.id(),
            port: at.port(),
            progress: Progress::default(),
            event: Event::Regular,
            want: Some(0),
            key: 0,
        };
        let (now, random) = (registry.now(), registry.random());
        let answer = self.tracker.announce(&announce, at.ip(), now, random);
        let Some(interval) = answer.map(|answer| answer.interval) else {
            return Ok(());
        };
        registry.every(interval, move |registry, app| {
            let (now, random) = (registry.now(), registry.random());
            app.as_mut().announce(&announce, at.ip(), now, random);
        })?;
        Ok(())
    }
}

/// An address, if a link can name it.
///
/// # Errors
///
/// If it is no address of its own, but stands for all that this machine has.
pub fn named(listen: Address) -> Result<Address, String> {
    match listen.ip().is_some_and(|ip| ip.is_unspecified()) {
        true => Err(format!(
            "{listen} is no address that peers could connect to: name one that they reach"
        )),
        false => Ok(listen),
    }
}

/// The link to a torrent.
#[must_use]
pub fn magnet(torrent: &Metainfo) -> Magnet {
    Magnet {
        name: Some(torrent.info.name().to_string_lossy().into_owned()),
        trackers: torrent.trackers.iter().flatten().cloned().collect(),
        web_seeds: torrent.web_seeds.clone(),
        ..Magnet::new(torrent.info.hash())
    }
}

/// What this run of a program is called by peers: nobody else is, nor was it the last time.
#[must_use]
pub fn peer_id<App>(registry: &mut Registry<App>) -> PeerId {
    let (first, second) = (registry.random().to_be_bytes(), registry.random().to_be_bytes());
    let mut bytes = [0; 12];
    let drawn = first.into_iter().chain(second);
    // Letters and digits: some programs show it.
    bytes.iter_mut().zip(drawn).for_each(|(byte, drawn)| {
        *byte = b"0123456789abcdefghijklmnopqrstuv"[usize::from(drawn % 32)];
    });
    PeerId::new(bytes)
}
