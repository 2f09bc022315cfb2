//! UDP sockets with metadata, by quinn-udp (feature `quinn-udp`).
//!
//! That crate knows what each system calls these options, and does without those that a kernel lacks. It takes
//! a few hundred instructions more than a plain call, which is why a socket has to be opened for it.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use crate::net::{Incoming, Outgoing};
use crate::{Address, DatagramOptions, Ecn};

/// Most of the kernel treats a run as one datagram, so together they are no longer than one over IPv4.
const LONGEST_RUN: usize = 65_507;

/// What is kept beside the socket.
pub(crate) struct Rich {
    state: UdpSocketState,
    /// The connected peer: every send names it, which only Linux allows on a connected socket.
    peer: Option<SocketAddr>,
    /// Its protocol has asked for more than bytes and a peer.
    metadata: bool,
}

impl Rich {
    /// Sets the options of a socket that is bound.
    pub(super) fn new(socket: &mio::net::UdpSocket, options: &DatagramOptions) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(socket))?;
        let peer = options.peer.as_ref().and_then(Address::socket_addr);
        Ok(Self { state, peer, metadata: options.metadata })
    }

    /// One receive, of one datagram or, where the kernel joins them, of several of equal size.
    pub(super) fn receive(
        &self,
        socket: &mio::net::UdpSocket,
        buffer: &mut [u8],
    ) -> io::Result<Incoming> {
        let (mut slices, mut meta) = ([IoSliceMut::new(buffer)], [RecvMeta::default()]);
        socket.try_io(|| self.state.recv(UdpSockRef::from(socket), &mut slices, &mut meta))?;
        let [RecvMeta { addr, len, stride, ecn, dst_ip, .. }] = meta;
        Ok(Incoming {
            length: len,
            stride,
            to: dst_ip.filter(|_| self.metadata),
            ecn: ecn.map(mark).filter(|_| self.metadata),
            ..Incoming::plain(len, Address::Ip(addr))
        })
    }

    /// Sends one datagram or a run; `None` if this has to be done the plain way.
    pub(super) fn send(
        &self,
        socket: &mio::net::UdpSocket,
        outgoing: &Outgoing<'_>,
    ) -> Option<io::Result<()>> {
        let destination = match outgoing.to {
            Some(Address::Ip(to)) => *to,
            Some(_) => return None,
            None => self.peer.filter(|_| cfg!(any(target_os = "linux", target_os = "android")))?,
        };
        let transmit = Transmit {
            destination,
            ecn: outgoing.envelope.ecn.and_then(|mark| EcnCodepoint::from_bits(mark as u8)),
            contents: outgoing.bytes,
            segment_size: (outgoing.count() > 1).then_some(outgoing.stride),
            src_ip: outgoing.envelope.from.filter(is_a_source),
        };
        Some(socket.try_io(|| self.state.try_send(UdpSockRef::from(socket), &transmit)))
    }

    /// How many datagrams of a length leave in one call. It falls to one when the system has found out
    /// that it cannot do more: an interface may lack what it takes.
    pub(super) fn run_of(&self, length: usize) -> usize {
        self.state.max_gso_segments().min(LONGEST_RUN / length.max(1)).max(1)
    }

    pub(super) fn takes_envelopes(&self) -> bool {
        self.metadata
    }
}

/// A datagram that came to a group or to everybody is answered from wherever the route says.
fn is_a_source(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    }
}

fn mark(codepoint: EcnCodepoint) -> Ecn {
    match codepoint {
        EcnCodepoint::Ect0 => Ecn::Ect0,
        EcnCodepoint::Ect1 => Ecn::Ect1,
        EcnCodepoint::Ce => Ecn::Ce,
    }
}
