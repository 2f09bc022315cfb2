//! Standard output and error, whose reader may be gone: `echo ping … | head -1`, or a terminal.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints a line at once, also into a pipe.
///
/// # Errors
///
/// If nobody reads it, or it cannot be stored.
pub fn say(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Prints where a server listens. If nobody reads it, it is for nobody: the server serves by now, and perhaps another has
/// made way for it.
pub fn announce(lines: &[String]) {
    let _ = lines.iter().try_for_each(say);
}

/// Prints a line on standard error. If nobody reads it any more, it is for nobody: a server outlives its
/// terminal, and `eprintln` would panic in the middle of whatever had something to tell. It is one write:
/// standard error has no buffer, so each part that is formatted there would be a system call of its own.
pub fn complain(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// What a program that has come to its end owes the shell: 0 if all went well, or if whoever read
/// its output has had enough; else 1, and a message.
pub fn exit(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Err(error) if !is_broken_pipe(&*error) => {
            complain(format_args!("{program}: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// A socket's error is never a bare [`io::Error`] here, so this is one of standard output.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
