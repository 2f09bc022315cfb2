//! What the program's nodes of the DHT have in common: one of IPv4, and one of IPv6 (BEP 32).

use std::net::{IpAddr, SocketAddr};

use crate::torrent::wire::{DhtTable, NodeId};

/// Nodes that others have named and nobody has asked yet.
const NAMED: usize = 32;
/// Nodes beside which no more are written down that nobody has asked.
const KEPT: usize = 256;

/// What is one thing for IPv4, and another for IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Families<T> {
    v4: T,
    v6: T,
}

/// How the program takes part in one of both, as peers are told (BEP 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::torrent) enum Dht {
    #[default]
    No,
    /// It asks only, and takes no questions.
    Asking,
    /// Its node is asked at this port.
    At(u16),
}

/// The program's nodes: how others see them, and what they do for each other.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Nodes {
    parts: Families<Dht>,
    /// Whom each knows.
    known: Families<Vec<(NodeId, SocketAddr)>>,
    /// Whom one has heard of, and the other is to ask.
    named: Vec<SocketAddr>,
    /// What the program is to write down, of both.
    table: DhtTable,
}

impl<T> Families<T> {
    pub(super) fn of(&self, is_v6: bool) -> &T {
        if is_v6 { &self.v6 } else { &self.v4 }
    }

    pub(super) fn of_mut(&mut self, is_v6: bool) -> &mut T {
        if is_v6 { &mut self.v6 } else { &mut self.v4 }
    }
}

impl Nodes {
    /// A node is there, and begins with what this returns: what was written down the last time; and the name of the other
    /// one if it has none, since one name for both is enough (BEP 32).
    pub(in crate::torrent) fn enter(
        &mut self,
        is_v6: bool,
        part: Dht,
        saved: &DhtTable,
    ) -> DhtTable {
        let table = &mut self.table;
        (table.id, table.id6) = (table.id.or(saved.id), table.id6.or(saved.id6));
        for is_v6 in [false, true] {
            if !table.nodes.iter().any(|at| at.is_ipv6() == is_v6) {
                table.nodes.extend(saved.nodes.iter().filter(|at| at.is_ipv6() == is_v6));
            }
        }
        *self.parts.of_mut(is_v6) = part;
        table.clone()
    }

    /// What it is called.
    pub(in crate::torrent) fn call(&mut self, is_v6: bool, id: NodeId) {
        *(if is_v6 { &mut self.table.id6 } else { &mut self.table.id }) = Some(id);
    }

    /// It is there no more.
    pub(in crate::torrent) fn leave(&mut self, is_v6: bool) {
        *self.parts.of_mut(is_v6) = Dht::No;
        self.known.of_mut(is_v6).clear();
    }

    /// Whether there is one.
    pub(super) fn is_any(&self) -> bool {
        self.parts != Families::default()
    }

    /// What a peer is told that stands there: of the DHT to which its address belongs (BEP 32).
    pub(super) fn part(&self, peer: IpAddr) -> Dht {
        *self.parts.of(peer.is_ipv6())
    }

    /// One says whom it knows, and is told whom the other one does, if there is one.
    pub(in crate::torrent) fn exchange(
        &mut self,
        is_v6: bool,
        known: Vec<(NodeId, SocketAddr)>,
    ) -> Option<Vec<(NodeId, SocketAddr)>> {
        *self.known.of_mut(is_v6) = known;
        let is_there = *self.parts.of(!is_v6) != Dht::No;
        is_there.then(|| self.known.of(!is_v6).clone())
    }

    /// One has heard of a node that the other one may ask.
    pub(in crate::torrent) fn name(&mut self, at: SocketAddr) {
        if self.named.len() < NAMED && !self.named.contains(&at) {
            self.named.push(at);
        }
    }

    pub(super) fn take_named(&mut self, is_v6: bool) -> impl Iterator<Item = SocketAddr> {
        self.named.extract_if(.., move |at| at.is_ipv6() == is_v6)
    }

    /// What one knows now, together with what the other one does; and whom peers have `named` that nobody has asked yet. Those
    /// take nobody's place who was known before.
    pub(in crate::torrent) fn write_down(
        &mut self,
        is_v6: bool,
        known: DhtTable,
        named: &[SocketAddr],
    ) -> DhtTable {
        let table = &mut self.table;
        (table.id, table.id6) = (known.id.or(table.id), known.id6.or(table.id6));
        if !known.nodes.is_empty() {
            table.nodes.retain(|at| at.is_ipv6() != is_v6);
        }
        let is_full = table.nodes.iter().filter(|at| at.is_ipv6() == is_v6).count() >= KEPT;
        let named = named.iter().copied().filter(|_| !is_full);
        for at in known.nodes.into_iter().chain(named) {
            // A peer may have named one that is known.
            if !table.nodes.contains(&at) {
                table.nodes.push(at);
            }
        }
        table.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("it is an address")
    }

    fn table(id: Option<u8>, nodes: &[&str]) -> DhtTable {
        let id = id.map(|id| NodeId::new([id; 20]));
        DhtTable { id, nodes: nodes.iter().map(|text| at(text)).collect(), ..DhtTable::default() }
    }

    #[test]
    fn each_tells_of_its_own_and_what_is_written_down_is_of_both() {
        let mut nodes = Nodes::default();
        assert!(!nodes.is_any());
        let saved = table(Some(7), &["192.0.2.1:1", "[fd00::1]:1"]);
        assert_eq!(nodes.enter(false, Dht::At(5), &saved), saved);
        assert_eq!(nodes.part(at("[fd00::9]:9").ip()), Dht::No);
        assert_eq!(nodes.part(at("192.0.2.9:9").ip()), Dht::At(5));
        // That of IPv6 comes later, and with it nothing is lost that is known by then.
        let _ = nodes.write_down(false, table(Some(8), &["192.0.2.2:2"]), &[]);
        let begins = nodes.enter(true, Dht::Asking, &saved);
        assert_eq!(begins, table(Some(8), &["[fd00::1]:1", "192.0.2.2:2"]));
        let twice = table(None, &["[fd00::3]:3", "[fd00::3]:3"]);
        let other = DhtTable { id6: Some(NodeId::new([9; 20])), ..twice };
        let both = nodes.write_down(true, other.clone(), &[]);
        assert_eq!((both.id, both.id6), (begins.id, other.id6));
        assert_eq!(both.nodes, [at("192.0.2.2:2"), at("[fd00::3]:3")]);
        nodes.leave(false);
        assert!(nodes.is_any() && nodes.part(at("192.0.2.9:9").ip()) == Dht::No);
    }

    #[test]
    fn whom_nobody_has_asked_takes_nobodys_place() {
        let mut nodes = Nodes::default();
        let _ = nodes.enter(false, Dht::At(5), &table(Some(7), &["192.0.2.1:1"]));
        let named = [at("192.0.2.66:6")];
        let both = [at("192.0.2.1:1"), named[0]];
        // It knows nobody yet: what an earlier run has known stays.
        assert_eq!(nodes.write_down(false, table(Some(7), &[]), &named).nodes, both);
        let many: Vec<_> = (1..1_000).map(|port| SocketAddr::new(named[0].ip(), port)).collect();
        for named in many.chunks(NAMED) {
            let _ = nodes.write_down(false, table(Some(7), &[]), named);
        }
        let nodes = nodes.write_down(false, table(Some(7), &[]), &many).nodes;
        assert!(nodes.len() < KEPT + NAMED && nodes.starts_with(&both), "{}", nodes.len());
    }

    #[test]
    fn who_is_named_by_one_is_asked_by_the_other_and_their_number_has_a_bound() {
        let mut nodes = Nodes::default();
        (1..100).for_each(|port| nodes.name(SocketAddr::new(at("[fd00::1]:1").ip(), port)));
        assert_eq!(nodes.take_named(false).count(), 0);
        assert_eq!(nodes.take_named(true).count(), NAMED);
        assert_eq!(nodes.take_named(true).count(), 0);
    }

    #[test]
    fn one_that_is_alone_hears_of_no_other() {
        let (mut nodes, known) = (Nodes::default(), vec![(NodeId::default(), at("192.0.2.1:1"))]);
        let _ = nodes.enter(false, Dht::At(5), &DhtTable::default());
        assert_eq!(nodes.exchange(false, known.clone()), None);
        let _ = nodes.enter(true, Dht::Asking, &DhtTable::default());
        assert_eq!(nodes.exchange(true, Vec::new()), Some(known));
        assert_eq!(nodes.exchange(false, Vec::new()), Some(Vec::new()));
    }
}
