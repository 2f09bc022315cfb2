//! Socket options, through socket2.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Socket, TcpKeepalive, Type};

use super::sys;
use crate::options::{Membership, MulticastInterface};
use crate::{DatagramOptions, Keepalive, ListenOptions, OpenError, StreamOptions};

/// A TCP or UDP socket of the address's family, non-blocking and closed on exec.
pub(super) fn open(address: &SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*address), kind, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What has to be set before a listener binds.
pub(super) fn before_listen(
    socket: &Socket,
    address: &SocketAddr,
    options: &ListenOptions,
) -> io::Result<()> {
    if options.reuse_address && cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    reuse_port(socket, options.reuse_port)?;
    only_v6(socket, address, options.only_v6)
}

/// The options of a connected TCP socket, or of a listener whose connections inherit them.
pub(super) fn apply_stream(socket: &Socket, options: &StreamOptions, v6: bool) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay)?;
    match options.keepalive {
        Some(Keepalive { idle, interval, probes }) => {
            let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
            #[cfg(any(unix, windows))]
            let keepalive = keepalive.with_retries(probes);
            socket.set_tcp_keepalive(&keepalive)?;
        }
        // It may have been on: an adopted socket, or one whose options change.
        None => socket.set_keepalive(false)?,
    }
    if let Some(ttl) = options.ttl {
        set_ttl(socket, ttl, v6)?;
    }
    if options.urgent_inline {
        socket.set_out_of_band_inline(true)?;
    }
    apply_buffers(socket, options.receive_buffer, options.send_buffer)
}

/// The sizes of the kernel's buffers, of any kind of socket.
pub(super) fn apply_buffers(
    socket: &Socket,
    receive: Option<usize>,
    send: Option<usize>,
) -> io::Result<()> {
    receive.map_or(Ok(()), |bytes| socket.set_recv_buffer_size(bytes))?;
    send.map_or(Ok(()), |bytes| socket.set_send_buffer_size(bytes))
}

/// What has to be set before a UDP socket binds.
pub(super) fn before_bind(
    socket: &Socket,
    address: &SocketAddr,
    options: &DatagramOptions,
) -> io::Result<()> {
    if options.reuse_address {
        socket.set_reuse_address(true)?;
    }
    reuse_port(socket, options.reuse_port)?;
    only_v6(socket, address, options.only_v6)?;
    if options.icmp {
        hear_icmp(socket, address)?;
    }
    socket.set_broadcast(options.broadcast)?;
    apply_buffers(socket, options.receive_buffer, options.send_buffer)?;
    if let Some(ttl) = options.ttl {
        set_ttl(socket, ttl, address.is_ipv6())?;
    }
    let v6 = address.is_ipv6();
    match (options.multicast_ttl, v6) {
        (Some(ttl), false) => socket.set_multicast_ttl_v4(ttl)?,
        (Some(hops), true) => socket.set_multicast_hops_v6(hops)?,
        (None, _) => {}
    }
    match (options.multicast_loop, v6) {
        (Some(on), false) => socket.set_multicast_loop_v4(on),
        (Some(on), true) => socket.set_multicast_loop_v6(on),
        (None, _) => Ok(()),
    }
}

/// Has errors of ICMP told to a socket that is connected to nobody, which is as well told nothing.
#[cfg(all(feature = "icmp", any(target_os = "linux", target_os = "android")))]
fn hear_icmp(socket: &Socket, address: &SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// This system does not report them.
#[cfg(not(all(feature = "icmp", any(target_os = "linux", target_os = "android"))))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail elsewhere")]
fn hear_icmp(_: &Socket, _: &SocketAddr) -> io::Result<()> {
    Ok(())
}

/// The groups, and the interface multicasts leave by. An interface that is not there is named.
pub(super) fn apply_multicast(socket: &Socket, options: &DatagramOptions) -> Result<(), OpenError> {
    match options.multicast_interface {
        Some(MulticastInterface::V4(address)) => socket
            .set_multicast_if_v4(&address)
            .map_err(|error| on_interface((address, 0).into(), error))?,
        Some(MulticastInterface::V6(index)) => socket
            .set_multicast_if_v6(index)
            .map_err(|error| on_interface(zoned(Ipv6Addr::UNSPECIFIED, index), error))?,
        None => {}
    }
    options.groups.iter().try_for_each(|&membership| {
        join(socket, membership).map_err(|error| {
            let at = match membership {
                Membership::V4 { interface, .. } => (interface, 0).into(),
                Membership::V6 { group, interface } => zoned(group, interface),
            };
            on_interface(at, error)
        })
    })
}

fn zoned(address: Ipv6Addr, interface: u32) -> SocketAddr {
    SocketAddrV6::new(address, 0, 0, interface).into()
}

/// An error of an interface, for which systems have several ways of saying that it is not there.
fn on_interface(at: SocketAddr, error: io::Error) -> OpenError {
    if sys::is_missing_interface(&error) {
        OpenError::AddressNotAvailable(at.into())
    } else {
        OpenError::new(&at.into(), error)
    }
}

pub(super) fn join(socket: &Socket, group: Membership) -> io::Result<()> {
    match group {
        Membership::V4 { group, interface } => socket.join_multicast_v4(&group, &interface),
        Membership::V6 { group, interface } => socket.join_multicast_v6(&group, interface),
    }
}

pub(super) fn leave(socket: &Socket, group: Membership) -> io::Result<()> {
    match group {
        Membership::V4 { group, interface } => socket.leave_multicast_v4(&group, &interface),
        Membership::V6 { group, interface } => socket.leave_multicast_v6(&group, interface),
    }
}

fn set_ttl(socket: &Socket, ttl: u32, v6: bool) -> io::Result<()> {
    if v6 { socket.set_unicast_hops_v6(ttl) } else { socket.set_ttl_v4(ttl) }
}

fn only_v6(socket: &Socket, address: &SocketAddr, only: Option<bool>) -> io::Result<()> {
    match only {
        Some(only) if address.is_ipv6() => socket.set_only_v6(only),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn reuse_port(socket: &Socket, on: bool) -> io::Result<()> {
    if on { socket.set_reuse_port(true) } else { Ok(()) }
}

#[cfg(not(unix))]
fn reuse_port(_: &Socket, on: bool) -> io::Result<()> {
    if on { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}
