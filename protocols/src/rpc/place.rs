//! Where a conversation is, and who has a claim to an answer there: both are found again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reactor::ConnectionId;

/// Where a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On a stream of its own.
    Stream(ConnectionId),
    /// On a WebSocket.
    #[cfg(feature = "rpc-web")]
    WebSocket(ConnectionId),
    /// In one exchange of HTTP.
    #[cfg(feature = "rpc-web")]
    Exchange(crate::http::server::ExchangeId),
}

impl Place {
    pub(super) fn connection(self) -> ConnectionId {
        match self {
            Self::Stream(id) => id,
            #[cfg(feature = "rpc-web")]
            Self::WebSocket(id) => id,
            #[cfg(feature = "rpc-web")]
            Self::Exchange(id) => id.connection(),
        }
    }

    /// Whether the other side can be told something that it has not asked for.
    pub(super) fn is_lasting(self) -> bool {
        match self {
            Self::Stream(_) => true,
            #[cfg(feature = "rpc-web")]
            Self::WebSocket(_) => true,
            #[cfg(feature = "rpc-web")]
            Self::Exchange(_) => false,
        }
    }
}

/// The claim of one call to one answer, as long as somebody waits for it. It can be asked on any thread.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) place: Place,
    /// Which of the calls there.
    pub(super) number: u64,
    void: Arc<AtomicBool>,
}

impl Claim {
    pub(super) fn new(place: Place, number: u64) -> Self {
        Self { place, number, void: Arc::default() }
    }

    pub(super) fn is_void(&self) -> bool {
        self.void.load(Ordering::Relaxed)
    }

    pub(super) fn make_void(&self) {
        self.void.store(true, Ordering::Relaxed);
    }
}
