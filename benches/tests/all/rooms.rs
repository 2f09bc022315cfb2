//! Every room is one: a line reaches everyone else, whole and in order, whoever else does not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use benches::Result;
use benches::clients::audience::{Seats, lines};
use benches::loaded::Start;
use benches::program::Program;
use benches::servers::Peer;
use benches::work::Work;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_member_hears_every_line() -> Result {
    for room in Peer::all() {
        say(*room, Seats { members: 20, stalled: 0 }, 200)?;
    }
    Ok(())
}

#[test]
fn those_who_do_not_read_keep_nobody_from_hearing() -> Result {
    for room in Peer::patient() {
        // More than a room keeps for one member, or a channel for all.
        say(*room, Seats { members: 10, stalled: 5 }, 5_000)?;
    }
    Ok(())
}

/// Has so many lines said, which all who read have to hear.
fn say(room: Peer, seats: Seats, count: u64) -> Result {
    let mut loaded = lines(Start::Here, room, seats)?;
    let deliveries = count * seats.members as u64;
    loaded.run(deliveries).map_err(|error| format!("{room}: {error}"))?;
    loaded.stop()
}

#[test]
fn who_speaks_does_not_hear_itself_and_who_leaves_is_missed_by_nobody() -> Result {
    for room in Peer::all() {
        let server = Program::server("room")?.with(room).start()?;
        let connect = || -> Result<TcpStream> {
            let stream = TcpStream::connect(server.address())?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let (mut first, leaving, mut last) = (connect()?, connect()?, connect()?);
        drop(leaving);
        last.write_all(b"half a ")?;
        last.write_all(b"line\nand")?;
        hear(&mut first, "half a line\n").map_err(|error| format!("{room}: {error}"))?;
        first.write_all(b"an answer\n")?;
        hear(&mut last, "an answer\n").map_err(|error| format!("{room}: {error}"))?;
        last.write_all(b" more\n")?;
        hear(&mut first, "and more\n").map_err(|error| format!("{room}: {error}"))?;
        server.stop()?;
    }
    Ok(())
}

fn hear(member: &mut TcpStream, expected: &str) -> Result {
    let mut heard = vec![0; expected.len()];
    member.read_exact(&mut heard)?;
    if heard == expected.as_bytes() {
        return Ok(());
    }
    Err(format!("heard {:?} instead of {expected:?}", String::from_utf8_lossy(&heard)).into())
}
