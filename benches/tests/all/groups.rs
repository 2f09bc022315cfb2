//! What the groups are made of: clients that write while they read, and names to tell cases by.

use std::collections::HashSet;

use benches::Result;
use benches::load::Load;
use benches::pipeline::Pipeline;
use benches::servers::{self, Peer};
use benches::{groups, work::Group};

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
    let connect = groups::all().into_iter().find(|group| group.name == "connect");
    for contender in &connect.ok_or("it is gone")?.cases[0].contenders {
        let spent = contender.start()?.run(50)?;
        assert_eq!(spent.units, 50, "{}", contender.name);
        assert!(!spent.processor.is_zero(), "{}", contender.name);
    }
    Ok(())
}

#[test]
fn every_case_has_a_name_of_its_own_and_we_are_among_its_contenders() {
    for Group { name, cases, .. } in groups::all() {
        let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len(), "{name}");
        for case in &cases {
            let ours = case.contenders.iter().position(|contender| contender.name == "reactor");
            assert!(ours.is_some_and(|place| place > 0), "{name}, {}", case.name);
        }
    }
}
