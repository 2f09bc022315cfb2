//! Servers of files, with very little to transfer: what is measured works, whoever is installed.

use benches::Result;
use benches::report::rounds;
use benches::sections::{self, Amounts, FILES, Scale};
use benches::transfers::load::single::{Client, compare, drain};
use benches::transfers::peers::Peer;
use benches::transfers::tree::{IN, Tree};

/// Very little of everything.
const TINY: Amounts = Amounts { large: 1 << 20, clients: 5, each: 100_000, blocks: 100_000 };

#[test]
fn whoever_is_installed_serves_files_as_it_is_measured() -> Result {
    let mut sections = sections::all(Scale { files: TINY, ..Scale::QUICK }).into_iter();
    let files = sections.find(|section| section.name == FILES).ok_or("it is gone")?;
    for contest in &files.contests {
        for row in rounds::measure(contest, || {}).rows {
            let name = format!("{}, {}", contest.name, row.name);
            match row.failure.map_or(Ok(()), |failure| Err(failure.into())) {
                Err(error) => drop(crate::started::<()>(&name, Err(error))?),
                Ok(()) => assert!(row.cells.iter().all(|it| it.value >= 0.0), "{name}"),
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_not_what_was_asked_for_is_a_failure() -> Result {
    let tree = Tree::new()?;
    tree.add("one", 100_000)?;
    tree.add("other", 100_001)?;
    for peer in [Peer::Bare, Peer::Reactor, Peer::Pyftpdlib, Peer::Vsftpd] {
        let Some(running) = crate::started(&peer, peer.start(&tree))? else { continue };
        let mut client = Client::connect(peer, running.address())?;
        client.fetch("one", |data| compare(data, tree.open("one")?))?;
        client.fetch("one", |data| drain(data, 100_000))?;
        client.bring(&format!("{IN}/file"), &tree.open("one")?)?;
        assert!(tree.clear(1, 100_001, "other").is_err(), "{peer}: another length");
        assert!(tree.clear(1, 100_000, "other").is_err(), "{peer}: another file");
        tree.clear(1, 100_000, "one")?;
        assert!(tree.clear(1, 100_000, "one").is_err(), "{peer}: none");
        let wrong = client.fetch("one", |data| compare(data, tree.open("other")?));
        assert!(wrong.is_err(), "{peer}: compared with another");
    }
    Ok(())
}
