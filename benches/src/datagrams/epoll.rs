//! A raw epoll loop, recvfrom and sendto: the least that can be done, and the ruler for the others.
//!
//! Level-triggered: what is left after a batch is reported again.

use std::net::UdpSocket;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recvfrom, sendto};

use super::{BATCH, BULK, Duty, SCRATCH, bind, run};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let socket = bind(place)?;
    announce(socket.local_addr()?)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &socket, EventData::new_u64(0), EventFlags::IN)?;
    let (mut events, mut scratch, run) = (Vec::with_capacity(1), [0; SCRATCH], run());
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        events.clear();
        // Then the wait is next, as other sockets would be waited for.
        for _ in 0..BATCH {
            match recvfrom(&socket, &mut scratch[..], RecvFlags::empty()) {
                Ok((_, length, Some(from))) => match duty {
                    Duty::Echo => send(&socket, &scratch[..length], &from)?,
                    Duty::Bulk => {
                        run.chunks(BULK).try_for_each(|datagram| send(&socket, datagram, &from))?;
                    }
                },
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What the kernel does not take is lost, as it might be anywhere on its way.
fn send(socket: &UdpSocket, datagram: &[u8], to: &SocketAddrAny) -> Result {
    match sendto(socket, datagram, SendFlags::empty(), to) {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
