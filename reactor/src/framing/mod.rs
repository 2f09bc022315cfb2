//! Messages out of a stream of bytes: lines, and frames that begin with their length.
//!
//! TCP carries bytes. What one side wrote with one call arrives in pieces, or together with what it wrote
//! next, so a protocol has to find out where a message ends. This module does it for the two ways that
//! nearly all protocols use. It is pure: bytes in, messages out, no socket and no clock. A protocol that speaks in lines
//! from its beginning to its end need not do it by hand: see [`ByLine`](crate::ByLine).
//!
//! ```text
//!   NICK ann\r\nUSER ann 0 * :A\r\nPRIV          what a peer has sent so far
//!   └─Line::Whole──┘└──Line::Whole──┘└─ Line::Partial: stays in the input until the rest has come
//!
//!   00 00 00 05 h e l l o 00 00 00 09 g o        the same with a length in front
//!   └──Frame::Whole─────┘ └─ Frame::Partial
//! ```
//!
//! Both share three rules:
//!
//! - **There is a ceiling.** A message above it is told of once, and thrown away as it comes, so it never
//!   needs more memory than the ceiling. The protocol says what it thinks of that: answer and go on, or close.
//! - **What is incomplete stays in the [`Input`](crate::Input)**, so the connection keeps it and nobody copies
//!   it twice. The ceiling has to be below [`StreamLimits::inbox`](crate::StreamLimits::inbox), which is a
//!   MiB unless set: else the connection ends with [`InboxFull`](crate::CloseReason::InboxFull) first.
//! - **No byte is looked at twice**, however the stream is cut. To search the input from its front for each
//!   piece that arrives takes time that grows with the square of the message: a peer that sends a line of
//!   1 MB in pieces of 16 bytes keeps such a server busy for seconds.
//!
//! For bytes that are not a connection's, `Input::new` takes any slice, and what is left of it is the input:
//!
//! ```
//! use reactor::Input;
//! use reactor::framing::{Line, Lines};
//!
//! let file = b"first\nsecond\nthi";
//! let mut input = Input::new(file);
//! let mut lines = Lines::new(80);
//! loop {
//!     match lines.next(&mut input) {
//!         Line::Whole(line) => println!("{}", line.escape_ascii()),
//!         Line::TooLong => println!("one that is too long"),
//!         Line::Partial => break,
//!     }
//! }
//! assert_eq!(&*input, b"thi");
//! ```

mod frames;
mod lines;

pub use frames::{Frame, Frames, Head, LongFrame, Order, Width};
pub use lines::{Line, Lines};

#[cfg(test)]
mod pieces {
    use std::mem;

    /// Cuts bytes at these places, as a network might.
    pub(super) fn pieces(bytes: &[u8], cuts: Vec<usize>) -> Vec<&[u8]> {
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut from = 0;
        cuts.into_iter().map(|to| &bytes[mem::replace(&mut from, to)..to]).collect()
    }
}
