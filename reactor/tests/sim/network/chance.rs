//! Clocks and chance.

use super::*;

#[test]
fn the_wall_clock_jumps_and_the_time_does_not() {
    let mut network = Network::from_seed(1);
    let host = idle(&mut network, "host");
    let other = idle(&mut network, "other");
    let wall = |network: &mut Network, host| {
        let (registry, _) = network.parts(host).expect("it is up");
        let since_1970 = registry.wall_clock().duration_since(SystemTime::UNIX_EPOCH);
        (since_1970.expect("it is later"), registry.now())
    };
    let (before, began) = wall(&mut network, host);
    run(&mut network, SECOND);
    network.set_wall_clock(host, -3_600);
    run(&mut network, SECOND);
    let (after, now) = wall(&mut network, host);
    assert_eq!(before - after, 3_600 * SECOND - 2 * SECOND);
    assert_eq!(now - began, 2 * SECOND);
    network.set_wall_clock(host, 3_600);
    assert_eq!(wall(&mut network, host).0, before + 2 * SECOND);
    assert_eq!(wall(&mut network, other), wall(&mut network, host));
}

#[test]
fn chance_is_the_seeds() {
    let drawn = |seed| {
        let mut network = Network::from_seed(seed);
        let draw = |registry: &mut reactor::Registry<Vec<u64>>| {
            Ok((0..3).map(|_| registry.random()).collect())
        };
        let hosts = [network.host("one", draw), network.host("other", draw)];
        let drawn = hosts.map(|host| network.app(host).expect("it is up").clone()).concat();
        (drawn, network.choose(1_000_000), network.hash())
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let (numbers, ..) = drawn(1);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 6, "no two are the same");
}

#[test]
fn offloaded_work_takes_virtual_time_and_may_be_overtaken() {
    let offload = |faults: Faults| {
        let mut network = Network::from_seed(1);
        network.set_faults(faults);
        let host = network.host("host", |registry| {
            let began = registry.now();
            for number in 0..20 {
                registry.offload(
                    move || number,
                    move |registry, done: &mut Vec<_>, result| {
                        done.push((result.expect("no panic"), registry.now() - began));
                    },
                )?;
            }
            Ok(Vec::new())
        });
        elapsed(&mut network, |network| network.app(host).unwrap().len() == 20);
        network.app(host).unwrap().clone()
    };
    let at_once: Vec<(i32, Duration)> = (0..20).map(|number| (number, Duration::ZERO)).collect();
    assert_eq!(offload(Faults::calm()), at_once);

    let mut slow = offload(Faults::calm().with(Fault::SlowWork, Rate::one_in(2)));
    assert!(slow.is_sorted_by_key(|&(_, when)| when));
    assert!(!slow.is_sorted_by_key(|&(number, _)| number), "nobody was overtaken");
    assert!(slow.iter().all(|&(_, when)| when < 201 * MS));
    slow.sort_by_key(|&(number, _)| number);
    assert!(slow.iter().map(|&(number, _)| number).eq(0..20), "each is done once");
}

#[test]
fn a_handle_reaches_another_host_as_another_thread_would() {
    let mut pair = Pair::new();
    let (registry, _) = pair.network.parts(pair.server).expect("it is up");
    let handle: Handle<Log> = registry.handle();
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry
        .after(10 * MS, move |_, _| {
            let told = handle.run(|registry, log: &mut Log| {
                let connections = registry.stats().connections;
                log.note("server", format!("told, with {connections} connection"));
            });
            told.expect("its loop goes on");
        })
        .expect("there is one left");
    assert_eq!(pair.until("server", "told, with 1 connection"), 10 * MS);
}
