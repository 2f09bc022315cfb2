//! What a client is told: where to go, and as whom.

use std::fmt;

use reactor::Address;

use super::ClientLimits;

/// How a client talks, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The server, or several addresses of it, which are tried in turn.
    pub servers: Vec<Address>,
    /// The nick one wants.
    pub nick: String,
    /// What to be called if that is taken, in this order. When these are taken too, the nick gets a `_`,
    /// then two, then a number.
    pub alternatives: Vec<String>,
    /// The user name, before the `@`. Default: the nick, without what may not stand there.
    pub user: Option<String>,
    /// The real name, which may be a sentence. Default: the nick.
    pub real_name: Option<String>,
    /// The password of the server.
    pub password: Option<String>,
    /// The account to log in to.
    pub login: Option<Login>,
    /// Whether what oneself says comes back as an [`Event::Message`](super::Event::Message) when the
    /// server has taken it (IRCv3 echo-message): in the order in which everybody sees it. Servers that
    /// cannot do that do not, see [`Client::echoes`](super::Client::echoes). Default `false`.
    pub echo: bool,
    /// How much of what was said before to ask for when one joins a channel, in messages (IRCv3
    /// draft/chathistory): after a loss, what one has missed. It comes as
    /// [`Event::Message`](super::Event::Message) with [`Meta::is_history`](super::Meta::is_history), from
    /// servers that remember. Default 0, none: a bot answers what is said now.
    pub history: u16,
    /// Channels to join, each with its key if it has one, whenever one is connected.
    pub channels: Vec<(String, Option<String>)>,
    /// Speak TLS. Default `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<reactor::tls::ClientTls>,
    /// Whether to connect again when the connection is lost. Default `true`.
    pub reconnect: bool,
    /// The bounds.
    pub limits: ClientLimits,
}

/// An account, and its password. It is not shown to logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The account's name.
    pub account: String,
    /// Its password.
    pub password: String,
}

impl Options {
    /// The usual ones, for a server and a nick.
    #[must_use]
    pub fn new(server: Address, nick: &str) -> Self {
        Self {
            servers: vec![server],
            nick: nick.to_owned(),
            alternatives: Vec::new(),
            user: None,
            real_name: None,
            password: None,
            login: None,
            echo: false,
            history: 0,
            channels: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            reconnect: true,
            limits: ClientLimits::default(),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("account", &self.account).finish_non_exhaustive()
    }
}
