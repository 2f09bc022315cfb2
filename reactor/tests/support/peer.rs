//! The other end of a connection: sockets of the system's own, and threads that may block on them.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use reactor::Handle;
use socket2::{Domain, SockAddr, Socket, Type};

use super::PATIENCE;

/// A thread that plays the other end of a connection with blocking calls.
#[derive(Debug)]
pub struct Peer<T> {
    thread: JoinHandle<T>,
    done: Arc<AtomicBool>,
}

impl<T: Send + 'static> Peer<T> {
    /// Begins to play; the end wakes the loop.
    pub fn new<App: 'static>(
        handle: Handle<App>,
        play: impl FnOnce() -> T + Send + 'static,
    ) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let curtain = Curtain { handle, done: Arc::clone(&done) };
        let thread = thread::spawn(move || {
            let _curtain = curtain;
            play()
        });
        Self { thread, done }
    }
}

impl<T> Peer<T> {
    /// Whether it has come to its end, happy or not.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// What came of it. If it panicked, the test does.
    #[track_caller]
    pub fn join(self) -> T {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Falls when a peer ends, even if it panics.
struct Curtain<App: 'static> {
    handle: Handle<App>,
    done: Arc<AtomicBool>,
}

impl<App> Drop for Curtain<App> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        // If the loop has ended, nobody waits.
        let _ = self.handle.run(|_, _| {});
    }
}

/// A client of the system's own, which blocks, but not for ever.
#[track_caller]
#[must_use]
pub fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&address, PATIENCE).expect("the listener is there");
    patient(&client);
    client
}

/// Both ends of a TCP connection; the second is the test's, and blocks, but not for ever.
#[track_caller]
#[must_use]
pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let theirs = client(listener.local_addr().expect("it is bound"));
    (listener.accept().expect("the client is there").0, theirs)
}

/// The other side has reset a connection.
#[track_caller]
pub fn assert_reset(mut client: TcpStream) {
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Has a socket's calls fail, and the test with them, rather than block for ever.
pub fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("it is not zero");
}

/// Makes a call again for as long as a signal interrupts it: those with a time limit Linux does not
/// restart by itself, and interrupts even where nobody handles a signal (signal(7)).
pub fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A port where nobody listens, and nobody can begin to.
#[derive(Debug)]
pub struct NobodysPort(Socket);

impl NobodysPort {
    #[must_use]
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is left");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("loopback has a free port");
        Self(socket)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let name = self.0.local_addr().ok();
        name.as_ref().and_then(SockAddr::as_socket).expect("it is bound")
    }
}

/// A listener whose queue is full: whoever connects waits. (Windows would refuse them.)
#[cfg(unix)]
#[derive(Debug)]
pub struct FullListener {
    port: NobodysPort,
    callers: Vec<Socket>,
}

#[cfg(unix)]
impl FullListener {
    #[must_use]
    pub fn new() -> Self {
        let port = NobodysPort::new();
        port.0.listen(1).expect("nobody else listens there");
        // Some systems let in one more than they were told, others half as many more.
        let callers = (0..8).map(|_| {
            let caller = Socket::new(Domain::IPV4, Type::STREAM, None).expect("one is left");
            caller.set_nonblocking(true).expect("it is a socket");
            // That it is in progress is an error here.
            let _ = caller.connect(&port.address().into());
            caller
        });
        let callers = callers.collect();
        Self { port, callers }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }
}
