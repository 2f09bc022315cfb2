//! Where the servers are, who this is, and what a message has beside its payload.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use examples::endpoint::some_seconds;
use examples::output::Usage;
use examples::tls::Trust;
use protocols::nats::{Auth, ClientOptions, HeaderMap, NoNkey, ServerAddr};

/// How to talk to the servers
#[derive(Args, Clone)]
pub(crate) struct How {
    /// The servers, with commas between them [default: $NATS_URL, or nats://127.0.0.1:4222]
    #[arg(short, long, value_name = "URL", value_delimiter = ',')]
    server: Vec<ServerAddr>,

    /// What the connection is called, in the server's lists
    #[arg(long, value_name = "NAME", default_value = "nats")]
    connection_name: String,

    /// Be the user with the key whose seed (SU…) is in this file
    #[arg(long, value_name = "FILE")]
    nkey: Option<PathBuf>,

    #[command(flatten)]
    trust: Trust,

    /// Begin with TLS, before the server has said a word: it is one with handshake_first, or behind something that
    /// speaks TLS for it
    #[arg(long)]
    tls_first: bool,

    /// How long a connection, and an answer, may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub(crate) timeout: Duration,
}

impl How {
    /// What the words and the environment say.
    pub(crate) fn options(&self) -> Result<ClientOptions, Box<dyn Error>> {
        let mut options = ClientOptions::new(self.servers()?);
        options.name.clone_from(&self.connection_name);
        options.auth = self.nkey.as_deref().map_or_else(|| Ok(auth()), key)?;
        options.limits.connect = self.timeout;
        let is_tls = options.servers.iter().any(ServerAddr::is_tls);
        if is_tls || self.tls_first || self.trust.is_given() {
            options.tls = Some(self.trust.load(None, &[])?);
            options.tls_first = self.tls_first;
        }
        Ok(options)
    }

    fn servers(&self) -> Result<Vec<ServerAddr>, Usage> {
        if !self.server.is_empty() {
            return Ok(self.server.clone());
        }
        let urls = env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
        let parse =
            |url: &str| url.trim().parse().map_err(|error| Usage(format!("NATS_URL: {error}")));
        urls.split(',').map(parse).collect()
    }
}

/// Who this is, as the environment says it: on a command line everybody could read it.
fn auth() -> Auth {
    let var = |name| env::var(name).ok().filter(|text| !text.is_empty());
    match (var("NATS_TOKEN"), var("NATS_USER")) {
        (Some(token), _) => Auth::Token(token),
        (None, Some(user)) => {
            Auth::UserPassword { user, password: var("NATS_PASSWORD").unwrap_or_default() }
        }
        (None, None) => Auth::None,
    }
}

/// Who this is, by the seed in a file: its first line that is one.
fn key(path: &Path) -> Result<Auth, Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    let seed = text.lines().find(|line| line.trim_start().starts_with("SU")).unwrap_or_default();
    Ok(Auth::Nkey(seed.parse().map_err(|error: NoNkey| named(&error))?))
}

/// Headers of a message
#[derive(Args, Clone)]
pub(crate) struct Head {
    /// A header of the message; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn map(&self) -> Result<Option<HeaderMap>, Usage> {
        if self.headers.is_empty() {
            return Ok(None);
        }
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            map.append(name, value).map_err(|error| Usage(error.to_string()))?;
        }
        Ok(Some(map))
    }
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
