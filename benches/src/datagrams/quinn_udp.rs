//! A bare mio loop with quinn-udp: receives in batches, and a run leaves as one segmented send.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::{BATCH, BULK, Duty, bind, run};
use crate::Result;
use crate::servers::{EVENTS, Place, announce};

/// Bytes that one receive can bring, of several datagrams if the kernel joined them.
const JOINED: usize = 64 * 1024;

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let mut socket = UdpSocket::from_std(bind(place)?);
    announce(socket.local_addr()?)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    let mut server = Server { socket, state, duty, run: run() };
    let mut buffers = [const { Vec::new() }; BATCH];
    buffers.fill(vec![0; JOINED]);
    let mut events = Events::with_capacity(EVENTS);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        server.on_ready(&mut buffers)?;
    }
}

struct Server {
    socket: UdpSocket,
    state: UdpSocketState,
    duty: Duty,
    run: Vec<u8>,
}

impl Server {
    fn on_ready(&mut self, buffers: &mut [Vec<u8>; BATCH]) -> io::Result<()> {
        let mut metas = [RecvMeta::default(); BATCH];
        loop {
            let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
            let Self { socket, state, .. } = &*self;
            // Through mio, whose `poll(2)` backend goes by what the calls answer.
            let receive = || state.recv(UdpSockRef::from(socket), &mut slices, &mut metas);
            match socket.try_io(receive) {
                Ok(count) => {
                    for (buffer, meta) in slices.iter().zip(&metas[..count]) {
                        self.answer(&buffer[..meta.len], meta)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Datagrams of one sender that the kernel joined leave together as well.
    fn answer(&self, bytes: &[u8], meta: &RecvMeta) -> io::Result<()> {
        match self.duty {
            Duty::Echo => self.send(bytes, meta.stride, meta.addr),
            Duty::Bulk => {
                let joined = BULK * self.state.max_gso_segments().min(JOINED / BULK);
                let requests = meta.len.div_ceil(meta.stride.max(1));
                (0..requests).try_for_each(|_| {
                    self.run.chunks(joined).try_for_each(|run| self.send(run, BULK, meta.addr))
                })
            }
        }
    }

    /// What the kernel does not take is lost, as it might be anywhere on its way.
    fn send(&self, contents: &[u8], segment: usize, destination: SocketAddr) -> io::Result<()> {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: Some(segment),
            src_ip: None,
        };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}
