//! Standard input, which can only be read by waiting: on a thread of its own, a piece for each
//! request, so that it is never further ahead than the loop wants it to be.
//!
//! ```text
//!   loop ──ask()──▶ permit ──▶ thread: read ──Handle::run──▶ loop: handle_piece, handle_end
//! ```

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use reactor::{Handle, Registry};

/// The most that one request brings.
pub const PIECE: usize = 64 * 1024;

/// Where pieces go: a program that reads standard input.
pub trait Reader: Sized + 'static {
    /// A piece, never empty; the next one comes when it is asked for.
    fn handle_piece(&mut self, registry: &mut Registry<Self>, piece: Bytes);
    /// There is no more, or it cannot be read.
    fn handle_end(&mut self, registry: &mut Registry<Self>, result: io::Result<()>);
}

/// How input is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// As it comes.
    AsItComes,
    /// A line each, with its end; one of more bytes than that in several pieces.
    Lines(u64),
    /// As many whole lines as have come; one of more bytes than that in several pieces.
    WholeLines(u64),
}

/// The reading thread, as the loop sees it.
#[derive(Debug)]
pub struct Stdin {
    permits: SyncSender<()>,
    asked: bool,
}

impl Stdin {
    /// Starts the thread, which waits to be asked.
    ///
    /// # Errors
    ///
    /// If the system has no thread left.
    pub fn start<App: Reader>(handle: Handle<App>, cut: Cut) -> io::Result<Self> {
        let (permits, requests) = sync_channel(1);
        let name = "stdin".to_owned();
        // Nobody joins it: it may wait for a keyboard when the program ends.
        thread::Builder::new().name(name).spawn(move || read(&handle, &requests, cut))?;
        Ok(Self { permits, asked: false })
    }

    /// Asks for a piece, unless one is on its way.
    pub fn ask(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            // It fails when the thread has ended, and then it has said so.
            let _ = self.permits.try_send(());
        }
    }

    /// What was asked for has come.
    pub fn answered(&mut self) {
        self.asked = false;
    }
}

/// What the thread does. It ends with the input, or with the loop.
fn read<App: Reader>(handle: &Handle<App>, requests: &Receiver<()>, cut: Cut) {
    // As long as a pipe: what one read brings is a piece.
    let mut stdin = BufReader::with_capacity(PIECE, io::stdin().lock());
    while requests.recv().is_ok() {
        let result = match read_piece(&mut stdin, cut) {
            Ok(piece) if piece.is_empty() => Ok(()),
            Ok(piece) => {
                let posted = handle.run(move |registry, app| app.handle_piece(registry, piece));
                if posted.is_err() {
                    return;
                }
                continue;
            }
            Err(error) => Err(error),
        };
        // If the loop has ended, nobody wants to know.
        let _ = handle.run(move |registry, app| app.handle_end(registry, result));
        return;
    }
}

/// Waits for the next piece; at the end of the input it is empty.
fn read_piece(input: &mut BufReader<impl Read>, cut: Cut) -> io::Result<Bytes> {
    let mut piece = Vec::new();
    match cut {
        Cut::AsItComes => {
            piece.resize(PIECE, 0);
            let length = read_once(input, &mut piece)?;
            piece.truncate(length);
        }
        Cut::Lines(most) => {
            input.by_ref().take(most).read_until(b'\n', &mut piece)?;
        }
        Cut::WholeLines(most) => {
            input.by_ref().take(most).read_until(b'\n', &mut piece)?;
            if piece.ends_with(b"\n") {
                take_whole_lines(input, &mut piece);
            }
        }
    }
    Ok(piece.into())
}

/// Adds the lines that have been read already, and waits for none.
fn take_whole_lines(input: &mut BufReader<impl Read>, piece: &mut Vec<u8>) {
    let room = PIECE.saturating_sub(piece.len());
    let there = input.buffer().get(..room).unwrap_or(input.buffer());
    let end = there.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    piece.extend(there.iter().take(end));
    input.consume(end);
}

fn read_once(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &[u8], cut: Cut) -> Vec<Bytes> {
        let mut input = BufReader::with_capacity(PIECE, input);
        let next = || read_piece(&mut input, cut).expect("a slice can be read");
        std::iter::repeat_with(next).take_while(|piece| !piece.is_empty()).collect()
    }

    #[test]
    fn a_line_is_a_piece_and_a_long_one_several() {
        let long = [&b"a\n"[..], &[b'x'; 2_000], b"\nlast"].concat();
        let lengths: Vec<usize> = pieces(&long, Cut::Lines(1_452)).iter().map(Bytes::len).collect();
        assert_eq!(lengths, [2, 1_452, 549, 4]);
    }

    #[test]
    fn all_whole_lines_that_have_come_are_one_piece() {
        assert_eq!(pieces(b"a\n\nb\nlast", Cut::WholeLines(100)), ["a\n\nb\n", "last"]);
        let long = [&b"a\n"[..], &[b'x'; 2_000], b"\nb\n"].concat();
        assert_eq!(pieces(&long, Cut::WholeLines(1_000)).concat(), long);
        let many = b"line\n".repeat(PIECE / 2);
        let cut = pieces(&many, Cut::WholeLines(100));
        assert!(cut.iter().all(|piece| piece.ends_with(b"\n") && piece.len() <= PIECE));
        assert_eq!((cut.len(), cut.concat() == many), (3, true));
    }

    #[test]
    fn streams_are_not_cut_by_lines() {
        assert_eq!(pieces(b"one\ntwo", Cut::AsItComes), ["one\ntwo"]);
        assert_eq!(pieces(&[0; PIECE + 1], Cut::AsItComes).len(), 2);
    }
}
