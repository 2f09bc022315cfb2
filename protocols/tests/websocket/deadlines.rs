//! What is late, on a network where time passes as fast as one likes.

use std::time::Duration;

use protocols::websocket::{
    self, Closed, Ending, Endpoint, Handler, Limits, Message, Options, Socket, Target,
};
use reactor::sim::{Choices, Host, Network};
use reactor::{ConnectOptions, ListenOptions, Registry};

const PORT: u16 = 80;

/// A server, or a client: how its WebSocket ended, and whether it is open.
#[derive(Default)]
struct Site {
    open: bool,
    endings: Vec<Ending>,
    endpoint: Endpoint,
}

struct Quiet;

impl Handler<Site> for Quiet {
    fn on_open(&mut self, _: &mut Socket<'_, '_, Site>, site: &mut Site) {
        site.open = true;
    }

    fn on_message(&mut self, _: &mut Socket<'_, '_, Site>, _: Message<'_>, _: &mut Site) {}

    fn on_close(&mut self, _: &mut Registry<Site>, closed: &Closed, site: &mut Site) {
        site.endings.push(closed.ending.clone());
    }
}

fn site(limits: &Limits) -> Site {
    let options = Options { limits: limits.clone(), ..Options::default() };
    Site { endpoint: Endpoint::new(options), ..Site::default() }
}

/// A server with these limits, and a client with those, that have just met.
fn met(of_server: Limits, of_client: Limits) -> (Network, Host<Site>, Host<Site>) {
    let mut network = Network::new(Choices::from_tape(Vec::new()));
    let server = network.host("server", move |registry| {
        let site = site(&of_server);
        let address = format!("0.0.0.0:{PORT}").parse()?;
        let options = ListenOptions::default();
        websocket::listen(registry, address, &options, &site.endpoint, |_, _, _: &mut Site| {
            Ok(Quiet)
        })?;
        Ok(site)
    });
    let address = network.address(server, PORT);
    let client = network.host("client", move |registry| {
        let site = site(&of_client);
        let (options, target) = (ConnectOptions::default(), Target::new("server", "/"));
        let address = address.clone();
        websocket::connect(registry, address, &options, &site.endpoint, &target, Quiet)?;
        Ok(site)
    });
    network.run_for(Duration::from_secs(1)).expect("nothing breaks");
    for host in [server, client] {
        assert!(network.app(host).is_some_and(|site| site.open), "the handshake is made");
    }
    (network, server, client)
}

fn limits(interval: Option<u64>, patience: u64) -> Limits {
    Limits {
        ping_interval: interval.map(Duration::from_secs),
        pong_timeout: Duration::from_secs(patience),
        ..Limits::default()
    }
}

#[test]
fn two_that_are_silent_ask_each_other_and_stay() {
    for (of_server, of_client) in
        [(Some(30), None), (None, Some(30)), (Some(30), Some(30)), (Some(7), Some(30))]
    {
        let (mut network, server, client) = met(limits(of_server, 10), limits(of_client, 10));
        network.run_for(Duration::from_secs(3_600)).expect("nothing breaks");
        for host in [server, client] {
            assert_eq!(network.app(host).map(|site| &*site.endings), Some(&[][..]));
        }
    }
}

#[test]
fn a_peer_that_has_vanished_is_given_up_after_the_interval_and_the_patience() {
    let (mut network, server, client) = met(limits(Some(30), 10), limits(None, 10));
    network.partition(server, client, Duration::from_secs(600));
    network.run_for(Duration::from_secs(38)).expect("nothing breaks");
    assert_eq!(network.app(server).map(|site| &*site.endings), Some(&[][..]), "not before");
    network.run_for(Duration::from_secs(4)).expect("nothing breaks");
    let ended = network.app(server).map(|site| (&*site.endings, site.endpoint.counters().open));
    assert_eq!(ended, Some((&[Ending::Silent][..], 0)));
    // Whoever does not ask never knows.
    assert_eq!(network.app(client).map(|site| &*site.endings), Some(&[][..]));
}

#[test]
fn a_client_gives_up_a_server_that_has_vanished() {
    let (mut network, server, client) = met(limits(None, 10), limits(Some(20), 5));
    network.partition(server, client, Duration::from_secs(600));
    network.run_for(Duration::from_secs(26)).expect("nothing breaks");
    assert_eq!(network.app(client).map(|site| &*site.endings), Some(&[Ending::Silent][..]));
}
