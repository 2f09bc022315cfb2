//! What happens by itself as time passes: others are asked, dialled and told of.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reactor::Registry;

use super::member::Member;
use super::swarm::Phase;
use super::{Host, Swarm};
use crate::torrent::machine::PeerKey;
use crate::torrent::wire::extension::{self, Pex};
use crate::torrent::wire::message::Message;

/// A peer that nothing was sent for so long gets an empty message (BEP 3 says two minutes).
const QUIET: Duration = Duration::from_secs(90);

impl Swarm {
    pub(super) fn handle_time<App: Host>(&mut self, now: Instant, registry: &mut Registry<App>) {
        match &mut self.phase {
            Phase::Seeking(fetch) => fetch.handle_time(now),
            Phase::Found(_) => {}
            Phase::Sharing(sharing) => {
                sharing.torrent.handle_time(now);
                let torrent = &sharing.torrent;
                sharing.buffers.retain(|piece, _| torrent.is_in_work(*piece));
            }
        }
        let quiet = self.members.iter().filter(|(_, member)| now - member.said >= QUIET);
        let quiet: Vec<_> = quiet.map(|(key, _)| *key).collect();
        quiet.into_iter().for_each(|key| self.say(key, &Message::KeepAlive));
        if now - self.exchanged >= self.options.limits.pex {
            self.exchanged = now;
            self.tell_of_peers();
        }
        self.dial(registry);
        self.join_web_seeds(registry);
        self.check_again(registry);
        self.act(registry);
    }

    /// Tells peers of other peers: of those that have come, and of those that have gone, since the last time.
    fn tell_of_peers(&mut self) {
        if !self.options.pex || self.is_private() {
            return;
        }
        let connected: Vec<_> = self.addresses.connected().collect();
        let keys: Vec<_> = self.members.keys().copied().collect();
        for key in keys {
            let Some(member) = self.members.get_mut(&key) else {
                continue;
            };
            let Some(id) = member.extensions.pex else {
                continue;
            };
            let pex = member.news(key, &connected);
            if !pex.is_empty() {
                self.say(key, &Message::Extended { id, payload: &pex.to_payload() });
            }
        }
    }
}

impl Member {
    /// What has changed among the peers since this one was last told.
    fn news(&mut self, ours: PeerKey, connected: &[(SocketAddr, PeerKey)]) -> Pex {
        let others = connected.iter().filter(|(_, key)| *key != ours).map(|(address, _)| *address);
        let others: BTreeSet<_> = others.collect();
        let dropped = self.told.difference(&others).take(extension::ADDRESSES);
        let added = others.difference(&self.told).take(extension::ADDRESSES);
        let pex = Pex { added: added.copied().collect(), dropped: dropped.copied().collect() };
        self.told.retain(|address| !pex.dropped.contains(address));
        self.told.extend(&pex.added);
        pex
    }
}
