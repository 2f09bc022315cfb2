//! The one conversation of a program: with whom, and how it ended.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use examples::endpoint::Endpoint;
use examples::tls::CallTls;
use protocols::echo::{Caller, Client, ClientOptions, Outcome};
use reactor::{ConnectOptions, Registry};

/// With whom.
#[derive(Args)]
pub(crate) struct Server {
    /// HOST:PORT, udp:HOST:PORT or unix:PATH
    #[arg(value_name = "ADDR")]
    pub(crate) server: Endpoint,

    #[command(flatten)]
    tls: CallTls,
}

pub(crate) struct Call {
    pub(crate) server: Endpoint,
    pub(crate) client: Client,
    result: Option<Result<(), Box<dyn Error>>>,
}

impl Call {
    /// Finds out where the server is, and connects. It may let us wait for so long.
    pub(crate) fn begin<App: Caller>(
        registry: &mut Registry<App>,
        Server { server, tls }: &Server,
        timeout: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let tls = tls.load(server.host())?;
        if tls.is_some() && matches!(server, Endpoint::Udp(_)) {
            return Err("TLS is not spoken over UDP; say HOST:PORT or unix:PATH".into());
        }
        let connect = ConnectOptions { tls, ..ConnectOptions::default() };
        let options = ClientOptions { connect, timeout, ..ClientOptions::default() };
        let client = match server {
            Endpoint::Udp(place) => Client::connect_datagrams(registry, place.first()?, &options)?,
            streams => Client::connect(registry, streams.address()?, &options)?,
        };
        Ok(Self { server: server.clone(), client, result: None })
    }

    /// The conversation is over, and the program with it.
    pub(crate) fn handle_finish<App>(&mut self, registry: &mut Registry<App>, outcome: Outcome) {
        match outcome {
            Ok(()) => self.finish(registry, Ok(())),
            Err(failure) => self.fail(registry, failure),
        }
    }

    /// Ends the program with a message about the server.
    pub(crate) fn fail<App>(&mut self, registry: &mut Registry<App>, why: impl Display) {
        let message = format!("{}: {why}", self.server);
        self.finish(registry, Err(message.into()));
    }

    /// Ends the program. The first result counts: what it ends in turn may be cut off by that.
    pub(crate) fn finish<App>(
        &mut self,
        registry: &mut Registry<App>,
        result: Result<(), Box<dyn Error>>,
    ) {
        self.result.get_or_insert(result);
        registry.shutdown(Duration::ZERO);
    }

    /// How it ended.
    pub(crate) fn into_result(self) -> Result<(), Box<dyn Error>> {
        self.result.unwrap_or(Ok(()))
    }
}
