//! A torrent that a program gives to others, beside whatever else it does.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use protocols::store::Access;
use protocols::torrent::disk::{Disk, DiskOptions};
use protocols::torrent::machine::Bitfield;
use protocols::torrent::peer::{Host, Limits, Options, Shared, Swarms};
use protocols::torrent::wire::{Magnet, Metainfo};
use protocols::torrent::{Draft, PeerId};
use reactor::{Address, Registry};

/// How a program takes part that has everything: it needs nobody, so it makes no connections and hears of nobody's address.
/// Else whoever connects could have it dial anywhere.
#[must_use]
pub fn giving() -> Options {
    let limits = Limits { dials: 0, ..Limits::default() };
    Options { pex: false, limits, ..Options::default() }
}

/// Where peers are to connect, if a link can say it.
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

/// Makes a torrent of a file or a folder, and shares it; `listens` is where peers can connect. What it returns is a link
/// to it that names this address, so that nobody has to be asked where it is.
///
/// All of it is read before this returns: it is for a program that starts.
///
/// # Errors
///
/// If it cannot be read, or cannot be a torrent.
pub fn seed<App: Host>(
    registry: &mut Registry<App>,
    swarms: &mut Swarms,
    path: &Path,
    listens: &Address,
) -> Result<Magnet, Box<dyn Error>> {
    let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
    let torrent = Draft::of(&path)?.hash(|_| ControlFlow::Continue(()))?;
    let magnet = Magnet { peers: vec![listens.to_string()], ..magnet(&torrent) };
    let info = Arc::new(torrent.info);
    let options = DiskOptions { access: Access::ReadOnly, ..DiskOptions::default() };
    let disk = Disk::open(Arc::clone(&info), path.parent().unwrap_or(&path), options)?;
    let (have, wanted) = (Bitfield::all(info.pieces()), Bitfield::none(info.pieces()));
    swarms.share(registry, Shared { info, store: Arc::new(disk), have, wanted });
    Ok(magnet)
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
