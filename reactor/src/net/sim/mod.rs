//! A simulated system: the kernels of several hosts and the network between them, in one value.
//!
//! It keeps the contract of [`net`](crate::net) to the letter, and takes from it every freedom there
//! is. What the loops do is real; what they are told is drawn from one tape of [`Choices`].
//!
//! ```text
//!    loop of host 0             loop of host 1           …    the same code as on a real system
//!   ───────┬─────────────────────────┬──────────────────────────────────────────────────────────
//!       System 0                  System 1                   calls, and what befalls them
//!          └────────────┬────────────┘
//!                     World ◀── Choices, Faults, Rules
//!          ┌────────────┼──────────────┬─────────────┐
//!       Agenda      Connections    Datagrams      Routes     what arrives when, if at all
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `choices` | the tape, from which everything is drawn |
//! | `faults` | the kinds of fault, their rates, their counts |
//! | `calls` | the calls of a loop, and how one is made to fail |
//! | `rules` | what a test says of single packets |
//! | `agenda` | what is going to happen |
//! | `route` | the paths between hosts |
//! | `names` | who is bound to which address |
//! | `connection` | a stream's two ends and two pipes |
//! | `queues` | what waits in a socket to be taken |
//! | `world` | all of it together, and its sockets |
//! | `connecting`, `transit` | how connections begin; what is on its way between their ends |
//! | `stream`, `listener`, `datagram` | what the world does with sockets of each kind |
//! | `poller` | what a wait reports |
//! | `incidents` | what befalls hosts and paths by itself |
//! | `system`, `socket`, `store` | one host's side of it: what the seam asks for |
//! | `log` | the network's own lines in the trace |

mod agenda;
mod calls;
mod choices;
mod connecting;
mod connection;
mod datagram;
mod directory;
mod faults;
mod incidents;
mod listener;
mod log;
mod names;
mod poller;
mod queues;
mod route;
mod rules;
mod socket;
mod store;
mod stream;
mod system;
mod transit;
mod world;

pub use calls::{Call, CallFault, Errno};
pub use choices::{Choices, Rate};
pub use faults::{Fault, FaultCounts, Faults};
pub(crate) use log::Log;
pub(crate) use names::{v4_of, v6_of};
pub(crate) use poller::Events;
pub use rules::{Payload, Segment, Verdict};
pub(crate) use socket::{DatagramSocket, ListenerSocket, StreamSocket};
pub(crate) use system::{SpareDescriptor, System, Waker};
pub(crate) use world::{Event, Shared, Task, World};
