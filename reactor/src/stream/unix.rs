//! What a connection has of the system it is on: its descriptor, who is at the other end of a Unix socket,
//! and descriptors that pass through one.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use thiserror::Error;

use super::Transport;
use super::layer::{Descriptors, MOST_AT_ONCE};

/// Who was at the other end of a Unix connection when it was made (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// Its process.
    pub process: u32,
    /// The user it ran as.
    pub user: u32,
    /// The group it ran as.
    pub group: u32,
}

/// Descriptors were not sent. They come back.
#[derive(Error)]
#[non_exhaustive]
pub enum PassError {
    /// The connection does not pass descriptors: see [`Transport::pass_descriptors`].
    #[error("the connection passes no descriptors")]
    NotPassing(Vec<OwnedFd>),
    /// There is no byte for them to leave with, or a file is queued in front of it.
    #[error("descriptors leave with bytes, and not behind a file")]
    NoBytes(Vec<OwnedFd>),
    /// More than 253 would wait: the peer reads too slowly.
    #[error("too many descriptors wait to leave")]
    Full(Vec<OwnedFd>),
}

impl PassError {
    /// The descriptors that were not sent.
    #[must_use]
    pub fn into_descriptors(self) -> Vec<OwnedFd> {
        match self {
            Self::NotPassing(these) | Self::NoBytes(these) | Self::Full(these) => these,
        }
    }
}

impl fmt::Debug for PassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPassing(_) => "NotPassing(..)",
            Self::NoBytes(_) => "NoBytes(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

impl<App> Transport<'_, App> {
    /// The connection's descriptor, to ask the system what the loop does not: TCP_INFO, say. Reading, writing or
    /// closing it would confuse the loop. `None` of a connection that is simulated.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.socket().descriptor()
    }

    /// Who is at the other end of a Unix connection, as the system says.
    ///
    /// ```
    /// # use reactor::Transport;
    /// /// Lets in nobody but the user this program runs as, and root.
    /// fn may_come_in<App>(transport: &Transport<'_, App>, our_user: u32) -> bool {
    ///     let peer = transport.peer_credentials();
    ///     peer.is_ok_and(|peer| peer.user == our_user || peer.user == 0)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if it is no Unix connection, or on another system than Linux.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        match self.descriptor() {
            Some(descriptor) if self.stream.socket().kind() == "unix" => credentials(descriptor),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// From now on descriptors pass through this Unix connection beside its bytes, in both directions: see
    /// [`write_with_descriptors`](Self::write_with_descriptors) and
    /// [`take_descriptors`](Self::take_descriptors). To be said in `on_open`: of those that come earlier nothing
    /// is known. A peer that has more than `most` come that were not taken ends its connection with
    /// [`CloseReason::Failed`](crate::CloseReason::Failed): each is a resource of this process.
    ///
    /// Its bytes are copied once more from then on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if it is no Unix connection, or is simulated;
    /// [`io::ErrorKind::AlreadyExists`] if something else stands between its bytes and the wire.
    pub fn pass_descriptors(&mut self, most: usize) -> io::Result<()> {
        if self.descriptor().is_none() || self.stream.socket().kind() != "unix" {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.stream.is_layered() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.stream.wrap(Box::new(Descriptors::new(most)));
        self.registry.ledger.attention = true;
        Ok(())
    }

    /// Writes bytes, as [`write`](Self::write) does, and sends descriptors with the first of them. They are
    /// closed here when they have left. The peer has duplicates, of sockets, files, or pipes, that it owns from
    /// then on.
    ///
    /// # Errors
    ///
    /// The descriptors come back, and nothing was written: see [`PassError`].
    pub fn write_with_descriptors(
        &mut self,
        bytes: &[u8],
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), PassError> {
        let queued = self.queued_bytes() as u64;
        let is_behind_file = self.stream.unsent() > self.stream.queued_bytes() as u64;
        let can_write = self.stream.can_write();
        let Some(passing) = self.stream.descriptors() else {
            return Err(PassError::NotPassing(descriptors));
        };
        if bytes.is_empty() || is_behind_file || !can_write {
            return Err(PassError::NoBytes(descriptors));
        }
        if passing.waiting() + descriptors.len() > MOST_AT_ONCE {
            return Err(PassError::Full(descriptors));
        }
        if !descriptors.is_empty() {
            passing.push(queued, descriptors);
        }
        self.write(bytes);
        Ok(())
    }

    /// Takes the descriptors that have come, in the order in which they were sent: each is here at the latest
    /// with the byte that it was sent with. Those that nobody takes are closed with the connection.
    #[must_use]
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        self.stream.descriptors().map(Descriptors::take).unwrap_or_default()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials(descriptor: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let peer = rustix::net::sockopt::socket_peercred(descriptor)?;
    Ok(PeerCredentials {
        process: peer.pid.as_raw_nonzero().get().unsigned_abs(),
        user: peer.uid.as_raw(),
        group: peer.gid.as_raw(),
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn credentials(_: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    Err(io::ErrorKind::Unsupported.into())
}
