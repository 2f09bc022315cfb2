//! TFTP.

mod failure;
mod inflow;
pub mod netascii;
mod options;
mod outflow;
mod packet;
mod retransmission;
mod transfer;

pub use failure::{Failure, NotBegun};
pub use options::{Bounds, LARGEST_BLOCK, Options, Terms, Unacceptable};
pub use packet::{Code, LONGEST_REQUEST, Malformed, Mode, Packet, Pairs, Request};
pub use retransmission::Patience;
pub use transfer::{Event, Transfer};
