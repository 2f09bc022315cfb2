//! Every echo server is one: a peer that lost bytes, or kept a client waiting, would be measured wrong.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use benches::Result;
use benches::clients::load::{Load, echo};
use benches::loaded::Start;
use benches::program::Server;
use benches::servers::{self, Peer};
use benches::work::Work;

/// More than the buffers of both ends hold, so that a server has to wait for its client.
const BULK: usize = 16 * 1024 * 1024;

/// A silence of that long is a server that has stopped.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_server_echoes_exactly_what_was_sent() -> Result {
    for peer in Peer::all() {
        let load = Load { connections: 20, depth: 16, size: 64 };
        let mut loaded = echo(Start::Here, *peer, load)?;
        loaded.run(10 * load.round() as u64).map_err(|error| format!("{peer}: {error}"))?;
        loaded.stop()?;
    }
    Ok(())
}

#[test]
fn a_client_that_ends_its_half_gets_the_rest_and_the_end() -> Result {
    for peer in Peer::all() {
        let running = start(*peer)?;
        let mut client = connect(&running)?;
        // message-io loses what arrives together with the end before its first event.
        client.write_all(b"hello")?;
        client.read_exact(&mut [0; 5])?;
        client.write_all(b"last words")?;
        client.shutdown(Shutdown::Write)?;
        let mut reply = String::new();
        client.read_to_string(&mut reply).map_err(|error| format!("{peer}: {error}"))?;
        assert_eq!(reply, "last words", "{peer}");
        running.stop()?;
    }
    Ok(())
}

#[test]
fn a_client_that_writes_before_it_reads_gets_everything_in_order() -> Result {
    for peer in Peer::all() {
        let running = start(*peer)?;
        let mut client = connect(&running)?;
        let mut writer = client.try_clone()?;
        let sent: Vec<u8> = (0..BULK).map(|index| (index % 251) as u8).collect();
        let mut received = vec![0; BULK];
        thread::scope(|scope| -> Result {
            let writing = scope.spawn(|| writer.write_all(&sent));
            // What the server cannot send meanwhile it has to keep, or not to read.
            thread::sleep(Duration::from_millis(50));
            client.read_exact(&mut received).map_err(|error| format!("{peer}: {error}"))?;
            writing.join().map_err(|_| "the writer panicked")??;
            Ok(())
        })?;
        assert!(received == sent, "{peer} returned other bytes than it was sent");
        running.stop()?;
    }
    Ok(())
}

fn start(peer: Peer) -> Result<Server> {
    servers::program(peer)?.start()
}

fn connect(running: &Server) -> Result<TcpStream> {
    let stream = TcpStream::connect(running.address())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
