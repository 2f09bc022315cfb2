//! What every edge-triggered loop must get right, each on a real socket that shows it.
//!
//! Unix sockets deliver within the call that sends, so a test can say exactly what lies in front of
//! the loop before it turns; where only TCP knows the hazard, the test waits until it has arrived.
//! What no real socket does on demand (spurious, split and reordered readiness, short reads at any
//! byte) is in `simulated`; `same` plays scenarios in both worlds, and compares.

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod half_open;
mod nothing;
mod queue;
// The truth is that of one system, and the simulated kernels have its ways.
#[cfg(all(feature = "sim", target_os = "linux", not(mio_unsupported_force_poll_poll)))]
mod same;
#[cfg(feature = "sim")]
mod simulated;
mod slow_readers;
mod timers;
mod unix_sockets;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{
    ConnectionId, Input, Limits, ListenOptions, Protocol, Reactor, StreamLimits, StreamOptions,
    TimerKey, Transport,
};
use socket2::SockRef;
use support::*;

/// Both ends of a TCP connection; the first one, the loop's, holds at least four times what the test
/// will send, so that all of it can arrive while nobody reads.
fn roomy_pair() -> (TcpStream, TcpStream, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    // The window is agreed on when connecting: accepted sockets inherit it.
    let _ = SockRef::from(&listener).set_recv_buffer_size(8 << 20);
    let room = SockRef::from(&listener).recv_buffer_size().expect("it has one");
    let theirs = client(listener.local_addr().expect("it is bound"));
    let ours = listener.accept().expect("the client is there").0;
    (ours, theirs, (room / 4).min(1 << 20))
}

/// Waits until so much lies in a socket's receive buffer, of which this is a duplicate.
fn until_arrived(socket: &TcpStream, length: usize) {
    let mut buffer = vec![0; length];
    let deadline = Instant::now() + PATIENCE;
    while !retry(|| socket.peek(&mut buffer)).is_ok_and(|seen| seen == length) {
        assert!(Instant::now() < deadline, "it has not arrived");
        thread::yield_now();
    }
}
