//! calloop: a source a connection, composed from `Generic` as its book's chapter on sources shows.
//!
//! Level-triggered, which is what its documentation advises and why the end of a stream needs no care
//! here: the interest is reading, or writing while the peer does not take its echo.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use calloop::generic::Generic;
use calloop::{EventLoop, EventSource, Interest, LoopHandle, Mode, Poll, PostAction, Readiness};
use calloop::{Token, TokenFactory};

use super::duty::Drain;
use super::echo::{Echo, Flow};
use super::{Place, SCRATCH, announce, listen};
use crate::Result;

pub(super) fn serve(place: Place) -> Result {
    let listener = listen(place)?;
    let mut event_loop = EventLoop::<Server>::try_new()?;
    let mut server =
        Server { handle: event_loop.handle(), scratch: Rc::new(RefCell::new(vec![0; SCRATCH])) };
    announce(listener.local_addr()?)?;
    let source = Generic::new(listener, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(source, |_, listener, server| {
        accept_all(listener, |stream| server.open(stream))
    })?;
    Ok(event_loop.run(None, &mut server, |_| {})?)
}

struct Server {
    handle: LoopHandle<'static, Server>,
    scratch: Rc<RefCell<Vec<u8>>>,
}

/// Takes all who have come.
pub(crate) fn accept_all(
    listener: &TcpListener,
    mut open: impl FnMut(TcpStream) -> io::Result<()>,
) -> io::Result<PostAction> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                open(stream)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok(PostAction::Continue);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Server {
    fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        let socket = Generic::new(stream, Interest::READ, Mode::Level);
        let connection =
            Connection { socket, echo: Echo::default(), scratch: Rc::clone(&self.scratch) };
        self.handle
            .insert_source(connection, |(), (), _| {})
            .map_err(|refused| io::Error::other(refused.error))?;
        Ok(())
    }
}

struct Connection {
    socket: Generic<TcpStream>,
    echo: Echo,
    scratch: Rc<RefCell<Vec<u8>>>,
}

impl Connection {
    /// Waits for writing while the peer is owed bytes, else for reading.
    fn wait_for(&mut self, interest: Interest) -> PostAction {
        if self.socket.interest.writable == interest.writable {
            return PostAction::Continue;
        }
        self.socket.interest = interest;
        PostAction::Reregister
    }
}

impl EventSource for Connection {
    type Event = ();
    type Metadata = ();
    type Ret = ();
    type Error = io::Error;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        _: F,
    ) -> io::Result<PostAction>
    where
        F: FnMut((), &mut ()),
    {
        let Self { socket, echo, scratch } = self;
        let mut flow = Ok(Flow::Wait);
        socket.process_events(readiness, token, |_, stream| {
            flow = echo.on_ready(&**stream, &mut scratch.borrow_mut(), Drain::UntilShort);
            Ok(PostAction::Continue)
        })?;
        match flow {
            Ok(Flow::Wait) => Ok(self.wait_for(Interest::READ)),
            Ok(Flow::Blocked) => Ok(self.wait_for(Interest::WRITE)),
            Ok(Flow::Ended) | Err(_) => Ok(PostAction::Remove),
        }
    }

    fn register(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.socket.register(poll, tokens)
    }

    fn reregister(&mut self, poll: &mut Poll, tokens: &mut TokenFactory) -> calloop::Result<()> {
        self.socket.reregister(poll, tokens)
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        self.socket.unregister(poll)
    }
}
