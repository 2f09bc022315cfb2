//! Every group of transfers, with very little to transfer: what is measured works, whoever is installed.

use benches::Result;
use benches::transfers::Scale;
use benches::transfers::groups::Group;
use benches::transfers::load::single::{Client, compare, drain};
use benches::transfers::peers::{self, Peer};
use benches::transfers::tree::{IN, Tree};

use crate::left_out;

/// Measures a group; nobody may fail, and every line is about somebody who is here, or there is a word
/// about who is not.
fn measure(group: Group) -> Result {
    let report = group.measure(Scale::TINY)?;
    let shown = report.to_string();
    assert!(!report.failed, "{shown}");
    assert!(shown.contains("reactor"), "{shown}");
    for line in &report.lines {
        assert!(!line.measured.is_empty() || !report.words.is_empty(), "{shown}");
        assert!(line.measured.iter().all(|it| it.is_finite() && *it > 0.0), "{shown}");
    }
    for word in &report.words {
        left_out(word);
    }
    Ok(())
}

#[test]
fn a_large_file_goes_out() -> Result {
    measure(Group::Retr)
}

#[test]
fn a_large_file_comes_in() -> Result {
    measure(Group::Stor)
}

#[test]
fn a_crowd_logs_in_fetches_and_brings() -> Result {
    measure(Group::Crowd)
}

#[test]
fn one_client_is_answered_while_another_is_served() -> Result {
    measure(Group::Calm)
}

#[test]
fn a_file_goes_out_in_blocks() -> Result {
    measure(Group::Tftp)
}

#[test]
fn what_is_not_what_was_asked_for_is_a_failure() -> Result {
    let tree = Tree::new()?;
    tree.add("one", 100_000)?;
    tree.add("other", 100_001)?;
    for peer in [Peer::Bare].iter().chain(&peers::FTP) {
        if let Some(word) = peer.absence() {
            left_out(&word);
            continue;
        }
        let server = peer.start(&tree)?;
        let address = server.server().address();
        let open = |name| std::fs::File::open(tree.path().join(name));
        let mut client = Client::connect(*peer, address)?;
        client.fetch("one", |data| compare(data, open("one")?))?;
        client.fetch("one", |data| drain(data, 100_000))?;
        client.bring(&format!("{IN}/file"), &open("one")?)?;
        assert!(tree.clear(1, 100_001, "other").is_err(), "{peer}: another length");
        assert!(tree.clear(1, 100_000, "other").is_err(), "{peer}: another file");
        tree.clear(1, 100_000, "one")?;
        assert!(tree.clear(1, 100_000, "one").is_err(), "{peer}: none");
        let wrong = client.fetch("one", |data| compare(data, open("other")?));
        assert!(wrong.is_err(), "{peer}: compared with another");
    }
    Ok(())
}
