//! Small swarms on a simulated network: who finds whom, and what becomes of what.

use std::time::Duration;

use protocols::torrent::peer::Options;
use reactor::sim::{Fault, Faults, Network, Rate};

use crate::stage::{Member, PIECE, Part, address, content, until_whole, watch};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_leecher_gets_everything_from_a_seed() {
    let mut network = Network::from_seed(1);
    let content = content(1_000_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let at = address(&network, seed);
    let leecher = Part::leecher(&content, 2).dialling([at]).enter(&mut network, "leecher");
    watch(&mut network, &[seed, leecher]);
    until_whole(&mut network, &[leecher], &content, MINUTE);
    assert!(network.now() < Duration::from_secs(5), "{:?}", network.now());
    network.run_for(Duration::from_secs(5)).expect("nothing is broken");
    let peers = network.app(seed).map(|seed| seed.swarm().peers().count());
    assert_eq!(peers, Some(0), "two who have all part");
}

/// What `docs/torrent.md` shows of a swarm is this one. Where it is drawn otherwise, it says how: that belongs there.
#[test]
fn the_chapter_shows_this_swarm() {
    let mut network = Network::from_seed(1);
    let content = content(60 * PIECE, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let (mut all, names) = (vec![seed], ["ann", "bob", "cat", "dan"]);
    for (id, name) in (2..).zip(names) {
        let known: Vec<_> = all.iter().map(|host| address(&network, *host)).collect();
        let leecher = Part::leecher(&content, id).dialling(known).enter(&mut network, name);
        for other in &all {
            network.set_bandwidth(leecher, *other, Some(40_000));
            network.set_bandwidth(*other, leecher, Some(40_000));
        }
        all.push(leecher);
    }
    let leechers = &all[1..];
    watch(&mut network, leechers);
    let mut drawn = String::new();
    let mut draw = |network: &Network, then: &str| {
        drawn += &format!("  after {:>2} s{then}\n", network.now().as_secs());
        for (name, host) in names.iter().zip(leechers) {
            let strip = network.app(*host).map(Member::strip).unwrap_or_default();
            drawn += &format!("        {name}  {}\n", strip.replace('?', "o"));
        }
    };
    for second in [7, 19] {
        let passed = network.run_for(Duration::from_secs(second) - network.now());
        passed.expect("nothing is broken");
        draw(&network, "");
    }
    let has = |network: &Network, host: &_, piece| {
        let torrent = network.app::<Member>(*host).and_then(|it| it.swarm().torrent());
        torrent.is_some_and(|torrent| torrent.have().contains(piece))
    };
    let whole = |network: &Network| {
        (0..60).all(|piece| leechers.iter().any(|host| has(network, host, piece)))
    };
    assert_eq!(network.run_until(MINUTE, whole), Ok(true));
    draw(&network, ": every piece is with one of them, and the seed leaves");
    let sent = network.app(seed).and_then(|seed| seed.swarm().torrent());
    let sent = sent.map_or(0, |torrent| torrent.traffic().uploaded) / PIECE as u64;
    if let Some((registry, seed)) = network.parts(seed) {
        seed.swarms.leave(registry, content.info.hash()).expect("it is shared");
    }
    until_whole(&mut network, leechers, &content, MINUTE);
    drawn += &format!("  after {} s: everybody has everything\n", network.now().as_secs());
    drawn += &format!("```\n\nThe seed has sent {sent} pieces");
    // A package has no book beside it.
    if let Ok(chapter) = std::fs::read_to_string("../docs/torrent.md") {
        assert!(chapter.contains(&drawn), "\n{drawn}");
    }
}

/// There is no seed. More of them, and how soon it is over, are looked at without a network, in `machine::tests::swarms`.
#[test]
fn four_who_have_a_quarter_each_give_each_other_what_is_missing() {
    let quarters: [fn(u32) -> bool; 4] = [
        |piece| piece % 4 == 0,
        |piece| piece % 4 == 1,
        |piece| piece % 4 == 2,
        |piece| piece % 4 == 3,
    ];
    for bandwidth in [40_000, 400_000, 4_000_000] {
        let mut network = Network::from_seed(bandwidth);
        let content = content(60 * PIECE, false);
        let mut all = Vec::new();
        for (id, has) in (1..).zip(quarters) {
            let known: Vec<_> = all.iter().map(|host| address(&network, *host)).collect();
            let part = Part { has, ..Part::leecher(&content, id) }.dialling(known);
            let leecher = part.enter(&mut network, "leecher");
            for other in &all {
                network.set_bandwidth(leecher, *other, Some(bandwidth));
                network.set_bandwidth(*other, leecher, Some(bandwidth));
            }
            all.push(leecher);
        }
        watch(&mut network, &all);
        until_whole(&mut network, &all, &content, MINUTE);
        let torrents = all.iter().filter_map(|host| network.app(*host)?.swarm().torrent());
        let given: Vec<_> = torrents.map(|torrent| torrent.traffic().uploaded).collect();
        let share = given.iter().sum::<u64>() / 4;
        assert!(given.iter().all(|given| *given >= share / 4), "{given:?} at {bandwidth}");
    }
}

#[test]
fn who_has_a_magnet_link_gets_everything_and_gives_it_on() {
    let mut network = Network::from_seed(2);
    let content = content(500_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let at = address(&network, seed);
    let magnet = |id| Part { magnet: true, ..Part::leecher(&content, id) };
    let first = magnet(2).dialling([at]).enter(&mut network, "first");
    let at = address(&network, first);
    // It knows of one who has only the link as well.
    let second = magnet(3).dialling([at]).enter(&mut network, "second");
    watch(&mut network, &[seed, first, second]);
    until_whole(&mut network, &[first, second], &content, MINUTE);
    assert_eq!(
        network.app(second).map(|second| second.told.clone()),
        Some(vec!["info".to_owned()])
    );
}

#[test]
fn peers_hear_of_each_other_unless_the_torrent_is_private() {
    for private in [false, true] {
        let mut network = Network::from_seed(3);
        let content = content(3_000_000, private);
        let hub = Part::leecher(&content, 1).enter(&mut network, "hub");
        let at = address(&network, hub);
        let one = Part { has: |piece| piece % 2 == 0, ..Part::leecher(&content, 2) };
        let one = one.dialling([at]).enter(&mut network, "one");
        let other = Part { has: |piece| piece > 70, ..Part::leecher(&content, 3) };
        let other = other.dialling([at]).enter(&mut network, "other");
        watch(&mut network, &[hub, one, other]);
        network.run_for(2 * MINUTE).expect("nothing is broken");
        let known = network.app(one).map(|one| one.swarm().addresses());
        assert_eq!(known, Some(if private { 1 } else { 2 }), "private: {private}");
        assert!(network.app(other).is_some());
    }
}

#[test]
fn both_ends_of_two_connections_keep_the_same() {
    let content = content(40_000, false);
    for round in 0..200 {
        let mut network = Network::from_seed(round);
        // Neither has anything, so that nobody parts.
        let (one_id, other_id) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        let one = Part::leecher(&content, one_id).enter(&mut network, "one");
        let at = address(&network, one);
        let other = Part::leecher(&content, other_id).dialling([at]).enter(&mut network, "other");
        let at = address(&network, other);
        let hash = content.info.hash();
        let delay = Duration::from_micros(round * 20);
        network.at(delay, move |network| {
            if let Some((registry, member)) = network.parts(one) {
                member.swarms.add_peer(registry, hash, at, true).expect("it is shared");
            }
        });
        network.run_for(Duration::from_secs(4)).expect("nothing is broken");
        for host in [one, other] {
            let peers = network.app(host).map(|member| member.swarm().peers().count());
            assert_eq!(peers, Some(1), "round {round}");
            assert_eq!(
                network.stats(host).map(|stats| stats.connections),
                Some(1),
                "round {round}"
            );
        }
    }
}

#[test]
fn a_swarm_wants_peers_until_it_has_enough_or_everything() {
    let mut network = Network::from_seed(9);
    let content = content(100_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let one = Part { magnet: true, ..Part::leecher(&content, 2) }.enter(&mut network, "one");
    let wants =
        |network: &Network, host| network.app(host).map(|it: &Member| it.swarm().wants_peers());
    network.run_for(Duration::from_secs(1)).expect("nothing is broken");
    assert_eq!([seed, one].map(|host| wants(&network, host)), [Some(false), Some(true)]);
    let at = address(&network, one);
    for id in 3..8 {
        Part::leecher(&content, id).dialling([at]).enter(&mut network, "other");
    }
    network.run_for(Duration::from_secs(5)).expect("nothing is broken");
    assert_eq!(wants(&network, one), Some(false), "five are enough");
}

#[test]
fn who_dials_itself_hangs_up_and_does_not_try_again() {
    let mut network = Network::from_seed(5);
    let content = content(100_000, false);
    let one = Part::leecher(&content, 1).enter(&mut network, "one");
    let at = address(&network, one);
    let hash = content.info.hash();
    network.at(Duration::from_secs(1), move |network| {
        if let Some((registry, member)) = network.parts(one) {
            member.swarms.add_peer(registry, hash, at, true).expect("it is shared");
        }
    });
    network.run_for(10 * MINUTE).expect("nothing is broken");
    let stats = network.stats(one).expect("it is up");
    assert_eq!((stats.connects, stats.connections), (1, 0));
}

#[test]
fn only_the_liar_is_banned() {
    let content = content(500_000, false);
    for seed in 0..10 {
        let mut network = Network::from_seed(seed);
        let liar = Part { lies: true, ..Part::seed(&content, 1) }.enter(&mut network, "liar");
        let good = ["good", "better"]
            .map(|name| Part::seed(&content, name.len() as u8).enter(&mut network, name));
        let at = [liar, good[0], good[1]].map(|host| address(&network, host));
        let leecher = Part::leecher(&content, 9).dialling(at).enter(&mut network, "leecher");
        watch(&mut network, &[leecher]);
        until_whole(&mut network, &[leecher], &content, 5 * MINUTE);
        let told = network.app(leecher).map(|leecher| leecher.told.clone()).unwrap_or_default();
        let lies = format!("banned {}", at[0].ip());
        assert!(told.iter().all(|told| *told == lies), "seed {seed}: {told:?}");
    }
}

#[test]
fn a_full_disk_stops_it_until_there_is_room() {
    let mut network = Network::from_seed(6);
    let content = content(500_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let at = address(&network, seed);
    let leecher = Part::leecher(&content, 2).dialling([at]).enter(&mut network, "leecher");
    network.run_for(Duration::from_millis(1)).expect("nothing is broken");
    let full = |network: &Network, full| {
        let store = network.app(leecher).map(|it| std::sync::Arc::clone(&it.store));
        *store.expect("it is up").full.lock().expect("nobody panics") = full;
    };
    full(&network, true);
    network.run_for(Duration::from_secs(15)).expect("nothing is broken");
    let told = network.app(leecher).map(|it| it.told.clone()).unwrap_or_default();
    assert!(told.iter().any(|told| told.contains("no room")), "{told:?}");
    full(&network, false);
    until_whole(&mut network, &[leecher], &content, MINUTE);
}

#[test]
fn who_cannot_check_as_fast_as_pieces_come_lets_its_peers_wait() {
    let mut network = Network::from_seed(9);
    network.set_faults(Faults::calm().with(Fault::SlowWork, Rate::MOSTLY));
    let content = content(2_000_000, false);
    let seed = Part::seed(&content, 1).enter(&mut network, "seed");
    let at = address(&network, seed);
    let mut options = Options::default();
    options.limits.backlog = 0;
    let slow = Part { options, ..Part::leecher(&content, 9) }.dialling([at]);
    let slow = slow.enter(&mut network, "slow");
    watch(&mut network, &[slow]);
    network.invariant("what waits to be checked has a bound", move |network| {
        let strip = network.app(slow).map(Member::strip).unwrap_or_default();
        // Two pieces, and what had come by the time the peer was held. Without that it is nine, and more.
        let checking = strip.matches('?').count();
        if checking <= 6 { Ok(()) } else { Err(format!("{checking} pieces wait")) }
    });
    until_whole(&mut network, &[slow], &content, MINUTE);
}

#[test]
fn no_more_peers_are_let_in_than_there_may_be() {
    let mut network = Network::from_seed(8);
    let content = content(100_000, false);
    let mut options = Options::default();
    options.limits.peers = 2;
    let hub = Part { options, ..Part::leecher(&content, 1) }.enter(&mut network, "hub");
    let at = address(&network, hub);
    for (id, name) in [(2, "a"), (3, "b"), (4, "c")] {
        Part::leecher(&content, id).dialling([at]).enter(&mut network, name);
    }
    network.run_for(Duration::from_secs(30)).expect("nothing is broken");
    assert_eq!(network.app(hub).map(|hub| hub.swarm().peers().count()), Some(2));
}

#[test]
fn who_needs_nobody_can_be_told_to_make_no_connections() {
    for dials in [16, 0] {
        let mut network = Network::from_seed(10);
        let content = content(100_000, false);
        let mut options = Options::default();
        options.limits.dials = dials;
        let giver = Part { options, ..Part::seed(&content, 1) }.enter(&mut network, "giver");
        let at = address(&network, giver);
        // It says where it can be reached.
        let leecher = Part::leecher(&content, 2).dialling([at]).enter(&mut network, "leecher");
        until_whole(&mut network, &[leecher], &content, MINUTE);
        network.crash(leecher);
        network.run_for(30 * MINUTE).expect("nothing is broken");
        let connects = network.stats(giver).map(|stats| stats.connects);
        assert_eq!(connects == Some(0), dials == 0, "{connects:?}");
    }
}
