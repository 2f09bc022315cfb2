//! Programs that share one torrent, on a simulated network; what they have is in memory.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocols::torrent::disk::DiskError;
use protocols::torrent::machine::{Bitfield, PieceState};
use protocols::torrent::peer::{Event, Host, Options, Shared, Store, Swarm, Swarms};
use protocols::torrent::wire::message::Block;
use protocols::torrent::wire::{DhtTable, Info, bencode};
use protocols::torrent::{InfoHash, MetainfoLimits, PeerId};
use reactor::sim::{Host as At, Network};
use reactor::{Address, ListenOptions, Registry};
use sha1::{Digest as _, Sha1};

pub(crate) const PORT: u16 = 6_881;
pub(crate) const PIECE: usize = 40_000;

/// A torrent, and its bytes.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) info: Arc<Info>,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// So many bytes that do not repeat.
pub(crate) fn content(length: usize, private: bool) -> Content {
    let word = |at: usize| (at as u32).wrapping_mul(0x9e37_79b9).rotate_left(13).to_be_bytes();
    let bytes: Vec<u8> = (0..length.div_ceil(4)).flat_map(word).take(length).collect();
    let hashes: Vec<u8> =
        bytes.chunks(PIECE).flat_map(|piece| <[u8; 20]>::from(Sha1::digest(piece))).collect();
    let raw = bencode::dictionary(|info| {
        info.integer("length", length as i64);
        info.bytes("name", "content");
        info.integer("piece length", PIECE as i64);
        info.bytes("pieces", &hashes);
        if private {
            info.integer("private", 1);
        }
    });
    let info = Info::parse(raw.into(), &MetainfoLimits::default()).expect("it is a torrent");
    Content { info: Arc::new(info), bytes: Arc::new(bytes) }
}

/// Keeps pieces in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: Mutex<Vec<u8>>,
    /// Of what is read one byte is another.
    lies: bool,
    /// It keeps nothing as long as that says so.
    pub(crate) full: Mutex<bool>,
}

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>, lies: bool) -> Arc<Self> {
        Arc::new(Self { bytes: Mutex::new(bytes), lies, full: Mutex::new(false) })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("nobody panics").clone()
    }
}

impl Store for Memory {
    fn read(&self, block: Block, out: &mut Vec<u8>) -> Result<(), DiskError> {
        let begin = block.piece as usize * PIECE + block.begin as usize;
        let bytes = self.bytes.lock().expect("nobody panics");
        let part = bytes.get(begin..begin + block.length as usize).ok_or(DiskError::NoBlock)?;
        let before = out.len();
        out.extend_from_slice(part);
        out[before] ^= u8::from(self.lies);
        Ok(())
    }

    fn keep(&self, piece: u32, bytes: &[u8]) -> Result<(), DiskError> {
        if *self.full.lock().expect("nobody panics") {
            return Err(DiskError::Full { path: "content".into() });
        }
        let begin = piece as usize * PIECE;
        self.bytes.lock().expect("nobody panics")[begin..begin + bytes.len()]
            .copy_from_slice(bytes);
        Ok(())
    }
}

/// A program that shares one torrent.
pub(crate) struct Member {
    pub(crate) swarms: Swarms,
    pub(crate) store: Arc<Memory>,
    pub(crate) hash: InfoHash,
    pub(crate) told: Vec<String>,
    pub(crate) is_complete: bool,
    /// What its node of the DHT knows.
    pub(crate) known: Option<DhtTable>,
}

impl Host for Member {
    fn swarms(&mut self) -> &mut Swarms {
        &mut self.swarms
    }

    fn on_dht(&mut self, _: &mut Registry<Self>, known: DhtTable) {
        self.known = Some(known);
    }

    fn on_torrent(&mut self, registry: &mut Registry<Self>, hash: InfoHash, event: Event) {
        assert_eq!(hash, self.hash);
        match event {
            Event::Info(info) => {
                let have = Bitfield::none(info.pieces());
                let wanted = Bitfield::all(info.pieces());
                let store: Arc<dyn Store> = Arc::<Memory>::clone(&self.store);
                self.swarms.share(registry, Shared { info, store, have, wanted });
                self.told.push("info".to_owned());
            }
            Event::Complete => self.is_complete = true,
            Event::Banned(ip) => self.told.push(format!("banned {ip}")),
            Event::NotKept(error) => self.told.push(format!("not kept: {error}")),
            Event::Web { why, pause, .. } => {
                let then = if pause.is_some() { "again" } else { "never again" };
                self.told.push(format!("web: {why}, {then}"));
            }
            _ => {}
        }
    }
}

impl Member {
    pub(crate) fn swarm(&self) -> &Swarm {
        self.swarms.get(&self.hash).expect("it is shared")
    }

    pub(crate) fn has(&self, content: &Content) -> bool {
        self.is_complete && self.store.bytes() == *content.bytes
    }

    /// The pieces as a strip.
    pub(crate) fn strip(&self) -> String {
        let Some(torrent) = self.swarm().torrent() else {
            return "-".to_owned();
        };
        let letter = |piece| match torrent.piece(piece) {
            PieceState::Unwanted => ' ',
            PieceState::Missing => '.',
            PieceState::Open => 'o',
            PieceState::Checking => '?',
            PieceState::Have => '#',
        };
        (0..torrent.geometry().pieces()).map(letter).collect()
    }
}

/// How a member takes part.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) content: Content,
    /// The pieces that it has from the beginning.
    pub(crate) has: fn(u32) -> bool,
    pub(crate) lies: bool,
    /// It knows the hash only.
    pub(crate) magnet: bool,
    pub(crate) options: Options,
    /// The last byte of its peer id: who has the greater one keeps what it has dialled.
    pub(crate) id: u8,
    pub(crate) listens: bool,
    pub(crate) dials: Vec<SocketAddr>,
}

impl Part {
    pub(crate) fn leecher(content: &Content, id: u8) -> Self {
        let (content, options) = (content.clone(), Options::default());
        let dials = Vec::new();
        Self {
            content,
            has: |_| false,
            lies: false,
            magnet: false,
            options,
            id,
            listens: true,
            dials,
        }
    }

    pub(crate) fn seed(content: &Content, id: u8) -> Self {
        Self { has: |_| true, ..Self::leecher(content, id) }
    }

    pub(crate) fn dialling(self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { dials: addresses.into_iter().collect(), ..self }
    }

    /// A host that takes part like this.
    pub(crate) fn enter(self, network: &mut Network, name: &'static str) -> At<Member> {
        network.host(name, move |registry| Ok(self.clone().begin(registry, PORT)?))
    }

    pub(crate) fn begin(
        self,
        registry: &mut Registry<Member>,
        port: u16,
    ) -> Result<Member, reactor::OpenError> {
        let Content { info, bytes } = &self.content;
        let mut have = Bitfield::none(info.pieces());
        (0..info.pieces()).filter(|piece| (self.has)(*piece)).for_each(|piece| {
            have.insert(piece);
        });
        let mut there = vec![0; bytes.len()];
        for piece in have.iter() {
            let range = piece as usize * PIECE..bytes.len().min((piece as usize + 1) * PIECE);
            there[range.clone()].copy_from_slice(&bytes[range]);
        }
        let store = Memory::new(there, self.lies);
        let mut id = [7; 12];
        id[11] = self.id;
        let mut swarms = Swarms::new(PeerId::new(id), self.options);
        if self.listens {
            let everywhere = Address::Ip(([0, 0, 0, 0], port).into());
            swarms.listen(registry, everywhere, &ListenOptions::default())?;
        }
        let hash = info.hash();
        if self.magnet {
            swarms.seek(registry, hash);
        } else {
            let (wanted, kept) = (Bitfield::all(info.pieces()), Arc::clone(&store));
            let shared = Shared { info: Arc::clone(info), store: kept, have, wanted };
            swarms.share(registry, shared);
        }
        for address in self.dials {
            swarms.add_peer(registry, hash, address, true).expect("it is shared");
        }
        let (told, known) = Default::default();
        Ok(Member { swarms, store, hash, told, is_complete: false, known })
    }
}

/// The address of a host in the network.
pub(crate) fn address(network: &Network, host: At<Member>) -> SocketAddr {
    match network.address(host, PORT) {
        Address::Ip(address) => address,
        other => panic!("{other} is no address of a peer"),
    }
}

/// Holds the books of every member after each step.
pub(crate) fn watch(network: &mut Network, hosts: &[At<Member>]) {
    for &host in hosts {
        network.invariant("the books are right", move |network| {
            let torrent = network.app(host).and_then(|member| member.swarm().torrent());
            torrent.map_or(Ok(()), protocols::torrent::machine::Torrent::audit)
        });
    }
}

/// Waits until all of these have everything, and it is right.
pub(crate) fn until_whole(
    network: &mut Network,
    hosts: &[At<Member>],
    content: &Content,
    most: Duration,
) {
    let whole = |network: &Network, host: At<Member>| {
        network.app(host).is_some_and(|member| member.has(content))
    };
    let done = network.run_until(most, |network| hosts.iter().all(|host| whole(network, *host)));
    if !done.expect("nothing is broken") {
        let strips: Vec<_> =
            hosts.iter().filter_map(|host| network.app(*host)).map(Member::strip).collect();
        panic!("after {:?}:\n{}", network.now(), strips.join("\n"));
    }
}
