//! A deterministic network to test protocols on (feature `sim`).
//!
//! The protocols, the applications and the loops are the real ones, unchanged; the sockets, the clock
//! and the randomness under them are not. A [`Network`] is a value: it has hosts, each a loop with its
//! application, and everything that happens in it, and when, is drawn from one seed. Nothing takes real
//! time, so a minute of a busy server is a matter of milliseconds, and what has happened once happens
//! again, to the last record of the [trace](crate::trace).
//!
//! A [`Simulation`] runs a scenario on one seed after the other until it fails, and then shrinks the
//! failure: what it prints is the few choices that matter, and what becomes of them.
//!
//! ```
//! use reactor::sim::{Fault, Network, Simulation};
//! use reactor::{Input, Protocol, Transport};
//! use std::time::Duration;
//!
//! /// Says hello, and counts what it hears.
//! struct Hello;
//!
//! impl Protocol<usize> for Hello {
//!     fn on_open(&mut self, transport: &mut Transport<'_, usize>, _: &mut usize) {
//!         transport.write(b"hello");
//!         transport.end();
//!     }
//!
//!     fn on_data(&mut self, _: &mut Transport<'_, usize>, input: &mut Input<'_>, heard: &mut usize) {
//!         *heard += input.take_all().len();
//!     }
//! }
//!
//! let simulation = Simulation::new(|network: &mut Network| {
//!     // A mix of faults, which the seed draws. A speaker that crashed would say it once more.
//!     network.swarm_without(&[Fault::Crash]);
//!     let listener = network.host("listener", |registry| {
//!         registry.listen("0.0.0.0:7".parse()?, |_, _| Hello)?;
//!         Ok(0)
//!     });
//!     let address = network.address(listener, 7);
//!     network.host("speaker", move |registry| {
//!         registry.connect(address.clone(), Hello)?;
//!         Ok(0)
//!     });
//!     network.run_for(Duration::from_secs(10))?;
//!     network.calm(); // from here on everything has to come to an end
//!     network.finish(Duration::from_secs(10))?;
//!     match network.app(listener) {
//!         Some(0..=5) => Ok(()),
//!         heard => Err(format!("of five bytes, {heard:?} have arrived").into()),
//!     }
//! });
//! let summary = simulation.search(0..20)?;
//! println!("{summary}");
//! # Ok::<(), Box<reactor::sim::Failure>>(())
//! ```
//!
//! # What one does with it
//!
//! - **Test one protocol with bytes.** A [`Harness`] is one connection of it: these bytes come, those are
//!   sent, thirty seconds pass, the peer ends. There is no network to describe.
//! - **Say what goes wrong.** [`Network::swarm`] lets the seed draw a mix of [faults](Fault); a script
//!   says it exactly: [`at`](Network::at) a time, [`rule`](Network::rule) by packet,
//!   [`partition`](Network::partition), [`crash`](Network::crash), [`pause`](Network::pause).
//! - **Say what must hold.** An [`invariant`](Network::invariant) is held against the network after
//!   every step. Of itself the network watches over the contract of the callbacks, that no callback
//!   panics ([unless allowed](Network::allow_panics)), that time goes on, and that
//!   [at the end](Network::finish) nothing is left over.
//! - **Search.** [`Simulation::search`] goes through seeds; [`Simulation::torture`] has every call of
//!   a calm run fail once in every way.
//! - **Look at it again.** [`Simulation::run_seed`] or, shrunk, [`Simulation::run_tape`]; a [`Run`]
//!   has its trace, which prints, and opens in Perfetto. A fuzzer writes a tape of its own.
//! - **Trust it.** [`Simulation::check_replay`] runs a seed twice, and names the first record that is
//!   another one: somebody has asked for the real clock, or relied on the order of a hash map.
//!
//! # What is simulated
//!
//! - TCP (IPv4 and IPv6), Unix streams, UDP with multicast, Unix datagrams; their buffers, their
//!   backlogs, the errors of every call, and descriptors that run out.
//! - The poller, with every freedom that an edge-triggered one has: events that are late, merged,
//!   split, repeated, out of order, for nothing, or for somebody who has gone.
//! - Paths with latency, bandwidth and loss, one way or both; hosts that crash, stand still and come
//!   back; peers that go silent; wall clocks that are set.
//! - Time, randomness, timers, tasks, and offloaded work, which is done on this thread.
//!
//! # What is not
//!
//! - The inside of TCP: a stream is cut, late, reset or silent, but its segments arrive in order, and
//!   there is no congestion control to measure.
//! - Files, name resolution, signals, and threads of a program's own: what they do is not the
//!   network's, so it is not repeated.
//! - Sockets of both families at once (`only_v6` off), and addresses that rest after a close
//!   (TIME_WAIT).
//! - Speed: a simulated second says nothing of a real one.
//!
//! | file | what it is |
//! |---|---|
//! | `harness` | one connection, to be tested with bytes |
//! | `network`, `host` | the network, its hosts, and what a test does to both |
//! | `steps` | how it goes on, one event or one turn after the other |
//! | `contract`, `broken` | what the callbacks' records are held against; something does not hold |
//! | `run`, `panics` | a scenario is run once, and its panics are heard |
//! | `simulation`, `summary` | it is run on many seeds, and what they add up to |
//! | `tape`, `shrink`, `failure` | what a failure takes, made small, and told |
//! | `replay` | the same happens again, or the first record that does not |
//! | `torture` | every call fails once |

mod broken;
mod contract;
mod failure;
mod harness;
mod host;
mod network;
mod panics;
mod replay;
mod run;
mod shrink;
mod simulation;
mod steps;
mod summary;
mod tape;
mod torture;

pub use crate::net::sim::{
    Call, CallFault, Choices, Errno, Fault, FaultCounts, Faults, Payload, Rate, Segment, Verdict,
};
pub use broken::Broken;
pub use failure::Failure;
pub use harness::Harness;
pub use host::{Host, HostId};
pub use network::Network;
pub use replay::Divergence;
pub use run::{Outcome, Run};
pub use simulation::Simulation;
pub use summary::Summary;
pub use tape::{ParseTapeError, Tape};
pub use torture::{Torture, Victim};
