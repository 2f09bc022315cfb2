//! Messages for whoever reads them: with what they came as on a terminal, their payloads alone in a pipe.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use protocols::nats::{Headers, Message};
use reactor::Registry;

use crate::run::Run;

/// Where messages are printed.
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    /// Whether only payloads are, a line each.
    is_raw: bool,
    /// Whether what is printed will be flushed at the end of the turn.
    is_due: bool,
    count: u64,
}

impl Printer {
    /// `raw`: as if it were a pipe.
    pub(crate) fn new(raw: bool) -> Self {
        let stdout = io::stdout();
        let is_raw = raw || !stdout.is_terminal();
        Self { out: BufWriter::with_capacity(64 * 1024, stdout), is_raw, is_due: false, count: 0 }
    }

    /// Prints a message; how many there were.
    pub(crate) fn print(
        &mut self,
        registry: &mut Registry<Run>,
        message: &Message<'_>,
    ) -> io::Result<u64> {
        self.count += 1;
        if !self.is_raw {
            self.print_head(message)?;
        }
        self.out.write_all(message.payload)?;
        self.out.write_all(if self.is_raw { b"\n" } else { b"\n\n" })?;
        if !std::mem::replace(&mut self.is_due, true) {
            registry.defer(|registry, run| {
                if let Err(error) = run.printer.flush() {
                    run.end(registry, Err(error.into()));
                }
            });
        }
        Ok(self.count)
    }

    fn print_head(&mut self, message: &Message<'_>) -> io::Result<()> {
        write!(self.out, "[#{}] received on {}", self.count, message.subject.escape_debug())?;
        if let Some(reply) = message.reply {
            write!(self.out, ", to be answered to {}", reply.escape_debug())?;
        }
        writeln!(self.out)?;
        for (name, value) in message.headers.into_iter().flat_map(Headers::iter) {
            writeln!(self.out, "{}: {}", name.escape_debug(), value.escape_debug())?;
        }
        if message.headers.is_some() {
            writeln!(self.out)?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.is_due = false;
        self.out.flush()
    }
}
