//! Clients of a JSON-RPC server, in lines: callers of `sum`, and subscribers to a topic.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

/// The name of the server's program, in `src/bin`.
pub const PROGRAM: &str = "rpc-server";

const CALL: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,2,4],\"id\":1}\n";
const ANSWER: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":7,\"id\":1}\n";

const SUBSCRIBE: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"listen\",\"id\":1}\n";
const SUBSCRIBED: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":\"news\",\"id\":1}\n";
const SAY: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"say\",\"params\":[\"good morning\"]}\n";
const NEWS: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"news\",\"params\":[\"good morning\"]}\n";

/// A silence of that long means that the server has lost a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that call and wait for their answers, all in a round.
#[derive(Debug)]
pub struct Callers {
    streams: Vec<TcpStream>,
}

impl Callers {
    /// Connects so many.
    pub fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        Ok(Self { streams: connect(address, count)? })
    }

    /// Makes so many calls in rounds: one on each connection, and then the answers.
    pub fn call(&mut self, calls: usize) -> Result {
        for _ in 0..calls / self.streams.len() {
            for stream in &mut self.streams {
                stream.write_all(CALL)?;
            }
            for stream in &mut self.streams {
                expect(stream, ANSWER)?;
            }
        }
        Ok(())
    }
}

/// Subscribers, and one who has something to say.
#[derive(Debug)]
pub struct Subscribers {
    speaker: TcpStream,
    streams: Vec<TcpStream>,
}

impl Subscribers {
    /// Connects so many, and lets them subscribe.
    pub fn gather(address: SocketAddr, count: usize) -> Result<Self> {
        let mut streams = connect(address, count)?;
        for stream in &mut streams {
            stream.write_all(SUBSCRIBE)?;
            expect(stream, SUBSCRIBED)?;
        }
        let speaker = connect(address, 1)?.swap_remove(0);
        Ok(Self { speaker, streams })
    }

    /// Has so much said, each heard by everybody.
    pub fn publish(&mut self, times: usize) -> Result {
        for _ in 0..times {
            self.speaker.write_all(SAY)?;
            for stream in &mut self.streams {
                expect(stream, NEWS)?;
            }
        }
        Ok(())
    }
}

fn expect(stream: &mut TcpStream, expected: &[u8]) -> Result {
    let mut buffer = [0; 128];
    let read = buffer.get_mut(..expected.len()).ok_or("a message is too long")?;
    stream.read_exact(read)?;
    if read == expected { Ok(()) } else { Err("the server says something else".into()) }
}

fn connect(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let connect = |_| -> Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    (0..count).map(connect).collect()
}
