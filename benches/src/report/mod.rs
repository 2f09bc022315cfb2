//! The page of all measurements: what is measured in turns, drawn, and written down.
//!
//! ```text
//!   sections ─▶ contest ─▶ rounds ─▶ results ─┬─▶ page ─▶ docs/benchmarks.md
//!   what there is          in turns   a file  ├─▶ chart ─▶ docs/benchmarks/*.svg
//!                                             └─▶ lines   what was aimed at, and how far off it is
//! ```
//!
//! - [`contest`]: what [sections](crate::sections) are made of.
//! - [`rounds`]: every entrant of a contest in turns, and what they took.
//! - [`results`]: all that was measured, in a file beside the page.
//! - [`page`]: the text. [`chart`]: drawings, as SVG. [`lines`]: the lines aimed at.
//! - [`destination`]: where it is written, and what becomes of what is there.
//! - [`machine`]: what it ran on, in general terms.

pub mod chart;
pub mod contest;
pub mod destination;
pub mod lines;
pub mod machine;
pub mod page;
pub mod results;
pub mod rounds;
