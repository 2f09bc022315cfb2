//! The bounds of an FTP server, and how it is set up.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

#[cfg(feature = "tls")]
use reactor::tls::ServerTls;

/// How a server is set up, given to [`Server::new`](crate::transfer::ftp::Server::new).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The text of the greeting. Default `Ready.`: it names neither the program nor its version, which
    /// only those who look for holes want to know.
    pub greeting: String,
    /// Ports for passive data connections, of which a random one is taken each time. Default `None`: those
    /// that are nobody's, 49152 and above. A range is what a firewall can be told of.
    pub passive_ports: Option<RangeInclusive<u16>>,
    /// The address that is told in the reply to PASV. Default `None`: the one that the client has
    /// reached, which is wrong behind a NAT.
    pub passive_address: Option<Ipv4Addr>,
    /// Whether the server connects to where the client asks it to (PORT, EPRT). Default `true`: to the
    /// client itself, and to no port below 1024 (RFC 2577, 3).
    pub active: bool,
    /// Whether what there is of an upload is kept when it ends early, so that the client can go on with
    /// it (REST, APPE), also when the program was killed in the middle. Nobody sees it meanwhile. Default
    /// `false`.
    pub keep_uploads: bool,
    /// What files and directories are made without, as umask(2) has it, until SITE UMASK says otherwise.
    /// Default 0o022.
    pub umask: u32,
    /// TLS, for clients that ask for it (AUTH) or come to a port where it is spoken from the beginning
    /// ([`listen_implicit`](crate::transfer::ftp::listen_implicit)). Default `None`: AUTH is answered with 502.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsSettings>,
    /// The bounds.
    pub limits: Limits,
}

/// How a server speaks TLS (RFC 4217).
#[cfg(feature = "tls")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate, and the rest of it.
    pub tls: ServerTls,
    /// Whether nobody logs in, and nothing is transferred, without it: USER is answered with 530, and what would go
    /// in the clear with 521. Default `false`.
    pub required: bool,
    /// Whether a data connection has to go on with the TLS session of its control connection, so that nobody else's
    /// is taken for the client's: one that does not is answered with 522. Default `false`: a client has to come from
    /// the same address all the same, and some cannot do it (Python's `ftplib` must be told to, and clients that use
    /// a ticket of TLS 1.3 once, as they should, run out of them).
    pub bound: bool,
}

#[cfg(feature = "tls")]
impl TlsSettings {
    /// For those who ask for it.
    #[must_use]
    pub fn new(tls: ServerTls) -> Self {
        Self { tls, required: false, bound: false }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            greeting: "Ready.".to_owned(),
            passive_ports: None,
            passive_address: None,
            active: true,
            keep_uploads: false,
            umask: 0o022,
            #[cfg(feature = "tls")]
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// The bounds of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at one time; beyond it a client is told 421 and goes.
    ///
    /// Default 1,024: each may have a data connection, a file and a listener as well, so it is four
    /// descriptors.
    pub sessions: u32,

    /// Sessions at one time from one address (of IPv6, from one /64).
    ///
    /// Default 64: clients that fetch in parallel open about ten, and several people may sit behind one
    /// address.
    pub sessions_per_address: u32,

    /// Sessions at one time of one user; beyond it a login is refused. Anonymous ones are counted as
    /// one user each address.
    ///
    /// Default 64.
    pub sessions_per_user: u32,

    /// Bytes of a command line. A longer one is answered with 500.
    ///
    /// Default 8,192: twice the longest path.
    pub line: usize,

    /// Commands that wait for one that is being carried out, or for a transfer. Beyond it the client is
    /// not read.
    ///
    /// Default 32: more than clients send ahead.
    pub waiting: usize,

    /// Logins that may fail on one connection; then it is closed with 421 (RFC 2577, 5).
    ///
    /// Default 3.
    pub login_attempts: u32,

    /// How long the answer to a failed login is held back, and each further one as much longer.
    ///
    /// Default 1 s: it makes guessing slow, and typing errors no slower than they are.
    pub login_delay: Duration,

    /// Passwords that wait until they are looked at, of all sessions together. Beyond it a client is told
    /// 421, and to come back later; that is no failed login.
    ///
    /// Default [`WAITING`](crate::password::limits::WAITING), 256.
    pub passwords_waiting: usize,

    /// How long a client may take to log in, from its beginning, or from the end of its last login (REIN,
    /// or another USER).
    ///
    /// Default 60 s.
    pub login_timeout: Duration,

    /// How long a client that is logged in may say nothing while nothing is transferred; then 421.
    ///
    /// Default 5 minutes, the least that RFC 1123 (4.1.3.2) allows.
    pub idle_timeout: Duration,

    /// How long a client may take to open a data connection that it has asked a port for, and to use it;
    /// and how long the server tries to open one to the client.
    ///
    /// Default 30 s: five tries of a lost first segment.
    pub data_timeout: Duration,

    /// How long a data connection may stand still before the transfer is given up; and how long the last of
    /// a text may take, when all of it has been made.
    ///
    /// Default 2 minutes: a path that is dead for so long seldom comes back.
    pub stall_timeout: Duration,

    /// Bytes a second of one session's transfers, in either direction. Default `None`: no bound.
    pub session_rate: Option<u64>,

    /// Bytes a second of all transfers together, in either direction. Default `None`: no bound.
    pub total_rate: Option<u64>,

    /// Entries of a directory that is listed. Beyond it the listing is refused: it is sorted, so all its
    /// names have to be in memory.
    ///
    /// Default 200,000: about 20 MB for as long as the listing takes.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1_024,
            sessions_per_address: 64,
            sessions_per_user: 64,
            line: 8_192,
            waiting: 32,
            login_attempts: 3,
            login_delay: Duration::from_secs(1),
            passwords_waiting: crate::password::limits::WAITING,
            login_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(120),
            session_rate: None,
            total_rate: None,
            entries: 200_000,
        }
    }
}
