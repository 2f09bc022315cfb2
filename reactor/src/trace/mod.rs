//! What the loop does, record by record: for a person, for a test, and for Perfetto (feature `trace`).
//!
//! A trace is begun between two turns ([`Reactor::trace`](crate::Reactor::trace)), and taken between
//! two later ones ([`Reactor::take_trace`](crate::Reactor::take_trace)). In between everything the loop
//! does leaves a [`Record`]: when, whom it is [about](Subject), and [what](What) happened. The
//! records stand in a ring of bounded size, so a trace may run for as long as one likes: the latest
//! are there, and how many were [dropped](Trace::dropped) is known.
//!
//! A trace prints one line a record:
//!
//! ```text
//!        0.160 ms  loop  -                turn: 1 event
//!        0.160 ms  loop  connection 1.2   event: read write
//!        0.164 ms  loop  connection 1.2   read: 5 bytes
//!        0.164 ms  loop  connection 1.2   on_data begins
//!        0.169 ms  loop  connection 1.2   on_data returns
//!        0.178 ms  loop  connection 1.2   wrote: 5 bytes
//!        0.179 ms  loop  -                turn ends: 19µs
//! ```
//!
//! To *see* it, write it with [`Trace::write_chrome`] to a file and open that at
//! <https://ui.perfetto.dev>, or in a browser's `chrome://tracing`: a row for the loop's turns, and
//! one for each slot with the callbacks of the connections that lived there.
//!
//! A simulated network leaves the same records, and its own between them ([`What::Network`],
//! [`What::Host`]); there the time is the network's, and [`Trace::hash`] tells two runs apart.
//!
//! With the feature, a loop that does not trace pays a comparison for each record that it does not make:
//! some 37 instructions of an echo's 204, and 32 of a delivery's 54. Without the feature it pays nothing.

// Without the feature the vocabulary is still there for the hooks to be written in; nothing uses it.
#![cfg_attr(not(feature = "trace"), allow(dead_code, unreachable_pub))]

mod callback;
mod subject;
mod what;

#[cfg(feature = "trace")]
mod chrome;
#[cfg(feature = "trace")]
mod record;
#[cfg(feature = "trace")]
mod ring;
#[cfg(feature = "trace")]
mod taken;
#[cfg(feature = "trace")]
mod tracer;

#[cfg(not(feature = "trace"))]
#[path = "no_tracer.rs"]
mod tracer;

pub use callback::Callback;
#[cfg(feature = "trace")]
pub use record::Record;
#[cfg(feature = "trace")]
pub(crate) use ring::Ring;
pub(crate) use subject::About;
pub use subject::Subject;
#[cfg(feature = "trace")]
pub use taken::Trace;
pub(crate) use tracer::Tracer;
pub use what::{Refusal, What};
