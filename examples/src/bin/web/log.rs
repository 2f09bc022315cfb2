//! The access log: a line for every exchange.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use examples::output::{self, Lines};
use protocols::http::server::Record;

/// What both servers can be told about their log.
#[derive(Args)]
pub(crate) struct LogOptions {
    /// Write a line for every request to a file, behind what is there; - is standard output
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// How the lines look
    #[arg(long, value_name = "FORMAT", default_value = "combined", requires = "log")]
    log_format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As Apache and nginx have it, and the programs that read their logs
    Combined,
    /// An object a line
    Json,
}

impl LogOptions {
    /// What is to be told of every exchange, if anybody wants to know.
    pub(crate) fn open(&self) -> Result<Option<impl Fn(&Record) + use<>>, String> {
        let Some(path) = &self.log else {
            return Ok(None);
        };
        let file = if path == Path::new("-") {
            None
        } else {
            let file = File::options().append(true).create(true).open(path);
            Some(RefCell::new(file.map_err(|error| format!("{}: {error}", path.display()))?))
        };
        let format = self.log_format;
        let path = path.clone();
        let (is_failing, lines) = (Cell::new(false), Lines::default());
        Ok(Some(move |record: &Record| {
            let line = match format {
                Format::Combined => record.combined(),
                Format::Json => record.json(),
            };
            let written = match &file {
                None => output::say(line),
                // It may be a pipe.
                Some(file) => lines.write(&mut *file.borrow_mut(), &format!("{line}\n")).map(drop),
            };
            // A full disk, or a reader that has gone, does not stop the server. It is told once, until a line is written.
            if let (Err(error), false) = (&written, is_failing.replace(written.is_err())) {
                output::complain(format_args!("web: cannot write to {}: {error}", path.display()));
            }
        }))
    }
}
