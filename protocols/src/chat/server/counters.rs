//! What a server has done.

use std::fmt;

use super::modes::UserModes;

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
    /// Users of other nodes of the network.
    pub remote: u64,
    /// The most there ever were on all nodes.
    pub most_everywhere: u64,
    /// Users that are invisible, of other nodes too.
    pub invisible: u64,
    /// Users that are operators, of other nodes too.
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

impl Counters {
    /// A user has other modes; `default` is that of who is not here.
    pub(super) fn count_modes(&mut self, before: UserModes, after: UserModes) {
        for (mode, count) in [
            (UserModes::INVISIBLE, &mut self.invisible),
            (UserModes::OPERATOR, &mut self.operators),
        ] {
            *count = *count + u64::from(after.has(mode)) - u64::from(before.has(mode));
        }
    }
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
