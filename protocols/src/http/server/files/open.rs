//! From a path to a file, a page or a refusal: at once if the system has it in memory, else on the pool, since
//! it waits for the disk.

use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::cache::Question;
use super::is_dot_name;
use super::page::{Order, Row, page};
use crate::http::wire::{Coding, ETag, gzip, is_compressible, media_type};
use crate::store::{Entry, Kind, Ready, Store, StoreError, VirtualPath, bytes_ready};

/// Files up to this length are read here, and leave in one write with their head.
const SHORT: u64 = 16 * 1024;

/// Files of these lengths are compressed: shorter ones gain nothing, and longer ones take too long.
const COMPRESSED: RangeInclusive<u64> = 256..=1024 * 1024;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) question: Question,
    pub(super) is_hidden: bool,
    /// All of it will be sent, unless the client has it.
    pub(super) reads_whole: bool,
    /// How many entries a page may have, if there may be one.
    pub(super) page: Option<usize>,
    pub(super) order: Order,
    /// The path of the page, as its reader sees it.
    pub(super) shown_as: String,
    pub(super) dot_files: bool,
}

/// Which paths were looked at, and what each led to; `None` if there is more to it than that, or it is not to be kept.
pub(super) type Seen = Option<Vec<(VirtualPath, Option<Entry>)>>;

/// What was found.
#[derive(Debug)]
pub(super) enum Opened {
    File(Opening),
    Page(Page),
    /// A directory whose path lacks the slash: its last name.
    Redirect(Vec<u8>),
}

/// A page that shows a directory, and its tag: the time of a directory tells nothing of its files.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    pub(super) tag: ETag,
    pub(super) coding: Option<Coding>,
}

/// A file, to be sent.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) content: Content,
    pub(super) entry: Entry,
    pub(super) media: &'static str,
    pub(super) coding: Option<Coding>,
    pub(super) seen: Seen,
}

#[derive(Debug)]
pub(super) enum Content {
    File(File),
    Memory(InMemory),
}

/// All of a file.
#[derive(Clone, Debug)]
pub(super) struct InMemory {
    pub(super) bytes: Bytes,
    /// It was compressed for this answer: no part of it can be asked for.
    pub(super) is_packed: bool,
}

impl Content {
    fn whole(bytes: Vec<u8>) -> Self {
        Self::Memory(InMemory { bytes: bytes.into(), is_packed: false })
    }

    fn packed(bytes: &[u8]) -> Self {
        Self::Memory(InMemory { bytes: gzip(bytes).into(), is_packed: true })
    }
}

/// What is to be sent; it may wait for the disk.
pub(super) fn open(store: &Store, wanted: &Wanted) -> Result<Opened, StoreError> {
    if wanted.is_hidden {
        return Err(StoreError::NotFound);
    }
    let path = &wanted.question.path;
    let mut eyes = Eyes::new(store, Manner::Patient);
    match wanted.question.is_directory {
        true => store.entry(path).and_then(|entry| match entry.kind {
            Kind::Directory => open_directory(&mut eyes, wanted),
            kind => Err(why_not(kind, StoreError::NotFound)),
        }),
        false => open_surely(&mut eyes, wanted, path).or_else(|error| {
            // What is there says why it is not read.
            match store.entry(path)?.kind {
                Kind::Directory => Ok(redirect(wanted)),
                kind => Err(why_not(kind, error)),
            }
        }),
    }
}

/// The same, if the system has it in memory; `None` for whatever [`open`] has to see to.
pub(super) fn open_ready(store: &Store, wanted: &Wanted) -> Option<Opened> {
    if wanted.is_hidden {
        return None;
    }
    let question = &wanted.question;
    let index = if question.is_directory { Some(index_of(wanted).ok()?) } else { None };
    let path = index.as_ref().unwrap_or(&question.path);
    open_file(&mut Eyes::new(store, Manner::Hasty), wanted, path)?.ok()
}

fn redirect(wanted: &Wanted) -> Opened {
    Opened::Redirect(wanted.question.path.name().unwrap_or_default().to_vec())
}

/// Why something of that kind is not what it was asked for as.
fn why_not(kind: Kind, error: StoreError) -> StoreError {
    match kind {
        // A link that leads out of the tree is nothing.
        Kind::Link => StoreError::NotFound,
        Kind::Other => StoreError::Denied,
        Kind::File | Kind::Directory => error,
    }
}

fn index_of(wanted: &Wanted) -> Result<VirtualPath, StoreError> {
    Ok(wanted.question.path.join(b"index.html")?)
}

fn open_directory(eyes: &mut Eyes<'_>, wanted: &Wanted) -> Result<Opened, StoreError> {
    match open_surely(eyes, wanted, &index_of(wanted)?) {
        Err(StoreError::NotFound | StoreError::NotAFile) => {}
        opened => return opened,
    }
    let most = wanted.page.ok_or(StoreError::NotFound)?;
    let listing = eyes.store.list(&wanted.question.path, most)?;
    let shown = (0..listing.len()).filter_map(|at| listing.get(at));
    let rows = shown
        .filter(|(name, found)| {
            let is_served = matches!(found.entry.kind, Kind::File | Kind::Directory);
            is_served && (wanted.dot_files || !is_dot_name(name))
        })
        .map(|(name, found)| Row { name: name.to_vec(), entry: found.entry })
        .collect();
    let mut bytes = page(&wanted.shown_as, rows, wanted.order).into_bytes();
    let coding = wanted.question.compress.then_some(Coding::Gzip);
    if coding.is_some() {
        bytes = gzip(&bytes);
    }
    Ok(Opened::Page(Page { tag: ETag::of_bytes(&bytes), bytes, coding }))
}

/// How files are looked at: by who may wait for the disk, or by who may not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Patient,
    Hasty,
}

/// Who looks at files, and what was seen.
struct Eyes<'a> {
    store: &'a Store,
    manner: Manner,
    seen: Seen,
}

impl<'a> Eyes<'a> {
    fn new(store: &'a Store, manner: Manner) -> Self {
        Self { store, manner, seen: Some(Vec::new()) }
    }

    fn note(&mut self, path: &VirtualPath, entry: Option<Entry>) {
        if let Some(seen) = &mut self.seen {
            seen.push((path.clone(), entry));
        }
    }

    /// `None` if it would have to be waited for.
    fn read(&mut self, path: &VirtualPath) -> Option<Result<(File, Entry), StoreError>> {
        let read = match self.manner {
            Manner::Patient => self.store.read(path),
            Manner::Hasty => self.store.read_ready(path)?,
        };
        match &read {
            Ok((_, entry)) => self.note(path, Some(*entry)),
            Err(StoreError::NotFound) => self.note(path, None),
            Err(_) => self.seen = None,
        }
        Some(read)
    }

    /// All of a short file, and what is known of it then.
    fn content(&mut self, file: File, entry: &mut Entry) -> Option<Result<Content, StoreError>> {
        let length = usize::try_from(entry.size).ok()?;
        if self.manner == Manner::Hasty {
            return Some(Ok(match bytes_ready(&file, length)? {
                Ready::Bytes(bytes) => Content::whole(bytes),
                Ready::Unknown => Content::File(file),
            }));
        }
        let mut bytes = Vec::with_capacity(length);
        if let Err(error) = (&file).take(entry.size).read_to_end(&mut bytes) {
            return Some(Err(error.into()));
        }
        if bytes.len() != length {
            // It is being written at this moment.
            (entry.size, self.seen) = (bytes.len() as u64, None);
        }
        Some(Ok(Content::whole(bytes)))
    }

    /// All of a file, compressed; that takes too long for who is in a hurry.
    fn packed(&self, file: &File) -> Option<Result<Content, StoreError>> {
        if self.manner == Manner::Hasty {
            return None;
        }
        let mut bytes = Vec::new();
        let read = file.take(*COMPRESSED.end()).read_to_end(&mut bytes);
        Some(read.map(|_| Content::packed(&bytes)).map_err(StoreError::from))
    }
}

fn open_surely(
    eyes: &mut Eyes<'_>,
    wanted: &Wanted,
    path: &VirtualPath,
) -> Result<Opened, StoreError> {
    open_file(eyes, wanted, path).unwrap_or(Err(StoreError::NotFound))
}

/// A file, or what lies beside it in a coding that is taken.
fn open_file(
    eyes: &mut Eyes<'_>,
    wanted: &Wanted,
    path: &VirtualPath,
) -> Option<Result<Opened, StoreError>> {
    let media = media_type(path.name().unwrap_or_default());
    let (mut file, mut entry) = match eyes.read(path)? {
        Ok(found) => found,
        Err(error) => return Some(Err(error)),
    };
    let mut coding = None;
    for taken in wanted.question.codings.into_iter().flatten() {
        if let Some(found) = sibling(eyes, path, &entry, taken)? {
            ((file, entry), coding) = (found, Some(taken));
            break;
        }
    }
    let packs = coding.is_none()
        && wanted.question.compress
        && is_compressible(media)
        && COMPRESSED.contains(&entry.size);
    let content = if packs {
        coding = Some(Coding::Gzip);
        eyes.packed(&file)?
    } else if wanted.reads_whole && entry.size <= SHORT {
        eyes.content(file, &mut entry)?
    } else {
        Ok(Content::File(file))
    };
    let seen = eyes.seen.take();
    Some(content.map(|content| Opened::File(Opening { content, entry, media, coding, seen })))
}

/// What lies beside a file, unless the file was changed after it was made.
fn sibling(
    eyes: &mut Eyes<'_>,
    path: &VirtualPath,
    original: &Entry,
    coding: Coding,
) -> Option<Option<(File, Entry)>> {
    let beside = path.name().map(|name| [name, coding.suffix().as_bytes()].concat());
    let Some(Ok(beside)) = beside.map(|name| path.parent().join(&name)) else {
        return Some(None);
    };
    let found = eyes.read(&beside)?.ok();
    Some(found.filter(|(_, entry)| entry.modified >= original.modified))
}
