//! Who is where: the addresses of hosts, and what is bound to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::calls::Errno;
use crate::Address;

/// A socket's number in the world.
pub(crate) type SocketIndex = usize;

/// The first of the ports that a host gives away itself (RFC 6335).
const EPHEMERAL: u16 = 49_152;

/// The address of a host: 10.0.0.1 for the first.
pub(crate) fn v4_of(host: u16) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + u32::from(host))
}

/// The other address of a host: fd00::1 for the first.
pub(crate) fn v6_of(host: u16) -> Ipv6Addr {
    Ipv6Addr::from((0xfd00 << 112) + 1 + u128::from(host))
}

/// The host that has an address, as seen from one host; `None` if there is none.
pub(super) fn host_of(ip: IpAddr, seen_from: u16, hosts: usize) -> Option<u16> {
    if ip.is_loopback() || ip.is_unspecified() {
        return Some(seen_from);
    }
    let index = match ip.to_canonical() {
        IpAddr::V4(ip) => u32::from(ip).checked_sub(0x0a00_0001).map(u64::from),
        IpAddr::V6(ip) => {
            u128::from(ip).checked_sub((0xfd00 << 112) + 1).and_then(|index| index.try_into().ok())
        }
    };
    index.filter(|&index| index < hosts as u64).and_then(|index| u16::try_from(index).ok())
}

/// The protocols have ports of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Space {
    Stream,
    Datagram,
}

/// With whom a socket shares its port: with those that say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sharing {
    /// `SO_REUSEADDR`, where it is of datagrams: a listener is never bound over another by it.
    pub(super) address: bool,
    /// `SO_REUSEPORT`.
    pub(super) port: bool,
}

/// What is bound on one host.
#[derive(Default)]
pub(super) struct Names {
    ports: BTreeMap<(Space, u16), Vec<Port>>,
    unix: BTreeMap<(Space, Address), SocketIndex>,
    /// Paths that a crash has left behind.
    stale: BTreeSet<PathBuf>,
    given: u16,
}

/// One socket that is bound to a port.
struct Port {
    ip: IpAddr,
    socket: SocketIndex,
    sharing: Sharing,
}

impl Port {
    /// Whether another socket may not have the same port beside this one.
    fn excludes(&self, ip: IpAddr, sharing: Sharing) -> bool {
        let shared = self.sharing.address && sharing.address || self.sharing.port && sharing.port;
        let is_all = |ip: IpAddr| ip.is_unspecified();
        let meet =
            self.ip == ip || self.ip.is_ipv4() == ip.is_ipv4() && (is_all(self.ip) || is_all(ip));
        meet && !shared
    }
}

impl Names {
    /// Binds a socket; the address with its real port.
    pub(super) fn bind(
        &mut self,
        host: u16,
        space: Space,
        address: &Address,
        sharing: Sharing,
        socket: SocketIndex,
    ) -> Result<Address, Errno> {
        match address {
            Address::Ip(address) => {
                self.bind_ip(host, space, *address, sharing, socket).map(Address::Ip)
            }
            Address::Unnamed | Address::Host(_) => Ok(Address::Unnamed),
            named if self.is_taken(space, named) || self.is_stale(named) => Err(Errno::EADDRINUSE),
            named => {
                self.unix.insert((space, named.clone()), socket);
                Ok(named.clone())
            }
        }
    }

    /// A path is one, whoever has bound it; a name is one of each kind of socket.
    fn is_taken(&self, space: Space, name: &Address) -> bool {
        let is_bound = |space| self.unix.contains_key(&(space, name.clone()));
        match name {
            Address::Path(_) => is_bound(Space::Stream) || is_bound(Space::Datagram),
            _ => is_bound(space),
        }
    }

    /// Removes a path, whoever is bound to it: nobody finds them there any more.
    pub(super) fn unlink(&mut self, address: &Address) {
        address.path().map(|path| self.stale.remove(path));
        for space in [Space::Stream, Space::Datagram] {
            self.unix.remove(&(space, address.clone()));
        }
    }

    fn bind_ip(
        &mut self,
        host: u16,
        space: Space,
        mut address: SocketAddr,
        sharing: Sharing,
        socket: SocketIndex,
    ) -> Result<SocketAddr, Errno> {
        let ip = address.ip();
        if !is_ours(ip, host) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if address.port() == 0 {
            address.set_port(self.free_port(space, ip)?);
        }
        let ports = self.ports.entry((space, address.port())).or_default();
        if ports.iter().any(|port| port.excludes(ip, sharing)) {
            return Err(Errno::EADDRINUSE);
        }
        ports.push(Port { ip, socket, sharing });
        Ok(address)
    }

    /// A port that nobody has, one after the other.
    pub(super) fn free_port(&mut self, space: Space, ip: IpAddr) -> Result<u16, Errno> {
        for _ in EPHEMERAL..=u16::MAX {
            let port = EPHEMERAL + self.given;
            self.given = (self.given + 1) % (u16::MAX - EPHEMERAL);
            let taken = self.ports.get(&(space, port)).is_some_and(|ports| {
                ports.iter().any(|port| port.excludes(ip, Sharing::default()))
            });
            if !taken {
                return Ok(port);
            }
        }
        Err(Errno::EADDRNOTAVAIL)
    }

    /// Who is bound to an address, by itself or by one that covers it: of several that share it the
    /// last.
    pub(super) fn find(&self, space: Space, address: &Address) -> Option<SocketIndex> {
        self.find_all(space, address).last().copied()
    }

    /// As [`Self::find`], of several the one that is for this peer, which is always the same.
    pub(super) fn find_for(
        &self,
        space: Space,
        address: &Address,
        peer: &Address,
    ) -> Option<SocketIndex> {
        let found = self.find_all(space, address);
        let shared_by = found.len();
        let nth = peer.port().map_or(0, usize::from) % shared_by.max(1);
        found.get(nth).copied()
    }

    /// Everybody who is bound to an address.
    pub(super) fn find_all(&self, space: Space, address: &Address) -> Vec<SocketIndex> {
        let Address::Ip(address) = address else {
            return self.unix.get(&(space, address.clone())).copied().into_iter().collect();
        };
        let ports = self.ports.get(&(space, address.port())).map_or(&[][..], Vec::as_slice);
        let at = |ip: IpAddr| {
            let bound = ports.iter().filter(move |port| port.ip == ip);
            bound.map(|port| port.socket).collect::<Vec<_>>()
        };
        let exact = at(address.ip());
        if !exact.is_empty() {
            return exact;
        }
        at(match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        })
    }

    /// Whether there is something at a path that nobody is bound to.
    pub(super) fn is_stale(&self, address: &Address) -> bool {
        address.path().is_some_and(|path| self.stale.contains(path))
    }

    /// What somebody is told who looks for a Unix socket where there is none of the kind: `other` is
    /// the kind that is not looked for.
    pub(super) fn nobody(&self, other: Space, address: &Address) -> Errno {
        match address {
            Address::Path(_) if self.find(other, address).is_some() => Errno::EPROTOTYPE,
            Address::Path(_) if !self.is_stale(address) => Errno::ENOENT,
            _ => Errno::ECONNREFUSED,
        }
    }

    /// A socket is bound no more; after a crash its path stays.
    pub(super) fn release(
        &mut self,
        space: Space,
        address: &Address,
        socket: SocketIndex,
        crashed: bool,
    ) {
        match address {
            Address::Ip(address) => {
                let key = (space, address.port());
                if let Some(ports) = self.ports.get_mut(&key) {
                    ports.retain(|port| port.socket != socket);
                    if ports.is_empty() {
                        self.ports.remove(&key);
                    }
                }
            }
            Address::Unnamed | Address::Host(_) => {}
            named => {
                let key = (space, named.clone());
                // Somebody else may have been put in its place.
                if self.unix.get(&key) == Some(&socket) {
                    self.unix.remove(&key);
                    self.stale.extend(named.path().filter(|_| crashed).map(ToOwned::to_owned));
                }
            }
        }
    }
}

/// The address a host sends from to another.
pub(super) fn source_for(host: u16, to: IpAddr) -> IpAddr {
    match to {
        to if to.is_loopback() => to,
        IpAddr::V4(_) => v4_of(host).into(),
        IpAddr::V6(_) => v6_of(host).into(),
    }
}

/// Whether a host has an address.
pub(super) fn is_ours(ip: IpAddr, host: u16) -> bool {
    ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_multicast()
        || ip == IpAddr::from(v4_of(host))
        || ip == IpAddr::from(v6_of(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_finds_its_host_and_no_other() {
        for host in [0, 1, 300] {
            assert_eq!(host_of(v4_of(host).into(), 9, 1_000), Some(host));
            assert_eq!(host_of(v6_of(host).into(), 9, 1_000), Some(host));
        }
        assert_eq!(host_of(Ipv4Addr::LOCALHOST.into(), 9, 1_000), Some(9));
        assert_eq!(host_of(v4_of(2).into(), 0, 2), None);
        assert_eq!(host_of(Ipv4Addr::new(192, 0, 2, 1).into(), 0, 2), None);
    }

    #[test]
    fn a_name_is_bound_once_and_a_crash_leaves_its_path_behind() {
        let mut names = Names::default();
        let path: Address = "unix:/run/x".parse().expect("it is an address");
        let bind = |names: &mut Names, socket| {
            names.bind(0, Space::Stream, &path, Sharing::default(), socket)
        };
        assert_eq!(bind(&mut names, 1), Ok(path.clone()));
        assert_eq!(bind(&mut names, 2), Err(Errno::EADDRINUSE));
        names.release(Space::Stream, &path, 1, true);
        assert!(names.is_stale(&path));
        assert_eq!(bind(&mut names, 2), Err(Errno::EADDRINUSE));
        names.unlink(&path);
        assert_eq!(bind(&mut names, 2), Ok(path.clone()));
        // The first has nothing to do with it any more.
        names.release(Space::Stream, &path, 1, false);
        assert_eq!(names.find(Space::Stream, &path), Some(2));
    }

    #[test]
    fn a_wildcard_answers_for_every_address_of_its_family() {
        let mut names = Names::default();
        let any: Address = "0.0.0.0:7".parse().expect("it is an address");
        let alone = Sharing::default();
        assert_eq!(names.bind(0, Space::Datagram, &any, alone, 5), Ok(any));
        let one: Address = "10.0.0.1:7".parse().expect("it is an address");
        assert_eq!(names.bind(0, Space::Datagram, &one, alone, 6), Err(Errno::EADDRINUSE));
        assert_eq!(names.bind(0, Space::Stream, &one, alone, 6), Ok(one));
        let find =
            |text: &str| names.find(Space::Datagram, &text.parse().expect("it is an address"));
        assert_eq!(find("10.0.0.1:7"), Some(5));
        assert_eq!(find("[::1]:7"), None);
        assert_eq!(find("10.0.0.1:8"), None);
    }

    #[test]
    fn those_that_share_a_port_share_its_peers() {
        let mut names = Names::default();
        let port: Address = "10.0.0.1:7".parse().expect("it is an address");
        let sharing = Sharing { address: false, port: true };
        for socket in [1, 2] {
            assert_eq!(names.bind(0, Space::Stream, &port, sharing, socket), Ok(port.clone()));
        }
        let alone = Sharing { address: true, port: false };
        assert_eq!(names.bind(0, Space::Stream, &port, alone, 3), Err(Errno::EADDRINUSE));
        let found = |peer: u16| {
            let peer = Address::Ip((v4_of(1), peer).into());
            names.find_for(Space::Stream, &port, &peer)
        };
        assert_eq!([found(500), found(501), found(500)], [Some(1), Some(2), Some(1)]);
    }
}
