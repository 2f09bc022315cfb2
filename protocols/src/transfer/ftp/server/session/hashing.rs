//! HASH: what a client compares with its own, without another transfer.

use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::Conversation;
use super::refusal::About;
use crate::transfer::store::{Store, VirtualPath};

/// How much of a file is hashed before others have their turn: a fifth of a second's worth.
const HASHED_AT_ONCE: u64 = 64 * 1024 * 1024;

impl Conversation<'_> {
    /// HASH (draft-bryan-ftpext-hash).
    pub(super) fn hash(&mut self, path: &[u8]) {
        self.with_path(
            path,
            About::What,
            |may| may.read,
            Store::read,
            |it, path, (file, _)| {
                it.go_on_hashing(path, Hashing::new(file));
            },
        );
    }

    fn go_on_hashing(&mut self, path: VirtualPath, mut hashing: Hashing) {
        self.offload(
            move || hashing.go_on().map(|ended| (ended, hashing)),
            move |it, result| match result {
                Ok((false, hashing)) => it.go_on_hashing(path, hashing),
                Ok((true, hashing)) => {
                    let text = hashing.finish();
                    it.reply(213, [text.as_bytes(), path.as_bytes()].concat());
                }
                Err(error) => it.refuse(&error.into(), About::What),
            },
        );
    }
}

/// A file that is being hashed, a part at a time, so that others get at the pool as well.
struct Hashing {
    file: File,
    hash: Sha256,
    length: u64,
}

impl Hashing {
    fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), length: 0 }
    }

    /// Hashes the next part; whether it was the last.
    fn go_on(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; 64 * 1024];
        let mut left = HASHED_AT_ONCE;
        while left > 0 {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Ok(true);
            }
            self.hash.update(buffer.get(..count).unwrap_or_default());
            self.length += count as u64;
            left = left.saturating_sub(count as u64);
        }
        Ok(false)
    }

    /// The algorithm, the range, the hash, and a space.
    fn finish(self) -> String {
        let hash: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("SHA-256 0-{} {hash} ", self.length)
    }
}
