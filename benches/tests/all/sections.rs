//! What sections are made of: clients that write while they read, and names to tell contests by.

use std::collections::HashSet;

use benches::Result;
use benches::clients::load::Load;
use benches::clients::pipeline::Pipeline;
use benches::report::contest::Section;
use benches::sections::{self, Scale};
use benches::servers::{self, Peer};

#[test]
fn more_than_any_buffer_holds_comes_back_from_every_server() -> Result {
    for peer in Peer::all() {
        let server = servers::program(*peer)?.start()?;
        let load = Load { connections: 3, depth: 16, size: 64 * 1024 };
        let mut clients = Pipeline::connect(server.address(), load)?;
        clients.exchange(20).map_err(|error| format!("{peer}: {error}"))?;
        clients.exchange(1).map_err(|error| format!("{peer}: {error}"))?;
        server.stop()?;
    }
    Ok(())
}

#[test]
fn a_connection_is_opened_used_and_closed_at_every_server() -> Result {
    let mut sections = sections::all(Scale::QUICK).into_iter();
    let connect = sections.find(|section| section.name == "connect").ok_or("it is gone")?;
    for entrant in &connect.contests[0].entrants {
        let figures = entrant.start()?.turn()?;
        assert!(figures.iter().all(|it| it.is_finite() && *it > 0.0), "{}", entrant.name);
    }
    Ok(())
}

#[test]
fn every_contest_has_a_name_of_its_own_and_we_take_part() {
    for Section { name, contests, .. } in sections::all(Scale::FULL) {
        let names: HashSet<_> = contests.iter().map(|contest| &contest.name).collect();
        assert_eq!(names.len(), contests.len(), "{name}");
        for contest in &contests {
            let ours = contest.entrants.iter().position(|entrant| entrant.name == "reactor");
            assert!(ours.is_some_and(|place| place > 0), "{name}, {}", contest.name);
        }
    }
}
