//! Descriptors.

use super::*;

#[test]
fn a_host_has_only_so_many_descriptors() {
    let mut pair = Pair::new();
    // Those of the sockets there are, and none beside.
    pair.network.limit_descriptors(pair.server, Some(0));
    let address = pair.network.address(pair.server, 7);
    let (registry, _) = pair.network.parts(pair.server).expect("it is up");
    registry.connect(address.clone(), Probe::new("never")).expect("it is told later");
    let refused = registry.listen("0.0.0.0:8".parse().unwrap(), |_, _| echo()).unwrap_err();
    assert!(matches!(refused, OpenError::NoDescriptors(_)), "{refused}");
    run(&mut pair.network, MS);
    let told = pair.log(pair.server).end("never").expect("it has ended").reason.clone();
    assert!(told.starts_with("could not connect: no file descriptors left"), "{told}");

    // Whoever connects waits, and is let in when there are some again.
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry.connect(address, Probe::new("next")).expect("it begins to connect");
    pair.until("next", "open");
    run(&mut pair.network, SECOND);
    assert_eq!(pair.log(pair.server).count("server", "open"), 1);
    assert!(pair.network.stats(pair.server).expect("it is up").accept_rests > 0);
    pair.network.limit_descriptors(pair.server, None);
    let server = pair.server;
    elapsed(&mut pair.network, |network| network.app(server).unwrap().count("server", "open") == 2);
}
