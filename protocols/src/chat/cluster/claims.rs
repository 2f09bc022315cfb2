//! Nicks: one holder in the network, by a claim in a bucket of NATS' key-value store before a nick is given.
//!
//! A claim is an agreement and not the truth: while the bucket cannot be asked, nicks are given all the same, and are
//! claimed when it can be asked again. Which of two holders stays then, the servers decide by what they see of both.
//!
//! Every node watches the bucket, anew over each connection. An order whose answer is lost may have been carried out, and a
//! node that was killed has given nothing back: what the bucket has of a node is held against what the node knows, and
//! what it knows nothing of is deleted. NATS may have lost its disk, and another node made the bucket anew: what a node
//! holds and the watch does not tell is claimed again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// What was held when the watch began and has not been told by it.
    untold: BTreeSet<String>,
    orders: VecDeque<Order<Ticket>>,
    /// Of the last order that is answered.
    number: u64,
}

#[derive(Debug)]
struct Claim<Ticket> {
    holder: Holder,
    state: State<Ticket>,
}

#[derive(Debug)]
enum State<Ticket> {
    /// The bucket is asked, by the order of this number.
    Asked {
        number: u64,
        waiting: Waiting<Ticket>,
    },
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
    /// A user, for the nick that was asked for in the name of another, who has it no more.
    Next(Ticket),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order<Ticket> {
    /// Write it, if there is nothing. The number comes back with the answer.
    Create { key: String, holder: Holder, number: u64 },
    /// Write it, if this revision is the last.
    Update { key: String, holder: Holder, revision: u64, number: u64 },
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
    /// There is no answer. It may be written all the same.
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
        Self {
            node,
            is_up: false,
            claims: BTreeMap::new(),
            untold: BTreeSet::new(),
            orders: VecDeque::new(),
            number: 0,
        }
    }

    // ── what users do ───────────────────────────────────────────────────────────────────────

    /// A user wants a nick that nobody has in this node's picture.
    pub(super) fn claim(&mut self, nick: &str, holder: Holder, ticket: Ticket) {
        let key = key_of(nick);
        let answer = match self.claims.get_mut(&key) {
            None | Some(Claim { state: State::Left { .. }, .. }) if self.is_up => {
                self.number += 1;
                let number = self.number;
                let order = Order::Create { key: key.clone(), holder: holder.clone(), number };
                self.orders.push_back(order);
                let state = State::Asked { number, waiting: Waiting::User(ticket) };
                self.claims.insert(key, Claim { holder, state });
                return;
            }
            None | Some(Claim { state: State::Left { .. }, .. }) => {
                self.claims.insert(key, Claim { holder, state: State::Open });
                NickAnswer::Alone
            }
            // Whoever has left the nick may be the same person, who has connected again. It is theirs when it is known
            // what there is in the bucket.
            Some(Claim {
                holder: holds,
                state: State::Asked { waiting: waiting @ Waiting::Released, .. },
            }) => {
                (*holds, *waiting) = (holder, Waiting::Next(ticket));
                return;
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
        self.untold.remove(&key);
        match &mut claim.state {
            State::Asked { waiting, .. } => *waiting = Waiting::Released,
            State::Held { revision } => {
                let revision = *revision;
                self.claims.remove(&key);
                self.give_back(key, revision);
            }
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
        let (orders, number) = (&mut self.orders, &mut self.number);
        self.claims.retain(|key, claim| match claim.state {
            State::Open => {
                *number += 1;
                let (key, holder, number) = (key.clone(), claim.holder.clone(), *number);
                orders.push_back(Order::Create { key, holder, number });
                claim.state = State::Asked { number, waiting: Waiting::Nobody };
                true
            }
            State::Left { revision } => {
                orders.push_back(Order::Delete { key: key.clone(), revision });
                false
            }
            State::Asked { .. } | State::Held { .. } => true,
        });
    }

    /// What it has answered to the order of this number, which was about a key.
    pub(super) fn handle_answer(
        &mut self,
        key: &str,
        number: u64,
        answer: Answer,
        standing: impl Fn(&NodeName) -> Standing,
    ) {
        let Some((key, Claim { holder, state })) = self.claims.remove_entry(key) else { return };
        let waiting = match state {
            State::Asked { number: asked, waiting } if asked == number => waiting,
            state => {
                self.claims.insert(key, Claim { holder, state });
                return;
            }
        };
        match (answer, waiting) {
            (Answer::Written(revision), Waiting::Released) => self.give_back(key, revision),
            (Answer::Written(revision), Waiting::Next(ticket)) => {
                self.take_over(key, holder, revision, Waiting::User(ticket));
            }
            (Answer::Written(revision), waiting) => {
                self.tell(waiting, NickAnswer::Granted);
                self.claims.insert(key, Claim { holder, state: State::Held { revision } });
            }
            // It is of an earlier user of this node, whose order was taken for lost: the watch may have told of it already.
            (Answer::Exists { holder: Some(other), revision }, Waiting::Released)
                if other.node == self.node =>
            {
                self.give_back(key, revision);
            }
            (_, Waiting::Released) => {}
            (Answer::Exists { holder: other, revision }, waiting)
                if self.may_take(other.as_ref(), &waiting, standing) =>
            {
                self.take_over(key, holder, revision, waiting);
            }
            (
                Answer::Exists { .. } | Answer::Overtaken,
                waiting @ (Waiting::User(_) | Waiting::Next(_)),
            ) => self.tell(waiting, NickAnswer::Taken),
            (_, waiting) => {
                self.tell(waiting, NickAnswer::Alone);
                self.claims.insert(key, Claim { holder, state: State::Open });
            }
        }
    }

    /// What there is in the bucket, as the watch of it tells: of an order whose answer is lost, it is known so whether it
    /// was carried out; and what an earlier life of this node has claimed is given back.
    pub(super) fn handle_entry(&mut self, key: &str, holder: Option<&Holder>, revision: u64) {
        let Some(claim) = self.claims.get_mut(key) else {
            if holder.is_some_and(|holder| holder.node == self.node) {
                self.give_back(key.to_owned(), revision);
            }
            return;
        };
        let is_ours = holder.is_some_and(|it| it.node == self.node && it.user == claim.holder.user);
        let is_first = self.untold.remove(key);
        match &mut claim.state {
            // It was written before the watch began: what the watch tells is of then or later, or of another bucket, whose
            // revisions are others.
            State::Held { revision: held } if is_first && is_ours => *held = revision,
            State::Held { .. } if is_first => claim.state = State::Open,
            State::Asked { number, .. } if is_ours => {
                let number = *number;
                self.handle_answer(key, number, Answer::Written(revision), |_| Standing::Unknown);
            }
            State::Held { revision: held } if is_ours => *held = revision.max(*held),
            // Somebody else has taken it, or it was deleted.
            State::Held { revision: held } if revision > *held => claim.state = State::Open,
            State::Open if is_ours => claim.state = State::Held { revision },
            State::Left { revision: left } if holder.is_some_and(|it| it.node == self.node) => {
                *left = revision.max(*left);
            }
            _ => {}
        }
    }

    /// The bucket is watched from now on: what there is is told first.
    pub(super) fn handle_watch(&mut self) {
        let is_held = |claim: &Claim<_>| matches!(claim.state, State::Held { .. });
        let held = self.claims.iter().filter(|(_, claim)| is_held(claim));
        self.untold = held.map(|(key, _)| key.clone()).collect();
    }

    /// All that there is has been told. What was not told is not there, whoever has made the bucket.
    pub(super) fn handle_all_told(&mut self) {
        for key in std::mem::take(&mut self.untold) {
            if let Some(Claim { state: state @ State::Held { .. }, .. }) = self.claims.get_mut(&key)
            {
                *state = State::Open;
            }
        }
        self.catch_up();
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

    /// Nicks that are claimed, and those that users have though nobody has agreed to it yet.
    pub(super) fn counts(&self) -> (usize, usize) {
        let count = |wanted: fn(&State<Ticket>) -> bool| {
            self.claims.values().filter(|it| wanted(&it.state)).count()
        };
        let is_open = |state: &State<_>| {
            matches!(state, State::Open | State::Asked { waiting: Waiting::Nobody, .. })
        };
        (count(|state| matches!(state, State::Held { .. })), count(is_open))
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

    /// Has a claim written over what there is.
    fn take_over(&mut self, key: String, holder: Holder, revision: u64, waiting: Waiting<Ticket>) {
        self.number += 1;
        let (number, name) = (self.number, key.clone());
        let order = Order::Update { key, holder: holder.clone(), revision, number };
        self.orders.push_back(order);
        self.claims.insert(name, Claim { holder, state: State::Asked { number, waiting } });
    }

    /// Deletes a claim, now or when that can be.
    fn give_back(&mut self, key: String, revision: u64) {
        if self.is_up {
            self.orders.push_back(Order::Delete { key, revision });
        } else {
            self.handle_not_deleted(key, revision);
        }
    }

    fn tell(&mut self, waiting: Waiting<Ticket>, answer: NickAnswer) {
        if let Waiting::User(ticket) | Waiting::Next(ticket) = waiting {
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

    /// The bucket answers what it was asked last about a key.
    fn answered(
        claims: &mut Claims<u8>,
        key: &str,
        answer: Answer,
        standing: fn(&NodeName) -> Standing,
    ) {
        let number = match claims.claims.get(key) {
            Some(Claim { state: State::Asked { number, .. }, .. }) => *number,
            _ => 0,
        };
        claims.handle_answer(key, number, answer, standing);
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
        answered(&mut claims, "ann=5b1=5d", Answer::Written(7), UNKNOWN);
        claims.claim("ANN[1]", holder("a", "a1"), 1);
        assert_eq!(orders(&mut claims), ["1 has it", "1 has it"]);
        claims.release("ann[1]", "a2");
        assert_eq!(orders(&mut claims), [""; 0]);
        claims.release("ann[1]", "a1");
        assert_eq!(orders(&mut claims), ["delete ann=5b1=5d 7"]);
        claims.release("ann[1]", "a1");
        answered(&mut claims, "ann=5b1=5d", Answer::Written(7), UNKNOWN);
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
            answered(&mut claims, "ann", answer, standing);
            assert_eq!(orders(&mut claims), [expected]);
            answered(&mut claims, "ann", Answer::Overtaken, standing);
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
        answered(&mut claims, "ann", Answer::Failed, UNKNOWN);
        claims.claim("cy", holder("a", "a4"), 4);
        answered(&mut claims, "cy", Answer::Failed, UNKNOWN);
        assert_eq!(
            (claims.counts(), orders(&mut claims)),
            ((0, 2), vec!["create cy".into(), "4 has it here".into()])
        );
        claims.catch_up();
        assert_eq!(orders(&mut claims), ["create ann", "create cy"]);
        answered(&mut claims, "cy", Answer::Written(3), UNKNOWN);
        // Somebody has it in a part of the network that is not seen yet. Once it is, the servers have decided.
        answered(&mut claims, "ann", of("b", "b1", 7), UNKNOWN);
        assert_eq!(orders(&mut claims), [""; 0]);
        claims.catch_up();
        answered(&mut claims, "ann", of("b", "b1", 7), SEEN);
        assert_eq!(orders(&mut claims), ["create ann", "update ann 7"]);
        answered(&mut claims, "ann", Answer::Overtaken, SEEN);
        assert_eq!((claims.counts().1, orders(&mut claims)), (1, Vec::new()));
    }

    #[test]
    fn who_leaves_while_the_bucket_is_asked_or_away_leaves_no_claim_behind() {
        let mut claims = up();
        claims.claim("ann", holder("a", "a1"), 1);
        claims.release("ann", "a1");
        answered(&mut claims, "ann", Answer::Written(7), UNKNOWN);
        assert_eq!(orders(&mut claims), ["create ann", "delete ann 7"]);
        claims.handle_not_deleted("ann".to_owned(), 7);
        claims.claim("bob", holder("a", "a2"), 2);
        answered(&mut claims, "bob", Answer::Written(8), UNKNOWN);
        claims.handle_disconnected();
        claims.release("bob", "a2");
        claims.catch_up();
        assert_eq!(orders(&mut claims), ["create bob", "2 has it"]);
        claims.handle_connected();
        assert_eq!(orders(&mut claims), ["delete ann 7", "delete bob 8"]);
    }

    #[test]
    fn an_order_whose_answer_is_lost_may_have_been_carried_out_as_the_watch_tells() {
        let mut claims = up();
        let ann = holder("a", "a1");
        // The user has gone before it is told.
        claims.claim("ann", ann.clone(), 1);
        claims.release("ann", "a1");
        answered(&mut claims, "ann", Answer::Failed, UNKNOWN);
        claims.handle_entry("ann", Some(&ann), 7);
        assert_eq!(orders(&mut claims), ["create ann", "delete ann 7"]);
        // Or somebody else wants it before that is told, and goes too.
        claims.claim("cy", holder("a", "a5"), 5);
        claims.release("cy", "a5");
        answered(&mut claims, "cy", Answer::Failed, UNKNOWN);
        claims.claim("cy", holder("a", "a6"), 6);
        claims.handle_entry("cy", Some(&holder("a", "a5")), 6);
        claims.release("cy", "a6");
        answered(&mut claims, "cy", of("a", "a5", 6), UNKNOWN);
        assert_eq!(orders(&mut claims), ["create cy", "create cy", "delete cy 6"]);
        // It is told before there is an answer, which is of no interest then.
        claims.claim("bob", holder("a", "a2"), 2);
        claims.handle_entry("bob", Some(&holder("a", "a2")), 8);
        assert_eq!(orders(&mut claims), ["create bob", "2 has it"]);
        claims.release("bob", "a2");
        claims.claim("bob", holder("a", "a3"), 3);
        claims.handle_answer("bob", 2, Answer::Written(8), UNKNOWN);
        assert_eq!(orders(&mut claims), ["delete bob 8", "create bob"]);
        // Nobody has answered, and the user has it all the same.
        answered(&mut claims, "bob", Answer::Failed, UNKNOWN);
        claims.handle_entry("bob", Some(&holder("a", "a3")), 9);
        assert_eq!((claims.counts(), orders(&mut claims)), ((1, 0), vec!["3 has it here".into()]));
    }

    #[test]
    fn what_an_earlier_life_has_claimed_is_given_back_and_what_another_took_is_claimed_again() {
        let mut claims = Claims::new(name("a"));
        claims.handle_entry("cy", Some(&holder("a", "a0")), 3);
        claims.handle_entry("eve", Some(&holder("b", "b0")), 4);
        claims.handle_connected();
        assert_eq!(orders(&mut claims), ["delete cy 3"]);
        claims.handle_entry("dan", Some(&holder("a", "a0")), 5);
        assert_eq!(orders(&mut claims), ["delete dan 5"]);
        claims.claim("ann", holder("a", "a1"), 1);
        answered(&mut claims, "ann", Answer::Written(7), UNKNOWN);
        for (taken, revision) in [(Some(holder("b", "b1")), 6), (None, 7)] {
            claims.handle_entry("ann", taken.as_ref(), revision);
            assert_eq!(claims.counts(), (1, 0), "it is what was before");
        }
        claims.handle_entry("ann", Some(&holder("b", "b1")), 8);
        claims.catch_up();
        assert_eq!(orders(&mut claims), ["create ann", "1 has it", "create ann"]);
    }

    #[test]
    fn in_a_bucket_that_is_made_anew_everything_is_claimed_again() {
        let mut claims = up();
        claims.claim("ann", holder("a", "a1"), 1);
        answered(&mut claims, "ann", Answer::Written(7), UNKNOWN);
        claims.handle_disconnected();
        claims.handle_empty();
        claims.handle_connected();
        assert_eq!(orders(&mut claims), ["create ann", "1 has it", "create ann"]);
        // It was there all the same, and it is ours.
        answered(&mut claims, "ann", of("a", "a1", 7), UNKNOWN);
        assert_eq!(orders(&mut claims), ["update ann 7"]);
    }

    #[test]
    fn what_the_watch_does_not_tell_is_claimed_again() {
        let mut claims = up();
        for (number, nick) in ["ann", "bob", "cy", "dan"].into_iter().enumerate() {
            claims.claim(nick, holder("a", nick), 1);
            answered(&mut claims, nick, Answer::Written(5_000 + number as u64), UNKNOWN);
        }
        orders(&mut claims);
        // Another node has made the bucket anew, and somebody of a third has been faster.
        claims.handle_watch();
        claims.handle_entry("bob", Some(&holder("b", "b1")), 2);
        claims.handle_entry("cy", Some(&holder("a", "cy")), 3);
        claims.release("dan", "dan");
        claims.claim("dan", holder("a", "a9"), 9);
        answered(&mut claims, "dan", Answer::Written(4), UNKNOWN);
        // It was claimed behind the beginning of the watch, which tells it later.
        claims.claim("eve", holder("a", "a5"), 5);
        answered(&mut claims, "eve", Answer::Written(5), UNKNOWN);
        claims.handle_all_told();
        assert_eq!(
            orders(&mut claims),
            ["delete dan 5003", "create dan", "9 has it", "create eve", "5 has it"]
                .into_iter()
                .chain(["create ann", "create bob"])
                .collect::<Vec<_>>()
        );
        claims.release("cy", "cy");
        assert_eq!(orders(&mut claims), ["delete cy 3"]);
    }

    #[test]
    fn who_connects_again_before_the_bucket_has_answered_has_the_nick_after_it() {
        let mut claims = up();
        claims.claim("ann", holder("a", "a1"), 1);
        claims.release("ann", "a1");
        claims.claim("ann", holder("a", "a2"), 2);
        claims.claim("ann", holder("a", "a3"), 3);
        assert_eq!(orders(&mut claims), ["create ann", "3 has it not"]);
        answered(&mut claims, "ann", Answer::Written(7), UNKNOWN);
        assert_eq!(orders(&mut claims), ["update ann 7"]);
        answered(&mut claims, "ann", Answer::Written(8), UNKNOWN);
        assert_eq!(orders(&mut claims), ["2 has it"]);
        // Or not, if it was somebody else's; or has left, too.
        for (answer, expected) in [
            (of("b", "b1", 9), vec!["create bob", "2 has it not"]),
            (Answer::Failed, vec!["create bob", "2 has it here"]),
        ] {
            claims.claim("bob", holder("a", "a4"), 1);
            claims.release("bob", "a4");
            claims.claim("bob", holder("a", "a5"), 2);
            answered(&mut claims, "bob", answer, UNKNOWN);
            assert_eq!(orders(&mut claims), expected);
        }
        claims.claim("cy", holder("a", "a6"), 1);
        claims.release("cy", "a6");
        claims.claim("cy", holder("a", "a7"), 2);
        claims.release("cy", "a7");
        answered(&mut claims, "cy", Answer::Written(10), UNKNOWN);
        assert_eq!(orders(&mut claims), ["create cy", "delete cy 10"]);
    }

    #[test]
    fn every_nick_has_a_key_of_its_own() {
        let keys: BTreeSet<_> =
            (b'!'..=b'~').map(|byte| key_of(&char::from(byte).to_string())).collect();
        assert_eq!(keys.len(), 94 - 26);
        assert!(
            keys.iter().all(|key| key
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-_=".contains(&it)))
        );
    }
}
