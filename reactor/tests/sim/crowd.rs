//! A hundred thousand connections, by counts: what each of them costs the loop is what it costs among a thousand,
//! and no turn grows with their number.

use std::time::Duration;

use crate::support::Echo;
use reactor::sim::{Choices, Host, Network};
use reactor::{ConnectionId, Input, Limits, ListenOptions, Protocol, Registry, Stats, Transport};

const PATIENCE: Duration = Duration::from_secs(60);
const MESSAGE: &[u8] = b"so many bytes";
/// A host has no more ports than this for connections to one address.
const OF_A_HOST: usize = 20_000;

/// Who comes from one host.
#[derive(Default)]
struct Visitors {
    open: Vec<ConnectionId>,
    answered: usize,
}

struct Visitor;

impl Protocol<Visitors> for Visitor {
    fn on_open(&mut self, transport: &mut Transport<'_, Visitors>, visitors: &mut Visitors) {
        visitors.open.push(transport.id());
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, Visitors>,
        input: &mut Input<'_>,
        visitors: &mut Visitors,
    ) {
        if input.len() >= MESSAGE.len() {
            assert_eq!(input.take_all(), MESSAGE);
            visitors.answered += 1;
        }
    }
}

/// What a server did for all of its connections, and what it did in one turn at the most.
struct Work {
    reads: u64,
    writes: u64,
    accepted_at_once: u64,
    read_at_once: u64,
    ended_at_once: u64,
}

/// A server, and hosts from which a crowd comes.
struct Crowd {
    network: Network,
    server: Host<()>,
    visitors: Vec<Host<Visitors>>,
}

impl Crowd {
    fn new(connections: usize) -> Self {
        let mut network = Network::with_records(Choices::from_seed(18), 0);
        let limits = Limits { connections, ..Limits::default() };
        let server = network.host_with("server", &limits, move |registry| {
            let options = ListenOptions { backlog: connections as u32, ..ListenOptions::default() };
            registry.listen_with("0.0.0.0:7".parse()?, &options, |_, _| Some(Box::new(Echo)))?;
            Ok(())
        });
        let address = network.address(server, 7);
        let visitors = (0..connections).step_by(OF_A_HOST).map(|before| {
            let (address, here) = (address.clone(), OF_A_HOST.min(connections - before));
            network.host("visitors", move |registry| {
                for _ in 0..here {
                    registry.connect(address.clone(), Visitor)?;
                }
                Ok(Visitors::default())
            })
        });
        let visitors = visitors.collect();
        Self { network, server, visitors }
    }

    /// Lets things happen until something is so of the server and of all who visit.
    fn work_until(&mut self, mut is_so: impl FnMut(&Stats, &[&Visitors]) -> bool) -> Work {
        let Self { network, server, visitors } = self;
        let before = network.stats(*server).expect("it is up");
        let (mut at_once, mut last) = ((0, 0, 0), before);
        let is_done = network.run_until(PATIENCE, |network| {
            let now = network.stats(*server).expect("it is up");
            let accepted = now.accepted - last.accepted;
            let (most_accepted, most_read, most_ended) = at_once;
            at_once = (
                accepted.max(most_accepted),
                (now.reads - last.reads).max(most_read),
                (last.connections + accepted - now.connections).max(most_ended),
            );
            last = now;
            let all: Vec<_> = visitors.iter().filter_map(|host| network.app(*host)).collect();
            is_so(&now, &all)
        });
        assert_eq!(is_done, Ok(true));
        let (accepted_at_once, read_at_once, ended_at_once) = at_once;
        Work {
            reads: last.reads - before.reads,
            writes: last.writes - before.writes,
            accepted_at_once,
            read_at_once,
            ended_at_once,
        }
    }

    /// Has each visitor do something.
    fn each(&mut self, act: impl Fn(&mut Registry<Visitors>, ConnectionId)) {
        for host in &self.visitors {
            let (registry, visitors) = self.network.parts(*host).expect("it is up");
            visitors.open.iter().for_each(|id| act(registry, *id));
        }
    }
}

#[test]
fn one_of_a_hundred_thousand_costs_what_one_of_a_thousand_does() {
    let accept_budget = Limits::default().accept_budget as u64;
    let visit_budget = Limits::default().visit_budget as u64;
    for connections in [1_000, 100_000] {
        let mut crowd = Crowd::new(connections);
        let all = connections as u64;
        let came = crowd.work_until(|stats, visitors| {
            let open: usize = visitors.iter().map(|host| host.open.len()).sum();
            stats.accepted == all && open == connections
        });
        assert_eq!((came.reads, came.writes), (0, 0));
        // The listener has an event, and is on the ready list for the rest of the turn before.
        assert_eq!(came.accepted_at_once, 2 * accept_budget);

        crowd.each(|registry, id| assert!(registry.send(id, MESSAGE.into()).is_ok()));
        let echoed = crowd.work_until(|_, visitors| {
            visitors.iter().map(|host| host.answered).sum::<usize>() == connections
        });
        assert_eq!((echoed.reads, echoed.writes), (all, all));
        assert_eq!(echoed.read_at_once, visit_budget);

        crowd.each(|registry, id| assert_eq!(registry.close(id), Ok(())));
        let ended = crowd.work_until(|stats, _| stats.connections == 0);
        assert_eq!((ended.reads, ended.writes), (all, 0));
        assert_eq!(ended.ended_at_once, visit_budget);
        assert_eq!(crowd.network.finish(PATIENCE), Ok(()));
    }
}
