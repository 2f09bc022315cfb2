//! How clients connect.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use mio::{Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::{PATIENCE, Result};

/// A connection of whoever asks and waits for the answer.
pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    patient(TcpStream::connect(address)?)
}

/// The same from an address of loopback. It ends by a reset, and its port is free for whoever connects to the next
/// server at once.
pub(crate) fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.into())?;
    patient(socket.into())
}

/// Connections from one source address, well below the ports it has.
const FROM_ONE_ADDRESS: usize = 20_000;

/// Where the connection of that number comes from. Not 127.0.0.x, whose ports those who connected before may have used up
/// for a minute.
pub(crate) fn source(number: usize) -> Ipv4Addr {
    let [.., host] = (1 + (number / FROM_ONE_ADDRESS) as u32).to_be_bytes();
    Ipv4Addr::new(127, 0, 1, host)
}

fn patient(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads what there is; `None` where there is nothing yet, an error at the end.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> Result<Option<usize>> {
    loop {
        return match stream.read(buffer) {
            Ok(0) => Err("the server has ended the connection".into()),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error.into()),
        };
    }
}

/// Has a poll watch a connection, which does not block from then on.
pub(crate) fn watch(
    poll: &Poll,
    stream: TcpStream,
    token: usize,
    interest: Interest,
) -> Result<mio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    let mut stream = mio::net::TcpStream::from_std(stream);
    poll.registry().register(&mut stream, Token(token), interest)?;
    Ok(stream)
}
