//! Nicks: one holder in the network, by a claim in a bucket of NATS' key-value store before a nick is given.
//!
//! A claim is an agreement and not the truth: while the bucket cannot be asked, nicks are given all the same, and are
//! claimed when it can be asked again. Which of two holders stays then, the servers decide by what they see of both.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::chat::server::NickAnswer;
use crate::chat::wire::node::NodeName;
use crate::chat::wire::timestamp::Timestamp;

/// Who has claimed a nick: the value in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Holder {
    pub(super) node: NodeName,
    /// The user's name within the network, which no other ever has.
    pub(super) user: String,
    pub(super) since: Timestamp,
    pub(super) account: Option<String>,
}

/// The claims of one node. `Ticket` is whatever leads back to who waits for an answer.
///
/// ```text
///              the bucket answers                release()
///   Asked ───────────────────────────▶ Held ───────────────────▶ deleted, or Left while that cannot be
///     │ ▲                                                                  │
///     │ │ again, when it can be asked            it was somebody else's    ▼
///     │ └─────────── Open ◀── it cannot be asked        Asked ─────────▶ nothing
///     └───────────────▲
/// ```
#[derive(Debug)]
pub(super) struct Claims<Ticket> {
    node: NodeName,
    is_up: bool,
    claims: BTreeMap<String, Claim<Ticket>>,
    orders: VecDeque<Order<Ticket>>,
}

#[derive(Debug)]
struct Claim<Ticket> {
    holder: Holder,
    state: State<Ticket>,
}

#[derive(Debug)]
enum State<Ticket> {
    /// The bucket is asked.
    Asked(Waiting<Ticket>),
    Held {
        revision: u64,
    },
    /// It is the user's, and nobody could be asked.
    Open,
    /// It is nobody's any more, but nobody could be told.
    Left {
        revision: u64,
    },
}

/// Who waits for the bucket's answer.
#[derive(Debug)]
enum Waiting<Ticket> {
    /// A user, for the nick.
    User(Ticket),
    /// Nobody: the user has the nick already.
    Nobody,
    /// Nobody: the user has it no more.
    Released,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order<Ticket> {
    /// Write it, if there is nothing.
    Create { key: String, holder: Holder },
    /// Write it, if this revision is the last.
    Update { key: String, holder: Holder, revision: u64 },
    /// Delete it, if this revision is the last.
    Delete { key: String, revision: u64 },
    /// Tell who waits whether the nick is theirs.
    Tell { ticket: Ticket, answer: NickAnswer },
}

/// What the bucket answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is written, as this revision.
    Written(u64),
    /// There is a claim already; none that can be read, if there is no holder.
    Exists { holder: Option<Holder>, revision: u64 },
    /// Another one was faster.
    Overtaken,
    /// There is no answer.
    Failed,
}

/// What is known of the node whose claim is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is gone for sure, and its claims with it.
    Gone,
    /// Its users are seen here: whoever has a nick here has it rightly.
    Seen,
    /// It may be there.
    Unknown,
}

impl<Ticket> Claims<Ticket> {
    pub(super) fn new(node: NodeName) -> Self {
        Self { node, is_up: false, claims: BTreeMap::new(), orders: VecDeque::new() }
    }

    // ── what users do ───────────────────────────────────────────────────────────────────────

    /// A user wants a nick that nobody has in this node's picture.
    pub(super) fn claim(&mut self, nick: &str, holder: Holder, ticket: Ticket) {
        let key = key_of(nick);
        let answer = match self.claims.get_mut(&key) {
            None | Some(Claim { state: State::Left { .. }, .. }) if self.is_up => {
                self.orders.push_back(Order::Create { key: key.clone(), holder: holder.clone() });
                let state = State::Asked(Waiting::User(ticket));
                self.claims.insert(key, Claim { holder, state });
                return;
            }
            None | Some(Claim { state: State::Left { .. }, .. }) => {
                self.claims.insert(key, Claim { holder, state: State::Open });
                NickAnswer::Alone
            }
            Some(claim) if claim.holder.user == holder.user => NickAnswer::Granted,
            Some(_) => NickAnswer::Taken,
        };
        self.orders.push_back(Order::Tell { ticket, answer });
    }

    /// A user has no use for a nick any more.
    pub(super) fn release(&mut self, nick: &str, user: &str) {
        let key = key_of(nick);
        let Some(claim) = self.claims.get_mut(&key).filter(|it| it.holder.user == user) else {
            return;
        };
        match &mut claim.state {
            State::Asked(waiting) => *waiting = Waiting::Released,
            State::Held { revision } if self.is_up => {
                let revision = *revision;
                self.claims.remove(&key);
                self.orders.push_back(Order::Delete { key, revision });
            }
            State::Held { revision } => claim.state = State::Left { revision: *revision },
            State::Open => drop(self.claims.remove(&key)),
            State::Left { .. } => {}
        }
    }

    // ── what the bucket does ────────────────────────────────────────────────────────────────

    /// It can be asked: also for what could not be asked before.
    pub(super) fn handle_connected(&mut self) {
        self.is_up = true;
        self.catch_up();
    }

    pub(super) fn handle_disconnected(&mut self) {
        self.is_up = false;
    }

    /// The bucket may be empty: it is made anew.
    pub(super) fn handle_empty(&mut self) {
        for claim in self.claims.values_mut() {
            if let State::Held { .. } = claim.state {
                claim.state = State::Open;
            }
        }
        self.claims.retain(|_, claim| !matches!(claim.state, State::Left { .. }));
    }

    /// Asks again for what users have without a claim, and tells what could not be told.
    pub(super) fn catch_up(&mut self) {
        if !self.is_up {
            return;
        }
        let orders = &mut self.orders;
        self.claims.retain(|key, claim| match claim.state {
            State::Open => {
                claim.state = State::Asked(Waiting::Nobody);
                orders.push_back(Order::Create { key: key.clone(), holder: claim.holder.clone() });
                true
            }
            State::Left { revision } => {
                orders.push_back(Order::Delete { key: key.clone(), revision });
                false
            }
            State::Asked(_) | State::Held { .. } => true,
        });
    }

    /// What it has answered to an order about a key.
    pub(super) fn handle_answer(
        &mut self,
        key: &str,
        answer: Answer,
        standing: impl Fn(&NodeName) -> Standing,
    ) {
        let Some((key, Claim { holder, state })) = self.claims.remove_entry(key) else { return };
        let State::Asked(waiting) = state else {
            self.claims.insert(key, Claim { holder, state });
            return;
        };
        match (answer, waiting) {
            (Answer::Written(revision), Waiting::Released) => {
                self.orders.push_back(Order::Delete { key, revision });
            }
            (Answer::Written(revision), waiting) => {
                self.tell(waiting, NickAnswer::Granted);
                self.claims.insert(key, Claim { holder, state: State::Held { revision } });
            }
            (_, Waiting::Released) => {}
            (Answer::Exists { holder: other, revision }, waiting)
                if self.may_take(other.as_ref(), &waiting, standing) =>
            {
                let order = Order::Update { key: key.clone(), holder: holder.clone(), revision };
                self.orders.push_back(order);
                self.claims.insert(key, Claim { holder, state: State::Asked(waiting) });
            }
            (Answer::Exists { .. } | Answer::Overtaken, waiting @ Waiting::User(_)) => {
                self.tell(waiting, NickAnswer::Taken);
            }
            (_, waiting) => {
                self.tell(waiting, NickAnswer::Alone);
                self.claims.insert(key, Claim { holder, state: State::Open });
            }
        }
    }

    /// A claim could not be deleted. If nobody has taken it since, it is tried again.
    pub(super) fn handle_not_deleted(&mut self, key: String, revision: u64) {
        let user = String::new();
        let holder =
            Holder { node: self.node.clone(), user, since: Timestamp::default(), account: None };
        let left = Claim { holder, state: State::Left { revision } };
        self.claims.entry(key).or_insert(left);
    }

    pub(super) fn poll_order(&mut self) -> Option<Order<Ticket>> {
        self.orders.pop_front()
    }

    /// Whether a claim that is in the way is worth nothing.
    fn may_take(
        &self,
        other: Option<&Holder>,
        waiting: &Waiting<Ticket>,
        standing: impl Fn(&NodeName) -> Standing,
    ) -> bool {
        // What cannot be read is nobody's.
        let Some(other) = other else { return true };
        // It is of an earlier life of this node: who has it now has been looked at.
        if other.node == self.node {
            return true;
        }
        match standing(&other.node) {
            Standing::Gone => true,
            // Both were seen, and the servers have decided for this one.
            Standing::Seen => matches!(waiting, Waiting::Nobody),
            Standing::Unknown => false,
        }
    }

    fn tell(&mut self, waiting: Waiting<Ticket>, answer: NickAnswer) {
        if let Waiting::User(ticket) = waiting {
            self.orders.push_back(Order::Tell { ticket, answer });
        }
    }
}

/// The key of a nick: nicks have characters that keys have not.
fn key_of(nick: &str) -> String {
    let mut key = String::with_capacity(nick.len());
    for byte in nick.bytes().map(|byte| byte.to_ascii_lowercase()) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            key.push(char::from(byte));
        } else {
            // A text takes whatever is written to it.
            let _ = write!(key, "={byte:02x}");
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).expect("it is one")
    }

    fn holder(node: &str, user: &str) -> Holder {
        Holder {
            node: name(node),
            user: user.to_owned(),
            since: Timestamp::default(),
            account: None,
        }
    }

    fn of(node: &str, user: &str, revision: u64) -> Answer {
        Answer::Exists { holder: Some(holder(node, user)), revision }
    }

    fn up() -> Claims<u8> {
        let mut claims = Claims::new(name("a"));
        claims.handle_connected();
        claims
    }

    fn orders(claims: &mut Claims<u8>) -> Vec<String> {
        let line = |order| match order {
            Order::Create { key, .. } => format!("create {key}"),
            Order::Update { key, revision, .. } => format!("update {key} {revision}"),
            Order::Delete { key, revision } => format!("delete {key} {revision}"),
            Order::Tell { ticket, answer: NickAnswer::Granted } => format!("{ticket} has it"),
            Order::Tell { ticket, answer: NickAnswer::Alone } => format!("{ticket} has it here"),
            Order::Tell { ticket, answer: NickAnswer::Taken } => format!("{ticket} has it not"),
        };
        std::iter::from_fn(|| claims.poll_order()).map(line).collect()
    }

    fn open(claims: &Claims<u8>) -> usize {
        claims.claims.values().filter(|it| matches!(it.state, State::Open)).count()
    }

    const UNKNOWN: fn(&NodeName) -> Standing = |_| Standing::Unknown;
    const GONE: fn(&NodeName) -> Standing = |_| Standing::Gone;
    const SEEN: fn(&NodeName) -> Standing = |_| Standing::Seen;

    #[test]
    fn a_nick_is_claimed_held_and_released() {
        let mut claims = up();
        claims.claim("Ann[1]", holder("a", "a1"), 1);
        assert_eq!(orders(&mut claims), ["create ann=5b1=5d"]);
        claims.claim("ann[1]", holder("a", "a2"), 2);
        assert_eq!(orders(&mut claims), ["2 has it not"]);
        claims.handle_answer("ann=5b1=5d", Answer::Written(7), UNKNOWN);
        claims.claim("ANN[1]", holder("a", "a1"), 1);
        assert_eq!(orders(&mut claims), ["1 has it", "1 has it"]);
        claims.release("ann[1]", "a2");
        assert_eq!(orders(&mut claims), [""; 0]);
        claims.release("ann[1]", "a1");
        assert_eq!(orders(&mut claims), ["delete ann=5b1=5d 7"]);
        claims.release("ann[1]", "a1");
        claims.handle_answer("ann=5b1=5d", Answer::Written(7), UNKNOWN);
        assert_eq!(orders(&mut claims), [""; 0]);
    }

    #[test]
    fn of_two_nodes_one_gets_it_and_a_claim_of_who_is_gone_is_taken_over() {
        let mut claims = up();
        for (standing, answer, expected) in [
            (UNKNOWN, of("b", "b1", 7), "1 has it not"),
            (SEEN, of("b", "b1", 7), "1 has it not"),
            (GONE, of("b", "b1", 7), "update ann 7"),
            (UNKNOWN, of("a", "a0", 7), "update ann 7"),
            (UNKNOWN, Answer::Exists { holder: None, revision: 7 }, "update ann 7"),
        ] {
            claims.claim("ann", holder("a", "a1"), 1);
            assert_eq!(orders(&mut claims), ["create ann"]);
            claims.handle_answer("ann", answer, standing);
            assert_eq!(orders(&mut claims), [expected]);
            claims.handle_answer("ann", Answer::Overtaken, standing);
            let told = orders(&mut claims);
            assert_eq!(told.is_empty(), expected == "1 has it not", "{told:?}");
        }
    }

    #[test]
    fn without_an_answer_a_nick_is_given_and_claimed_when_there_can_be_one() {
        let mut claims = Claims::new(name("a"));
        claims.claim("ann", holder("a", "a1"), 1);
        claims.claim("bob", holder("a", "a2"), 2);
        claims.claim("Bob", holder("a", "a3"), 3);
        claims.release("bob", "a2");
        assert_eq!(orders(&mut claims), ["1 has it here", "2 has it here", "3 has it not"]);
        claims.handle_connected();
        assert_eq!(orders(&mut claims), ["create ann"]);
        claims.handle_answer("ann", Answer::Failed, UNKNOWN);
        claims.claim("cy", holder("a", "a4"), 4);
        claims.handle_answer("cy", Answer::Failed, UNKNOWN);
        assert_eq!(
            (open(&claims), orders(&mut claims)),
            (2, vec!["create cy".into(), "4 has it here".into()])
        );
        claims.catch_up();
        assert_eq!(orders(&mut claims), ["create ann", "create cy"]);
        claims.handle_answer("cy", Answer::Written(3), UNKNOWN);
        // Somebody has it in a part of the network that is not seen yet. Once it is, the servers have decided.
        claims.handle_answer("ann", of("b", "b1", 7), UNKNOWN);
        assert_eq!(orders(&mut claims), [""; 0]);
        claims.catch_up();
        claims.handle_answer("ann", of("b", "b1", 7), SEEN);
        assert_eq!(orders(&mut claims), ["create ann", "update ann 7"]);
        claims.handle_answer("ann", Answer::Overtaken, SEEN);
        assert_eq!((open(&claims), orders(&mut claims)), (1, Vec::new()));
    }

    #[test]
    fn who_leaves_while_the_bucket_is_asked_or_away_leaves_no_claim_behind() {
        let mut claims = up();
        claims.claim("ann", holder("a", "a1"), 1);
        claims.release("ann", "a1");
        claims.handle_answer("ann", Answer::Written(7), UNKNOWN);
        assert_eq!(orders(&mut claims), ["create ann", "delete ann 7"]);
        claims.handle_not_deleted("ann".to_owned(), 7);
        claims.claim("bob", holder("a", "a2"), 2);
        claims.handle_answer("bob", Answer::Written(8), UNKNOWN);
        claims.handle_disconnected();
        claims.release("bob", "a2");
        claims.catch_up();
        assert_eq!(orders(&mut claims), ["create bob", "2 has it"]);
        claims.handle_connected();
        assert_eq!(orders(&mut claims), ["delete ann 7", "delete bob 8"]);
    }

    #[test]
    fn in_a_bucket_that_is_made_anew_everything_is_claimed_again() {
        let mut claims = up();
        claims.claim("ann", holder("a", "a1"), 1);
        claims.handle_answer("ann", Answer::Written(7), UNKNOWN);
        claims.handle_disconnected();
        claims.handle_empty();
        claims.handle_connected();
        assert_eq!(orders(&mut claims), ["create ann", "1 has it", "create ann"]);
        // It was there all the same, and it is ours.
        claims.handle_answer("ann", of("a", "a1", 7), UNKNOWN);
        assert_eq!(orders(&mut claims), ["update ann 7"]);
    }

    #[test]
    fn every_nick_has_a_key_of_its_own() {
        let keys: std::collections::BTreeSet<_> =
            (b'!'..=b'~').map(|byte| key_of(&char::from(byte).to_string())).collect();
        assert_eq!(keys.len(), 94 - 26);
        assert!(
            keys.iter().all(|key| key
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-_=".contains(&it)))
        );
    }
}
