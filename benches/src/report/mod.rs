//! The page of all measurements: what is measured in turns, drawn, and written down.
//!
//! - [`rounds`]: every contender of a case in turns, and what they took.
//! - [`chart`]: drawings, as SVG.
//! - [`page`]: the text around them.
//! - [`machine`]: what it ran on, in general terms.

pub mod chart;
pub mod machine;
pub mod page;
pub mod rounds;
