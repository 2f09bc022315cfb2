//! The memory that hashes are computed in, one after the other.

use argon2::{Argon2, Block};

use super::PasswordError;
use super::limits::MEMORY;

/// Room for one hash at a time. It belongs to a [`HashQueue`](super::HashQueue), goes to another thread with the
/// password, and comes back for the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// It is reserved for the largest hash there may be, which costs nothing: what was never used is an
    /// address, and no memory. Allocators take a piece of that size from the system by itself, and give
    /// it back when it is freed; smaller ones they keep, a few for each thread that had any.
    blocks: Vec<Block>,
    /// What the other hashes were computed in. A large one cannot be computed beside it.
    others: Vec<Self>,
    /// Hashes that were computed in it since it was asked.
    computed: u64,
}

/// Blocks, of a KiB each, that are kept for the next hash.
const KEPT: usize = super::queue::SMALL as usize;

impl Memory {
    /// Memory for a hash beside which there is room for nothing. What lies idle is freed on the thread
    /// that computes it: it takes longer than a turn of the loop should.
    pub(super) fn instead_of(others: Vec<Self>) -> Self {
        Self { others, ..Self::default() }
    }

    /// Computes a hash.
    pub(super) fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &str,
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), PasswordError> {
        self.computed += 1;
        let blocks = self.blocks(argon2.params().block_count())?;
        let result = argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks);
        if self.blocks.len() > KEPT {
            self.blocks = Vec::new();
        }
        result.map_err(PasswordError::not_hashed)
    }

    fn blocks(&mut self, count: usize) -> Result<&mut [Block], PasswordError> {
        self.others.clear();
        if self.blocks.len() < count {
            let reserved = count.max(MEMORY as usize) - self.blocks.len();
            self.blocks.try_reserve_exact(reserved).map_err(PasswordError::not_hashed)?;
            self.blocks.resize(count, Block::new());
        }
        self.blocks.get_mut(..count).ok_or_else(|| PasswordError::not_hashed("no memory"))
    }

    /// How many hashes were computed in it since it was asked.
    pub(super) fn take_computed(&mut self) -> u64 {
        std::mem::take(&mut self.computed)
    }

    /// Whether it has something to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

#[cfg(test)]
impl Memory {
    /// KiB that it takes.
    pub(super) fn kib(&self) -> usize {
        self.blocks.len() + self.others.iter().map(Self::kib).sum::<usize>()
    }
}
