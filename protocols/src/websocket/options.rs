//! What a program decides about its WebSockets.

use super::Limits;

/// What an [`Endpoint`](super::Endpoint) does and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Of a server: whose pages may open a WebSocket here.
    pub origins: Origins,
    /// The subprotocols that are spoken. A server takes the first that a client offers and that is here;
    /// a client offers these, the one it likes best first. Default none.
    pub subprotocols: Vec<String>,
    /// How messages are compressed, if both sides want that (RFC 7692). Default: on, keeping nothing.
    /// `None` turns it off.
    pub deflate: Option<DeflateOptions>,
    /// The bounds.
    pub limits: Limits,
}

/// Whose pages may open a WebSocket to a server: a browser tells in `Origin` which page asks, and sends the
/// user's cookies along, whoever wrote that page (RFC 6455, 10.2). Programs without an `Origin` always may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages that come from the host, and port, that is asked.
    #[default]
    SameHost,
    /// Pages from these origins, written as browsers do: `https://example.com`.
    Only(Vec<String>),
    /// Any page: for servers that trust nobody for his cookies.
    Any,
}

/// How messages are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeflateOptions {
    /// Whether each side may refer to earlier messages ("context takeover"). Small messages that are alike
    /// compress to a third then, and each connection has a compressor and a decompressor of its own: 430
    /// KB. Default `false`: all share one of each.
    pub context_takeover: bool,
    /// The window of our compressor, 9 to 15 bits. Default 15.
    pub window_bits: u8,
    /// How hard it tries, 0 to 9. Default 6, as zlib's.
    pub level: u32,
    /// Messages of fewer bytes are sent as they are. Default 1,024: below it little is won, and
    /// beginning anew costs as much as a kilobyte.
    pub from: usize,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self { context_takeover: false, window_bits: 15, level: 6, from: 1024 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            subprotocols: Vec::new(),
            deflate: Some(DeflateOptions::default()),
            limits: Limits::default(),
        }
    }
}
