//! Sockets from whoever started this process: a supervisor (`sd_listen_fds(3)`), or the process before this one.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use listenfd::ListenFd;
use reactor::Registry;

/// The name of the one that is no listener: it leads to the process before this one.
pub(super) const PREDECESSOR: &str = "predecessor";

pub(super) fn inherit<App>(
    registry: &mut Registry<App>,
) -> Result<Option<UnixStream>, Box<dyn Error>> {
    // It forgets the variables, and keeps the descriptors from processes that this one starts.
    let mut given = ListenFd::from_env();
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut predecessor = None;
    for at in 0..given.len() {
        let name = names.next().unwrap_or_default();
        if name == PREDECESSOR {
            let stream = given.take_unix_listener(at).map_err(|error| useless(at, name, &error))?;
            predecessor = stream.map(|stream| UnixStream::from(OwnedFd::from(stream)));
            continue;
        }
        take(registry, &mut given, at).map_err(|error| useless(at, name, &*error))?;
    }
    Ok(predecessor)
}

/// Each kind is tried: only the descriptor itself says which it is.
fn take<App>(
    registry: &mut Registry<App>,
    given: &mut ListenFd,
    at: usize,
) -> Result<(), Box<dyn Error>> {
    if let Ok(Some(listener)) = given.take_tcp_listener(at) {
        registry.inherit_listener(listener)?;
    } else if let Ok(Some(listener)) = given.take_unix_listener(at) {
        registry.inherit_listener(listener)?;
    } else if let Ok(Some(socket)) = given.take_udp_socket(at) {
        registry.inherit_datagram(socket)?;
    } else if let Some(socket) = given.take_unix_datagram(at)? {
        registry.inherit_datagram(socket)?;
    }
    Ok(())
}

/// Descriptors begin at 3.
fn useless(at: usize, name: &str, error: &(impl ToString + ?Sized)) -> String {
    format!("descriptor {} ('{name}') of LISTEN_FDS is of no use: {}", at + 3, error.to_string())
}
