//! The reactor and the chat server of its protocols, every limit on but that on how much a client may say
//! in a second.

use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Limits, Server, Settings, cluster};
use protocols::nats::ClientOptions;
use reactor::ListenOptions;

use super::Node;
use crate::Result;
use crate::servers::Place;
use crate::servers::reactor::run;

/// So long nobody is asked whether it is still there, and no other server is told that this one is.
const LONG: Duration = Duration::from_secs(3600);

/// So long a server looks for another one of its name.
const LISTEN: Duration = Duration::from_millis(100);

pub(super) fn serve(place: Place, node: Option<Node>) -> Result {
    let limits = Limits { flood_control: false, ping_interval: LONG, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let options =
        ListenOptions { limits: settings.limits.stream_limits(), ..ListenOptions::default() };
    let accounts = Accounts::in_memory(AccountLimits::default());
    run(Server::new(settings, accounts), |registry, server| -> Result<_> {
        if let Some(node) = node {
            cluster::join(registry, server, options_of(&node)?)?;
        }
        Ok(chat::listen(registry, place.address.into(), &options)?)
    })
}

fn options_of(node: &Node) -> Result<cluster::Options> {
    let nats = ClientOptions::new([format!("nats://{}", node.nats).parse()?]);
    // What is counted is what is said, and not that somebody is there.
    let limits = cluster::Limits {
        heartbeat: LONG,
        silence: 5 * LONG,
        listen: LISTEN,
        ..cluster::Limits::default()
    };
    Ok(cluster::Options { nats, node: node.name.parse()?, limits })
}
