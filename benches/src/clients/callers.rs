//! Clients of a JSON-RPC server, in lines: subscribers to a topic.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::calls::Calls;
use crate::clients::askers::Asked;
use crate::clients::sockets::connect;
use crate::loaded::{Loaded, Start};
use crate::{Result, descriptors};

const SUBSCRIBE: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"listen\",\"id\":1}\n";
const SUBSCRIBED: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":\"news\",\"id\":1}\n";
const SAY: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"say\",\"params\":[\"good morning\"]}\n";
const NEWS: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"news\",\"params\":[\"good morning\"]}\n";

/// Subscribers, and one who has something to say.
struct Subscribers {
    speaker: TcpStream,
    streams: Vec<TcpStream>,
}

impl Subscribers {
    /// Connects so many, and lets them subscribe.
    fn gather(address: SocketAddr, count: usize) -> Result<Self> {
        let subscriber = |_| {
            let mut stream = connect(address)?;
            stream.write_all(SUBSCRIBE)?;
            expect(&mut stream, SUBSCRIBED)?;
            Ok(stream)
        };
        let streams = (0..count).map(subscriber).collect::<Result<_>>()?;
        Ok(Self { speaker: connect(address)?, streams })
    }

    /// Has something said, which everybody hears.
    fn publish(&mut self) -> Result {
        self.speaker.write_all(SAY)?;
        self.streams.iter_mut().try_for_each(|stream| expect(stream, NEWS))
    }
}

/// Our server and so many subscribers, to whom something is said in each round: a unit is its delivery to one.
pub fn notifications(start: Start<'_>, subscribers: usize) -> Result<Loaded> {
    descriptors::require(subscribers)?;
    let server = Calls::ReactorLines.start(start)?;
    let mut all = Subscribers::gather(server.address(), subscribers)?;
    Ok(Loaded::new(server, subscribers, move || all.publish()))
}

fn expect(stream: &mut TcpStream, expected: &[u8]) -> Result {
    let mut buffer = [0; 128];
    let read = buffer.get_mut(..expected.len()).ok_or("a message is too long")?;
    stream.read_exact(read)?;
    if read == expected { Ok(()) } else { Err("the server says something else".into()) }
}
