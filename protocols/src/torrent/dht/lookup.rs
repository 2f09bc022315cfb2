//! One search: whoever is known to be near is asked who is nearer, until nobody is. Pure.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::table::BUCKET;
use crate::torrent::wire::NodeId;

/// Questions under way at a time.
const AT_ONCE: usize = 4;
/// Nodes that are remembered, the nearest of them.
const REMEMBERED: usize = 64;
/// Nodes that are asked in all: an endless row of liars who are ever nearer ends there.
const ASKED: usize = 128;

/// One search.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) target: NodeId,
    pub(super) purpose: Purpose,
    /// The nearest first.
    nodes: Vec<Candidate>,
    /// Those that were asked: none is asked twice.
    asked: HashSet<SocketAddr>,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To know who is there.
    Nodes,
    /// To find peers of a torrent, and to tell those who are nearest that it is shared here, at this port.
    Peers { announce: Option<u16> },
}

#[derive(Debug)]
struct Candidate {
    /// Of those that somebody has named as a way in it is not known.
    id: Option<NodeId>,
    at: SocketAddr,
    state: State,
}

/// ```text
///   Known ──▶ Asked ──▶ Answered
///               └─────▶ removed
/// ```
#[derive(Debug, PartialEq, Eq)]
enum State {
    Known,
    Asked,
    /// It has given this word, without which nothing can be announced there.
    Answered(Option<Vec<u8>>),
}

impl Lookup {
    pub(super) fn new(target: NodeId, purpose: Purpose) -> Self {
        Self { target, purpose, nodes: Vec::new(), asked: HashSet::new() }
    }

    /// A node is said to be there.
    pub(super) fn add(&mut self, id: Option<NodeId>, at: SocketAddr) {
        if self.asked.contains(&at) || self.nodes.iter().any(|node| node.at == at) {
            return;
        }
        let place = self
            .nodes
            .partition_point(|node| node.distance(&self.target) <= distance(id, &self.target));
        self.nodes.insert(place, Candidate { id, at, state: State::Known });
        let is_spare = |node: &Candidate| node.state != State::Asked;
        if self.nodes.len() > REMEMBERED
            && let Some(last) = self.nodes.iter().rposition(is_spare)
        {
            self.nodes.remove(last);
        }
    }

    /// Who is to be asked next; it is being asked from now on.
    pub(super) fn poll_ask(&mut self) -> Option<SocketAddr> {
        let under_way = self.nodes.iter().filter(|node| node.state == State::Asked).count();
        if under_way >= AT_ONCE || self.asked.len() >= ASKED {
            return None;
        }
        // The nearest that are there, and whoever is a way in.
        let next = self.nodes.iter_mut().take(BUCKET).find(|node| node.state == State::Known)?;
        next.state = State::Asked;
        self.asked.insert(next.at);
        Some(next.at)
    }

    /// A node has answered.
    pub(super) fn handle_answer(&mut self, id: NodeId, at: SocketAddr, token: Option<Vec<u8>>) {
        let Some(place) = self.nodes.iter().position(|node| node.at == at) else {
            return;
        };
        let mut node = self.nodes.remove(place);
        (node.id, node.state) = (Some(id), State::Answered(token));
        let place = self
            .nodes
            .partition_point(|it| it.distance(&self.target) <= node.distance(&self.target));
        self.nodes.insert(place, node);
    }

    /// One has not.
    pub(super) fn handle_silence(&mut self, at: SocketAddr) {
        self.nodes.retain(|node| node.at != at);
    }

    /// Whether nobody is left to be asked.
    pub(super) fn is_over(&self) -> bool {
        let waits = |node: &Candidate| match node.state {
            State::Known => self.asked.len() < ASKED,
            State::Asked => true,
            State::Answered(_) => false,
        };
        !self.nodes.iter().take(BUCKET).any(waits)
    }

    /// The nearest that have answered, and the words they have given.
    pub(super) fn nearest(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let answered = self.nodes.iter().filter_map(|node| match &node.state {
            State::Answered(token) => Some((node.at, token.as_deref())),
            State::Known | State::Asked => None,
        });
        answered.take(BUCKET).filter_map(|(at, token)| Some((at, token?)))
    }

    /// How many have answered.
    pub(super) fn answered(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.state, State::Answered(_))).count()
    }
}

impl Candidate {
    fn distance(&self, target: &NodeId) -> [u8; 20] {
        distance(self.id, target)
    }
}

/// Whoever is a way in comes first, since nobody else may be known.
fn distance(id: Option<NodeId>, target: &NodeId) -> [u8; 20] {
    id.map_or([0; 20], |id| id.distance(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn id(first: u8) -> NodeId {
        let mut bytes = [0; 20];
        bytes[0] = first;
        NodeId::new(bytes)
    }

    #[test]
    fn the_nearest_are_asked_few_at_a_time_and_each_once() {
        let mut lookup = Lookup::new(id(0), Purpose::Peers { announce: None });
        lookup.add(None, at(100));
        (1..=20).rev().for_each(|first| lookup.add(Some(id(first)), at(u16::from(first))));
        let asked: Vec<_> = std::iter::from_fn(|| lookup.poll_ask()).collect();
        assert_eq!(asked, [at(100), at(1), at(2), at(3)]);
        lookup.handle_answer(id(99), at(100), Some(vec![1]));
        lookup.handle_silence(at(1));
        lookup.add(Some(id(1)), at(1));
        assert_eq!(lookup.poll_ask(), Some(at(4)), "who was silent is not asked again");
        while !lookup.is_over() {
            let Some(next) = lookup.poll_ask() else {
                [2, 3, 4]
                    .into_iter()
                    .for_each(|it| lookup.handle_answer(id(it as u8), at(it), Some(vec![2])));
                continue;
            };
            lookup.handle_answer(id(next.port() as u8), next, Some(vec![3]));
        }
        let near: Vec<_> = lookup.nearest().map(|(at, _)| at.port()).collect();
        assert_eq!(near, [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn liars_who_are_ever_nearer_do_not_go_on_for_ever() {
        let mut lookup = Lookup::new(NodeId::new([0; 20]), Purpose::Nodes);
        lookup.add(Some(NodeId::new([0xff; 20])), at(1));
        let mut questions = 0;
        while let Some(next) = lookup.poll_ask() {
            questions += 1;
            lookup.handle_answer(NodeId::new([0xff; 20]), next, None);
            for more in 0..32_u16 {
                let mut bytes = [0; 20];
                bytes[18..].copy_from_slice(&(u16::MAX - questions * 32 - more).to_be_bytes());
                lookup.add(Some(NodeId::new(bytes)), at(2 + questions * 32 + more));
            }
            assert!(lookup.nodes.len() <= REMEMBERED + 1);
        }
        assert_eq!(usize::from(questions), ASKED);
        assert!(lookup.is_over());
    }
}
