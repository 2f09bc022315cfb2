//! What a node is asked.

use std::net::SocketAddr;
use std::time::Instant;

use super::node::{Asked, Found, Node};
use super::table::{BUCKET, nearest_of};
use crate::torrent::wire::NodeId;
use crate::torrent::wire::krpc::{Packet, Query, Response, Says, Want, error};

/// What is beside a question.
pub(super) struct Asks {
    pub(super) number: Vec<u8>,
    pub(super) read_only: bool,
    pub(super) want: Want,
}

impl Node {
    pub(super) fn handle_query(
        &mut self,
        from: SocketAddr,
        (id, query): (NodeId, Query),
        packet: Asks,
        now: Instant,
    ) {
        let Asks { number, read_only, want } = packet;
        if self.read_only || !self.rates.allow(from.ip(), &self.limits, now) {
            return;
        }
        let says = match self.answer(from, query, want, now) {
            Ok(response) => Says::Response(response),
            Err(code) => Says::Error(code),
        };
        let packet = Packet { ip: Some(from), ..Packet::new(number, says) };
        self.out.push_back((from, packet.write()));
        // Anybody can say any name; whether it is there is known when it answers.
        if !read_only && id.may_be_at(from.ip()) && self.table.wants(id, from) {
            self.ask(from, Query::Ping, Asked::Ping, now);
        }
    }

    fn answer(
        &mut self,
        from: SocketAddr,
        query: Query,
        want: Want,
        now: Instant,
    ) -> Result<Response, i64> {
        let mut response = Response { id: self.table.ours(), ..Response::default() };
        match query {
            Query::Ping => {}
            Query::FindNode(target) | Query::Unknown(Some(target)) => {
                response.nodes = self.nearest(&target, want);
            }
            Query::GetPeers(hash) => {
                let [a, b, c, d, ..] = self.draw();
                response.nodes = self.nearest(&hash, want);
                let is_long = response.nodes.len() > BUCKET;
                response.peers =
                    self.kept.get(&hash, u32::from_be_bytes([a, b, c, d]).into(), is_long);
                response.token = Some(self.proof.issue(from.ip(), now).to_be_bytes().to_vec());
            }
            Query::AnnouncePeer { hash, port, token } => {
                let token = token.try_into().map(u64::from_be_bytes);
                if !token.is_ok_and(|token| self.proof.is_good(token, from.ip(), now)) {
                    return Err(error::PROTOCOL);
                }
                let peer = SocketAddr::new(from.ip(), port.unwrap_or(from.port()));
                self.kept.put(hash, peer, &self.table.ours(), &self.limits, now);
                // It may be what is looked for here.
                self.found.push_back(Found::Peers(hash.into(), vec![peer]));
            }
            Query::Unknown(None) => return Err(error::METHOD),
        }
        Ok(response)
    }

    /// The nodes nearest to something: of this one's own kind, of the other, or of both.
    fn nearest(&self, target: &NodeId, want: Want) -> Vec<(NodeId, SocketAddr)> {
        let mut nodes = Vec::new();
        if want.includes(self.is_v6, self.is_v6) {
            nodes.extend(self.table.nearest(target, false));
        }
        if want.includes(!self.is_v6, self.is_v6) {
            nodes.extend(nearest_of(self.beside.iter().flatten().copied(), target));
        }
        nodes
    }
}
