//! A line of chat to a thousand on three servers, beside one that has them all.

use std::time::{Duration, Instant};

use super::Scale;
use crate::chats::network::Network;
use crate::clients::channel::Channel;
use crate::loaded::Start;
use crate::program::Server;
use crate::report::contest::{Column, Contest, Entrant, Kind, OURS, Trial};
use crate::{Result, processor};

/// Who listens.
const MEMBERS: usize = 1_000;

const NODES: usize = 3;

/// A turn is longer than those of others: a line is a thousand deliveries.
const SLICES: u32 = 5;

pub(super) fn contest(scale: Scale) -> Contest {
    let lasting = scale.slice * SLICES;
    let entrant = |name: &str, nodes| {
        Entrant::new(name, move || processor::start_apart(|| Spread::start(nodes, lasting)))
    };
    let columns = [
        Column::new("processor time in all a delivery", Kind::Time),
        Column::new("that of the chat servers", Kind::Time),
        Column::new("that of nats-server", Kind::Time),
        Column::new("messages a line from NATS to a server, at most", Kind::Count),
    ];
    let name = format!(
        "a line to {MEMBERS} users, on {NODES} servers over NATS, to one that has them all"
    );
    Contest::new(name, scale.few_rounds, columns, vec![entrant("one", 1), entrant(OURS, NODES)])
}

/// A channel whose members are on several servers.
struct Spread {
    channel: Channel,
    network: Network,
    lasting: Duration,
}

impl Spread {
    fn start(nodes: usize, lasting: Duration) -> Result<Self> {
        let network = Network::start(nodes, |node| Start::Here.program(node))?;
        let channel = Channel::gather(|number| network.address(number % nodes), MEMBERS)?;
        Ok(Self { channel, network, lasting })
    }

    fn processor_times(&self) -> Result<[Duration; 2]> {
        let Network { nodes, broker } = &self.network;
        let sum = nodes.iter().map(Server::processor_time).sum::<Result<_>>()?;
        Ok([sum, broker.server().processor_time()?])
    }
}

impl Trial for Spread {
    fn turn(&mut self) -> Result<Vec<f64>> {
        let (messages, times) = (self.network.messages()?, self.processor_times()?);
        let (began, mut lines) = (Instant::now(), 0);
        while began.elapsed() < self.lasting {
            self.channel.publish(1)?;
            lines += 1;
        }
        let [[nodes, broker], [nodes_before, broker_before]] = [self.processor_times()?, times];
        let each = |time: Duration| time.as_nanos() as f64 / (lines * MEMBERS) as f64;
        let (nodes, broker) = (each(nodes - nodes_before), each(broker - broker_before));
        let now = self.network.messages()?;
        let sent = now.iter().zip(messages).map(|(now, before)| now[0] - before[0]);
        let most = sent.max().unwrap_or_default() as f64 / lines as f64;
        Ok(vec![nodes + broker, nodes, broker, most])
    }
}
