//! One who is connected to the server.

use std::time::Duration;

use protocols::nats::wire::{Bounds, Decoder, Op};
use reactor::{Closed, Input, Protocol, Registry, TimerKey, Transport};
use serde_json::Value;

use super::{Broker, text};

/// How often a client is asked whether it is there; with the third question open it is hung up on. The real server
/// waits two minutes, unless it is told otherwise.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const MOST_UNANSWERED: u32 = 2;

const PING: TimerKey = TimerKey(0);

/// What is known of who is connected.
pub(super) struct Guest {
    pub(super) hears_itself: bool,
    pub(super) subscriptions: Vec<Subscribed>,
}

pub(super) struct Subscribed {
    pub(super) subject: String,
    pub(super) queue: Option<String>,
    sid: Vec<u8>,
    delivered: u64,
    most: Option<u64>,
}

impl Subscribed {
    /// One more is delivered; by which name.
    pub(super) fn count(&mut self) -> Vec<u8> {
        self.delivered += 1;
        self.sid.clone()
    }

    fn is_over(&self) -> bool {
        self.most.is_some_and(|most| self.delivered >= most)
    }
}

impl Guest {
    pub(super) fn drop_what_is_over(&mut self) {
        self.subscriptions.retain(|subscribed| !subscribed.is_over());
    }
}

/// The connection.
pub(super) struct Seat {
    decoder: Decoder,
    unanswered: u32,
}

impl Seat {
    pub(super) fn new() -> Self {
        let bounds = Bounds { line: 4_096, info: 4_096, payload: 1 << 20 };
        Self { decoder: Decoder::new(bounds), unanswered: 0 }
    }
}

impl Protocol<Broker> for Seat {
    fn on_open(&mut self, transport: &mut Transport<'_, Broker>, broker: &mut Broker) {
        let guest = Guest { hears_itself: true, subscriptions: Vec::new() };
        broker.seats.insert(transport.id(), guest);
        transport.write(b"INFO {\"server_id\":\"SIM\",\"version\":\"0\",\"proto\":1,\"headers\":true,\"jetstream\":true,\"max_payload\":1048576} \r\n");
        transport.set_timer(PING, PING_INTERVAL);
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
            let Some(guest) = broker.seats.get_mut(&id) else { return };
            let own = &mut guest.subscriptions;
            match op {
                Op::Connect(json) => {
                    let json = serde_json::from_slice::<Value>(json).unwrap_or_default();
                    guest.hears_itself = json["echo"] != false;
                }
                // By its id, as everything that is delivered goes: so it stays behind that.
                Op::Ping => {
                    let _ = transport.registry().send(id, "PONG\r\n".into());
                }
                Op::Pong => self.unanswered = 0,
                Op::Sub { subject, queue, sid } => {
                    let (subject, queue) = (text(subject), queue.map(text));
                    let sid = sid.to_vec();
                    own.push(Subscribed { subject, queue, sid, delivered: 0, most: None });
                }
                Op::Unsub { sid, max: None } => own.retain(|subscribed| subscribed.sid != sid),
                Op::Unsub { sid, max } => {
                    own.iter_mut().filter(|it| it.sid == sid).for_each(|it| it.most = max);
                    guest.drop_what_is_over();
                }
                Op::Pub(publication) => broker.handle(transport.registry(), id, &publication),
                other => panic!("a client does not say {other:?}"),
            }
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Broker>, _: TimerKey, _: &mut Broker) {
        if self.unanswered == MOST_UNANSWERED {
            return transport.abort();
        }
        self.unanswered += 1;
        let id = transport.id();
        let _ = transport.registry().send(id, "PING\r\n".into());
        transport.set_timer(PING, PING_INTERVAL);
    }

    fn on_close(&mut self, _: &mut Registry<Broker>, closed: &Closed, broker: &mut Broker) {
        broker.seats.remove(&closed.id);
    }
}
