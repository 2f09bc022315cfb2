//! The loop as a guest of tokio, on the same thread.
//!
//! ```console
//! $ cargo run --example embed-tokio
//! listening on 127.0.0.1:40123
//! tokio hears: HELLO FROM TOKIO
//! shut down in 0.000 s: 1 connections finished, 0 were cut off, 0 bytes lost
//! ```
//!
//! What to look at: `host`, twenty lines. tokio watches the reactor's descriptor with an `AsyncFd`, as it
//! watches any other, and sleeps until the reactor's next deadline at most. When either has come to pass it
//! turns the reactor once, without waiting. Everything else of tokio goes on meanwhile: here a client of its
//! own, which talks to a server on the reactor and shuts it down by its `Handle`.

use std::process::ExitCode;

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
fn main() -> ExitCode {
    examples::output::exit("embed-tokio", guest::run())
}

#[cfg(not(all(unix, not(mio_unsupported_force_poll_poll))))]
fn main() -> ExitCode {
    eprintln!("here the system's event queue is not a descriptor that tokio could watch");
    ExitCode::FAILURE
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod guest {
    use std::error::Error;
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    use reactor::{
        ByLine, Handle, LineProtocol, Protocol, Reactor, ShutdownReport, Transport, Turn,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::net::TcpStream;
    use tokio::time::{Instant, timeout_at};

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let (heard, report) = talk("hello from tokio\n")?;
        println!("tokio hears: {heard}");
        println!("{report}");
        Ok(())
    }

    /// A server on the reactor, and a client of tokio's, on one thread.
    fn talk(text: &'static str) -> Result<(String, ShutdownReport), Box<dyn Error>> {
        let mut reactor = Reactor::new()?;
        let registry = reactor.registry();
        let listener = registry.listen("127.0.0.1:0".parse()?, |_, _| ByLine::new(512, Shouter))?;
        let address = registry.listener_address(listener)?;
        println!("listening on {address}");
        let address = address.socket_addr().ok_or("it listens on IP")?;
        let handle = reactor.handle();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = tokio::spawn(client(address, text, handle));
            let mut lines = 0;
            let report = host(reactor, &mut lines).await?;
            Ok((client.await??, report))
        })
    }

    /// Turns the reactor whenever it wants to be, until it is shut down.
    async fn host<App>(
        reactor: Reactor<App>,
        app: &mut App,
    ) -> Result<ShutdownReport, Box<dyn Error>> {
        // What tokio has in its place is `unsafe`, for those whose descriptor may change or be closed while it is
        // watched. A reactor has one for as long as it lives.
        #[allow(deprecated, reason = "its successor is unsafe")]
        let mut watched = AsyncFd::with_interest(reactor, Interest::READABLE)?;
        loop {
            let deadline = watched.get_ref().next_deadline().map(Instant::from_std);
            // Nobody lives to see an end that is so far away.
            let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
            if let Ok(ready) = timeout_at(deadline, watched.readable_mut()).await {
                // What comes from here on is told anew; what the turn leaves, for want of room, has a deadline.
                ready?.clear_ready();
            }
            if let Turn::Finished(report) = watched.get_mut().turn(Some(Duration::ZERO), app)? {
                return Ok(report);
            }
        }
    }

    /// Says something, hears the answer, and shuts the reactor down.
    async fn client(server: SocketAddr, text: &str, handle: Handle<u64>) -> io::Result<String> {
        let socket = TcpStream::connect(server).await?;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            socket.writable().await?;
            rest = rest.get(nothing_yet(socket.try_write(rest))?..).unwrap_or_default();
        }
        let mut heard = Vec::new();
        while !heard.ends_with(b"\n") {
            socket.readable().await?;
            let mut buffer = [0; 512];
            let length = match socket.try_read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                result => nothing_yet(result)?,
            };
            heard.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        // It is there for as long as the reactor is.
        let _ = handle.shutdown(Duration::from_secs(1));
        Ok(String::from_utf8_lossy(heard.trim_ascii_end()).into_owned())
    }

    fn nothing_yet(result: io::Result<usize>) -> io::Result<usize> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Sends every line back in capitals, and counts them.
    struct Shouter;

    impl Protocol<u64> for Shouter {}

    impl LineProtocol<u64> for Shouter {
        fn on_line(&mut self, transport: &mut Transport<'_, u64>, line: &[u8], lines: &mut u64) {
            *lines += 1;
            transport.write(&line.to_ascii_uppercase());
            transport.write(b"\n");
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_reactor_is_turned_by_tokio_whenever_something_comes() {
            let (heard, report) = talk("hello\n").expect("nothing goes wrong");
            assert_eq!(heard, "HELLO");
            assert_eq!(report.finished + report.cut_off.len(), 1);
        }

        #[test]
        fn a_timer_of_the_reactor_wakes_tokio_in_time() {
            let mut reactor = Reactor::<u64>::new().expect("there are descriptors");
            let timer = reactor.registry().every(Duration::from_millis(1), |registry, fired| {
                *fired += 1;
                if *fired == 3 {
                    registry.shutdown(Duration::ZERO);
                }
            });
            timer.expect("there is room");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let mut fired = 0;
            let ended = runtime.expect("it runs").block_on(host(reactor, &mut fired));
            assert!(ended.is_ok());
            assert_eq!(fired, 3);
        }
    }
}
