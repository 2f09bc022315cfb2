//! What a server tells its program: who has logged in, what has been transferred, what was refused.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::transfer::ftp::wire::time::{Civil, Timestamp};
use crate::transfer::store::VirtualPath;

/// Something that a program may want to log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client has connected.
    Connected {
        /// From where.
        peer: IpAddr,
    },
    /// Somebody has logged in.
    LoggedIn {
        /// From where.
        peer: IpAddr,
        /// Under which name.
        user: String,
    },
    /// Somebody has not.
    LoginFailed {
        /// From where.
        peer: IpAddr,
        /// The name that was tried.
        user: String,
    },
    /// Somebody's password was not looked at, since too many wait: they were told to come back.
    LoginPutOff {
        /// From where.
        peer: IpAddr,
        /// The name that was given.
        user: String,
    },
    /// A file has been transferred, or a part of it.
    Transferred(Transfer),
    /// Something in the tree was changed other than by an upload.
    Changed {
        /// From where.
        peer: IpAddr,
        /// By whom.
        user: String,
        /// The command that did it.
        verb: &'static str,
        /// What.
        path: VirtualPath,
    },
    /// Somebody else than the client came to a port that was meant for it. They were turned away.
    DataRefused {
        /// The client's.
        peer: IpAddr,
        /// Theirs.
        stranger: IpAddr,
    },
    /// A client asked for a connection to somebody else, or to a port below 1024 (RFC 2577).
    BounceRefused {
        /// The client's.
        peer: IpAddr,
        /// Where to.
        target: SocketAddr,
    },
    /// A client has gone.
    Disconnected {
        /// From where it came.
        peer: IpAddr,
    },
}

/// A transfer of a file, as it went.
///
/// Its text is a line as `xferlog` has it (wu-ftpd; xferlog(5)), which many programs read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When it ended.
    pub ended: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The client's address.
    pub peer: IpAddr,
    /// Bytes of the file that went over the wire this time.
    pub bytes: u64,
    /// What was transferred, as its user says it.
    pub path: VirtualPath,
    /// Whether as text.
    pub ascii: bool,
    /// Which way.
    pub direction: Direction,
    /// Whose.
    pub user: String,
    /// Whether the user has no name.
    pub anonymous: bool,
    /// Whether all of it was transferred.
    pub complete: bool,
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Download,
    /// From the client.
    Upload,
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, peer, bytes, path, user, .. } = self;
        let ended = Timestamp::from(self.ended);
        write_date(f, ended)?;
        let kind = if self.ascii { 'a' } else { 'b' };
        let direction = match self.direction {
            Direction::Download => 'o',
            Direction::Upload => 'i',
        };
        let mode = if self.anonymous { 'a' } else { 'r' };
        let status = if self.complete { 'c' } else { 'i' };
        let (seconds, path, user) = (took.as_secs().max(1), word(&path.to_string()), word(user));
        write!(
            f,
            " {seconds} {peer} {bytes} {path} {kind} _ {direction} {mode} {user} ftp 0 * {status}"
        )
    }
}

/// As ctime(3) has it, in UTC.
fn write_date(f: &mut fmt::Formatter<'_>, time: Timestamp) -> fmt::Result {
    let Civil { year, day, hour, minute, second, .. } = time.civil();
    let (weekday, month) = (time.weekday(), time.month_name());
    write!(f, "{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}")
}

/// One word on one line, whatever is in it.
fn word(text: &str) -> String {
    text.chars().map(|it| if it.is_whitespace() || it.is_control() { '_' } else { it }).collect()
}

/// A line for a log.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { peer } => write!(f, "{peer} connected"),
            Self::LoggedIn { peer, user } => write!(f, "{peer} logged in as {}", word(user)),
            Self::LoginFailed { peer, user } => {
                write!(f, "{peer} failed to log in as {}", word(user))
            }
            Self::LoginPutOff { peer, user } => {
                write!(f, "{peer} has to come back to log in as {}", word(user))
            }
            Self::Transferred(transfer) => transfer.fmt(f),
            Self::Changed { peer, user, verb, path } => {
                write!(f, "{peer} {} {verb} {}", word(user), word(&path.to_string()))
            }
            Self::DataRefused { peer, stranger } => {
                write!(f, "{stranger} came to a port that was meant for {peer}, and was refused")
            }
            Self::BounceRefused { peer, target } => {
                write!(f, "{peer} wanted a connection to {target}, and was refused")
            }
            Self::Disconnected { peer } => write!(f, "{peer} disconnected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_a_line_of_xferlog() {
        let transfer = Transfer {
            ended: Timestamp::parse(b"20260301010203").expect("a time").to_system_time(),
            took: Duration::from_millis(2500),
            peer: IpAddr::from([192, 0, 2, 1]),
            bytes: 1234,
            path: VirtualPath::root().join(b"a b\nc").expect("a path"),
            ascii: false,
            direction: Direction::Upload,
            user: "ann".to_owned(),
            anonymous: false,
            complete: true,
        };
        assert_eq!(
            transfer.to_string(),
            "Sun Mar  1 01:02:03 2026 2 192.0.2.1 1234 /a_b_c b _ i r ann ftp 0 * c"
        );
    }
}
