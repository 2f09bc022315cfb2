//! A NATS server for the simulator: at most once, in order a publisher, with groups, limits, the word that nobody is
//! there, and of JetStream what a bucket of keys and values is made of.
//!
//! ```text
//!   seats  ── PUB ──▶ Broker ──▶ who has subscribed        what is on the Disk outlives a crash,
//!                       │                                  all else does not
//!                       └──▶ Disk: streams ──▶ consumers ──▶ whoever watches
//! ```

mod flaw;
mod jetstream;
mod seat;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use protocols::nats::wire::{Delivery, Headers, Publication, subject};
use reactor::{ConnectionId, ListenOptions, Registry, StreamLimits};

use crate::cast::everywhere;

pub(super) use flaw::Flaw;
use flaw::Skews;
pub(super) use jetstream::Disk;
use jetstream::{Consumer, WRONG_LAST_SEQUENCE, acknowledgement, refusal};
use seat::{Guest, Seat};

/// The port of NATS.
pub(super) const PORT: u16 = 4222;

/// How often those who watch are told that there is nothing new: as often as they ask for, or more.
const BEAT: Duration = Duration::from_secs(2);

/// A server: who is connected, and what is kept.
pub(super) struct Broker {
    seats: BTreeMap<ConnectionId, Guest>,
    disk: Disk,
    consumers: BTreeMap<u64, Consumer>,
    /// Consumers that there have been.
    made: u64,
    flaw: Flaw,
    skews: Skews,
}

impl Broker {
    /// A server that boots, and finds what is on its disk.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub(super) fn boot(
        registry: &mut Registry<Self>,
        disk: Disk,
        flaw: Flaw,
    ) -> Result<Self, Box<dyn Error>> {
        disk.handle_boot();
        let limits = StreamLimits { outbox: 1 << 20, ..StreamLimits::default() };
        // It is slow, and not deaf: what a client sends is read while it does not take what others say.
        let limits = StreamLimits { outbox_holds_reading: false, ..limits };
        let options = ListenOptions { limits, ..ListenOptions::default() };
        for address in everywhere(PORT) {
            registry.listen_with(address, &options, |_, _| Some(Box::new(Seat::new())))?;
        }
        registry.every(BEAT, |registry, broker: &mut Self| broker.beat(registry))?;
        let (seats, consumers) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { seats, disk, consumers, made: 0, flaw, skews: Skews::default() })
    }

    /// Connections.
    pub(super) fn seats(&self) -> usize {
        self.seats.len()
    }

    /// Somebody has published something.
    fn handle(
        &mut self,
        registry: &mut Registry<Self>,
        from: ConnectionId,
        publication: &Publication<'_>,
    ) {
        let subject = text(publication.subject);
        if let Some(request) = subject.strip_prefix("$JS.API.") {
            return self.handle_api(registry, request, publication);
        }
        let told = self.deliver(registry, Some(from), &subject, publication);
        let reply = publication.reply.map(text);
        match (self.keep(registry, &subject, publication), reply) {
            (Some(answer), Some(reply)) => {
                self.tell(registry, &reply, None, answer.as_bytes());
            }
            (None, Some(reply)) if told == 0 => {
                let nobody = Headers::new(b"NATS/1.0 503\r\n\r\n");
                self.tell(registry, &reply, Some(nobody), b"");
            }
            _ => {}
        }
    }

    /// Keeps it if a stream does, and tells those who watch; what is answered then.
    fn keep(
        &mut self,
        registry: &mut Registry<Self>,
        subject: &str,
        publication: &Publication<'_>,
    ) -> Option<String> {
        let is_careless = self.flaw == Flaw::Careless && registry.random().is_multiple_of(8);
        let is_kept = self.flaw == Flaw::Keeps;
        let kept = {
            let mut streams = self.disk.0.borrow_mut();
            let (name, stream) = streams.iter_mut().find(|(_, stream)| stream.has(subject))?;
            if is_kept && jetstream::is_deletion(publication.headers) {
                return Some(acknowledgement(name, stream.last()));
            }
            let written = stream.write(registry.now(), subject, publication, is_careless);
            written.map(|number| (name.clone(), number))
        };
        let Ok((name, number)) = kept else {
            return Some(refusal(WRONG_LAST_SEQUENCE, "wrong last sequence"));
        };
        let watching = self.consumers.iter().filter(|(_, it)| it.wants(&name, subject));
        let mut watching: Vec<u64> = watching.map(|(&id, _)| id).collect();
        if self.flaw == Flaw::Deaf {
            watching.retain(|_| !registry.random().is_multiple_of(16));
        }
        watching.into_iter().for_each(|id| self.bring(registry, id, &[number]));
        Some(acknowledgement(&name, number))
    }

    /// A message of the server's own.
    fn tell(
        &mut self,
        registry: &mut Registry<Self>,
        subject: &str,
        headers: Option<Headers<'_>>,
        payload: &[u8],
    ) -> usize {
        let publication =
            Publication { subject: subject.as_bytes(), reply: None, headers, payload };
        self.deliver(registry, None, subject, &publication)
    }

    /// Passes it on to whoever has subscribed to this address; how many that are.
    fn deliver(
        &mut self,
        registry: &mut Registry<Self>,
        from: Option<ConnectionId>,
        address: &str,
        publication: &Publication<'_>,
    ) -> usize {
        let Publication { subject, reply, headers, payload } = *publication;
        let receivers = self.receivers(from, address, registry.random());
        for (id, sid) in &receivers {
            let mut out = Vec::new();
            for payload in self.payloads(registry, *id, payload) {
                Delivery { subject, sid, reply, headers, payload: &payload }.write(&mut out);
            }
            // Who does not take it has ended, or does so now.
            let _ = registry.send(*id, out.into());
        }
        receivers.len()
    }

    /// What is delivered of a message: it, if nothing is wrong.
    fn payloads(
        &mut self,
        registry: &mut Registry<Self>,
        to: ConnectionId,
        payload: &[u8],
    ) -> Vec<Vec<u8>> {
        match self.flaw {
            Flaw::Twice if registry.random().is_multiple_of(32) => vec![payload.to_vec(); 2],
            Flaw::Hides | Flaw::Repeats => {
                self.skews.bend(self.flaw, to, payload, registry.random())
            }
            _ => vec![payload.to_vec()],
        }
    }

    /// Who gets a message: all outside of groups, and one of each group.
    fn receivers(
        &mut self,
        from: Option<ConnectionId>,
        subject: &str,
        chance: u64,
    ) -> Vec<(ConnectionId, Vec<u8>)> {
        let mut found = Vec::new();
        let mut groups: BTreeMap<&str, Vec<(ConnectionId, usize)>> = BTreeMap::new();
        for (id, guest) in &self.seats {
            if from == Some(*id) && !guest.hears_itself {
                continue;
            }
            for (at, subscribed) in guest.subscriptions.iter().enumerate() {
                match &subscribed.queue {
                    _ if !subject::matches(&subscribed.subject, subject) => {}
                    Some(queue) => groups.entry(queue).or_default().push((*id, at)),
                    None => found.push((*id, at)),
                }
            }
        }
        found.extend(groups.values().map(|members| members[chance as usize % members.len()]));
        let receivers = found.iter().filter_map(|&(id, at)| {
            Some((id, self.seats.get_mut(&id)?.subscriptions.get_mut(at)?.count()))
        });
        let receivers = receivers.collect();
        self.seats.values_mut().for_each(Guest::drop_what_is_over);
        receivers
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
