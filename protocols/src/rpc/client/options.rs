//! How a client connects.

use std::time::Duration;

use reactor::{Address, Backoff};

#[cfg(feature = "rpc-web")]
use super::super::wire::Envelope;
use super::super::wire::{Dialect, Encoding, Framing};
#[cfg(feature = "rpc-web")]
use crate::http::client::Url;
#[cfg(feature = "rpc-web")]
use crate::websocket::{Role, Target};

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The server.
    pub server: Address,
    /// What carries the calls there. Default: a stream.
    pub carrier: Carrier,
    /// How messages are told apart on a stream. Default: a line each.
    pub framing: Framing,
    /// Which version is spoken. Default: 2.0.
    pub dialect: Dialect,
    /// When a connection that is lost, or cannot be made, is made again. Default `None`: never.
    pub reconnect: Option<Backoff>,
    /// What happens to calls that were sent, and not answered, when the connection is lost.
    pub lost: Lost,
    /// How long connecting may take. Default 10 s.
    pub connect_timeout: Duration,
    /// Speak TLS, below whatever carries the calls. Default `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<reactor::tls::ClientTls>,
}

/// What carries calls to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// A stream: TCP, or a Unix socket.
    #[default]
    Stream,
    /// A WebSocket, a message a text. As on a stream, both sides can call, and a client subscribe.
    #[cfg(feature = "rpc-web")]
    WebSocket(Target),
    /// HTTP: a call is a POST, and a batch is one. Connections are kept, and there may be as many at a time
    /// as [`Limits::calls`](crate::rpc::Limits::calls) says. The server cannot call back.
    ///
    /// With a [`reconnect`](ClientOptions::reconnect) a call that cannot be sent, since nobody listens there,
    /// waits and is sent again. A POST is given up a second after nobody waits for its answer any more; one of
    /// notifications alone, for which nobody does, after [`Limits::answer`](crate::rpc::Limits::answer).
    #[cfg(feature = "rpc-web")]
    Http(Url),
}

/// What happens to calls that were sent, and not answered, when the connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// They fail with [`CallError::Lost`](crate::rpc::CallError::Lost): whether they were carried out nobody knows, but no call is carried
    /// out twice. At most once.
    #[default]
    Fail,
    /// They are sent again on the next connection, with the same ids. At least once: for calls that may be
    /// carried out twice.
    SendAgain,
}

impl ClientOptions {
    /// A client of the server there, which speaks 2.0 in lines and connects once.
    #[must_use]
    pub fn new(server: Address) -> Self {
        Self {
            server,
            carrier: Carrier::default(),
            framing: Framing::default(),
            dialect: Dialect::default(),
            reconnect: None,
            lost: Lost::default(),
            connect_timeout: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl ClientOptions {
    pub(super) fn encoding(&self) -> Encoding {
        let stream = Encoding::of_stream(self.framing, self.dialect);
        match self.carrier {
            Carrier::Stream => stream,
            #[cfg(feature = "rpc-web")]
            Carrier::WebSocket(_) => {
                Encoding { envelope: Envelope::WebSocket(Role::Client), ..stream }
            }
            #[cfg(feature = "rpc-web")]
            Carrier::Http(_) => Encoding { envelope: Envelope::Body, ..stream },
        }
    }
}
