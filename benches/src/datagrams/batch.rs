//! The same as the ruler with recvmmsg and sendmmsg, by nix, which keeps their headers.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::{BATCH, BULK, Duty, RUN, SCRATCH, bind, run};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let socket = bind(place)?;
    announce(socket.local_addr()?)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &socket, EventData::new_u64(0), EventFlags::IN)?;
    let (mut events, mut server) = (Vec::with_capacity(1), Server::new(duty, socket.as_raw_fd()));
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        events.clear();
        server.on_ready()?;
    }
}

struct Server {
    duty: Duty,
    /// The socket, which outlives this.
    fd: i32,
    received: MultiHeaders<SockaddrStorage>,
    sent: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; SCRATCH]; BATCH]>,
    run: Vec<u8>,
}

impl Server {
    fn new(duty: Duty, fd: i32) -> Self {
        Self {
            duty,
            fd,
            received: MultiHeaders::preallocate(BATCH, None),
            sent: MultiHeaders::preallocate(BATCH.max(RUN), None),
            buffers: Box::new([[0; SCRATCH]; BATCH]),
            run: run(),
        }
    }

    /// One receive of a batch; if there is more the next wait reports it.
    fn on_ready(&mut self) -> Result {
        let mut froms = [None; BATCH];
        let mut lengths = [0; BATCH];
        let count = match self.receive(&mut lengths, &mut froms) {
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match self.duty {
            Duty::Echo => self.echo(&lengths[..count], &froms[..count]),
            Duty::Bulk => froms[..count].iter().try_for_each(|from| self.send_run(*from)),
        }
    }

    fn receive(
        &mut self,
        lengths: &mut [usize],
        froms: &mut [Option<SockaddrStorage>],
    ) -> nix::Result<usize> {
        let mut slices = self.buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let mut count = 0;
        for message in recvmmsg(self.fd, &mut self.received, &mut slices, flags, None)? {
            (froms[count], lengths[count]) = (message.address, message.bytes);
            count += 1;
        }
        Ok(count)
    }

    fn echo(&mut self, lengths: &[usize], froms: &[Option<SockaddrStorage>]) -> Result {
        let length = |index: usize| lengths.get(index).copied().unwrap_or(0);
        let slices: [_; BATCH] =
            array::from_fn(|index| [IoSlice::new(&self.buffers[index][..length(index)])]);
        send(self.fd, &mut self.sent, &slices[..lengths.len()], froms)
    }

    fn send_run(&mut self, to: Option<SockaddrStorage>) -> Result {
        let slices: [_; RUN] =
            array::from_fn(|index| [IoSlice::new(&self.run[index * BULK..][..BULK])]);
        send(self.fd, &mut self.sent, &slices, &[to; RUN])
    }
}

/// What the kernel does not take is lost, as it might be anywhere on its way.
fn send<'a>(
    fd: i32,
    headers: &'a mut MultiHeaders<SockaddrStorage>,
    slices: &'a [[IoSlice<'a>; 1]],
    to: &[Option<SockaddrStorage>],
) -> Result {
    match sendmmsg(fd, headers, slices, to, [], MsgFlags::MSG_DONTWAIT) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
