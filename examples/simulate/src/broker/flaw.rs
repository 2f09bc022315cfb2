//! What can be wrong with a server, so that one sees whether it is found.

use std::collections::BTreeMap;

use reactor::ConnectionId;
use serde_json::Value;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// It delivers a message twice, once in a while.
    Twice,
    /// It writes without a look at the revision that is expected, once in a while.
    Careless,
    /// It does not deliver what a node of a chat network has done, once in a while, and numbers what follows so that
    /// this cannot be seen.
    Hides,
    /// It delivers such a message twice, numbered as if it were another one.
    Repeats,
    /// It does not bring what is written to one who watches, once in a while, and numbers what follows so that this
    /// cannot be seen.
    Deaf,
    /// It says that it has deleted what it keeps.
    Keeps,
}

/// How much the numbers are off that a connection sees of a node.
#[derive(Debug, Default)]
pub(super) struct Skews(BTreeMap<(ConnectionId, String), i64>);

impl Skews {
    /// What a node's message becomes for a connection.
    pub(super) fn bend(
        &mut self,
        flaw: Flaw,
        to: ConnectionId,
        payload: &[u8],
        chance: u64,
    ) -> Vec<Vec<u8>> {
        let end = payload.iter().position(|it| *it == b'\n').unwrap_or(payload.len());
        let (head, effects) = payload.split_at(end);
        let mut message = serde_json::from_slice::<Value>(head).unwrap_or_default();
        let from = message["from"].as_str().unwrap_or_default().to_owned();
        let Some(number) = message["sequence"].as_i64() else { return vec![payload.to_vec()] };
        let skew = self.0.entry((to, from)).or_default();
        let is_struck = message["body"] == "effects" && chance.is_multiple_of(16);
        let mut numbers = vec![number + *skew];
        match flaw {
            Flaw::Hides if is_struck => {
                *skew -= 1;
                numbers.clear();
            }
            Flaw::Repeats if is_struck => {
                *skew += 1;
                numbers.push(number + *skew);
            }
            _ => {}
        }
        let numbered = numbers.into_iter().map(|number| {
            message["sequence"] = number.into();
            [message.to_string().as_bytes(), effects].concat()
        });
        numbered.collect()
    }
}
