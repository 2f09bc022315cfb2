//! tokio's current-thread runtime: one task, as in the documentation of its `UdpSocket`.

use std::io;

use tokio::net::UdpSocket;
use tokio::runtime;

use super::{BULK, Duty, SCRATCH, bind, run};
use crate::Result;
use crate::servers::{Place, announce};

pub(super) fn serve(duty: Duty, place: Place) -> Result {
    let socket = bind(place)?;
    announce(socket.local_addr()?)?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    Ok(runtime.block_on(async { answer(duty, UdpSocket::from_std(socket)?).await })?)
}

async fn answer(duty: Duty, socket: UdpSocket) -> io::Result<()> {
    let (mut scratch, run) = ([0; SCRATCH], run());
    loop {
        let (length, from) = socket.recv_from(&mut scratch).await?;
        match duty {
            Duty::Echo => drop(socket.send_to(&scratch[..length], from).await?),
            Duty::Bulk => {
                for datagram in run.chunks(BULK) {
                    socket.send_to(datagram, from).await?;
                }
            }
        }
    }
}
