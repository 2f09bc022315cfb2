//! Servers of JSON-RPC whose method `sum` adds numbers, and whatever carries the calls: one file a peer.

mod epoll;
mod jayson;
#[cfg(feature = "peers")]
mod jsonrpsee;
mod reactor;

use clap::ValueEnum;

use crate::Result;
use crate::clients::askers::{Asked, Asking};
use crate::loaded::Start;
use crate::program::{Program, Server};
use crate::servers::Place;
use crate::webs::{UPGRADE, masked};

/// Who serves, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Calls {
    /// Ours, a line a text: with a topic as well.
    ReactorLines,
    /// Ours, a POST a text.
    ReactorHttp,
    /// Ours, a message of a WebSocket a text.
    ReactorSocket,
    /// jayson on Node, a line a text.
    JaysonLines,
    /// jayson on Node, a POST a text.
    JaysonHttp,
    /// jayson on Node, a message of a WebSocket a text.
    JaysonSocket,
    /// jsonrpsee on tokio's current-thread runtime, a POST a text.
    JsonrpseeHttp,
    /// The same, a message of a WebSocket a text.
    JsonrpseeSocket,
    /// A raw epoll loop with one answer for everything, in a line.
    EpollLines,
    /// The same, as an answer of HTTP.
    EpollHttp,
    /// The same, as a message of a WebSocket.
    EpollSocket,
}

impl Asked for Calls {
    fn peer(self) -> &'static str {
        match self {
            Self::ReactorLines | Self::ReactorHttp | Self::ReactorSocket => "reactor",
            Self::JaysonLines | Self::JaysonHttp | Self::JaysonSocket => "jayson",
            Self::JsonrpseeHttp | Self::JsonrpseeSocket => "jsonrpsee",
            Self::EpollLines | Self::EpollHttp | Self::EpollSocket => "epoll",
        }
    }

    fn start(self, start: Start<'_>) -> Result<Server> {
        match self {
            Self::JaysonLines => start.other(|| jayson::start("tcp")),
            Self::JaysonHttp => start.other(|| jayson::start("http")),
            Self::JaysonSocket => start.other(|| jayson::start("websocket")),
            _ => start.program(&Program::named("rpc-server")?.with(self)),
        }
    }

    fn asking(self, connections: usize, depth: usize) -> Asking {
        let (preface, question): (&[u8], &[u8]) = match self {
            Self::ReactorLines | Self::JaysonLines | Self::EpollLines => (b"", CALL_IN_LINE),
            Self::ReactorHttp | Self::JaysonHttp | Self::JsonrpseeHttp | Self::EpollHttp => {
                (b"", CALL_BY_POST)
            }
            Self::ReactorSocket
            | Self::JaysonSocket
            | Self::JsonrpseeSocket
            | Self::EpollSocket => (UPGRADE, &FRAME),
        };
        // Each writes the members in an order of its own.
        let ending: &[u8] = match self {
            Self::ReactorLines | Self::EpollLines => b"\"result\":7,\"id\":1}\n",
            Self::ReactorHttp | Self::ReactorSocket | Self::EpollHttp | Self::EpollSocket => {
                b"\"result\":7,\"id\":1}"
            }
            Self::JaysonLines => b"\"id\":1,\"result\":7}\n",
            Self::JaysonHttp | Self::JaysonSocket => b"\"id\":1,\"result\":7}",
            Self::JsonrpseeHttp | Self::JsonrpseeSocket => b"\"id\":1,\"result\":7}",
        };
        Asking { connections, depth, preface, question, ending }
    }
}

const CALL: [u8; 56] = *b"{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,2,4],\"id\":1}";
const CALL_IN_LINE: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,2,4],\"id\":1}\n";
const CALL_BY_POST: &[u8] = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
    Content-Type: application/json\r\nContent-Length: 56\r\n\r\n\
    {\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,2,4],\"id\":1}";

/// What is answered, as ours writes it.
const RESULT: &[u8] = b"{\"jsonrpc\":\"2.0\",\"result\":7,\"id\":1}";
/// And what stands before it in HTTP.
const HEAD_OF_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 35\r\n\r\n";

/// The call as a text message, masked (RFC 6455, 5.2).
const FRAME: [u8; 6 + CALL.len()] = masked(&CALL);

crate::choice!(Calls);

/// Serves at `place` until the process ends, and prints where once it listens.
pub fn serve(calls: Calls, place: Place) -> Result {
    match calls {
        Calls::ReactorLines => reactor::serve_lines(place),
        Calls::ReactorHttp | Calls::ReactorSocket => reactor::serve_http(place),
        #[cfg(feature = "peers")]
        Calls::JsonrpseeHttp | Calls::JsonrpseeSocket => jsonrpsee::serve(place),
        #[cfg(not(feature = "peers"))]
        Calls::JsonrpseeHttp | Calls::JsonrpseeSocket => Err(crate::WITHOUT_PEERS.into()),
        Calls::EpollLines | Calls::EpollHttp | Calls::EpollSocket => epoll::serve(calls, place),
        Calls::JaysonLines | Calls::JaysonHttp | Calls::JaysonSocket => {
            Err("jayson is a program of Node".into())
        }
    }
}
