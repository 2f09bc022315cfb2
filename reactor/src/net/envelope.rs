//! What a datagram carries beside its bytes and its peer: a local address and a congestion mark.

use std::net::IpAddr;

/// The mark of explicit congestion notification (RFC 3168, section 5) in a datagram's IP header.
///
/// A sender that listens to the marks says so with one of the first two; a router that would else have
/// dropped the datagram puts the third in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// ECT(0): the sender understands the marks.
    Ect0 = 0b10,
    /// ECT(1): likewise; since RFC 9331 it asks for the low-latency service.
    Ect1 = 0b01,
    /// CE: a router on the way was congested.
    Ce = 0b11,
}

/// What a datagram is sent with beside its bytes, by
/// [`send_with`](crate::DatagramTransport::send_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The local address it comes from, for a socket that is bound to all of them. Default `None`: the
    /// system chooses by the route, which need not be the address that the peer had called.
    pub from: Option<IpAddr>,
    /// Its congestion mark. Default `None`: not ECN-capable.
    pub ecn: Option<Ecn>,
}

impl Envelope {
    /// Whether it says nothing that a plain send would not.
    pub(crate) fn is_plain(self) -> bool {
        self == Self::default()
    }
}
