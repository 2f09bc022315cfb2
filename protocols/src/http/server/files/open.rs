//! From a path to a file, a page or a refusal. It may wait for the disk, and runs on the pool.

use std::fs::File;
use std::io::Read;

use super::is_dot_name;
use super::page::{Order, Row, page};
use crate::http::wire::{Coding, ETag, media_type};
use crate::store::{Entry, Kind, Store, StoreError, VirtualPath};

/// Files up to this length are read here, and leave in one write with their head.
const SHORT: u64 = 16 * 1024;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) path: VirtualPath,
    /// The path ends with a slash.
    pub(super) is_directory: bool,
    pub(super) is_hidden: bool,
    /// What may come instead, if it is there: the best first.
    pub(super) codings: Vec<Coding>,
    /// All of it will be sent, unless the client has it.
    pub(super) reads_whole: bool,
    pub(super) fallback: Option<VirtualPath>,
    /// How many entries a page may have, if there may be one.
    pub(super) page: Option<usize>,
    pub(super) order: Order,
    /// The path of the page, as its reader sees it.
    pub(super) shown_as: String,
    pub(super) dot_files: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Opened {
    File(Opening),
    /// A page that shows a directory, and its tag: the time of a directory tells nothing of its files.
    Page(Vec<u8>, ETag),
    /// A directory whose path lacks the slash: its last name.
    Redirect(Vec<u8>),
}

/// A file, to be sent.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) content: Content,
    pub(super) entry: Entry,
    pub(super) media: &'static str,
    pub(super) coding: Option<Coding>,
}

#[derive(Debug)]
pub(super) enum Content {
    File(File),
    /// All of a short one.
    Bytes(Vec<u8>),
}

pub(super) fn open(store: &Store, wanted: &Wanted) -> Result<Opened, StoreError> {
    if wanted.is_hidden {
        return Err(StoreError::NotFound);
    }
    let found = match store.entry(&wanted.path) {
        Ok(entry) => open_found(store, wanted, entry),
        Err(error) => Err(error),
    };
    match (found, &wanted.fallback) {
        (Err(StoreError::NotFound | StoreError::NotADirectory), Some(fallback)) => {
            open_file(store, wanted, fallback)
        }
        (found, _) => found,
    }
}

fn open_found(store: &Store, wanted: &Wanted, entry: Entry) -> Result<Opened, StoreError> {
    match (entry.kind, wanted.is_directory) {
        (Kind::Directory, true) => open_directory(store, wanted),
        (Kind::Directory, false) => {
            Ok(Opened::Redirect(wanted.path.name().unwrap_or_default().to_vec()))
        }
        (Kind::File, false) => open_file(store, wanted, &wanted.path),
        // A file is no directory; and a link that leads out of the tree is nothing.
        (Kind::File | Kind::Link, _) => Err(StoreError::NotFound),
        (Kind::Other, _) => Err(StoreError::Denied),
    }
}

fn open_directory(store: &Store, wanted: &Wanted) -> Result<Opened, StoreError> {
    let index = wanted.path.join(b"index.html")?;
    match open_file(store, wanted, &index) {
        Err(StoreError::NotFound | StoreError::NotAFile) => {}
        opened => return opened,
    }
    let most = wanted.page.ok_or(StoreError::NotFound)?;
    let listing = store.list(&wanted.path, most)?;
    let shown = (0..listing.len()).filter_map(|at| listing.get(at));
    let rows = shown
        .filter(|(name, found)| {
            let is_served = matches!(found.entry.kind, Kind::File | Kind::Directory);
            is_served && (wanted.dot_files || !is_dot_name(name))
        })
        .map(|(name, found)| Row { name: name.to_vec(), entry: found.entry })
        .collect();
    let page = page(&wanted.shown_as, rows, wanted.order).into_bytes();
    let tag = ETag::of_bytes(&page);
    Ok(Opened::Page(page, tag))
}

/// A file, or what lies beside it in a coding that is taken.
fn open_file(store: &Store, wanted: &Wanted, path: &VirtualPath) -> Result<Opened, StoreError> {
    let media = media_type(path.name().unwrap_or_default());
    let (file, entry) = store.read(path)?;
    for &coding in &wanted.codings {
        if let Some((file, entry)) = sibling(store, path, &entry, coding) {
            return Ok(Opened::File(Opening::new(wanted, file, entry, media, Some(coding))?));
        }
    }
    Ok(Opened::File(Opening::new(wanted, file, entry, media, None)?))
}

/// What lies beside a file, unless the file was changed after it was made.
fn sibling(
    store: &Store,
    path: &VirtualPath,
    original: &Entry,
    coding: Coding,
) -> Option<(File, Entry)> {
    let name = [path.name()?, coding.suffix().as_bytes()].concat();
    let (file, entry) = store.read(&path.parent().join(&name).ok()?).ok()?;
    (entry.modified >= original.modified).then_some((file, entry))
}

impl Opening {
    fn new(
        wanted: &Wanted,
        mut file: File,
        mut entry: Entry,
        media: &'static str,
        coding: Option<Coding>,
    ) -> Result<Self, StoreError> {
        let content = if wanted.reads_whole && entry.size <= SHORT {
            let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
            let _ = (&mut file).take(SHORT).read_to_end(&mut bytes)?;
            // It may be written at this moment.
            entry.size = bytes.len() as u64;
            Content::Bytes(bytes)
        } else {
            Content::File(file)
        };
        Ok(Self { content, entry, media, coding })
    }
}
