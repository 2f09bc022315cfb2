//! BitTorrent under the whole swarm: a seed, leechers that know some of each other, and perhaps one that lies, one that
//! says nothing, one that came with the hash only, and one that comes late; each with a mind of its own about encryption, or
//! all want it.
//!
//! ```text
//!   seed ──▶ leecher ◀──▶ leecher      liar: what it sends is wrong
//!     └────▶ leecher ◀──────┘          mute: takes connections, and says nothing
//!   leaves when the others have all of it among them
//! ```
//!
//! What must always hold: the books of every torrent are right after each step; as long as every piece is somewhere
//! every leecher gets all of it, whoever crashes meanwhile, and every byte is right; and nobody is banned but the
//! liar.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocols::torrent::disk::DiskError;
use protocols::torrent::machine::{Bitfield, Torrent};
use protocols::torrent::peer::{Event, Host as Sharer, Options, Shared, Store, Swarm, Swarms};
use protocols::torrent::wire::message::Block;
use protocols::torrent::wire::mse::Encryption;
use protocols::torrent::wire::{Info, bencode};
use protocols::torrent::{InfoHash, MetainfoLimits, PeerId};
use reactor::sim::{Host, Network, Outcome};
use reactor::{Address, Input, ListenOptions, Protocol, Registry, Transport};

use crate::score::{Draws, Score};

/// How long faults happen.
const STORM: Duration = Duration::from_secs(8);
/// How long what is left may take afterwards: connections that have gone silent take minutes to end.
const CALM: Duration = Duration::from_secs(2_000);
const PORT: u16 = 6_881;
/// Two blocks, so that a piece can be of two peers.
const PIECE: usize = 20_000;
const PIECES: usize = 9;
/// The most leechers, but in a crowd; and those of them whose books are looked at.
const MOST: u64 = 5;
const WATCHED: usize = 5;

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm_without(crate::OF_DATAGRAMS);
    let cast = Cast::draw(network);
    let stage = Stage::set(network, &cast);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)
}

/// A seed and a leecher without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    let cast = Cast { leechers: 1, ..Cast::default() };
    Stage::set(network, &cast).end(network)
}

/// So many leechers and a seed that leaves, without faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn crowd(network: &mut Network, leechers: u64) -> Outcome {
    let cast = Cast { leechers, leaves: true, ..Cast::default() };
    Stage::set(network, &cast).end(network)
}

/// As [`swarm`], with leechers that trust, after a crash, what they had written down before it was on the disk: a bug
/// that has to be found.
///
/// # Errors
///
/// If it is found, as is hoped.
pub fn canary(network: &mut Network) -> Outcome {
    network.swarm_without(crate::OF_DATAGRAMS);
    let cast = Cast { trusts: true, ..Cast::draw(network) };
    let stage = Stage::set(network, &cast);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)
}

/// Who takes part.
#[derive(Clone, Copy, Default)]
struct Cast {
    leechers: u64,
    /// There is one who lies.
    lies: bool,
    /// There is one who says nothing.
    mute: bool,
    /// One of the leechers knows the hash only.
    magnet: bool,
    /// The seed leaves when the others have all of it among them.
    leaves: bool,
    /// All want everything enciphered; else each has its own mind.
    secret: bool,
    /// Leechers trust after a crash what was not on the disk yet: a planted bug.
    trusts: bool,
}

impl Cast {
    fn draw(network: &mut Network) -> Self {
        let mut one_in = |many| network.choose(many) == many - 1;
        let (lies, mute, magnet) = (one_in(3), one_in(4), one_in(3));
        let (leaves, secret, trusts) = (!one_in(3), one_in(3), false);
        Self { leechers: 1 + network.choose(MOST), lies, mute, magnet, leaves, secret, trusts }
    }

    fn encryption(self, id: u8) -> Encryption {
        match id % 3 {
            _ if self.secret => Encryption::Require,
            0 => Encryption::Off,
            1 => Encryption::Allow,
            _ => Encryption::Prefer,
        }
    }
}

/// The torrent, and its bytes.
struct Content {
    info: Arc<Info>,
    bytes: Vec<u8>,
}

impl Content {
    fn new() -> Self {
        let length = PIECES * PIECE - 5_000;
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + at / 251) as u8).collect();
        let hashes: Vec<u8> =
            bytes.chunks(PIECE).flat_map(|piece| *InfoHash::of(piece).as_bytes()).collect();
        let raw = bencode::dictionary(|info| {
            info.integer("length", length as i64);
            info.bytes("name", "content");
            info.integer("piece length", PIECE as i64);
            info.bytes("pieces", &hashes);
        });
        let info = Info::parse(raw.into(), &MetainfoLimits::default());
        Self { info: Arc::new(info.expect("it was just written")), bytes }
    }
}

/// A disk, which outlives the program that writes to it.
#[derive(Debug)]
struct Disk {
    kept: Mutex<Vec<Option<Bytes>>>,
    lies: bool,
    /// What was kept last is lost in a crash, and nobody notices.
    loses: Mutex<Option<u32>>,
    trusts: bool,
}

impl Disk {
    fn new(content: &Content, has_all: bool, cast: Cast, lies: bool) -> Arc<Self> {
        let piece = |piece: &[u8]| has_all.then(|| Bytes::copy_from_slice(piece));
        let kept = content.bytes.chunks(PIECE).map(piece).collect();
        Arc::new(Self {
            kept: Mutex::new(kept),
            lies,
            loses: Mutex::default(),
            trusts: cast.trusts,
        })
    }

    /// The program has crashed, and begins anew.
    fn crash(&self) {
        let lost = self.loses.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = lost.filter(|_| self.trusts).and_then(|piece| kept.get_mut(piece as usize));
        place.into_iter().flatten().for_each(|bytes| *bytes = vec![0; bytes.len()].into());
    }

    fn have(&self) -> Bitfield {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut have = Bitfield::none(PIECES as u32);
        for (piece, _) in (0..).zip(kept.iter()).filter(|(_, piece)| piece.is_some()) {
            have.insert(piece);
        }
        have
    }

    fn is_right(&self, content: &Content) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        content
            .bytes
            .chunks(PIECE)
            .zip(kept.iter())
            .all(|(right, kept)| kept.as_ref().is_some_and(|kept| kept == right))
    }
}

impl Store for Disk {
    fn read(&self, block: Block, bytes: &mut Vec<u8>) -> Result<(), DiskError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = kept.get(block.piece as usize).and_then(Option::as_ref);
        let (begin, end) = (block.begin as usize, (block.begin + block.length) as usize);
        let part = piece.and_then(|piece| piece.get(begin..end)).ok_or(DiskError::NoBlock)?;
        let right = [*part.first().ok_or(DiskError::NoBlock)?];
        bytes.extend(if self.lies { right.map(|byte| !byte) } else { right });
        bytes.extend_from_slice(&part[1..]);
        Ok(())
    }

    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.get_mut(piece as usize) {
            *place = Some(Bytes::copy_from_slice(bytes));
        }
        *self.loses.lock().unwrap_or_else(PoisonError::into_inner) = Some(piece);
        Ok(())
    }
}

/// A program that shares the torrent.
struct Site {
    swarms: Swarms,
    hash: InfoHash,
    disk: Arc<Disk>,
    liar: Rc<RefCell<Option<SocketAddr>>>,
    score: Score,
    is_complete: bool,
}

impl Sharer for Site {
    fn swarms(&mut self) -> &mut Swarms {
        &mut self.swarms
    }

    fn on_torrent(&mut self, registry: &mut Registry<Self>, _: InfoHash, event: Event) {
        match event {
            Event::Info(info) => self.share(registry, info),
            Event::Complete => self.is_complete = true,
            Event::Banned(ip) if self.liar.borrow().is_none_or(|liar| liar.ip() != ip) => {
                self.score.note_wrong(format!("{ip} is banned, and never lied"));
            }
            _ => {}
        }
    }
}

impl Site {
    fn share(&mut self, registry: &mut Registry<Self>, info: Arc<Info>) {
        let (have, wanted) = (self.disk.have(), Bitfield::all(info.pieces()));
        let store = Arc::clone(&self.disk);
        self.swarms.share(registry, Shared { info, store, have, wanted });
    }

    fn torrent(&self) -> Option<&Torrent> {
        self.swarms.get(&self.hash).and_then(Swarm::torrent)
    }
}

/// Takes connections, and says nothing.
struct Mute;

impl<App> Protocol<App> for Mute {
    fn on_data(&mut self, _: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        input.take_all();
    }
}

struct Stage {
    content: Rc<Content>,
    seed: Host<Site>,
    leechers: Vec<(Host<Site>, Arc<Disk>)>,
    score: Score,
    leaves: bool,
}

impl Stage {
    fn set(network: &mut Network, cast: &Cast) -> Self {
        let content = Rc::new(Content::new());
        let (score, liar) = (Score::default(), Rc::new(RefCell::new(None)));
        let mut known: Vec<SocketAddr> = Vec::new();
        if cast.mute {
            let mute = network.host("mute", |registry| {
                let everywhere = Address::Ip(([0, 0, 0, 0], PORT).into());
                Ok(registry.listen(everywhere, |_, _: &mut ()| Mute).map(drop)?)
            });
            known.extend(network.address(mute, PORT).socket_addr());
        }
        let mut enter = |network: &mut Network, name: &str, id: u8, disk: &Arc<Disk>, magnet| {
            let mind = cast.encryption(id);
            let host =
                Site::enter(network, name, id, &content, disk, magnet, mind, &known, &score, &liar);
            known.extend(network.address(host, PORT).socket_addr());
            host
        };
        let seeds = Disk::new(&content, true, Cast::default(), false);
        let seed = enter(network, "seed", 1, &seeds, false);
        if cast.lies {
            let lies = Disk::new(&content, true, Cast::default(), true);
            let host = enter(network, "liar", 2, &lies, false);
            *liar.borrow_mut() = network.address(host, PORT).socket_addr();
        }
        let leechers: Vec<_> = (0..cast.leechers)
            .map(|at| {
                let disk = Disk::new(&content, false, *cast, false);
                let magnet = cast.magnet && at == 0;
                (enter(network, "leecher", 10 + at as u8, &disk, magnet), disk)
            })
            .collect();
        let stage = Self { content, seed, leechers, score, leaves: cast.leaves };
        stage.watch(network);
        stage
    }

    fn watch(&self, network: &mut Network) {
        let score = self.score.clone();
        network.invariant("who is banned", move |_| score.nothing_wrong());
        let watched = self.leechers.iter().map(|(host, _)| *host).take(WATCHED);
        for host in watched.chain([self.seed]) {
            network.invariant("the books", move |network| {
                let torrent = network.app(host).and_then(Site::torrent);
                torrent.map_or(Ok(()), Torrent::audit)
            });
        }
    }

    /// Waits until every leecher has everything.
    fn end(&self, network: &mut Network) -> Outcome {
        let begun = network.now();
        if self.leaves {
            network.run_until(CALM, |_| self.is_one_copy_out())?;
            let hash = self.content.info.hash();
            if let Some((registry, site)) = network.parts(self.seed) {
                let _ = site.swarms.leave(registry, hash);
            }
        }
        let left = CALM.saturating_sub(network.now() - begun);
        if !network.run_until(left, |network| self.is_whole(network))? {
            return Err(self.what_is_missing(network).into());
        }
        if self.leechers.iter().any(|(_, disk)| !disk.is_right(&self.content)) {
            return Err("what was fetched is not what was seeded".into());
        }
        Ok(network.finish(Duration::from_secs(20))?)
    }

    /// Whether the leechers have every piece among them.
    fn is_one_copy_out(&self) -> bool {
        let have = self.leechers.iter().map(|(_, disk)| disk.have());
        let pieces: BTreeSet<u32> = have.flat_map(|have| have.iter().collect::<Vec<_>>()).collect();
        pieces.len() == PIECES
    }

    fn is_whole(&self, network: &Network) -> bool {
        let is_complete = |site: &Site| site.is_complete;
        self.leechers.iter().all(|(host, _)| network.app(*host).is_some_and(is_complete))
    }

    fn what_is_missing(&self, network: &Network) -> String {
        let strip = |(host, _): &(Host<Site>, _)| {
            let torrent = network.app(*host).and_then(Site::torrent)?;
            let pieces = 0..torrent.geometry().pieces();
            Some(pieces.map(|piece| format!("{:?} ", torrent.piece(piece))).collect::<String>())
        };
        let strips: Vec<_> = self.leechers.iter().filter_map(strip).collect();
        format!("not everybody has everything:\n{}", strips.join("\n"))
    }
}

impl Site {
    #[allow(clippy::too_many_arguments, reason = "everything about one host, said once")]
    fn enter(
        network: &mut Network,
        name: &str,
        id: u8,
        content: &Rc<Content>,
        disk: &Arc<Disk>,
        magnet: bool,
        encryption: Encryption,
        known: &[SocketAddr],
        score: &Score,
        liar: &Rc<RefCell<Option<SocketAddr>>>,
    ) -> Host<Self> {
        let (info, disk, known) = (Arc::clone(&content.info), Arc::clone(disk), known.to_vec());
        let (score, liar) = (score.clone(), Rc::clone(liar));
        let boot = move |registry: &mut Registry<Self>| -> Result<Self, Box<dyn Error>> {
            disk.crash();
            // The same program after a crash is another peer.
            let mut bytes = [0; 12];
            bytes[..8].copy_from_slice(&Draws::default().draw(registry).to_be_bytes());
            bytes[11] = id;
            let options = Options { encryption, ..Options::default() };
            let mut swarms = Swarms::new(PeerId::new(bytes), options);
            let everywhere = Address::Ip(([0, 0, 0, 0], PORT).into());
            swarms.listen(registry, everywhere, &ListenOptions::default())?;
            let hash = info.hash();
            let (disk, score, liar) = (Arc::clone(&disk), score.clone(), Rc::clone(&liar));
            let mut site = Self { swarms, hash, disk, liar, score, is_complete: false };
            if magnet && site.disk.have().is_empty() {
                site.swarms.seek(registry, hash);
            } else {
                site.share(registry, Arc::clone(&info));
            }
            for address in &known {
                site.swarms.add_peer(registry, hash, *address, true)?;
            }
            Ok(site)
        };
        network.host(name, boot)
    }
}
