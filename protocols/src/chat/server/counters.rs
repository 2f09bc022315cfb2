//! What a server has done.

use std::fmt;

/// What a server has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that are open, registered or not.
    pub open: u64,
    /// Connections that were ever open.
    pub connections: u64,
    /// Users that are registered.
    pub users: u64,
    /// The most there ever were.
    pub most_users: u64,
    /// Users of those that are invisible.
    pub invisible: u64,
    /// Users of those that are operators.
    pub operators: u64,
    /// Lines that came in.
    pub lines: u64,
    /// Messages that went to a channel or a user.
    pub messages: u64,
    /// Connections that were turned away: too many from one address.
    pub turned_away: u64,
    /// Lines that could not be written, since a part of them would have ended them early. It is a bug
    /// if it is not zero.
    pub spoiled: u64,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open, connections, users, most_users, lines, messages, turned_away, .. } = self;
        write!(
            f,
            "{users} users ({most_users} at most), {connections} connections ({open} open), "
        )?;
        write!(f, "{lines} lines, {messages} messages")?;
        match turned_away {
            0 => Ok(()),
            count => write!(f, "; {count} turned away"),
        }
    }
}
