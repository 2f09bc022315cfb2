//! A lost edge: a server answers one line a callback, and leaves the next to a callback that does not
//! come, since nothing more arrives. It works as long as lines arrive one at a time.

use std::time::Duration;

use reactor::sim::{Fault, Network, Outcome};
use reactor::{Closed, Input, Protocol, Registry, TimerKey, Transport};

use super::Hunt;

const CLIENTS: usize = 2;
const LINES: u32 = 10;
const EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, PartialEq)]
enum Takes {
    OneLine,
    AllLines,
}

/// Answers every line.
struct Answering(Takes);

impl<App> Protocol<App> for Answering {
    fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            input.take_front(end + 1);
            transport.write(b"yes\n");
            if self.0 == Takes::OneLine {
                return;
            }
        }
    }
}

/// Asks every now and then, and leaves when everything has been answered.
#[derive(Default)]
struct Asking {
    asked: u32,
    answered: u32,
}

/// How many of the clients are done, in whatever way.
type Ended = usize;

impl Protocol<Ended> for Asking {
    fn on_open(&mut self, transport: &mut Transport<'_, Ended>, _: &mut Ended) {
        transport.set_timer(TimerKey(0), EVERY);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Ended>, key: TimerKey, _: &mut Ended) {
        transport.write(b"is there anybody?\n");
        self.asked += 1;
        if self.asked < LINES {
            transport.set_timer(key, EVERY);
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Ended>,
        input: &mut Input<'_>,
        _: &mut Ended,
    ) {
        self.answered += input.take_all().iter().filter(|&&byte| byte == b'\n').count() as u32;
        if self.answered == LINES {
            transport.close();
        }
    }

    fn on_close(&mut self, _: &mut Registry<Ended>, _: &Closed, ended: &mut Ended) {
        *ended += 1;
    }
}

fn scenario(network: &mut Network, takes: Takes) -> Outcome {
    // Who waits for an answer without a deadline cannot know that the other one is gone.
    network.swarm_without(&[Fault::Crash, Fault::Silence]);
    let server = network.host("server", move |registry| {
        registry.listen("0.0.0.0:7".parse()?, move |_, _| Answering(takes))?;
        Ok(())
    });
    let address = network.address(server, 7);
    let client = network.host("client", move |registry| {
        (0..CLIENTS)
            .try_for_each(|_| registry.connect(address.clone(), Asking::default()).map(drop))?;
        Ok(0)
    });
    network.run_for(Duration::from_secs(5))?;
    network.calm();
    network.run_for(Duration::from_secs(60))?;
    match network.app(client) {
        Some(&CLIENTS) => Ok(network.finish(Duration::from_secs(1))?),
        _ => Err("a client waits for ever".into()),
    }
}

#[test]
fn a_lost_edge_is_found() {
    let hunt = Hunt { seeds: 20, busy: 32 };
    hunt.find(
        |network| scenario(network, Takes::OneLine),
        |network| scenario(network, Takes::AllLines),
    );
}
