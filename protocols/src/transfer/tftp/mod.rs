//! TFTP (RFC 1350) with its options (RFC 2347 to 2349, 7440): a file over UDP, for machines that have
//! nothing else yet, and no users, no passwords and no listings. Server and client.
//!
//! ```text
//!     a program's Caller                                       a program's Server
//!   ┌─────────────────────┐   RRQ, WRQ                       ┌────────────────────────┐
//!   │ get, put            │ ─────────────────── port 69 ───▶ │ Port: admits, opens    │
//!   │   Pump              │                                  ├────────────────────────┤
//!   │    ├─ Transfer      │ ◀── DATA, ACK, OACK ──────────▶  │ Session, Pump          │
//!   │    └─ a file        │          a port for each         │    ├─ Transfer         │
//!   └─────────────────────┘                                  │    └─ a file           │
//!                                                            └────────────────────────┘
//! ```
//!
//! | folder or file | what it is |
//! |---|---|
//! | `wire` | what stands in a datagram, and what is agreed on by it: pure. In it [`netascii`] |
//! | `transfer` | one side of a transfer, either one, packets and time in, packets and timers out: pure |
//! | `pump` | between a transfer, its socket and its file, on either side |
//! | `server` | the well-known port, the server's side of each transfer, and what they share |
//! | `client` | the other side |
//! | `failure` | how a transfer can fail |
//!
//! What RFC 1350 leaves to be found out the hard way is kept here by construction: no acknowledgement that
//! comes twice has a block sent again (RFC 1123, section 4.2.3.1), an error is never answered with an error,
//! a packet from elsewhere does not disturb a transfer, and nobody who has not answered yet is sent more
//! than one packet at a time.

mod client;
mod failure;
mod pump;
mod server;
mod transfer;
mod wire;

pub use client::{Caller, ClientOptions, get, put};
pub use failure::{Failure, NotBegun};
pub use server::{Counters, Limits, Server, bind};
pub use transfer::{Event, Patience, Transfer};
pub use wire::netascii;
pub use wire::options::{Bounds, LARGEST_BLOCK, Options, Terms, Unacceptable};
pub use wire::packet::{Code, LONGEST_REQUEST, Malformed, Mode, Packet, Pairs, Request};
