//! Who hears what is said on a channel, as it is needed for saying it: the connections that get the same
//! bytes, side by side.
//!
//! ```text
//!   style 0   [ ann ][ eve ][ fay ]          ":bob … hi"                 one rendering each,
//!   style 5   [ bob ][ guy ]                 "@time=…;msgid=… :bob … hi"  and one walk over an array
//!                      ▲ at index 1
//! ```
//!
//! Whoever leaves is replaced by the last of its row, so coming and going cost the same in any crowd.

use reactor::ConnectionId;

use super::keys::UserKey;
use super::line::Renderings;
use super::network::Network;
use crate::chat::wire::capability::Caps;

#[derive(Debug, Default)]
pub(super) struct Audience {
    /// None is empty. Few, since most clients ask for the same.
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
    /// Adds a user to the row of its capabilities; at which index.
    pub(super) fn add(&mut self, user: UserKey, on: ConnectionId, caps: Caps) -> usize {
        let at = self.row(caps).unwrap_or_else(|| {
            self.rows.push(Row { caps, connections: Vec::new(), users: Vec::new() });
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        row.connections.push(on);
        row.users.push(user);
        row.users.len() - 1
    }

    /// Takes a user out; who is at its index now.
    pub(super) fn remove(&mut self, index: usize, caps: Caps) -> Option<UserKey> {
        let at = self.row(caps)?;
        let row = &mut self.rows[at];
        if index < row.users.len() {
            row.connections.swap_remove(index);
            row.users.swap_remove(index);
        }
        let moved = row.users.get(index).copied();
        if row.users.is_empty() {
            self.rows.swap_remove(at);
        }
        moved
    }

    fn row(&self, caps: Caps) -> Option<usize> {
        self.rows.iter().position(|row| row.caps.style() == caps.style())
    }

    /// Sends a line to everybody but whoever is at one index.
    pub(super) fn send(
        &self,
        network: &mut dyn Network,
        renderings: &mut Renderings<'_>,
        but: Option<(usize, Caps)>,
    ) {
        let but = but.and_then(|(index, caps)| Some((self.row(caps)?, index)));
        for (at, row) in self.rows.iter().enumerate() {
            let line = renderings.of(row.caps);
            match but.filter(|&(but, _)| but == at) {
                // Those on both sides of it: so nobody else has to be told apart from it.
                Some((_, index)) => {
                    let (before, behind) =
                        row.connections.split_at(index.min(row.connections.len()));
                    network.send_all(before, &line);
                    network.send_all(behind.get(1..).unwrap_or_default(), &line);
                }
                None => network.send_all(&row.connections, &line),
            }
        }
    }

    /// Who is where, for a check.
    pub(super) fn has_at(&self, user: UserKey, index: usize, caps: Caps) -> bool {
        let row = self.row(caps).map(|at| &self.rows[at]);
        row.is_some_and(|row| row.users.get(index) == Some(&user))
    }
}
