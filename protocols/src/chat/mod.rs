//! Chat: IRC, as it is spoken today.

pub mod accounts;
