//! Every room is one: a line reaches everyone else, whole and in order, whoever else does not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use benches::Result;
use benches::audience::{Audience, Seats, program};
use benches::servers::Peer;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_member_hears_every_line() -> Result {
    for room in Peer::all() {
        let seats = Seats { members: 20, stalled: 0 };
        let server = program(*room, seats)?.start()?;
        let mut audience = Audience::gather(server.address(), seats)?;
        audience.publish(200).map_err(|error| format!("{room}: {error}"))?;
        server.stop()?;
    }
    Ok(())
}

#[test]
fn those_who_do_not_read_keep_nobody_from_hearing() -> Result {
    for room in Peer::patient() {
        let seats = Seats { members: 10, stalled: 5 };
        let server = program(*room, seats)?.start()?;
        let mut audience = Audience::gather(server.address(), seats)?;
        // More than a room keeps for one member, or a channel for all.
        audience.publish(5_000).map_err(|error| format!("{room}: {error}"))?;
        server.stop()?;
    }
    Ok(())
}

#[test]
fn who_speaks_does_not_hear_itself_and_who_leaves_is_missed_by_nobody() -> Result {
    for room in Peer::all() {
        let server = program(*room, Seats { members: 3, stalled: 0 })?.start()?;
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
