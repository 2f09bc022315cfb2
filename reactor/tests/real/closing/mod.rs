//! The end of a connection: graceful, half, abrupt, by either side; told once, last, with a reason.

mod abruptly;
mod deadlines;
mod gracefully;
mod half;
mod handing_over;
mod last_callback;
mod released;
mod too_late;

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use crate::support;
use bytes::Bytes;
use reactor::{ListenOptions, SendError, Side, StreamLimits, StreamOptions, TimerKey, Transport};
use socket2::SockRef;
use support::{Log, Peer, Probe, Stage, assert_same_bytes, client, pattern, retry, until};

const PEER_CLOSED: &str = "close the peer closed the connection";
const MIB: usize = 1 << 20;

/// The kernel takes little, so that what is large has to wait in the loop.
fn narrow() -> ListenOptions {
    let stream = StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() };
    ListenOptions { stream, ..ListenOptions::default() }
}

/// Closing may not take long.
fn hasty() -> ListenOptions {
    let limits = StreamLimits { close_timeout: Duration::from_millis(40), ..Default::default() };
    ListenOptions { limits, ..narrow() }
}

/// Has the coming close of a client send RST.
fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// Turns until a client has been served to its end by the loop, and what it has seen.
fn read_all(stage: &mut Stage, mut client: TcpStream) -> Vec<u8> {
    let reading = stage.peer(move || {
        let mut seen = Vec::new();
        client.read_to_end(&mut seen).map(|_| seen)
    });
    stage.join(reading).expect("the stream ends in order")
}

/// A client that has more to say than the kernel holds, and only then listens.
fn talker(stage: &Stage, mut caller: TcpStream) -> Peer<io::Result<Vec<u8>>> {
    stage.peer(move || {
        caller.write_all(&vec![b'x'; 16 * MIB])?;
        let mut seen = Vec::new();
        caller.read_to_end(&mut seen).map(|_| seen)
    })
}

/// A probe for the only connection a listener will have.
fn once(probe: Probe) -> impl FnMut() -> Probe {
    let mut probe = Some(probe);
    move || probe.take().expect("one connection is made")
}
