//! What stands in a datagram, and what is agreed on by it: pure.

pub mod netascii;
pub(super) mod options;
pub(super) mod packet;
