//! Datagram sockets, and the ways on which datagrams are lost.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::calls::{Call, Errno};
use super::names::{Sharing, Space, host_of, is_ours, source_for};
use super::queues::{Datagrams, Packet, Stored};
use super::rules::{Payload, Verdict};
use super::world::{Event, Failure, SocketIndex, SocketKind, World};
use super::{Fault, Segment};
use crate::net::{Incoming, Outgoing, Readiness};
use crate::{Address, DatagramOptions, Ecn, Membership};

/// The longest datagram of UDP over IPv4: 65,535 less the two heads.
const LONGEST_V4: usize = 65_507;
/// Over IPv6, whose own head does not count.
const LONGEST_V6: usize = 65_527;
/// Bytes of datagrams that wait to be received; what comes then is dropped.
const CAPACITY: usize = 256 * 1024;
/// How much later one comes that others overtake.
const OVERTAKEN: Duration = Duration::from_millis(50);

impl World {
    pub(super) fn bind(
        &mut self,
        host: u16,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<SocketIndex, Failure> {
        let socket = self.open_for(Call::Bind, host).map_err(Failure::of(address))?;
        let bound = self.bind_to(host, socket, address, options);
        bound.inspect_err(|_| self.close(socket)).map(|()| socket)
    }

    fn bind_to(
        &mut self,
        host: u16,
        socket: SocketIndex,
        address: &Address,
        options: &DatagramOptions,
    ) -> Result<(), Failure> {
        let sharing = Sharing { address: options.reuse_address, port: options.reuse_port };
        let mut bound = self
            .bind_name(host, Space::Datagram, address, sharing, socket, true)
            .map_err(Failure::of(address))?;
        if let (Address::Ip(local), Some(ip)) =
            (&mut bound, options.peer.as_ref().and_then(Address::ip))
            && local.ip().is_unspecified()
        {
            // A socket that knows its peer knows its own address as well.
            let names = &mut self.kernel_mut(host).names;
            names.release(Space::Datagram, &Address::Ip(*local), socket, false);
            local.set_ip(source_for(host, ip));
            let bound = names.bind(host, Space::Datagram, &Address::Ip(*local), sharing, socket);
            bound.map_err(Failure::of(address))?;
        }
        self.sockets[socket].kind = SocketKind::Datagram(Datagrams {
            address: bound,
            peer: options.peer.clone(),
            peer_socket: None,
            arrived: VecDeque::new(),
            bytes: 0,
            capacity: options.receive_buffer.unwrap_or(CAPACITY),
            error: None,
            groups: options.groups.clone(),
            hears_itself: options.multicast_loop.unwrap_or(true),
            metadata: options.metadata,
            icmp: options.icmp,
            waiting: Vec::new(),
        });
        match &options.peer {
            None => Ok(()),
            Some(peer) => self.connect_datagrams(host, socket, peer).map_err(Failure::of(peer)),
        }
    }

    /// Fixes the peer of a socket: a Unix one has to be there.
    fn connect_datagrams(
        &mut self,
        host: u16,
        socket: SocketIndex,
        peer: &Address,
    ) -> Result<(), Errno> {
        let receiver = match peer {
            Address::Ip(_) => None,
            named => Some(self.unix_receiver(host, named)?),
        };
        if let Some(socket) = self.datagrams_mut(socket) {
            socket.peer_socket = receiver;
        }
        Ok(())
    }

    fn unix_receiver(&self, host: u16, address: &Address) -> Result<SocketIndex, Errno> {
        let names = &self.kernel(host).names;
        let found = names.find(Space::Datagram, address);
        found.ok_or_else(|| names.nobody(Space::Stream, address))
    }

    pub(super) fn datagrams(&self, index: SocketIndex) -> Option<&Datagrams> {
        match self.sockets.get(index).map(|socket| &socket.kind) {
            Some(SocketKind::Datagram(datagrams)) => Some(datagrams),
            _ => None,
        }
    }

    fn datagrams_mut(&mut self, index: SocketIndex) -> Option<&mut Datagrams> {
        match self.sockets.get_mut(index).map(|socket| &mut socket.kind) {
            Some(SocketKind::Datagram(datagrams)) => Some(datagrams),
            _ => None,
        }
    }

    // ── sending ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn send_datagram(
        &mut self,
        index: SocketIndex,
        outgoing: &Outgoing<'_>,
    ) -> Result<(), Errno> {
        let Outgoing { bytes, to, envelope, .. } = *outgoing;
        let host = self.host_of(index).ok_or(Errno::EINVAL)?;
        self.pass(Call::Send, index, Readiness::WRITE)?;
        let socket = self.datagrams_mut(index).ok_or(Errno::EINVAL)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let from = socket.address.clone();
        let Address::Ip(mut local) = from else {
            let receiver = match (to, socket.peer_socket) {
                (Some(to), _) => self.unix_receiver(host, to)?,
                (None, Some(receiver)) => receiver,
                (None, None) => return self.disconnect(index),
            };
            return self.send_unix(host, index, from, (receiver, to.is_some()), bytes);
        };
        let to = to.or(socket.peer.as_ref()).and_then(Address::socket_addr);
        let to = to.ok_or(Errno::EDESTADDRREQ)?;
        if local.is_ipv4() != to.is_ipv4() {
            return Err(Errno::EAFNOSUPPORT);
        }
        if bytes.len() > if to.is_ipv4() { LONGEST_V4 } else { LONGEST_V6 } {
            return Err(Errno::EMSGSIZE);
        }
        if let Some(from) = envelope.from.filter(|from| !from.is_multicast()) {
            if !is_ours(from, host) || from.is_ipv4() != to.is_ipv4() {
                return Err(Errno::EINVAL);
            }
            local.set_ip(from);
        }
        self.send_packet(host, local, to, envelope.ecn, bytes)
    }

    /// A Unix socket's peer is gone, or it never had one: that it is gone is told once.
    fn disconnect(&mut self, index: SocketIndex) -> Result<(), Errno> {
        let had_peer = self.datagrams_mut(index).and_then(|socket| socket.peer.take()).is_some();
        Err(if had_peer { Errno::ECONNREFUSED } else { Errno::ENOTCONN })
    }

    /// A Unix datagram arrives at once, or there is no room for it. Who is connected waits for room; who names
    /// the receiver is writable all the time, and the refusal itself raises the edge, since it frees the
    /// memory that the datagram was put in.
    fn send_unix(
        &mut self,
        host: u16,
        index: SocketIndex,
        from: Address,
        (receiver, is_named): (SocketIndex, bool),
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let socket = self.datagrams_mut(receiver).ok_or(Errno::ECONNREFUSED)?;
        if !socket.takes(&from) {
            return Err(Errno::EPERM);
        }
        if bytes.len() > socket.capacity {
            return Err(Errno::EMSGSIZE);
        }
        if socket.bytes + bytes.len() > socket.capacity {
            if is_named {
                self.notify(index, Readiness::WRITE);
            } else {
                socket.waiting.push(index);
            }
            return Err(Errno::EAGAIN);
        }
        socket.store(Stored { bytes: bytes.to_vec(), from, to: None, ecn: None });
        self.log.note_bytes("unix datagram", host, host, bytes);
        self.notify(receiver, Readiness::READ);
        Ok(())
    }

    fn send_packet(
        &mut self,
        host: u16,
        mut from: SocketAddr,
        to: SocketAddr,
        ecn: Option<Ecn>,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        // Who is bound to a group hears that, and sends from an address of its own (Linux).
        if from.ip().is_unspecified() || from.ip().is_multicast() {
            from.set_ip(source_for(host, to.ip()));
        }
        let to_hosts = if to.ip().is_multicast() {
            0..self.hosts()
        } else {
            let to = host_of(to.ip(), host, self.kernels.len()).ok_or(Errno::ENETUNREACH)?;
            to..to + 1
        };
        let (from, to) = (Address::Ip(from), Address::Ip(to));
        for to_host in to_hosts {
            let (from, to, bytes) = (from.clone(), to.clone(), bytes.to_vec());
            self.dispatch(Packet { from_host: host, to_host, from, to, ecn, bytes });
        }
        Ok(())
    }

    /// Puts a datagram on its way, and lets happen to it what happens to datagrams.
    fn dispatch(&mut self, mut packet: Packet) {
        let Packet { from_host, to_host, .. } = packet;
        if from_host == to_host {
            self.log.note_bytes("datagram", from_host, to_host, &packet.bytes);
            return self.handle_packet(packet);
        }
        let now = self.now;
        let (from, to) = (packet.from.clone(), packet.to.clone());
        let payload = Payload::Datagram(&packet.bytes);
        let verdict = self.rules.judge(&Segment { at: now, from, to, payload });
        let length = packet.bytes.len();
        let route = self.route(from_host, to_host);
        let mut at = route.arrival(now, length);
        let mtu = route.mtu;
        let lost = match mtu {
            Some(mtu) if length > mtu => {
                self.counts.note(Fault::DatagramTooLong);
                Some("datagram above the MTU")
            }
            _ if self.is_cut(from_host, to_host) => Some("datagram cut off"),
            _ if self.strikes(Fault::DatagramLost) => Some("datagram lost"),
            _ => (matches!(verdict, Verdict::Drop | Verdict::Reset)).then_some("datagram dropped"),
        };
        if let Some(what) = lost {
            return self.log.note(what, from_host, to_host, length);
        }
        if self.strikes(Fault::DatagramReordered) {
            at += self.choices.between(Duration::ZERO, OVERTAKEN);
        }
        if let Verdict::Delay(delay) = verdict {
            at += delay;
        }
        if length > 0
            && (self.strikes(Fault::DatagramCorrupted) || matches!(verdict, Verdict::Corrupt))
        {
            let bit = self.choices.below(length as u64 * 8) as usize;
            packet.bytes[bit / 8] ^= 1 << (bit % 8);
            self.log.note("datagram corrupted", from_host, to_host, length);
        }
        self.log.note_bytes("datagram", from_host, to_host, &packet.bytes);
        if self.strikes(Fault::DatagramDuplicated) || matches!(verdict, Verdict::Duplicate) {
            let later = at + self.choices.between(Duration::ZERO, OVERTAKEN);
            self.plan(later, Event::Datagram(packet.clone()));
            self.log.note("datagram duplicated", from_host, to_host, length);
        }
        self.plan(at, Event::Datagram(packet));
    }

    // ── arriving ────────────────────────────────────────────────────────────────────────────

    pub(super) fn handle_packet(&mut self, packet: Packet) {
        if self.kernel(packet.to_host).is_down {
            return;
        }
        match packet.to.ip() {
            Some(group) if group.is_multicast() => self.deliver_to_group(&packet, group),
            _ => match self.receiver(&packet) {
                Some(socket) => self.deliver_datagram(socket, packet),
                None => self.tell_unreachable(&packet),
            },
        }
    }

    /// Who of those that share an address is to have a datagram: whoever is connected to its sender
    /// before whoever is connected to nobody.
    fn receiver(&self, packet: &Packet) -> Option<SocketIndex> {
        let names = &self.kernel(packet.to_host).names;
        let connected = names.find_all(Space::Datagram, &packet.to).into_iter().find(|&index| {
            self.datagrams(index).is_some_and(|socket| socket.peer.as_ref() == Some(&packet.from))
        });
        connected.or_else(|| names.find_for(Space::Datagram, &packet.to, &packet.from))
    }

    fn deliver_datagram(&mut self, index: SocketIndex, packet: Packet) {
        let Some(socket) = self.datagrams_mut(index) else {
            return;
        };
        if !socket.takes(&packet.from) {
            return self.tell_unreachable(&packet);
        }
        if socket.bytes + packet.bytes.len() > socket.capacity {
            let (from, to, bytes) = (packet.from_host, packet.to_host, packet.bytes.len());
            return self.log.note("datagram overflows", from, to, bytes);
        }
        let Packet { bytes, from, to, ecn, .. } = packet;
        socket.store(Stored { bytes, from, to: to.ip(), ecn });
        self.notify(index, Readiness::READ);
    }

    fn deliver_to_group(&mut self, packet: &Packet, group: IpAddr) {
        let listens = |socket: &Datagrams| {
            socket.has_joined(group)
                && socket.address.port() == packet.to.port()
                && (packet.from_host != packet.to_host || socket.hears_itself)
        };
        let there = self.sockets.iter().filter(|(_, socket)| socket.host == packet.to_host);
        let listening: Vec<SocketIndex> = there
            .map(|(index, _)| index)
            .filter(|&index| self.datagrams(index).is_some_and(listens))
            .collect();
        for index in listening {
            self.deliver_datagram(index, packet.clone());
        }
    }

    /// Nobody is bound there: a sender that is connected hears of it, and one that has asked to (ICMP,
    /// RFC 1122, 4.1.3.3).
    fn tell_unreachable(&mut self, packet: &Packet) {
        let names = &self.kernel(packet.from_host).names;
        let Some(sender) = names.find(Space::Datagram, &packet.from) else {
            return;
        };
        if self.is_cut(packet.to_host, packet.from_host) {
            return;
        }
        if let Some(socket) = self.datagrams_mut(sender)
            && (socket.icmp || socket.peer.as_ref() == Some(&packet.to))
        {
            socket.error = Some(Errno::ECONNREFUSED);
            self.notify(sender, Readiness::READ.with(Readiness::WRITE).with(Readiness::END));
        }
    }

    // ── what a socket is asked ──────────────────────────────────────────────────────────────

    pub(super) fn receive_datagram(
        &mut self,
        index: SocketIndex,
        buffer: &mut [u8],
    ) -> Result<Incoming, Errno> {
        self.pass(Call::Receive, index, Readiness::READ)?;
        let socket = self.datagrams_mut(index).ok_or(Errno::EINVAL)?;
        if let Some(errno) = socket.error.take() {
            return Err(errno);
        }
        let Stored { bytes, from, to, ecn } = socket.arrived.pop_front().ok_or(Errno::EAGAIN)?;
        socket.bytes -= bytes.len();
        let metadata = socket.metadata;
        let waiting = std::mem::take(&mut socket.waiting);
        for sender in waiting {
            self.notify(sender, Readiness::WRITE);
        }
        // As on a real system, where the buffer's last byte tells whether there was more.
        let length = bytes.len().min(buffer.len() - 1);
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(Incoming {
            to: to.filter(|_| metadata),
            ecn: ecn.filter(|_| metadata),
            truncated: length < bytes.len(),
            ..Incoming::plain(length, from)
        })
    }

    pub(super) fn take_datagram_error(&mut self, index: SocketIndex) -> Option<Errno> {
        self.datagrams_mut(index)?.error.take()
    }

    pub(super) fn join(&mut self, index: SocketIndex, group: Membership) -> Result<(), Errno> {
        let socket = self.datagrams_mut(index).ok_or(Errno::EINVAL)?;
        if socket.groups.contains(&group) {
            return Err(Errno::EADDRINUSE);
        }
        socket.groups.push(group);
        Ok(())
    }

    pub(super) fn leave(&mut self, index: SocketIndex, group: Membership) -> Result<(), Errno> {
        let socket = self.datagrams_mut(index).ok_or(Errno::EINVAL)?;
        let before = socket.groups.len();
        socket.groups.retain(|joined| *joined != group);
        if socket.groups.len() < before { Ok(()) } else { Err(Errno::EADDRNOTAVAIL) }
    }

    pub(super) fn datagram_address(&self, index: SocketIndex) -> Address {
        self.datagrams(index).map_or(Address::Unnamed, |socket| socket.address.clone())
    }

    pub(super) fn datagram_peer(&self, index: SocketIndex) -> Option<Address> {
        self.datagrams(index)?.peer.clone()
    }

    pub(super) fn close_datagrams(&mut self, index: SocketIndex, host: u16, socket: &Datagrams) {
        let is_down = self.kernel(host).is_down;
        self.kernel_mut(host).names.release(Space::Datagram, &socket.address, index, is_down);
        if socket.address.ip().is_none() {
            self.desert(index);
        }
        for &sender in &socket.waiting {
            self.notify(sender, Readiness::WRITE);
        }
    }

    /// Whoever is connected to a socket that is no more finds out as it sends.
    fn desert(&mut self, gone: SocketIndex) {
        for (_, socket) in &mut self.sockets {
            if let SocketKind::Datagram(datagrams) = &mut socket.kind
                && datagrams.peer_socket == Some(gone)
            {
                datagrams.peer_socket = None;
            }
        }
    }
}
