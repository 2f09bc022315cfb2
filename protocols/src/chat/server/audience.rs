//! Who hears what is said on a channel, as it is needed for saying it: the connections that get the same
//! bytes, side by side.
//!
//! ```text
//!   style 0   [ ann ][ eve ][ fay ]          ":bob … hi"                 one rendering each,
//!   style 5   [ bob ][ guy ]                 "@time=…;msgid=… :bob … hi"  and one walk over an array
//!                      ▲ seat 1
//! ```
//!
//! Whoever leaves is replaced by the last of its row, so coming and going cost the same in any crowd.

use reactor::ConnectionId;

use super::keys::UserKey;
use super::line::Cast;
use super::network::Network;
use crate::chat::wire::capability::Caps;

#[derive(Debug, Default)]
pub(super) struct Audience {
    /// Those that somebody sits in: few, since most clients ask for the same.
    rows: Vec<Row>,
}

/// Connections that get the same bytes, and whose each is.
#[derive(Debug)]
struct Row {
    caps: Caps,
    connections: Vec<ConnectionId>,
    users: Vec<UserKey>,
}

impl Audience {
    /// Seats a user in the row of its capabilities; where.
    pub(super) fn sit(&mut self, user: UserKey, on: ConnectionId, caps: Caps) -> usize {
        let at = self.row(caps).unwrap_or_else(|| {
            self.rows.push(Row { caps, connections: Vec::new(), users: Vec::new() });
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        row.connections.push(on);
        row.users.push(user);
        row.users.len() - 1
    }

    /// Takes a user from its seat; who sits there now.
    pub(super) fn rise(&mut self, seat: usize, caps: Caps) -> Option<UserKey> {
        let at = self.row(caps)?;
        let row = &mut self.rows[at];
        if seat < row.users.len() {
            row.connections.swap_remove(seat);
            row.users.swap_remove(seat);
        }
        let moved = row.users.get(seat).copied();
        if row.users.is_empty() {
            self.rows.swap_remove(at);
        }
        moved
    }

    fn row(&self, caps: Caps) -> Option<usize> {
        self.rows.iter().position(|row| row.caps.style() == caps.style())
    }

    /// Sends a line to everybody but whoever sits on one seat.
    pub(super) fn send(
        &self,
        network: &mut dyn Network,
        cast: &mut Cast<'_>,
        but: Option<(usize, Caps)>,
    ) {
        let but = but.and_then(|(seat, caps)| Some((self.row(caps)?, seat)));
        for (at, row) in self.rows.iter().enumerate() {
            let line = cast.rendering(row.caps);
            match but.filter(|&(but, _)| but == at) {
                // Those on both sides of it: so nobody else has to be told apart from it.
                Some((_, seat)) => {
                    let (before, behind) =
                        row.connections.split_at(seat.min(row.connections.len()));
                    network.send_all(before, &line);
                    network.send_all(behind.get(1..).unwrap_or_default(), &line);
                }
                None => network.send_all(&row.connections, &line),
            }
        }
    }

    /// Who sits where, for a check.
    pub(super) fn sits(&self, user: UserKey, seat: usize, caps: Caps) -> bool {
        let row = self.row(caps).map(|at| &self.rows[at]);
        row.is_some_and(|row| row.users.get(seat) == Some(&user))
    }
}
