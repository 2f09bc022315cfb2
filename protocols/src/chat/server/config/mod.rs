//! The configuration of a chat server: one TOML file, checked to the last key.
//!
//! ```text
//!   chat.toml ──toml──▶ tables, each key with its place ──Section──▶ Config { settings, listen, … }
//!                                                            └─────▶ Mistakes: all of them, by line
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `mistake` | what is wrong with a file, and where |
//! | `section` | one table of it: takes what is known, and complains about the rest |
//! | `value` | what a value may be: a text, a count, a span of time |
//!
//! Nothing is required: an empty file is a server with good defaults.

mod mistake;
mod section;
mod value;

use std::path::{Path, PathBuf};
#[cfg(feature = "cluster")]
use std::time::Duration;
use std::{fs, io};

use reactor::Address;
use thiserror::Error;

use super::settings::{Admin, Operator, PermanentChannel, Settings};
#[cfg(feature = "cluster")]
use crate::chat::NodeName;
use crate::chat::{ChannelName, Limits};
#[cfg(feature = "cluster")]
use crate::nats::ServerAddr;
pub use mistake::{Mistake, Mistakes};
use section::{Section, parse};

/// What a configuration says: the settings of the server, and what the program around it needs.
///
/// ```
/// use protocols::chat::config::Config;
///
/// let config = Config::parse("
///     listen = ['127.0.0.1:6667']
///     [server]
///     name = 'irc.example'
///     [[channel]]
///     name = '#lobby'
///     topic = 'Welcome'
/// ")?;
/// assert_eq!(config.settings.name, "irc.example");
///
/// let mistakes = Config::parse("[server]\nnmae = 'irc.example'").unwrap_err();
/// assert_eq!(mistakes.to_string(), "line 2: there is no 'nmae' in [server]; did you mean 'name'?");
/// # Ok::<(), protocols::chat::config::Mistakes>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The settings of the server.
    pub settings: Settings,
    /// Where to listen; empty if the file does not say.
    pub listen: Vec<Address>,
    /// Connections at one time, of all clients together; `None` if the file does not say.
    pub connections: Option<usize>,
    /// The network that the server is a node of; `None` if the file does not say.
    #[cfg(feature = "cluster")]
    pub cluster: Option<Node>,
}

/// How a server is a node of a network: what [`cluster::join`](crate::chat::cluster::join) wants to know.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The servers of NATS, of which one is connected to.
    pub nats: Vec<ServerAddr>,
    /// What this server is called among the nodes.
    pub node: NodeName,
    /// The silence after which a node is lost; `None` if the file does not say.
    pub silence: Option<Duration>,
}

/// Why a file of configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It makes no sense.
    #[error("{}", mistakes.in_file(path))]
    Mistaken {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it.
        mistakes: Mistakes,
    },
}

impl Config {
    /// Reads a file. A relative path in it counts from the file's own directory. It waits for the disk:
    /// for before the loop begins, or [`Registry::offload`](reactor::Registry::offload).
    ///
    /// # Errors
    ///
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        let mut config = Self::parse(&text)
            .map_err(|mistakes| ConfigError::Mistaken { path: path.to_owned(), mistakes })?;
        if let Some(data) = &mut config.settings.data {
            *data = path.parent().unwrap_or(Path::new("")).join(&data);
        }
        Ok(config)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, by line.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        parse(text, Self::of)
    }

    fn of(root: &mut Section<'_, '_>) -> Self {
        let mut config = Self::default();
        root.set("listen", &mut config.listen, value::addresses);
        root.set("connections", &mut config.connections, |it| value::count(it).map(Some));
        root.set("data", &mut config.settings.data, |it| value::text(it).map(|it| Some(it.into())));
        root.section("limits", |it| config.settings.limits = limits(it));
        root.section("server", |it| server(it, &mut config.settings));
        root.section("admin", |it| config.settings.admin = Some(admin(it)));
        let longest = config.settings.limits.channel_length;
        root.sections("operator", |it| config.settings.operators.push(operator(it)));
        root.sections("channel", |it| config.settings.channels.push(channel(it, longest)));
        #[cfg(feature = "cluster")]
        root.section("cluster", |it| config.cluster = node(it));
        root.unique("operator", config.settings.operators.iter().map(|it| it.name.as_str()));
        root.unique("channel", config.settings.channels.iter().map(|it| it.name.as_str()));
        config
    }
}

fn server(section: &mut Section<'_, '_>, settings: &mut Settings) {
    section.set("name", &mut settings.name, value::server_name);
    section.set("network", &mut settings.network, value::word);
    section.set("description", &mut settings.description, value::line);
    section.set("motd", &mut settings.motd, |it| value::lines(it).map(Some));
    section.set("password", &mut settings.password, |it| value::password(it).map(Some));
    section.set("registration", &mut settings.registration, value::yes_or_no);
}

#[cfg(feature = "cluster")]
fn node(section: &mut Section<'_, '_>) -> Option<Node> {
    let nats = section.require("nats", value::nats_servers);
    let node = section.require("node", value::node_name);
    let mut silence = None;
    section.set("silence", &mut silence, |it| value::duration(it).map(Some));
    // Where one of them is missing the whole file is refused.
    Some(Node { nats: nats?, node: node?, silence })
}

fn admin(section: &mut Section<'_, '_>) -> Admin {
    let mut admin = Admin::default();
    section.set("location", &mut admin.location, value::line);
    section.set("organisation", &mut admin.organisation, value::line);
    section.set("email", &mut admin.email, value::line);
    admin
}

fn operator(section: &mut Section<'_, '_>) -> Operator {
    let name = section.require("name", value::word);
    let password = section.require("password", value::password);
    let mut host = "*@*".to_owned();
    section.set("host", &mut host, value::user_at_host);
    // Where one of them is missing the whole file is refused, and nobody uses this.
    let password = password.unwrap_or(crate::chat::Password::Plain(String::new()));
    Operator { name: name.unwrap_or_default(), password, host }
}

fn channel(section: &mut Section<'_, '_>, longest: usize) -> PermanentChannel {
    let name = section.require("name", |it| {
        let name = value::text(it)?;
        ChannelName::new(&name, longest).map(|it| it.to_string()).map_err(|why| {
            if ChannelName::is_meant(&name) {
                why.to_string()
            } else {
                format!("{why}, but with '#'")
            }
        })
    });
    let mut topic = String::new();
    section.set("topic", &mut topic, value::line);
    PermanentChannel { name: name.unwrap_or_default(), topic }
}

/// The limits, each by the name it has in [`Limits`].
fn limits(section: &mut Section<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    let it = &mut limits;
    section.set("registration", &mut it.registration, value::duration);
    section.set("ping_interval", &mut it.ping_interval, value::duration);
    section.set("ping_timeout", &mut it.ping_timeout, value::duration);
    section.set("connections_per_address", &mut it.connections_per_address, value::count);
    section.set("send_queue", &mut it.send_queue, |it| value::bytes(it, MIN_SEND_QUEUE));
    section.set("flood_control", &mut it.flood_control, value::yes_or_no);
    section.set("flood_burst", &mut it.flood_burst, value::count);
    section.set("flood_rate", &mut it.flood_rate, value::count);
    section.set("receive_queue", &mut it.receive_queue, |it| value::bytes(it, MIN_RECEIVE_QUEUE));
    section.set("nick_length", &mut it.nick_length, value::length);
    section.set("user_length", &mut it.user_length, value::length);
    section.set("name_length", &mut it.name_length, value::length);
    section.set("channel_length", &mut it.channel_length, value::length);
    section.set("topic_length", &mut it.topic_length, value::length);
    section.set("kick_length", &mut it.kick_length, value::length);
    section.set("away_length", &mut it.away_length, value::length);
    section.set("key_length", &mut it.key_length, value::length);
    section.set("mask_length", &mut it.mask_length, value::length);
    section.set("channels_per_user", &mut it.channels_per_user, value::count);
    section.set("channels", &mut it.channels, value::count);
    section.set("list_entries", &mut it.list_entries, value::count);
    section.set("targets", &mut it.targets, value::count);
    section.set("modes", &mut it.modes, value::count);
    section.set("monitored", &mut it.monitored, value::count);
    section.set("invitations", &mut it.invitations, value::count);
    section.set("whowas", &mut it.whowas, value::count_or_none);
    section.set("history_messages", &mut it.history_messages, value::count_or_none);
    section.set("history_bytes", &mut it.history_bytes, |it| value::bytes(it, 0));
    section.set("history_reply", &mut it.history_reply, value::count);
    section.set("metadata_keys", &mut it.metadata_keys, value::count);
    section.set("metadata_value", &mut it.metadata_value, value::count);
    section.set("metadata_subscriptions", &mut it.metadata_subscriptions, value::count);
    section.set("metadata_at_once", &mut it.metadata_at_once, value::count);
    section.set("read_markers", &mut it.read_markers, value::count);
    section.set("multiline_bytes", &mut it.multiline_bytes, |it| value::bytes(it, 512));
    section.set("multiline_lines", &mut it.multiline_lines, value::count);
    section.set("password_attempts", &mut it.password_attempts, value::count);
    section.set("passwords_waiting", &mut it.passwords_waiting, value::count);
    section.set("nick_grace", &mut it.nick_grace, value::duration);
    limits
}

/// The greeting of a server with a long message of the day, and a few channels' names, have to fit.
const MIN_SEND_QUEUE: u64 = 64 * 1024;

/// The longest line has to fit, and the beginning of the next.
const MIN_RECEIVE_QUEUE: u64 = 9 * 1024;

#[cfg(test)]
mod tests;
