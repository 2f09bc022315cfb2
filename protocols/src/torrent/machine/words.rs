//! What the machine and who drives it say to each other.

use thiserror::Error;

use super::NotABitfield;
use crate::torrent::wire::message::{Block, Message};

/// A peer of a torrent. No number is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u64);

/// A block's content in few bytes. It is computed where the piece is checked, with a key of this process, so that no
/// peer can find two blocks with the same.
pub type Digest = u64;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this to a peer.
    Say(PeerKey, Message<'static>),
    /// All blocks of this piece are there: hash it, keep it, and say what came of it
    /// ([`Torrent::handle_checked`](super::Torrent::handle_checked)); with the digests of its blocks if they are wanted, and always if it is bad.
    Check {
        /// Which piece.
        piece: u32,
        /// Whether the digests are wanted also if it is right.
        digests: bool,
    },
    /// A peer that waited for nothing waits for something: [`Torrent::next_upload`](super::Torrent::next_upload) says for what.
    Serve(PeerKey),
    /// End this connection.
    HangUp(PeerKey, Parting),
    /// This peer has sent what is wrong. It may have gone: it is to be let in no more.
    Ban(PeerKey),
    /// Everything that is wanted is there.
    Complete,
}

/// Why a connection is ended that has done nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Neither side has anything for the other (BEP 21).
    NothingToTrade,
}

/// Whether the bytes of a block are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Keep {
    /// They belong to a piece that is being put together.
    Yes,
    /// Nobody needs them.
    No,
}

/// What came of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is right, and kept.
    Good(Vec<Digest>),
    /// It has another hash.
    Bad(Vec<Digest>),
    /// It could not be kept: the disk is full, say. Nobody is to blame, and it is asked for again later.
    NotKept,
}

/// What a peer says of itself in its handshake of extensions (BEP 10, BEP 21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerTraits {
    /// How many requests it keeps.
    pub reqq: Option<usize>,
    /// It takes nothing more.
    pub upload_only: bool,
}

/// Something that no peer of this torrent may say. Its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// It says that it has other pieces than there are.
    #[error(transparent)]
    Bitfield(#[from] NotABitfield),
    /// It speaks of a piece that there is not.
    #[error("piece {0}, which there is not")]
    NoSuchPiece(u32),
    /// It asks for, or sends, a part that there is not, or a longer one than is sent.
    #[error("bytes {} to {} of piece {}, which there are not", .0.begin, u64::from(.0.begin) + u64::from(.0.length), .0.piece)]
    NoSuchBlock(Block),
    /// It speaks the Fast extension, and this connection does not.
    #[error("a message of an extension that was not agreed upon")]
    NotAgreed,
    /// It turns every request down.
    #[error("it turns every request down")]
    OnlyRejects,
    /// It sends again and again what nobody has asked it for.
    #[error("blocks that nobody has asked for")]
    Unasked,
}

/// Bytes of blocks that went from and to all peers, also those that have gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From them, and needed.
    pub downloaded: u64,
    /// To them.
    pub uploaded: u64,
}

/// What can be told of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// How many pieces it has.
    pub has: u32,
    /// Bytes a second from it, and in all.
    pub download: (u64, u64),
    /// Bytes a second to it, and in all.
    pub upload: (u64, u64),
    /// Requests to it that are not answered.
    pub asked: usize,
    /// We are interested in it; it lets us wait; it has been silent for too long.
    pub interested: bool,
    /// It answers no requests.
    pub chokes_us: bool,
    /// It was asked, and has sent nothing for too long.
    pub snubs_us: bool,
    /// It is interested in us.
    pub is_interested: bool,
    /// Its requests are not answered.
    pub is_choked: bool,
}
