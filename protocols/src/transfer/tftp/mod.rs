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
//! | file | what it is |
//! |---|---|
//! | `packet` | what stands in a datagram: pure |
//! | `options` | what is asked for, what is granted, what both go by: pure |
//! | [`netascii`] | text with the line ends of Telnet, both ways: pure |
//! | `outflow`, `inflow` | blocks on their way out, blocks that come in: pure |
//! | `stall` | a window that is not acknowledged: what is done about it at once: pure |
//! | `retransmission` | when a packet is sent again, and when it is given up: pure |
//! | `transfer` | one side of a transfer, packets and time in, packets and timers out: pure |
//! | `limits` | every bound, its default, and the reason for it |
//! | `pump` | between a transfer, its socket and its file |
//! | `port` | the server's well-known port |
//! | `session` | the server's side of one transfer |
//! | `server` | what they share, and the call that opens the port |
//! | `client` | the other side |
//! | `failure` | how a transfer can fail |
//!
//! What RFC 1350 leaves to be found out the hard way is kept here by construction: no acknowledgement that
//! comes twice has a block sent again (RFC 1123, section 4.2.3.1), an error is never answered with an error,
//! a packet from elsewhere does not disturb a transfer, and nobody who has not answered yet is sent more
//! than one packet at a time.

mod client;
mod failure;
mod inflow;
mod limits;
pub mod netascii;
mod options;
mod outflow;
mod packet;
mod port;
mod pump;
mod retransmission;
mod server;
mod session;
mod stall;
mod transfer;

pub use client::{Caller, ClientOptions, get, put};
pub use failure::{Failure, NotBegun};
pub use limits::Limits;
pub use options::{Bounds, LARGEST_BLOCK, Options, Terms, Unacceptable};
pub use packet::{Code, LONGEST_REQUEST, Malformed, Mode, Packet, Pairs, Request};
pub use retransmission::Patience;
pub use server::{Counters, Server, bind};
pub use transfer::{Event, Transfer};
