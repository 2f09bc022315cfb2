//! The one conversation of a program: with whom, and how it ended.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use examples::endpoint::Endpoint;
use examples::tls::CallTls;
use protocols::echo::{Caller, Client, ClientId, ClientLimits, ClientOptions, Failure};
use reactor::{Address, OpenError, Registry};

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
    server: Endpoint,
    address: Address,
    options: ClientOptions,
    client: Option<Client>,
    result: Option<Result<(), Box<dyn Error>>>,
}

impl Call {
    /// Finds out where the server is. It may let us wait for so long.
    pub(crate) fn new(
        Server { server, tls }: &Server,
        timeout: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let tls = tls.load(server.host())?;
        if tls.is_some() && matches!(server, Endpoint::Udp(_)) {
            return Err("TLS is not spoken over UDP; say HOST:PORT or unix:PATH".into());
        }
        let address = match server {
            Endpoint::Udp(place) => place.first()?,
            streams => streams.address()?,
        };
        let limits = ClientLimits { timeout, ..ClientLimits::default() };
        let options = ClientOptions { limits, from: None, tls };
        Ok(Self { server: server.clone(), address, options, client: None, result: None })
    }

    pub(crate) fn begin<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
    ) -> Result<(), OpenError> {
        let connect = match self.server {
            Endpoint::Udp(_) => Client::connect_datagrams,
            Endpoint::Tcp(_) | Endpoint::Unix(_) => Client::connect,
        };
        self.client = Some(connect(registry, self.address.clone(), &self.options)?);
        Ok(())
    }

    /// The conversation is over, and the program with it.
    pub(crate) fn handle_finish<App>(
        &mut self,
        registry: &mut Registry<App>,
        outcome: Result<(), Failure>,
    ) {
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

    pub(crate) fn server(&self) -> &Endpoint {
        &self.server
    }

    /// The client, if it is there and that is its id.
    pub(crate) fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.client.as_mut().filter(|client| client.id() == id)
    }

    /// The client, if it is there.
    pub(crate) fn current(&mut self) -> Option<&mut Client> {
        self.client.as_mut()
    }
}
