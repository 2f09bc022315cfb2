//! What the loop asks a disk for: done on its pool of threads, told by a callback.

use bytes::Bytes;
use reactor::Registry;
use thiserror::Error;

use super::{Block, Disk, DiskError, WriteFailed};

/// The pool has as much to do as it may have ([`Limits::offloads`](reactor::Limits::offloads)), and nothing was
/// begun: it can be asked again when something of it is done. What was to be written comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the disk has too much to do")]
pub struct Busy<T = ()>(pub T);

impl Disk {
    /// As [`read_now`](Self::read_now), on the pool.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn read<App: 'static>(
        &self,
        registry: &mut Registry<App>,
        block: Block,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<Bytes, DiskError>) + 'static,
    ) -> Result<(), Busy> {
        self.offload(registry, move |disk| disk.read_now(block), done)
    }

    /// As [`verify_now`](Self::verify_now), on the pool.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn verify<App: 'static>(
        &self,
        registry: &mut Registry<App>,
        piece: u32,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<bool, DiskError>) + 'static,
    ) -> Result<(), Busy> {
        self.offload(registry, move |disk| disk.verify_now(piece), done)
    }

    /// As [`write_now`](Self::write_now), on the pool.
    ///
    /// # Errors
    ///
    /// [`Busy`], with the block.
    pub fn write<App: 'static>(
        &self,
        registry: &mut Registry<App>,
        piece: u32,
        begin: u32,
        data: Bytes,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<(), WriteFailed>) + 'static,
    ) -> Result<(), Busy<Bytes>> {
        let (kept, lost) = (data.clone(), data.clone());
        let done = move |registry: &mut Registry<App>, app: &mut App, result: Result<(), _>| {
            done(registry, app, result.map_err(|error| WriteFailed { error, data: lost }));
        };
        self.offload(registry, move |disk| disk.write_now(piece, begin, &data), done)
            .map_err(|Busy(())| Busy(kept))
    }

    /// As [`remember_now`](Self::remember_now), on the pool.
    ///
    /// # Errors
    ///
    /// [`Busy`].
    pub fn remember<App: 'static>(
        &self,
        registry: &mut Registry<App>,
        have: Vec<u8>,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<(), DiskError>) + 'static,
    ) -> Result<(), Busy> {
        self.offload(registry, move |disk| disk.remember_now(&have), done)
    }

    fn offload<App: 'static, R: Send + 'static>(
        &self,
        registry: &mut Registry<App>,
        work: impl FnOnce(&Self) -> Result<R, DiskError> + Send + 'static,
        done: impl FnOnce(&mut Registry<App>, &mut App, Result<R, DiskError>) + 'static,
    ) -> Result<(), Busy> {
        let disk = self.clone();
        let posted = registry.offload(
            move || work(&disk),
            |registry, app, result| {
                done(registry, app, result.unwrap_or(Err(DiskError::Aborted)));
            },
        );
        posted.map_err(|_| Busy(()))
    }
}
