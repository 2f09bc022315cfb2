//! What a node asks.

use std::net::SocketAddr;
use std::time::Instant;

use super::lookup::{Lookup, Purpose};
use super::node::{Asked, Found, Node, Pending};
use super::table::{BUCKET, Kept};
use crate::torrent::wire::NodeId;
use crate::torrent::wire::krpc::{Packet, Query, Response, Says, Want};

/// Questions that are not answered; with more nobody is asked whether it is there.
const PENDING: usize = 256;
/// Lookups that wait for others.
const WAITING: usize = 1_000;
/// Nodes of the other kind that were heard of and not yet told of.
const ELSEWHERE: usize = 32;
/// Nodes of an earlier start that are tried at a time: a search remembers some more than these.
const EARLIER: usize = 48;

impl Node {
    // ── lookups ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn look_up(&mut self, target: NodeId, purpose: Purpose, now: Instant) {
        let is_same = |lookup: &Lookup| lookup.target == target && lookup.purpose == purpose;
        if self.lookups.values().any(is_same) || self.waiting.contains(&(target, purpose)) {
            return;
        }
        if self.waiting.len() < WAITING {
            self.waiting.push_back((target, purpose));
        } else if let Purpose::Peers { .. } = purpose {
            let hash = target.into();
            self.found.push_back(Found::Over { hash, answered: 0, announced: 0 });
        }
        self.begin_waiting(now);
    }

    pub(super) fn begin_waiting(&mut self, now: Instant) {
        while self.lookups.len() < self.limits.lookups
            && let Some((target, purpose)) = self.waiting.pop_front()
        {
            let mut lookup = Lookup::new(target, purpose);
            let peers = self.kept.get(&target, 0, false);
            if !peers.is_empty() && purpose != Purpose::Nodes {
                self.found.push_back(Found::Peers(target.into(), peers));
            }
            for (id, at) in self.table.nearest(&target, true) {
                lookup.add(Some(id), at);
            }
            if self.table.len() < BUCKET {
                let earlier = self.earlier.iter().take(EARLIER);
                self.ways_in.iter().chain(earlier).for_each(|at| lookup.add(None, *at));
                // Others the next time: most of these may be gone.
                let tried = self.earlier.len().min(EARLIER);
                self.earlier.rotate_left(tried);
            }
            let [a, b, c, d, e, f, g, h, ..] = self.draw();
            let key = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            self.lookups.insert(key, lookup);
            self.go_on(key, now);
        }
    }

    /// Asks whoever is next; ends a lookup when that is nobody.
    fn go_on(&mut self, key: u64, now: Instant) {
        while let Some(lookup) = self.lookups.get_mut(&key)
            && let Some(at) = lookup.poll_ask()
        {
            let query = match lookup.purpose {
                Purpose::Nodes => Query::FindNode(lookup.target),
                Purpose::Peers { .. } => Query::GetPeers(lookup.target),
            };
            self.ask(at, query, Asked::Lookup(key), now);
        }
        if self.lookups.get(&key).is_some_and(Lookup::is_over)
            && let Some(lookup) = self.lookups.remove(&key)
        {
            self.end(&lookup, now);
            self.begin_waiting(now);
        }
    }

    fn end(&mut self, lookup: &Lookup, now: Instant) {
        let Purpose::Peers { announce } = lookup.purpose else {
            return self.look_around(lookup.target, now);
        };
        let told: Vec<_> = announce
            .into_iter()
            .flat_map(|port| lookup.nearest().map(move |(at, token)| (at, port, token.to_vec())))
            .collect();
        let (hash, answered) = (lookup.target, lookup.answered());
        let announced = told.len();
        if let (Some(ip), Some(port)) = (self.address.ip(), announce)
            && announced < BUCKET
        {
            // Of so few this node is one of the nearest.
            let ours = self.table.ours();
            self.kept.put(hash, SocketAddr::new(ip, port), &ours, &self.limits, now);
        }
        for (at, port, token) in told {
            let query = Query::AnnouncePeer { hash, port: Some(port), token };
            self.ask(at, query, Asked::Announce, now);
        }
        self.found.push_back(Found::Over { hash: hash.into(), answered, announced });
    }

    /// Who is near is known: then those farther away, in buckets that have room.
    fn look_around(&mut self, target: NodeId, now: Instant) {
        if target == self.table.ours() {
            let random = self.draw();
            for target in self.table.sparse(random) {
                self.look_up(target, Purpose::Nodes, now);
            }
        }
    }

    // ── questions ───────────────────────────────────────────────────────────────────────────

    /// Asks a node something, under a number that nobody else can know.
    pub(super) fn ask(&mut self, to: SocketAddr, query: Query, what: Asked, now: Instant) {
        let is_asked = self.pending.values().any(|it| it.to == to && it.what == Asked::Ping);
        if what == Asked::Ping && (is_asked || self.pending.len() >= PENDING) {
            return;
        }
        let [a, b, c, d, ..] = self.draw();
        let number = [a, b, c, d];
        self.pending.insert(number, Pending { to, sent: now, what });
        let says = Says::Query(self.table.ours(), query);
        let (read_only, want) = (self.read_only, self.want());
        let packet = Packet { read_only, want, ..Packet::new(number.to_vec(), says) };
        self.out.push_back((to, packet.write()));
    }

    /// As long as the program's node of the other kind knows few, others are asked for those too (BEP 32).
    pub(super) fn want(&self) -> Want {
        match self.beside.as_ref().is_some_and(|beside| beside.len() < BUCKET) {
            true => Want::Only { v4: true, v6: true },
            false => Want::Usual,
        }
    }

    /// What was asked under this number of this node, and of nobody else.
    fn take_pending(&mut self, from: SocketAddr, number: &[u8]) -> Option<Pending> {
        let number: [u8; 4] = number.try_into().ok()?;
        self.pending.get(&number).filter(|pending| pending.to == from)?;
        self.pending.remove(&number)
    }

    pub(super) fn handle_response(
        &mut self,
        from: SocketAddr,
        number: &[u8],
        response: Response,
        ours: Option<SocketAddr>,
        now: Instant,
    ) {
        let Some(pending) = self.take_pending(from, number) else {
            return;
        };
        if let Kept::Full(doubtful) = self.table.handle_answer(response.id, from, now) {
            self.ask(doubtful, Query::Ping, Asked::Ping, now);
        }
        if let Some(ours) = ours.filter(|ours| ours.is_ipv6() == self.is_v6) {
            self.handle_vote(from.ip(), ours.ip());
        }
        if let Asked::Lookup(key) = pending.what {
            self.handle_nearer(key, from, response);
            self.go_on(key, now);
        }
    }

    /// A node has named others who are nearer, and peers.
    fn handle_nearer(&mut self, key: u64, from: SocketAddr, response: Response) {
        let (ours, is_v6) = (self.table.ours(), self.is_v6);
        if self.want() != Want::Usual {
            let others = response
                .nodes
                .iter()
                .filter(|(id, at)| at.is_ipv6() != is_v6 && *id != ours && id.may_be_at(at.ip()));
            self.elsewhere.extend(others.map(|(_, at)| *at));
            self.elsewhere.truncate(ELSEWHERE);
        }
        let Some(lookup) = self.lookups.get_mut(&key) else {
            return;
        };
        lookup.handle_answer(response.id, from, response.token);
        let is_other = |(id, at): &(NodeId, SocketAddr)| *id != ours && at.is_ipv6() == is_v6;
        for (id, at) in response.nodes.into_iter().filter(is_other) {
            // Who may not stand there cannot be one of the nearest (BEP 42).
            if id.may_be_at(at.ip()) {
                lookup.add(Some(id), at);
            }
        }
        if let Purpose::Peers { .. } = lookup.purpose
            && !response.peers.is_empty()
        {
            self.found.push_back(Found::Peers(lookup.target.into(), response.peers));
        }
    }

    /// A node is there, and does not answer this.
    pub(super) fn handle_refusal(&mut self, from: SocketAddr, number: &[u8], now: Instant) {
        if let Some(pending) = self.take_pending(from, number) {
            self.handle_nothing(&pending, now);
        }
    }

    /// Waits no longer for what is late.
    pub(super) fn give_up(&mut self, now: Instant) {
        let patience = self.limits.patience;
        let late: Vec<_> =
            self.pending.extract_if(|_, it| now - it.sent >= patience).map(|(_, it)| it).collect();
        for pending in late {
            self.table.handle_silence(pending.to);
            self.handle_nothing(&pending, now);
        }
    }

    fn handle_nothing(&mut self, pending: &Pending, now: Instant) {
        if let Asked::Lookup(key) = pending.what {
            if let Some(lookup) = self.lookups.get_mut(&key) {
                lookup.handle_silence(pending.to);
            }
            self.go_on(key, now);
        }
    }
}
