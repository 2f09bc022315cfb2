//! One line of a trace.

use std::fmt;
use std::time::Duration;

use super::subject::Kind;
use super::{Subject, What};
use crate::id::Key;

/// One thing that happened: when, on which host, about whom, and what.
///
/// It prints as one line. In a [`Trace`](super::Trace) the hosts have names; a record alone knows but
/// their numbers:
///
/// ```text
///       12.003 ms  host 0  connection 3.7  read: 64 bytes
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    /// In nanoseconds, which are enough for centuries and half as large as a `Duration`.
    at: u64,
    key: Option<Key>,
    what: What,
    /// Of the bytes that it is about, where a simulated network has seen them, and else zero: two
    /// runs may differ in nothing but what was written.
    digest: u32,
    host: u16,
    /// Says nothing where there is no key.
    kind: Kind,
}

impl Record {
    pub(crate) fn new(at: Duration, host: u16, subject: Option<Subject>, what: What) -> Self {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let parts = subject.map(Subject::into_parts);
        let (kind, key) = parts.map_or((Kind::Connection, None), |(kind, key)| (kind, Some(key)));
        Self { at, key, what, digest: 0, host, kind }
    }

    /// It, with a digest of the bytes that it is about.
    #[cfg(feature = "sim")]
    pub(crate) fn with_digest(mut self, digest: u32) -> Self {
        self.digest = digest;
        self
    }

    /// What its line leaves out: nanoseconds, and the digest of its bytes.
    #[cfg(feature = "sim")]
    pub(crate) fn fine_print(&self) -> (u64, u32) {
        (self.at % 1_000, self.digest)
    }

    /// When: since the loop began, or the network that it is part of.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    pub(super) fn nanos(&self) -> u64 {
        self.at
    }

    /// On which host of a simulated network; a loop of its own is number 0.
    #[must_use]
    pub fn host(&self) -> u16 {
        self.host
    }

    /// About whom; `None` if it is about the loop or its host as a whole.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        self.key.map(|key| Subject::from_parts(self.kind, key))
    }

    /// What happened.
    #[must_use]
    pub fn what(&self) -> What {
        self.what
    }

    /// Whom its line names: the subject, or the host to which a packet went.
    fn column(&self, hosts: &[String]) -> String {
        match (self.what, self.subject()) {
            (What::Network { to, .. }, _) => format!("→ {}", host_name(hosts, to)),
            (_, Some(subject)) => subject.to_string(),
            (_, None) => "-".to_owned(),
        }
    }
}

/// A record that is printed with the names of the hosts.
pub(super) struct Named<'a> {
    pub(super) record: &'a Record,
    pub(super) hosts: &'a [String],
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, hosts } = self;
        let micros = record.at / 1_000;
        let (whole, part) = (micros / 1_000, micros % 1_000);
        let width = hosts.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let (host, column) = (host_name(hosts, record.host), record.column(hosts));
        write!(f, "{whole:>8}.{part:03} ms  {host:<width$}  {column:<15}  {}", record.what)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named { record: self, hosts: &[] }.fmt(f)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("at", &self.at())
            .field("host", &self.host)
            .field("subject", &self.subject())
            .field("what", &self.what)
            .field("digest", &self.digest)
            .finish()
    }
}

/// What a host is called.
pub(super) fn host_name(hosts: &[String], host: u16) -> String {
    hosts.get(usize::from(host)).cloned().unwrap_or_else(|| format!("host {host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectionId;
    use crate::id::Generation;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 48, "{}", size_of::<Record>());
    }

    #[test]
    fn a_record_prints_as_a_line() {
        let id = ConnectionId(Key::new(3, Generation::of(7)));
        let what = What::Wrote { wanted: 64, taken: 10 };
        let record = Record::new(Duration::from_micros(12_003), 0, Some(id.into()), what);
        assert_eq!(
            record.to_string(),
            "      12.003 ms  host 0  connection 3.7   wrote: 10 of 64 bytes"
        );
    }

    #[test]
    fn a_packet_names_where_it_goes() {
        let what = What::Network { what: "packet lost", to: 1, bytes: 64 };
        let record = Record::new(Duration::from_secs(1), 0, None, what);
        let hosts = ["server".to_owned(), "client".to_owned()];
        assert_eq!(
            Named { record: &record, hosts: &hosts }.to_string(),
            "    1000.000 ms  server  → client         packet lost: 64 bytes"
        );
    }
}
