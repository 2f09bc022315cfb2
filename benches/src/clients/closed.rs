//! Latency in a closed circle: every client sends again as soon as it has its answer.
//!
//! All of them wait at any time, so what is seen is how evenly a server serves them: one that takes them
//! in turn keeps the slowest near the median.

use std::io::Write;
use std::net::TcpStream as StdStream;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll};

use crate::clients::ping::Latencies;
use crate::clients::sockets::{read, watch};
use crate::{PATIENCE, Result};

/// Bytes of a message: its number, and a filling.
const SIZE: usize = 64;

/// Runs the circle that long after a first round, which does not count; the latencies.
pub fn run(streams: Vec<StdStream>, lasting: Duration) -> Result<Latencies> {
    let mut poll = Poll::new()?;
    let mut clients = Vec::with_capacity(streams.len());
    for (token, stream) in streams.into_iter().enumerate() {
        clients.push(Client::new(watch(&poll, stream, token, Interest::READABLE)?));
    }
    let mut latencies = Latencies::new()?;
    let (mut warm, mut end) = (0, None);
    clients.iter_mut().try_for_each(Client::send)?;
    let mut events = Events::with_capacity(1024);
    while end.is_none_or(|end| Instant::now() < end) {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err("the server has lost a message".into());
        }
        for event in &events {
            let client = &mut clients[event.token().0];
            let Some(latency) = client.receive()? else {
                continue;
            };
            match end {
                Some(_) => latencies.record(latency)?,
                None => warm += 1,
            }
            client.send()?;
        }
        if end.is_none() && warm >= clients.len() {
            end = Some(Instant::now() + lasting);
        }
    }
    Ok(latencies)
}

struct Client {
    stream: TcpStream,
    sent: u64,
    sent_at: Instant,
    message: [u8; SIZE],
    answer: [u8; SIZE],
    /// How much of the answer has arrived.
    filled: usize,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        let (message, answer) = ([b'r'; SIZE], [0; SIZE]);
        Self { stream, sent: 0, sent_at: Instant::now(), message, answer, filled: 0 }
    }

    fn send(&mut self) -> Result {
        self.sent += 1;
        self.message[..8].copy_from_slice(&self.sent.to_le_bytes());
        self.filled = 0;
        self.sent_at = Instant::now();
        // One message at a time: there is always room for it.
        Ok(self.stream.write_all(&self.message)?)
    }

    /// The latency of the message that is on its way, once its echo is there.
    fn receive(&mut self) -> Result<Option<Duration>> {
        while self.filled < SIZE {
            let Some(count) = read(&mut self.stream, &mut self.answer[self.filled..])? else {
                return Ok(None);
            };
            self.filled += count;
        }
        if self.answer == self.message {
            Ok(Some(self.sent_at.elapsed()))
        } else {
            Err("the echo differs from what was sent".into())
        }
    }
}
