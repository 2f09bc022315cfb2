//! tokio's current-thread runtime: a task a member, and a broadcast channel between them.
//!
//! The channel's own documentation says what happens to a slow receiver: it has missed the oldest lines
//! and goes on with those that are left.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};

use super::{BEHIND, whole_lines};
use crate::Result;
use crate::servers::Place;
use crate::servers::tokio::serve_each;

const BUFFER: usize = 4096;

/// Lines that the channel keeps, were each as short as 64 bytes.
const LINES: usize = BEHIND / 64;

/// Who said it, and what.
type Said = (usize, Bytes);

pub(super) fn serve(place: Place) -> Result {
    let (room, _) = broadcast::channel(LINES);
    let mut number = 0;
    serve_each(place, move |stream| {
        number += 1;
        attend(number, stream, room.clone())
    })
}

async fn attend(number: usize, mut stream: TcpStream, room: Sender<Said>) -> io::Result<()> {
    let mut said = room.subscribe();
    let (mut reader, mut writer) = stream.split();
    let (mut buffer, mut unfinished) = (vec![0; BUFFER], Vec::new());
    loop {
        tokio::select! {
            count = reader.read(&mut buffer) => match count? {
                0 => return Ok(()),
                count => tell(number, &buffer[..count], &mut unfinished, &room),
            },
            said = said.recv() => match said {
                Ok((from, lines)) if from != number => writer.write_all(&lines).await?,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

fn tell(number: usize, read: &[u8], unfinished: &mut Vec<u8>, room: &Sender<Said>) {
    unfinished.extend_from_slice(read);
    let whole = whole_lines(unfinished);
    if whole > 0 {
        let lines = Bytes::copy_from_slice(&unfinished[..whole]);
        unfinished.drain(..whole);
        // Nobody else may be there to hear it.
        let _ = room.send((number, lines));
    }
}
