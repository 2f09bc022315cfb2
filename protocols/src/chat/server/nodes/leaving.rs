//! Users of a node that is lost quit, as many at a time as those can take who are told: thousands of lines at once would
//! cut off whoever reads more slowly than they are written, and fill the memory for lines of all.
//!
//! ```text
//!   lost ──▶ some quit ──▶ wait until those who were told have read that, or for long enough ──▶ some more … ──▶ the end
//!              all of it in one batch, for who knows of batches
//! ```
//!
//! Until its turn comes a user is there as it was before the silence was noticed: if its node comes back with it, it
//! stays, and if somebody of its nickname comes first, it goes at once.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::state::Leaving;
use crate::chat::server::Server;
use crate::chat::server::effect::UserId;
use crate::chat::server::keys::UserKey;
use crate::chat::server::network::Network;

/// Bytes that a line may take in a queue. A quarter of a queue is filled at a time.
const LINE: usize = 256;
/// Lines in all, to each who is told: 64 MiB in the queues of all.
const MOST_DELIVERIES: usize = 256 * 1024;
/// Between two times.
const PAUSE: Duration = Duration::from_millis(50);
/// How often those who have read too little are waited for, at each time: two seconds. Then they are as slow as those who
/// are cut off elsewhere.
const MOST_WAITS: u32 = 40;

impl Server {
    pub(super) fn begin_leaving(&mut self, network: &mut dyn Network, place: usize) {
        let Some(together) = self.batch_about(place, "netsplit") else { return };
        let Some(nodes) = &mut self.nodes else { return };
        let users: VecDeque<_> = nodes.users_of(place).into();
        let reason = format!("{} {}", self.settings.name, nodes.nodes[place].server).into();
        let is_first = nodes.leaving.is_empty();
        let behind = Rc::default();
        nodes.leaving.push_back(Leaving { users, reason, together, behind, waited: 0 });
        if is_first {
            self.let_some_leave(network);
        }
    }

    /// Some time has passed since some have left.
    pub(in crate::chat::server) fn let_more_leave(&mut self, network: &mut dyn Network) {
        let Some(leaving) = self.nodes.as_mut().and_then(|nodes| nodes.leaving.front_mut()) else {
            return;
        };
        if leaving.behind.get() > 0 && leaving.waited < MOST_WAITS {
            leaving.waited += 1;
            return network.go_on_leaving(PAUSE);
        }
        self.let_some_leave(network);
        self.settle(network);
        self.tell_news(network);
    }

    fn let_some_leave(&mut self, network: &mut dyn Network) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(leaving) = nodes.leaving.pop_front() else { return };
        let Leaving { mut users, reason, together, .. } = leaving;
        nodes.together = Some(together);
        let most = (self.settings.limits.send_queue / 4 / LINE).max(1);
        for _ in 0..most {
            let Some(user) = users.pop_front() else { break };
            // It may have quit in the meantime.
            if self.users.get(user).is_some() {
                self.remove(network, user, &reason);
            }
            if self.deliveries() > MOST_DELIVERIES {
                break;
            }
        }
        let Some(nodes) = &mut self.nodes else { return };
        let Some(mut together) = nodes.together.take() else { return };
        let told: Vec<_> = together.receivers.keys().copied().collect();
        self.send_gathered(network, &mut together);
        if users.is_empty() {
            self.end_batch(network, &together);
        } else {
            let behind = Rc::default();
            let connections = told.into_iter().filter_map(|it| self.users.get(it)?.connection);
            connections.for_each(|reader| network.wait_for(reader, &behind));
            let rest = Leaving { users, reason, together, behind, waited: 0 };
            let Some(nodes) = &mut self.nodes else { return };
            nodes.leaving.push_front(rest);
        }
        if self.nodes.as_ref().is_some_and(|nodes| !nodes.leaving.is_empty()) {
            network.go_on_leaving(PAUSE);
        }
    }

    fn deliveries(&self) -> usize {
        let together = self.nodes.as_ref().and_then(|nodes| nodes.together.as_ref());
        together.map_or(0, |together| together.deliveries)
    }

    /// Whether a user has yet to quit, as its node is lost.
    pub(super) fn is_leaving(&self, user: UserKey) -> bool {
        let leaving = self.nodes.iter().flat_map(|nodes| &nodes.leaving);
        leaving.into_iter().any(|leaving| leaving.users.contains(&user))
    }

    /// Their node is back, and they with it.
    pub(super) fn let_stay(&mut self, is_back: impl Fn(UserId) -> bool) {
        let Some(nodes) = &mut self.nodes else { return };
        let people = &nodes.people;
        let stays = |&user: &UserKey| people.get(user).is_some_and(|person| is_back(person.id));
        for leaving in &mut nodes.leaving {
            leaving.users.retain(|user| !stays(user));
        }
    }
}
