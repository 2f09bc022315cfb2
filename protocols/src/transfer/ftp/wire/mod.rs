//! What is said on the control connection, as bytes and as values: pure, for both sides.
//!
//! | file | what it is |
//! |---|---|
//! | [`telnet`] | lines out of what Telnet makes of them |
//! | [`command`], [`reply`] | what is said, in both directions |
//! | [`address`], [`time`] | parts of it |
//! | [`ascii`] | text on its way |

pub mod address;
pub mod ascii;
pub mod command;
pub mod reply;
pub mod telnet;
pub mod time;
