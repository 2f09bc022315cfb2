//! Listening sockets, and the names of Unix ones.

use std::any::Any;
use std::io;

use socket2::{SockRef, Type};

use super::poller::Poller;
use super::stream::StreamSocket;
use super::{address, from_std, options, sys};
use crate::id::Token;
use crate::net::{NOBODY, foreign, refuse_name};
use crate::{Address, ListenOptions, OpenError, StreamOptions};

pub(crate) enum ListenerSocket {
    Tcp {
        socket: mio::net::TcpListener,
        /// What it accepts has its options already: they are on the listener, and inherited.
        inherited: bool,
    },
    #[cfg(unix)]
    Unix {
        /// Dropped first: while the socket is open nobody can take its path for stale.
        path: Option<unix::OwnedPath>,
        socket: mio::net::UnixListener,
    },
}

/// A listening socket as the standard library has it: to adopt one that a supervisor opened, or to
/// get one back.
#[derive(Debug)]
#[non_exhaustive]
pub enum StdListener {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix stream socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
    /// One of another system than this machine's, which only loops of that system adopt.
    Other(Box<dyn Any + Send + Sync>),
}

impl StdListener {
    pub(crate) fn local(&self) -> Result<Address, OpenError> {
        let name = match self {
            Self::Tcp(listener) => SockRef::from(listener).local_addr(),
            #[cfg(unix)]
            Self::Unix(listener) => SockRef::from(listener).local_addr(),
            Self::Other(_) => return Err(foreign()),
        };
        name.map(|name| address(&name)).map_err(OpenError::of(&Address::Unnamed))
    }
}

from_std! { StdListener, Tcp(std::net::TcpListener), std::os::unix::net::UnixListener }

/// Does the same with mio's socket, whichever it is.
macro_rules! each {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Self::Tcp { socket: $socket, .. } => $call,
            #[cfg(unix)]
            Self::Unix { socket: $socket, .. } => $call,
        }
    };
}

impl ListenerSocket {
    pub(crate) fn open(
        _: &Poller,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<Self, OpenError> {
        refuse_name(address)?;
        match address {
            Address::Ip(local) => {
                Self::open_tcp(local, options).map_err(|error| OpenError::new(address, error))
            }
            #[cfg(unix)]
            Address::Path(_) | Address::Abstract(_) => unix::listen(address, options),
            _ => Err(OpenError::Unsupported(address.clone(), NOBODY)),
        }
    }

    fn open_tcp(local: &std::net::SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        let socket = options::open(local, Type::STREAM)?;
        options::before_listen(&socket, local, options)?;
        if sys::ACCEPTED_INHERIT {
            options::apply_stream(&socket, &options.stream, local.is_ipv6())?;
        }
        socket.bind(&(*local).into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        let socket = mio::net::TcpListener::from_std(socket.into());
        Ok(Self::Tcp { socket, inherited: sys::ACCEPTED_INHERIT })
    }

    pub(crate) fn adopt(_: &Poller, listener: StdListener) -> Result<Self, OpenError> {
        match listener {
            StdListener::Tcp(listener) => listener.set_nonblocking(true).map(|()| {
                // Its own options stay as they are.
                Self::Tcp { socket: mio::net::TcpListener::from_std(listener), inherited: false }
            }),
            #[cfg(unix)]
            StdListener::Unix(listener) => listener.set_nonblocking(true).map(|()| {
                // Who made the path removes it.
                Self::Unix { socket: mio::net::UnixListener::from_std(listener), path: None }
            }),
            StdListener::Other(_) => return Err(foreign()),
        }
        .map_err(OpenError::of(&Address::Unnamed))
    }

    pub(crate) fn into_std(mut self, poller: &Poller) -> StdListener {
        // It fails only if the socket was never registered, and then there is nothing to undo.
        let _ = self.deregister(poller);
        match self {
            Self::Tcp { socket, .. } => StdListener::Tcp(socket.into()),
            #[cfg(unix)]
            Self::Unix { socket, path } => {
                path.iter().for_each(unix::OwnedPath::keep);
                StdListener::Unix(socket.into())
            }
        }
    }

    /// The same socket once more, which may serve at the path when this one does not.
    pub(crate) fn duplicate(&self) -> io::Result<StdListener> {
        let duplicate = each!(self, socket => SockRef::from(socket).try_clone()?);
        Ok(match self {
            Self::Tcp { .. } => StdListener::Tcp(duplicate.into()),
            #[cfg(unix)]
            Self::Unix { path, .. } => {
                path.iter().for_each(unix::OwnedPath::keep);
                StdListener::Unix(duplicate.into())
            }
        })
    }

    pub(crate) fn register(&mut self, poller: &Poller, token: Token) -> io::Result<()> {
        each!(self, socket => poller.register_read(socket, token))
    }

    pub(crate) fn deregister(&mut self, poller: &Poller) -> io::Result<()> {
        each!(self, socket => poller.deregister(socket))
    }

    /// The next connection of the queue, with its peer's name and its options set.
    pub(crate) fn accept(&self, options: &StreamOptions) -> io::Result<(StreamSocket, Address)> {
        let (stream, peer, v6) = match self {
            Self::Tcp { socket, inherited } => {
                let (stream, peer) = socket.accept()?;
                let v6 = (!inherited).then_some(peer.is_ipv6());
                (StreamSocket::Tcp(stream), Address::Ip(peer), v6)
            }
            #[cfg(unix)]
            Self::Unix { socket, .. } => {
                let (stream, peer) = socket.accept()?;
                (StreamSocket::Unix(stream), named(&peer), Some(false))
            }
        };
        // What fails here fails because the peer is gone already; reading will tell.
        let _ = v6.map(|v6| stream.apply_accepted(options, v6));
        Ok((stream, peer))
    }

    pub(crate) fn local(&self) -> Address {
        let name = each!(self, socket => SockRef::from(socket).local_addr());
        name.map_or(Address::Unnamed, |name| address(&name))
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            #[cfg(unix)]
            Self::Unix { .. } => "unix",
        }
    }
}

#[cfg(unix)]
pub(super) use unix::{connect_unix, named};

/// Unix sockets: paths that appear and have to vanish again, and abstract names.
#[cfg(unix)]
pub(super) mod unix {
    use std::cell::Cell;
    use std::fs::{File, Permissions};
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    use socket2::{Domain, SockAddr, SockRef, Socket, Type};

    use super::super::options;
    use super::super::stream::{StreamSocket, begin};
    use super::ListenerSocket;
    use crate::net::Begun;
    use crate::{Address, ConnectOptions, ListenOptions, OpenError};

    /// A socket's path, removed with its owner, unless somebody else has put another socket there, or may serve there
    /// as well.
    #[derive(Debug)]
    pub(crate) struct OwnedPath {
        path: PathBuf,
        /// Device and inode, which tell our socket from a successor's.
        identity: Cell<Option<(u64, u64)>>,
    }

    impl OwnedPath {
        pub(crate) fn new(path: &Path) -> Self {
            Self { path: path.to_owned(), identity: Cell::new(identity(path)) }
        }

        /// Leaves the path in place.
        pub(crate) fn keep(&self) {
            self.identity.set(None);
        }
    }

    impl Drop for OwnedPath {
        fn drop(&mut self) {
            let ours = self.identity.get();
            if ours.is_some() && identity(&self.path) == ours {
                // If it cannot be removed, there is nobody left to be told.
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }

    fn identity(path: &Path) -> Option<(u64, u64)> {
        path.symlink_metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }

    pub(super) fn listen(
        address: &Address,
        options: &ListenOptions,
    ) -> Result<ListenerSocket, OpenError> {
        let failed = |error| OpenError::new(address, error);
        let socket = open(Type::STREAM).map_err(failed)?;
        let path = bind(&socket, address, options.replace_stale, options.unix_mode)?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX)).map_err(failed)?;
        let socket = mio::net::UnixListener::from_std(UnixListener::from(socket));
        Ok(ListenerSocket::Unix { socket, path })
    }

    /// Binds, if need be over a path that a crash has left behind; the path, if it is one.
    pub(in crate::net::os) fn bind(
        socket: &Socket,
        address: &Address,
        replace_stale: bool,
        mode: Option<u32>,
    ) -> Result<Option<OwnedPath>, OpenError> {
        let failed = |error| OpenError::new(address, error);
        let Some(path) = address.path() else {
            return bind_over(socket, address, replace_stale).map(|()| None);
        };
        let Some(mode) = mode.map(Permissions::from_mode) else {
            return bind_over(socket, address, replace_stale).map(|()| Some(OwnedPath::new(path)));
        };
        // On Linux the file is made with no more than its socket has, so that nobody who may not comes in between;
        // what the umask takes away of that is given afterwards. Elsewhere a socket has no mode.
        let socket_alone = |it| File::from(OwnedFd::from(it)).set_permissions(mode.clone());
        let _ = socket.try_clone().and_then(socket_alone);
        bind_over(socket, address, replace_stale)?;
        let owned = OwnedPath::new(path);
        std::fs::set_permissions(path, mode).map_err(failed)?;
        Ok(Some(owned))
    }

    fn bind_over(socket: &Socket, address: &Address, replace_stale: bool) -> Result<(), OpenError> {
        let failed = |error| OpenError::new(address, error);
        let name = sock_addr(address).map_err(failed)?;
        let Err(error) = socket.bind(&name) else {
            return Ok(());
        };
        let Address::Path(path) = address else {
            return Err(failed(error));
        };
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(failed(error));
        }
        if !path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
            return Err(OpenError::PathTaken(address.clone()));
        }
        if !replace_stale || !is_stale(socket, &name) {
            return Err(failed(error));
        }
        std::fs::remove_file(path).map_err(failed)?;
        socket.bind(&name).map_err(failed)
    }

    /// Whether nobody has the socket at a path open any more.
    fn is_stale(like: &Socket, name: &SockAddr) -> bool {
        let Ok(probe) = like.r#type().and_then(open) else {
            return false;
        };
        matches!(probe.connect(name), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }

    pub(in crate::net::os) fn connect_unix(
        address: &Address,
        options: &ConnectOptions,
    ) -> Result<Begun<StreamSocket>, OpenError> {
        let failed = |error| OpenError::new(address, error);
        let socket = open(Type::STREAM).map_err(failed)?;
        let mut path = None;
        if let Some(from) = &options.from {
            path = bind(&socket, from, true, None)?;
        }
        let ConnectOptions { stream, .. } = options;
        options::apply_buffers(&SockRef::from(&socket), stream.receive_buffer, stream.send_buffer)
            .map_err(failed)?;
        let name = sock_addr(address).map_err(failed)?;
        // A Unix connect is done or fails at once; `WouldBlock` says that the backlog is full.
        let refused = match socket.connect(&name) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(error),
            result => begin(result).err(),
        };
        let socket = mio::net::UnixStream::from_std(UnixStream::from(socket));
        Ok(Begun { socket: StreamSocket::Unix(socket), path, refused })
    }

    pub(in crate::net::os) fn open(kind: Type) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    pub(in crate::net::os) fn sock_addr(address: &Address) -> io::Result<SockAddr> {
        match address {
            Address::Path(path) => SockAddr::unix(path),
            Address::Abstract(name) if cfg!(any(target_os = "linux", target_os = "android")) => {
                use std::os::unix::ffi::OsStrExt;
                let name = [&[0], name.as_slice()].concat();
                SockAddr::unix(Path::new(std::ffi::OsStr::from_bytes(&name)))
            }
            Address::Ip(_) | Address::Abstract(_) | Address::Unnamed | Address::Host(_) => {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    /// As `address`, of a name that the standard library tells.
    pub(in crate::net::os) fn named(name: &SocketAddr) -> Address {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = name.as_abstract_name() {
            return Address::Abstract(name.to_vec());
        }
        name.as_pathname().map_or(Address::Unnamed, |path| Address::Path(path.to_owned()))
    }
}
