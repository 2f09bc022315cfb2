//! Many lines that belong together: who knows of batches gets them in one (IRCv3 netsplit, netjoin).

use std::collections::BTreeSet;
use std::rc::Rc;

use super::state::Together;
use crate::chat::server::Server;
use crate::chat::server::keys::UserKey;
use crate::chat::server::line::{Line, Renderings};
use crate::chat::server::network::Network;
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;

impl Server {
    /// Keeps a line for the batch that is gathered, if it is for anybody; gives it back if none is.
    pub(in crate::chat::server) fn gather(
        &mut self,
        line: Line,
        receivers: &[UserKey],
    ) -> Option<Line> {
        let Some(together) = self.nodes.as_mut().and_then(|nodes| nodes.together.as_mut()) else {
            return Some(line);
        };
        if receivers.is_empty() {
            return None;
        }
        together.deliveries += receivers.len();
        for &receiver in receivers {
            together.receivers.entry(receiver).or_default().push(together.lines.len());
        }
        together.lines.push(line);
        None
    }

    /// Whether a batch is being gathered.
    pub(in crate::chat::server) fn is_gathering(&self) -> bool {
        self.nodes.as_ref().is_some_and(|nodes| nodes.together.is_some())
    }

    /// Sends what was gathered, as all there is of its batch.
    pub(super) fn send_together(&mut self, network: &mut dyn Network) {
        if let Some(mut together) = self.nodes.as_mut().and_then(|nodes| nodes.together.take()) {
            self.send_gathered(network, &mut together);
            self.end_batch(network, &together);
        }
    }

    /// Sends what was gathered until now.
    pub(super) fn send_gathered(&mut self, network: &mut dyn Network, together: &mut Together) {
        together.deliveries = 0;
        let lines = std::mem::take(&mut together.lines);
        let receivers = std::mem::take(&mut together.receivers);
        if together.begun.is_none() {
            together.begun = Some((self.next_batch(), BTreeSet::new()));
        }
        let Some((batch, begun)) = &mut together.begun else { return };
        let begin = Builder::new().source(&self.settings.name).command("BATCH");
        let begin = begin.param(&format!("+{batch}"));
        let begin = together.params.iter().fold(begin, |line, param| line.param(param));
        let Ok(begin) = Line::new(begin) else {
            self.counters.spoiled += 1;
            return;
        };
        let batched: Vec<_> = lines
            .iter()
            .map(|line| Line { batch: Some(Rc::clone(batch)), ..line.clone() })
            .collect();
        // Who knows of batches gets other bytes, and each kind is written once.
        let mut plain: Vec<_> = lines.iter().map(Renderings::new).collect();
        let mut tagged: Vec<_> = batched.iter().map(Renderings::new).collect();
        for (receiver, wanted) in receivers {
            let Some(user) = self.users.get(receiver) else { continue };
            let knows_batches = user.caps.has(Caps::BATCH);
            if knows_batches && begun.insert(receiver) {
                user.send(network, begin.render(user.caps, None));
            }
            let ways = if begun.contains(&receiver) { &mut tagged } else { &mut plain };
            for at in wanted {
                if let Some(way) = ways.get_mut(at) {
                    user.send(network, way.of(user.caps));
                }
            }
        }
    }

    /// Tells those who were told that a batch begins that it ends.
    pub(super) fn end_batch(&mut self, network: &mut dyn Network, together: &Together) {
        let Some((batch, begun)) = &together.begun else { return };
        let end = Builder::new().source(&self.settings.name).command("BATCH");
        let Ok(end) = Line::new(end.param(&format!("-{batch}"))) else {
            self.counters.spoiled += 1;
            return;
        };
        for user in begun.iter().filter_map(|&receiver| self.users.get(receiver)) {
            user.send(network, end.render(user.caps, None));
        }
    }
}
