//! `chat serve --cluster`: one network with other servers, over NATS.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use examples::endpoint::some_seconds;
use examples::tls::Trust;
use protocols::chat::cluster::{self, Limits, Membership};
use protocols::chat::config::{Config, Node};
use protocols::chat::{NodeName, Server};
use protocols::nats::{ClientOptions, ServerAddr};
use reactor::Registry;

#[derive(Args, Clone)]
pub(crate) struct ClusterOptions {
    /// Be one network with other servers, over this server of NATS; again for more of them
    #[arg(long, value_name = "URL")]
    cluster: Vec<ServerAddr>,

    /// What this server is called among them: letters, digits, - and _
    #[arg(long, value_name = "NAME")]
    node: Option<NodeName>,

    /// The silence after which another server is taken for lost; default 10
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    silence: Option<Duration>,
}

impl ClusterOptions {
    /// What the command line adds to the configuration.
    pub(crate) fn apply(&self, config: &mut Config) -> Result<(), Box<dyn Error>> {
        let Self { cluster, node, silence } = self.clone();
        match (&mut config.cluster, node) {
            (None, Some(node)) if !cluster.is_empty() => {
                config.cluster = Some(Node { nats: cluster, node, silence });
            }
            (None, None) if cluster.is_empty() && silence.is_none() => return Ok(()),
            (None, None) if !cluster.is_empty() => {
                return Err(
                    "--cluster wants to know what this server is called there: --node NAME".into(),
                );
            }
            (None, _) => return Err("there is no network to be a node of: --cluster URL".into()),
            (Some(known), node) => {
                if !cluster.is_empty() {
                    known.nats = cluster;
                }
                known.node = node.unwrap_or_else(|| known.node.clone());
                known.silence = silence.or(known.silence);
            }
        }
        Ok(())
    }
}

/// A server that nobody has given a name has one all the same that is none of the others'.
pub(crate) fn default_name(node: &Node) -> String {
    let name = node.node.as_str().replace('_', "-");
    match name.trim_matches('-') {
        "" => "node.chat.local".to_owned(),
        name => format!("{name}.chat.local"),
    }
}

/// Makes the server a node; what to print of it, and how it leaves.
pub(crate) fn join(
    registry: &mut Registry<Server>,
    server: &mut Server,
    node: &Node,
) -> Result<(String, Membership<Server>), Box<dyn Error>> {
    let Node { nats, node, silence } = node.clone();
    let servers: Vec<_> = nats.iter().map(ToString::to_string).collect();
    let is_tls = nats.iter().any(ServerAddr::is_tls);
    let mut nats = ClientOptions::new(nats);
    if is_tls {
        nats.tls = Some(Trust::default().load(None, &[])?);
    }
    let limits = silence.map_or_else(Limits::default, Limits::with_silence);
    let line = format!(
        "node {node} of the network {}, over {}",
        server.settings().network,
        servers.join(", ")
    );
    let membership = cluster::join(registry, server, cluster::Options { nats, node, limits })?;
    Ok((line, membership))
}
