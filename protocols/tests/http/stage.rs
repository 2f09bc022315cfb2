//! A server on a thread of its own, and a client that says bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::http::server::{self, Site};
use reactor::{ListenOptions, Registry};

pub(crate) use crate::kit::PATIENCE;
use crate::kit::{self, Hosted};

/// A server, which stops when this is dropped.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    hosted: Hosted<()>,
}

impl Stage {
    pub(crate) fn serve(site: impl FnOnce() -> Site<()> + Send + 'static) -> Self {
        Self::set_up(|_| site())
    }

    /// The same, where the site has something to do on the loop from the beginning.
    pub(crate) fn set_up(
        site: impl FnOnce(&mut Registry<()>) -> Site<()> + Send + 'static,
    ) -> Self {
        let (hosted, address) = Hosted::start(|registry| {
            let (site, options) = (Rc::new(site(registry)), ListenOptions::default());
            let listener = server::listen(registry, kit::any_port(), &options, &site);
            let address = registry.listener_address(listener.expect("port 0 is free"));
            ((), address.expect("it listens").socket_addr().expect("it is IP"))
        });
        Self { address, hosted }
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::of(TcpStream::connect(self.address).expect("it listens"))
    }

    /// A connection that says this.
    pub(crate) fn hears(&self, request: impl AsRef<[u8]>) -> Peer {
        let mut peer = self.connect();
        peer.say(request);
        peer
    }

    /// Waits until the server has something to send that nobody takes: two looks in a row, a turn or more
    /// apart, find as much.
    pub(crate) fn until_nothing_moves(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = 0;
        loop {
            let queued = self.queued();
            if queued > 0 && queued == before {
                return;
            }
            assert!(Instant::now() < deadline, "{queued} bytes are still on their way");
            before = queued;
            std::thread::yield_now();
        }
    }

    /// Bytes that the server has to send, and nobody has taken.
    pub(crate) fn queued(&self) -> u64 {
        kit::ask(&self.hosted.handle, |registry, ()| registry.stats().queued_bytes)
    }

    /// Has the server shut down, and waits until it has heard so.
    pub(crate) fn shut_down(&self, grace: Duration) {
        kit::ask(&self.hosted.handle, move |registry, ()| registry.shutdown(grace));
    }

    /// What a connection is answered that says this, and then that it has said all.
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut peer = self.hears(request);
        peer.stream.shutdown(Shutdown::Write).expect("it is open");
        peer.rest()
    }

    /// What a connection is answered that says this, and waits for the server to close.
    pub(crate) fn ask_until_closed(&self, request: impl AsRef<[u8]>) -> String {
        self.hears(request).rest()
    }
}

/// The other side of a connection: the client's, or that of a backend behind a proxy.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) unread: Vec<u8>,
}

impl Peer {
    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream, unread: Vec::new() }
    }

    /// Says this; this peer again, for what is to be heard of it.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("it is read");
        self
    }

    /// What comes up to and with this text.
    pub(crate) fn hear(&mut self, end: &str) -> String {
        let mut looked_at = 0;
        loop {
            let fresh = self.unread.get(looked_at..).unwrap_or_default();
            let found = fresh.windows(end.len()).position(|part| part == end.as_bytes());
            if let Some(at) = found {
                let heard: Vec<_> = self.unread.drain(..looked_at + at + end.len()).collect();
                return String::from_utf8(heard).expect("it is text");
            }
            looked_at = self.unread.len().saturating_sub(end.len());
            let mut bytes = [0; 65_536];
            let count = self.stream.read(&mut bytes).expect("it comes in time");
            let tail = self.unread.get(self.unread.len().saturating_sub(300)..).unwrap_or_default();
            assert!(count > 0, "it has ended with {:?}", String::from_utf8_lossy(tail));
            self.unread.extend_from_slice(&bytes[..count]);
        }
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        let missing = length.saturating_sub(self.unread.len()) as u64;
        let stream = Read::by_ref(&mut self.stream);
        stream.take(missing).read_to_end(&mut self.unread).expect("it comes in time");
        self.unread.drain(..length).collect()
    }

    /// Whether the connection ends by a reset, after whatever comes in front of it.
    pub(crate) fn is_reset(&mut self) -> bool {
        let end = self.stream.read_to_end(&mut self.unread).map_err(|error| error.kind());
        assert!(matches!(end, Ok(_) | Err(ErrorKind::ConnectionReset)), "it ends in time: {end:?}");
        end.is_err()
    }

    /// Whether nothing comes any more but the end, by a reset or not.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.is_reset();
        self.unread.is_empty()
    }

    /// What comes before the end, be that a reset.
    pub(crate) fn rest_or_reset(&mut self) -> String {
        self.is_reset();
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// What comes before the end.
    pub(crate) fn rest(&mut self) -> String {
        self.stream.read_to_end(&mut self.unread).expect("it ends in time");
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }
}

/// The statuses of the answers in a text, in order.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect()
}
