//! Servers of files, over FTP and TFTP, and their clients; what is measured of them is a section of the page.
//!
//! - [`peers`]: the servers, as child processes. [`ours`]: what runs in a child of this package.
//! - [`load`]: the clients, all of them in this process. [`tree`]: the directory that everybody serves.
//! - [`processes`]: what all processes of a server have used, as the kernel counts it.
//! - [`network`]: a network of one's own, in which the congestion control can be chosen.

pub mod load;
pub mod network;
pub mod ours;
pub mod peers;
pub mod processes;
pub mod tree;
