//! What proves that the other side speaks WebSocket, and is not an HTTP server that says yes to everything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a server answers to a key (RFC 6455, 4.2.2).
///
/// ```
/// // The example of the RFC, 1.3.
/// let accept = protocols::websocket::handshake::accept_key("dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Whether it is sixteen bytes, as base64 writes them.
pub(super) fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// A client's key, out of bits that nobody can guess.
pub(super) fn new_key(random: [u64; 2]) -> String {
    let [a, b] = random.map(u64::to_ne_bytes);
    STANDARD.encode([a, b].concat())
}
