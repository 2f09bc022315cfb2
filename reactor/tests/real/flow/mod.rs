//! Bytes in both directions: what is left is offered again, what is written keeps its order, and
//! nobody has to take more than it can.

mod flow_control;
mod reading;
mod writing;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use crate::support;
use bytes::{Buf, Bytes};
use proptest::prelude::*;
use reactor::{
    ConnectionId, Limits, ListenOptions, Pressure, SendError, Stale, StreamLimits, StreamOptions,
    TimerKey, Transport,
};
use socket2::SockRef;
use support::*;

/// A listener's options for connections whose kernel buffers hold little, so that queues grow here.
fn tight(limits: StreamLimits) -> ListenOptions {
    let stream = StreamOptions { send_buffer: Some(128 * 1024), ..StreamOptions::default() };
    ListenOptions { stream, limits, ..ListenOptions::default() }
}

/// What a connection of the stage looks like to netstat: what it has to read, and to send; its state.
fn row(stage: &Stage, theirs: &TcpStream) -> (usize, usize, &'static str) {
    let peer = theirs.local_addr().expect("it is connected").into();
    let snapshot = stage.reactor.snapshot();
    let mut rows = snapshot.sockets.iter();
    let row = rows.find(|row| row.peer.as_ref() == Some(&peer)).expect("it is open");
    (row.receive_queue, row.send_queue, row.state)
}
