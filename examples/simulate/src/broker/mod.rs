//! A small server for the simulator: at most once, in order a publisher, with groups, limits, and the word that nobody
//! is there. It keeps nothing that lasts.

use std::collections::BTreeMap;

use protocols::nats::wire::{Bounds, Decoder, Delivery, Headers, Op, Publication, subject};
use reactor::{Closed, ConnectionId, Input, Protocol, Registry, Transport};

/// Those who are connected, and what they have subscribed to.
#[derive(Default)]
pub(crate) struct Broker {
    seats: BTreeMap<ConnectionId, Vec<Subscribed>>,
    /// How often a message is delivered to a subscription: once, if nobody plants a fault.
    times: Option<fn(u64) -> usize>,
}

struct Subscribed {
    subject: String,
    queue: Option<String>,
    sid: Vec<u8>,
    left: Option<u64>,
}

impl Broker {
    pub(crate) fn with_fault(times: Option<fn(u64) -> usize>) -> Self {
        Self { times, ..Self::default() }
    }

    /// Connections.
    pub(crate) fn seats(&self) -> usize {
        self.seats.len()
    }

    /// Who gets a message: all outside of groups, and one of each group.
    fn receivers(&mut self, subject: &str, chance: u64) -> Vec<(ConnectionId, Vec<u8>)> {
        let mut found = Vec::new();
        let mut groups: BTreeMap<&str, Vec<(ConnectionId, usize)>> = BTreeMap::new();
        for (id, subscriptions) in &self.seats {
            for (at, subscribed) in subscriptions.iter().enumerate() {
                match &subscribed.queue {
                    _ if !subject::matches(&subscribed.subject, subject) => {}
                    Some(queue) => groups.entry(queue).or_default().push((*id, at)),
                    None => found.push((*id, at)),
                }
            }
        }
        found.extend(groups.values().map(|members| members[chance as usize % members.len()]));
        let receivers =
            found.iter().map(|(id, at)| (*id, self.seats[id][*at].sid.clone())).collect();
        for (id, at) in found {
            if let Some(left) = &mut self.seats.get_mut(&id).expect("it is there")[at].left {
                *left -= 1;
            }
        }
        self.seats.values_mut().for_each(|all| all.retain(|subscribed| subscribed.left != Some(0)));
        receivers
    }

    fn publish(&mut self, publication: &Publication<'_>, registry: &mut Registry<Self>) -> usize {
        let Publication { subject, reply, headers, payload } = *publication;
        let name = std::str::from_utf8(subject).expect("clients of tests have readable subjects");
        let chance = registry.random();
        let receivers = self.receivers(name, chance);
        for (id, sid) in &receivers {
            let mut out = Vec::new();
            let delivery = Delivery { subject, sid, reply, headers, payload };
            let times = self.times.map_or(1, |times| times(registry.random()));
            (0..times).for_each(|_| delivery.write(&mut out));
            // Who does not take it has ended.
            let _ = registry.send(*id, out.into());
        }
        receivers.len()
    }
}

/// One who is connected.
pub(crate) struct Seat {
    decoder: Decoder,
}

impl Seat {
    pub(crate) fn new() -> Self {
        let bounds = Bounds { line: 4_096, info: 4_096, payload: 1 << 20 };
        Self { decoder: Decoder::new(bounds) }
    }
}

impl Protocol<Broker> for Seat {
    fn on_open(&mut self, transport: &mut Transport<'_, Broker>, broker: &mut Broker) {
        broker.seats.insert(transport.id(), Vec::new());
        transport.write(b"INFO {\"server_id\":\"SIM\",\"version\":\"0\",\"proto\":1,\"headers\":true,\"max_payload\":1048576} \r\n");
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Broker>,
        input: &mut Input<'_>,
        broker: &mut Broker,
    ) {
        let id = transport.id();
        let mut rest = input.take_all();
        while let Some(op) = self.decoder.next(&mut rest).expect("a client speaks NATS") {
            let Some(own) = broker.seats.get_mut(&id) else { return };
            match op {
                Op::Ping => {
                    let _ = transport.registry().send(id, "PONG\r\n".into());
                }
                Op::Sub { subject, queue, sid } => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let (subject, queue) = (text(subject), queue.map(text));
                    own.push(Subscribed { subject, queue, sid: sid.to_vec(), left: None });
                }
                Op::Unsub { sid, max: None } => own.retain(|subscribed| subscribed.sid != sid),
                Op::Unsub { sid, max } => {
                    own.iter_mut().filter(|it| it.sid == sid).for_each(|it| it.left = max);
                }
                Op::Pub(publication) => {
                    let told = broker.publish(&publication, transport.registry());
                    if let (0, Some(reply)) = (told, publication.reply) {
                        let headers = Some(Headers::new(b"NATS/1.0 503\r\n\r\n"));
                        let nobody =
                            Publication { subject: reply, reply: None, headers, payload: b"" };
                        broker.publish(&nobody, transport.registry());
                    }
                }
                Op::Connect(_) | Op::Pong => {}
                other => panic!("a client does not say {other:?}"),
            }
        }
    }

    fn on_close(&mut self, _: &mut Registry<Broker>, closed: &Closed, broker: &mut Broker) {
        broker.seats.remove(&closed.id);
    }
}
