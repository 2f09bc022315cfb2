//! A client that asks for much at once, and a server that holds back whoever does not take its answers.

use crate::support;
use reactor::{ConnectionId, Input, Protocol, Reactor, Transport};
use support::{Echo, any_port};

/// More than the marks of both ends and the buffers of both kernels' sockets together.
const MUCH: usize = 48 << 20;
const PIECE: usize = 256 << 10;

#[derive(Debug, Default)]
struct Exchange {
    answered: usize,
    ended: bool,
}

/// Keeps as much as it may in its outbox, and reads what comes back.
#[derive(Default)]
struct Pipeliner {
    asked: usize,
}

impl Pipeliner {
    fn ask(&mut self, transport: &mut Transport<'_, Exchange>) {
        while self.asked < MUCH && transport.queued_bytes() <= transport.limits().outbox_high {
            transport.write(&vec![7; PIECE]);
            self.asked += PIECE;
        }
    }
}

impl Protocol<Exchange> for Pipeliner {
    fn on_open(&mut self, transport: &mut Transport<'_, Exchange>, _: &mut Exchange) {
        self.ask(transport);
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, Exchange>, _: &mut Exchange) {
        self.ask(transport);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Exchange>,
        input: &mut Input<'_>,
        exchange: &mut Exchange,
    ) {
        exchange.answered += input.take_all().len();
        if exchange.answered == MUCH {
            transport.close();
        }
    }

    fn on_close(
        &mut self,
        _: &mut reactor::Registry<Exchange>,
        _: &reactor::Closed,
        exchange: &mut Exchange,
    ) {
        exchange.ended = true;
    }
}

/// Were the client held as well, each end would wait for the other to read.
#[test]
fn a_client_that_pipelines_much_does_not_wait_for_a_server_that_waits_for_it() {
    let mut reactor = Reactor::<Exchange>::new().expect("there are descriptors for a loop");
    let registry = reactor.registry();
    let listener = registry.listen(any_port(), |_, _| Echo).expect("loopback has a free port");
    let address = registry.listener_address(listener).expect("it is open");
    let _: ConnectionId =
        registry.connect(address, Pipeliner::default()).expect("loopback is there");
    let mut exchange = Exchange::default();
    support::until(&mut reactor, &mut exchange, |exchange, _| exchange.ended);
    assert_eq!(exchange.answered, MUCH);
}
