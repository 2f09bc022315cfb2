//! Many lines that belong together: who knows of batches gets them in one (IRCv3 netsplit, netjoin).

use std::rc::Rc;

use super::state::Together;
use crate::chat::server::Server;
use crate::chat::server::keys::UserKey;
use crate::chat::server::line::{Line, Renderings};
use crate::chat::server::network::Network;
use crate::chat::wire::builder::Builder;
use crate::chat::wire::capability::Caps;

impl Server {
    /// Keeps a line for the batch that is gathered; gives it back if none is.
    pub(in crate::chat::server) fn gather(
        &mut self,
        line: Line,
        receivers: &[UserKey],
    ) -> Option<Line> {
        let Some(together) = self.nodes.as_mut().and_then(|nodes| nodes.together.as_mut()) else {
            return Some(line);
        };
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

    /// Sends what was gathered.
    pub(super) fn send_together(&mut self, network: &mut dyn Network) {
        let gathered = self.nodes.as_mut().and_then(|nodes| nodes.together.take());
        let Some(Together { params, lines, receivers }) = gathered else { return };
        let batch = self.next_batch();
        let name = self.name();
        let line = |sign: char| {
            Builder::new().source(&name).command("BATCH").param(&format!("{sign}{batch}"))
        };
        let begin = params.iter().fold(line('+'), |line, param| line.param(param));
        let (Ok(begin), Ok(end)) = (Line::new(begin), Line::new(line('-'))) else {
            self.counters.spoiled += 1;
            return;
        };
        let batched: Vec<_> = lines
            .iter()
            .map(|line| Line { batch: Some(Rc::clone(&batch)), ..line.clone() })
            .collect();
        // Who knows of batches gets other bytes, and each kind is written once.
        let mut plain: Vec<_> = lines.iter().map(Renderings::new).collect();
        let mut tagged: Vec<_> = batched.iter().map(Renderings::new).collect();
        for (receiver, wanted) in receivers {
            let Some(user) = self.users.get(receiver) else { continue };
            let knows_batches = user.caps.has(Caps::BATCH);
            if knows_batches {
                user.send(network, begin.render(user.caps, None));
            }
            let ways = if knows_batches { &mut tagged } else { &mut plain };
            for at in wanted {
                if let Some(way) = ways.get_mut(at) {
                    user.send(network, way.of(user.caps));
                }
            }
            if knows_batches {
                user.send(network, end.render(user.caps, None));
            }
        }
    }
}
