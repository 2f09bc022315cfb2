//! What the callbacks have told: a transcript, and what a test may ask of it.

use std::fmt;
use std::io;

use reactor::{Address, CloseReason, Closed, ConnectionId, Side};

/// What the callbacks have told: the application of most tests.
#[derive(Default)]
pub struct Log {
    lines: Vec<Line>,
    bytes: Vec<(&'static str, Vec<u8>)>,
    /// Every `on_open`, in order.
    pub opened: Vec<(&'static str, ConnectionId)>,
    /// Every `on_close`, in order.
    pub ends: Vec<End>,
    /// Every datagram: to whom, what, from whom.
    pub datagrams: Vec<(&'static str, Vec<u8>, Address)>,
}

struct Line {
    who: &'static str,
    text: String,
    /// How many bytes the line tells of, if it is about data.
    data: usize,
}

/// One `on_close`.
#[derive(Clone, Debug)]
pub struct End {
    pub who: &'static str,
    pub id: ConnectionId,
    pub peer: Address,
    /// The reason as a sentence.
    pub reason: String,
    pub side: Side,
    pub is_clean: bool,
    /// The system's error, if the reason has one.
    pub error: Option<io::ErrorKind>,
    /// Why it was not connected to a host, if that is the reason.
    pub host: Option<reactor::HostFailure>,
    pub unsent: u64,
}

impl Log {
    /// Where the next line will stand.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Writes a line.
    pub fn note(&mut self, who: &'static str, text: impl Into<String>) {
        self.lines.push(Line { who, text: text.into(), data: 0 });
    }

    /// Everybody who has written a line, in the order of their first.
    #[must_use]
    pub fn everybody(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for line in &self.lines {
            if !names.contains(&line.who) {
                names.push(line.who);
            }
        }
        names
    }

    /// The transcript of one.
    #[must_use]
    pub fn of(&self, who: &str) -> Vec<&str> {
        self.lines.iter().filter(|line| line.who == who).map(|line| &*line.text).collect()
    }

    /// Whether a line is there.
    #[must_use]
    pub fn has(&self, who: &str, text: &str) -> bool {
        self.count(who, text) > 0
    }

    /// How often a line is there.
    #[must_use]
    pub fn count(&self, who: &str, text: &str) -> usize {
        self.lines.iter().filter(|line| line.who == who && line.text == text).count()
    }

    /// Everything one has consumed.
    #[must_use]
    pub fn bytes(&self, who: &str) -> &[u8] {
        self.bytes.iter().find(|(name, _)| *name == who).map_or(&[], |(_, bytes)| bytes)
    }

    /// The connection of this name that opened last.
    #[must_use]
    #[track_caller]
    pub fn id(&self, who: &str) -> ConnectionId {
        let opened = self.opened.iter().rfind(|(name, _)| *name == who);
        opened.unwrap_or_else(|| panic!("{who} never opened\n{self:#?}")).1
    }

    /// How the first of this name ended, if it has.
    #[must_use]
    pub fn end(&self, who: &str) -> Option<&End> {
        self.ends.iter().find(|end| end.who == who)
    }

    /// Writes down what was consumed, at its place among what the callback wrote meanwhile.
    pub(super) fn consumed(&mut self, who: &'static str, bytes: &[u8], at: usize) {
        if bytes.is_empty() {
            return;
        }
        match self.bytes.iter_mut().find(|(name, _)| *name == who) {
            Some((_, all)) => all.extend_from_slice(bytes),
            None => self.bytes.push((who, bytes.to_vec())),
        }
        match self.lines[..at].iter_mut().rfind(|line| line.who == who) {
            Some(line) if line.data > 0 => {
                line.data += bytes.len();
                line.text = format!("data {}", line.data);
            }
            _ => {
                let text = format!("data {}", bytes.len());
                self.lines.insert(at, Line { who, text, data: bytes.len() });
            }
        }
    }

    pub(super) fn closed(&mut self, who: &'static str, closed: &Closed) {
        let Closed { id, peer, reason, unsent, .. } = closed;
        self.note(who, format!("close {reason}"));
        let error = match reason {
            CloseReason::ConnectFailed(error)
            | CloseReason::Failed(error)
            | CloseReason::FileFailed(error) => Some(error.kind()),
            _ => None,
        };
        self.ends.push(End {
            who,
            id: *id,
            peer: peer.clone(),
            reason: reason.to_string(),
            side: reason.side(),
            is_clean: reason.is_clean(),
            error,
            host: match reason {
                CloseReason::HostFailed(failure) => Some((**failure).clone()),
                _ => None,
            },
            unsent: *unsent,
        });
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|Line { who, text, .. }| writeln!(f, "{who:>12}  {text}"))
    }
}
