//! File transfer: FTP over TCP and TFTP over UDP, out of and into one kind of tree.
//!
//! ```text
//!   a client                                                                     a tree of files
//!  ┌─────────┐  control: commands, replies   ┌──────────────┐                  ┌────────────────┐
//!  │   ftp   │ ════════════ TCP ═══════════  │ ftp::Session │ ──── offload ──▶ │ store::Store   │
//!  │         │ ──────────── TCP ───────────▶ │              │ ──── write ────▶ │   Upload       │
//!  │         │ ◀─────────── TCP ──────────── │              │ ◀─── sendfile ── │   File         │
//!  └─────────┘  data: one file, one way      └──────────────┘                  │                │
//!  ┌─────────┐                               ┌──────────────┐                  │                │
//!  │  tftp   │ ◀──────────── UDP ──────────▶ │     tftp     │ ◀─────────────▶  │                │
//!  └─────────┘  a block, an acknowledgement  └──────────────┘                  └────────────────┘
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`store`] | a tree that strangers may be let into: nothing outside can be reached, and uploads land whole |
//! | [`ftp`] | RFC 959, and what clients use today |
//! | [`tftp`] | RFC 1350, for machines that have nothing else yet |

pub mod ftp;
pub mod tftp;

pub use crate::store;
