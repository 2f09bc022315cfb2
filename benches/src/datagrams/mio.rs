//! A bare mio loop, as in mio's own UDP example: receive until `WouldBlock`, answer each.

use std::io::ErrorKind;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::{Answers, Duty, bind};
use crate::Result;
use crate::servers::{EVENTS, Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let mut socket = UdpSocket::from_std(bind(place)?);
    announce(socket.local_addr()?)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    let (mut events, mut answers) = (Events::with_capacity(EVENTS), Answers::new(duty));
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        while answers.one(|scratch| socket.recv_from(scratch), |it, to| socket.send_to(it, to))? {}
    }
}
