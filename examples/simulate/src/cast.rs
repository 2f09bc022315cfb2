//! What scenarios have in common: a storm, what must always hold, and the end; and who takes part in those of
//! files, a server and two hosts that talk to it over IPv4 and IPv6.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reactor::sim::{Host, Network, Outcome};
use reactor::{Address, Registry};

use crate::score::{Draws, Score, still_there};

/// A server `S`, and its clients `C`.
pub(super) struct Cast<S: 'static, C: 'static> {
    pub(super) server: Host<S>,
    clients: [Host<C>; 2],
}

/// What a host does when it boots.
type Booted<App> = Result<App, Box<dyn Error>>;

impl<S, C> Cast<S, C> {
    /// A server that listens at a port, and clients, each of which is made for its name and for the addresses of
    /// the server.
    pub(super) fn set<Boot>(
        network: &mut Network,
        port: u16,
        serve: impl FnMut(&mut Registry<S>) -> Booted<S> + 'static,
        client: impl Fn(&'static str, [Address; 2]) -> Boot,
    ) -> Self
    where
        Boot: FnMut(&mut Registry<C>) -> Booted<C> + 'static,
    {
        let server = network.host("server", serve);
        let ways = [network.address(server, port), network.address_v6(server, port)];
        let clients = ["far", "farther"].map(|name| network.host(name, client(name, ways.clone())));
        Self { server, clients }
    }

    /// Waits until the server is quiet and so is everybody, and then for the hosts to shut down.
    pub(super) fn end(
        &self,
        network: &mut Network,
        calm: Duration,
        server_is_quiet: impl Fn(&Network, Host<S>) -> bool,
        is_quiet: impl Fn(&Network, Host<C>) -> bool,
    ) -> Outcome {
        let ended = network.run_until(calm, |network| {
            server_is_quiet(network, self.server)
                && self.clients.iter().all(|&host| is_quiet(network, host))
        })?;
        if !ended {
            let clients = self.clients.iter().filter_map(|&host| network.snapshot(host));
            return Err(
                still_there(network.snapshot(self.server).into_iter().chain(clients)).into()
            );
        }
        Ok(network.finish(Duration::from_secs(20))?)
    }
}

/// How long faults happen.
const STORM: Duration = Duration::from_secs(8);

/// Has faults happen for a while, and then none; looks at how it ends, and whether what failed had a reason to.
pub(super) fn storm(
    network: &mut Network,
    score: &Score,
    end: impl FnOnce(&mut Network) -> Outcome,
) -> Outcome {
    network.run_for(STORM)?;
    network.calm();
    end(network)?;
    score.was_right(network)
}

/// When the last conversation begins, in milliseconds.
const BEGINNINGS: u64 = 3_000;

/// Plans so many conversations of a host in each of these ways; how many there are. Each has a number.
pub(super) fn plan<App: 'static, Way: Clone + 'static>(
    registry: &mut Registry<App>,
    draws: &mut Draws,
    ways: &[Way],
    each: u64,
    begin: impl Fn(&mut App, &mut Registry<App>, Way, usize) + Copy + 'static,
) -> Result<usize, Box<dyn Error>> {
    let count = ways.len() * each as usize;
    for (number, way) in ways.iter().cycle().take(count).enumerate() {
        let (way, after) = (way.clone(), Duration::from_millis(draws.draw(registry) % BEGINNINGS));
        registry.after(after, move |registry, app: &mut App| begin(app, registry, way, number))?;
    }
    Ok(count)
}

/// Has it looked at after each step that a server has no more sessions than connections.
pub(super) fn watch_sessions<App: 'static>(
    network: &mut Network,
    server: Host<App>,
    open: impl Fn(&App) -> u64 + 'static,
) {
    network.invariant("the server's count", move |network| {
        let (Some(app), Some(stats)) = (network.app(server), network.stats(server)) else {
            return Ok(());
        };
        let (open, connections) = (open(app), stats.connections);
        if open <= connections {
            return Ok(());
        }
        Err(format!("{open} sessions on {connections} connections"))
    });
}

/// Whether a host has no connections left, and nothing else to do.
pub(super) fn is_idle<App: 'static>(
    network: &Network,
    host: Host<App>,
    is_done: impl FnOnce(&App) -> bool,
) -> bool {
    let connections = network.stats(host).map_or(0, |stats| stats.connections);
    connections == 0 && network.app(host).is_none_or(is_done)
}

/// Waits until everybody is quiet; an error that shows what is left if somebody is not in time.
pub(super) fn until_quiet<App>(
    network: &mut Network,
    hosts: &[Host<App>],
    calm: Duration,
    is_quiet: impl Fn(&Network, Host<App>) -> bool,
) -> Outcome {
    if network.run_until(calm, |network| hosts.iter().all(|&host| is_quiet(network, host)))? {
        return Ok(());
    }
    Err(still_there(hosts.iter().filter_map(|&host| network.snapshot(host))).into())
}

/// Every address of a host, of both families.
pub(super) fn everywhere(port: u16) -> [Address; 2] {
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        .map(|ip| Address::Ip((ip, port).into()))
}
