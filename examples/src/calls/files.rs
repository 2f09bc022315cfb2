//! A tree of files, read only. Files are read on threads, since a disk may take its time.

use std::io::Read;

use protocols::rpc::{Error, Service, Ticket};
use protocols::transfer::store::{Kind, Store, StoreError, VirtualPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Names in a directory.
const NAMES: usize = 10_000;
/// Bytes that are read at once, for an answer.
const BYTES: u64 = 256 * 1024;

#[derive(Deserialize, JsonSchema)]
struct Place {
    /// From the root, with slashes.
    #[serde(default)]
    path: String,
}

#[derive(Deserialize, JsonSchema)]
struct Part {
    path: String,
    /// The first byte.
    #[serde(default)]
    offset: u64,
    /// Bytes, at most 262,144.
    #[serde(default = "most")]
    length: u64,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    name: String,
    is_directory: bool,
    size: u64,
}

fn most() -> u64 {
    BYTES
}

pub(super) fn register<App: 'static>(service: &mut Service<App>, store: &Store) {
    let of = store.clone();
    service.offloaded::<Place, Vec<Listed>, _>(
        "files.list",
        "What is in a directory",
        move |_, it| {
            let (store, path) = (of.clone(), path(&it.path)?);
            Ok(move |_: &Ticket| list(&store, &path))
        },
    );
    let of = store.clone();
    let about = "A part of a file, if it is text in UTF-8; it ends with a whole character";
    service.offloaded::<Part, String, _>("files.read", about, move |_, it| {
        let (store, path) = (of.clone(), path(&it.path)?);
        Ok(move |_: &Ticket| read(&store, &path, it.offset, it.length.min(BYTES)))
    });
    let of = store.clone();
    service.offloaded::<Place, String, _>("files.sha256", "A file's hash", move |_, it| {
        let (store, path) = (of.clone(), path(&it.path)?);
        Ok(move |ticket: &Ticket| hash(&store, &path, ticket))
    });
}

fn path(text: &str) -> Result<VirtualPath, Error> {
    VirtualPath::root().join(text.as_bytes()).map_err(Error::invalid_params)
}

fn list(store: &Store, path: &VirtualPath) -> Result<Vec<Listed>, Error> {
    let listing = store.list(path, NAMES).map_err(failed)?;
    let entries = (0..listing.len()).filter_map(|at| listing.get(at));
    let listed = entries.map(|(name, found)| {
        let entry = found.itself();
        Listed {
            name: String::from_utf8_lossy(name).into_owned(),
            is_directory: entry.kind == Kind::Directory,
            size: entry.size,
        }
    });
    Ok(listed.collect())
}

fn read(store: &Store, path: &VirtualPath, offset: u64, length: u64) -> Result<String, Error> {
    use std::io::{Seek, SeekFrom};
    let (mut file, _) = store.read(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(Error::internal)?;
    file.take(length).read_to_end(&mut bytes).map_err(Error::internal)?;
    let end = match str::from_utf8(&bytes) {
        // The next part begins with the character that was cut.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    };
    bytes.truncate(end);
    String::from_utf8(bytes).map_err(|_| Error::new(2, "It is no text in UTF-8"))
}

fn hash(store: &Store, path: &VirtualPath, ticket: &Ticket) -> Result<String, Error> {
    let (mut file, _) = store.read(path).map_err(failed)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        // Who has cancelled the call does not want the rest of a long file read.
        if ticket.is_void() {
            return Err(Error::new(Error::CANCELLED, "The call was cancelled"));
        }
        match file.read(&mut buffer).map_err(Error::internal)? {
            0 => break,
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn failed(error: StoreError) -> Error {
    Error::new(1, "The file cannot be had").with_data(&error.to_string())
}
