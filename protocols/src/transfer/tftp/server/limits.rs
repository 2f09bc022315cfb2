//! The bounds of TFTP. How patiently packets are sent again is in [`Patience`].

use crate::transfer::tftp::{Bounds, LARGEST_BLOCK, Patience};

/// The limits of a server, given to [`Server::new`](super::Server::new).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at one time. Beyond it a request is answered with error 0: come back later.
    ///
    /// Default 256: each has a socket, a file, and a window's blocks, so 100 MB at the very worst.
    pub transfers: usize,

    /// Transfers at one time with one source (an IPv4 address or an IPv6 /64). Beyond it, the same
    /// answer.
    ///
    /// Default 32: a rack that boots from behind one router, and never all there are.
    pub transfers_per_source: usize,

    /// Files that were received, and whose transfer stays for a while in case its sender has not heard
    /// the last acknowledgement. They count among nothing else; beyond it the oldest is forgotten.
    ///
    /// Default 1,024: ninety a second, for the twelve seconds each of them stays, and a descriptor each.
    pub dallying: usize,

    /// Requests a second that are looked at from one source, in bursts of at most a second's worth.
    /// Beyond it they are dropped: their senders ask again.
    ///
    /// Default 50: thirty-two begin at once, and some packets come twice.
    pub requests_per_second: u32,

    /// Sources whose requests are counted at one time. Beyond it newcomers are dropped, until one of
    /// the old is quiet.
    ///
    /// Default 4,096: about 600 KiB.
    pub sources: usize,

    /// What is granted of the options that are asked for.
    ///
    /// Default: any block size; windows of at most 16 blocks, since some firmware asks for more than its
    /// network card has room for, and RFC 7440 lets a server grant less; and of at most 128 KiB, which is
    /// less than what a socket's buffer holds on most systems (208 KiB on Linux), so that a window that
    /// arrives at once is not lost for want of a place.
    pub bounds: Bounds,

    /// Bytes of the longest file that is received. A longer one is refused with error 3, at once if its
    /// sender says how long it will be. How much there may be in all is the store's
    /// [`Quota`](crate::transfer::store::Quota).
    ///
    /// Default 1 GiB: longer than anything one should entrust to this protocol.
    pub file: u64,

    /// Packets with a wrong transfer identifier that are answered, with error 5, by each transfer. The
    /// rest are dropped: whoever sends them may be a victim of somebody who forges them.
    ///
    /// Default 8: a request that came twice has one such packet follow.
    pub strays: u32,

    /// How patiently packets are sent again.
    pub patience: Patience,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfers: 256,
            transfers_per_source: 32,
            dallying: 1_024,
            requests_per_second: 50,
            sources: 4_096,
            bounds: Bounds { block_size: LARGEST_BLOCK, window: 16, window_bytes: 128 * 1024 },
            file: 1 << 30,
            strays: 8,
            patience: Patience::default(),
        }
    }
}
