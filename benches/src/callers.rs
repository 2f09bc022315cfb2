//! Clients of a JSON-RPC server, in lines: subscribers to a topic.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Result;
use crate::load::connect;

const SUBSCRIBE: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"listen\",\"id\":1}\n";
const SUBSCRIBED: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":\"news\",\"id\":1}\n";
const SAY: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"say\",\"params\":[\"good morning\"]}\n";
const NEWS: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"news\",\"params\":[\"good morning\"]}\n";

/// Subscribers, and one who has something to say.
#[derive(Debug)]
pub struct Subscribers {
    speaker: TcpStream,
    streams: Vec<TcpStream>,
}

impl Subscribers {
    /// Connects so many, and lets them subscribe.
    pub fn gather(address: SocketAddr, count: usize) -> Result<Self> {
        let subscriber = |_| {
            let mut stream = connect(address)?;
            stream.write_all(SUBSCRIBE)?;
            expect(&mut stream, SUBSCRIBED)?;
            Ok(stream)
        };
        let streams = (0..count).map(subscriber).collect::<Result<_>>()?;
        Ok(Self { speaker: connect(address)?, streams })
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
