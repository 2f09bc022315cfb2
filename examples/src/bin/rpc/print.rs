//! JSON for whoever reads it: with room to breathe on a terminal, a line in a pipe.

use std::io::{self, IsTerminal};

use examples::output;
use serde_json::Value;

pub(crate) fn value(value: &Value) -> io::Result<()> {
    if io::stdout().is_terminal() {
        output::say(format_args!("{value:#}"))
    } else {
        output::say(value)
    }
}
