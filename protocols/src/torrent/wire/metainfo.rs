//! A `.torrent` file (BEP 3): the info dictionary, and where to ask for peers.

use bytes::Bytes;
use thiserror::Error;

use super::bencode::{Document, NoBencode, Node, dictionary};
use super::{Info, InfoError};
use crate::torrent::MetainfoLimits;
use crate::torrent::limits::ADDRESSES;

/// What a `.torrent` file says.
///
/// ```
/// use protocols::torrent::MetainfoLimits;
/// use protocols::torrent::wire::Metainfo;
///
/// let text = b"d8:announce20:http://tracker.test/4:infod6:lengthi5e4:name1:a12:piece lengthi16384e\
///              6:pieces20:....................ee";
/// let torrent = Metainfo::parse(text, &MetainfoLimits::default())?;
/// assert_eq!(torrent.trackers, [["http://tracker.test/"]]);
/// assert_eq!((torrent.info.pieces(), torrent.info.length()), (1, 5));
/// # Ok::<(), protocols::torrent::wire::MetainfoError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Metainfo {
    /// Pieces and files.
    pub info: Info,
    /// Trackers, in tiers (BEP 12): all of one are asked before any of the next. Each tier has one at least.
    pub trackers: Vec<Vec<String>>,
    /// Web servers that have the files (BEP 19).
    pub web_seeds: Vec<String>,
    /// What its maker wanted to say.
    pub comment: Option<String>,
    /// The program that made it.
    pub created_by: Option<String>,
    /// When, in seconds since 1970.
    pub created_at: Option<i64>,
}

/// Why it is no `.torrent` file that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetainfoError {
    /// It is not bencode.
    #[error("this is no torrent: {0}")]
    Bencode(NoBencode),
    /// There is no info dictionary in it.
    #[error("this is no torrent: there is no `info` in it")]
    NoInfo,
    /// Something is wrong with that.
    #[error(transparent)]
    Info(#[from] InfoError),
}

impl From<NoBencode> for MetainfoError {
    fn from(error: NoBencode) -> Self {
        Self::Bencode(error)
    }
}

impl Metainfo {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// See [`MetainfoError`].
    pub fn parse(text: &[u8], limits: &MetainfoLimits) -> Result<Self, MetainfoError> {
        // Some files have a line end after the end, and libtorrent reads them.
        let (document, _) = Document::parse_prefix(text, &limits.bencode())?;
        let root = document.root();
        let info = root.get("info").ok_or(MetainfoError::NoInfo)?;
        let told = |key| root.get(key).and_then(text_of);
        Ok(Self {
            info: Info::parse(Bytes::copy_from_slice(info.raw()), limits)?,
            trackers: trackers(root),
            web_seeds: web_seeds(root),
            comment: told("comment.utf-8").or_else(|| told("comment")),
            created_by: told("created by"),
            created_at: root.get("creation date").and_then(Node::integer),
        })
    }

    /// The file: it has the info dictionary as it came.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let tiers = &self.trackers;
        dictionary(|file| {
            if let Some(first) = tiers.iter().flatten().next() {
                file.bytes("announce", first);
            }
            if tiers.iter().map(Vec::len).sum::<usize>() > 1 {
                file.list("announce-list", |list| {
                    for tier in tiers {
                        list.list(|list| tier.iter().for_each(|url| list.bytes(url)));
                    }
                });
            }
            if let Some(comment) = &self.comment {
                file.bytes("comment", comment);
            }
            if let Some(created_by) = &self.created_by {
                file.bytes("created by", created_by);
            }
            if let Some(created_at) = self.created_at {
                file.integer("creation date", created_at);
            }
            file.raw("info", self.info.raw());
            if !self.web_seeds.is_empty() {
                file.list("url-list", |list| {
                    self.web_seeds.iter().for_each(|url| list.bytes(url));
                });
            }
        })
    }
}

/// `announce-list` if there is one, else `announce` (BEP 12).
fn trackers(root: Node<'_>) -> Vec<Vec<String>> {
    let mut left = ADDRESSES;
    let mut tiers = Vec::new();
    for tier in root.get("announce-list").into_iter().flat_map(Node::items) {
        let tier: Vec<_> = tier.items().filter_map(url).take(left).collect();
        left -= tier.len();
        if !tier.is_empty() {
            tiers.push(tier);
        }
    }
    if tiers.is_empty() {
        tiers.extend(root.get("announce").and_then(url).map(|url| vec![url]));
    }
    tiers
}

/// One, or a list.
fn web_seeds(root: Node<'_>) -> Vec<String> {
    let Some(list) = root.get("url-list") else {
        return Vec::new();
    };
    url(list).into_iter().chain(list.items().filter_map(url)).take(ADDRESSES).collect()
}

fn url(node: Node<'_>) -> Option<String> {
    let url = node.text()?.trim();
    let is_url = !url.is_empty() && !url.contains(|c: char| c.is_control());
    is_url.then(|| url.to_owned())
}

fn text_of(node: Node<'_>) -> Option<String> {
    node.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
