//! Standard output and error, whose reader may be gone: `echo ping … | head -1`, or a terminal.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
#[cfg(unix)]
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

/// Prints a line at once, also into a pipe.
///
/// # Errors
///
/// If nobody reads it, or it cannot be stored.
pub fn say(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match OUTPUT.write(&mut stdout, &format!("{line}\n"))? {
        0 => {}
        missing => {
            complain(format_args!(
                "{missing} lines are missing on standard output: they could not be written"
            ));
        }
    }
    Ok(())
}

/// Prints where a server listens, or how it goes. If nobody reads it, it is for nobody: the server serves by now, and
/// perhaps another has made way for it.
pub fn announce(lines: &[String]) {
    let _ = lines.iter().try_for_each(say);
}

/// Prints a line on standard error. If nobody reads it any more, it is for nobody: a server outlives its
/// terminal, and `eprintln` would panic in the middle of whatever had something to tell. It is one write:
/// standard error has no buffer, so each part that is formatted there would be a system call of its own.
pub fn complain(line: impl Display) {
    let mut stderr = io::stderr().lock();
    if let Ok(missing @ 1..) = ERRORS.write(&mut stderr, &format!("{line}\n")) {
        let line =
            format!("{missing} lines are missing before the last one: they could not be written\n");
        let _ = ERRORS.write(&mut stderr, &line);
    }
}

/// Has lines left out from now on, and counted, while whoever is to read them does not, be it a log's shipper that hangs
/// or a terminal that is held (Ctrl-S): a server does not wait for him.
pub fn never_wait() {
    NEVER_WAITS.store(true, Ordering::Relaxed);
}

/// The words on the command line make no sense together, which clap cannot know.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Nobody has answered, or with an error.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// What a program that has come to its end owes the shell: 0 if all went well, or if whoever read
/// its output has had enough; else 2 for [`Usage`], 3 for [`NoAnswer`] or 1, and a message.
pub fn exit(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    let error = match result {
        Err(error) if !is_unread(&*error) => error,
        _ => return ExitCode::SUCCESS,
    };
    complain(format_args!("{program}: {error}"));
    ExitCode::from(if error.is::<Usage>() {
        2
    } else if error.is::<NoAnswer>() {
        3
    } else {
        1
    })
}

/// A socket's error is never a bare [`io::Error`] here, so this is one of standard output.
fn is_unread(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, WouldBlock};
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| matches!(error.kind(), BrokenPipe | WouldBlock))
}

static NEVER_WAITS: AtomicBool = AtomicBool::new(false);
static OUTPUT: Lines = Lines::new();
static ERRORS: Lines = Lines::new();

/// What has become of the lines of a stream.
#[derive(Debug, Default)]
pub struct Lines {
    /// How many have been left out since one was written.
    missing: AtomicU64,
}

impl Lines {
    const fn new() -> Self {
        Self { missing: AtomicU64::new(0) }
    }

    /// Writes one to the stream that these are of, or part of it, or leaves it out if this program never waits; how many
    /// were left out before it.
    ///
    /// # Errors
    ///
    /// If nobody reads it, or it cannot be stored.
    pub fn write(&self, stream: &mut impl Stream, line: &str) -> io::Result<u64> {
        if !NEVER_WAITS.load(Ordering::Relaxed) {
            stream.write_all(line.as_bytes()).and_then(|()| stream.flush())?;
            return Ok(0);
        }
        // Who is slow is waited for, but once: who reads nothing takes no more of anybody's time.
        let is_read = self.missing.load(Ordering::Relaxed) == 0;
        let patience = if is_read { PATIENCE } else { Duration::ZERO };
        let written = line.as_bytes().chunks(AT_ONCE).try_for_each(|piece| {
            if !has_room(stream, patience) {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "nobody reads it"));
            }
            stream.write_all(piece).and_then(|()| stream.flush())
        });
        match written {
            Ok(()) => Ok(self.missing.swap(0, Ordering::Relaxed)),
            Err(error) => {
                self.missing.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

/// How long a server waits for a reader who may only be waiting for his turn on a busy machine.
const PATIENCE: Duration = Duration::from_millis(10);

/// So much a pipe takes without waiting if it takes anything (`PIPE_BUF`).
const AT_ONCE: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// Where lines go, and can be asked whether they would have to wait.
#[cfg(unix)]
pub trait Stream: Write + AsFd {}
#[cfg(unix)]
impl<S: Write + AsFd> Stream for S {}
#[cfg(not(unix))]
pub use std::io::Write as Stream;

/// Whether a write of [`AT_ONCE`] returns at once.
#[cfg(unix)]
fn has_room(stream: &impl AsFd, patience: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let patience = Timespec::try_from(patience).ok();
    let ready = poll(&mut [PollFd::new(stream, PollFlags::OUT)], patience.as_ref());
    !matches!(ready, Ok(0))
}

#[cfg(not(unix))]
fn has_room(_: &impl Write, _: Duration) -> bool {
    true
}
