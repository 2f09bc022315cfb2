//! The one conversation of a program: with whom, where else they may be, and how it ended.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use examples::endpoint::Endpoint;
use examples::tls::CallTls;
use protocols::echo::{Caller, Client, ClientId, ClientLimits, ClientOptions, Failure};
use reactor::{Address, OpenError, Registry};

pub(crate) struct Call {
    server: Endpoint,
    /// Addresses of the server that were not tried yet, the next one last: several only of datagrams, since the
    /// loop itself tries those of a stream.
    left: Vec<Address>,
    options: ClientOptions,
    client: Option<Client>,
    result: Option<Result<(), Box<dyn Error>>>,
}

impl Call {
    /// Finds out where the server is. It may let us wait for so long.
    pub(crate) fn new(
        server: &Endpoint,
        tls: &CallTls,
        timeout: Duration,
    ) -> Result<Self, Box<dyn Error>> {
        let tls = tls.load(server.host())?;
        if tls.is_some() && matches!(server, Endpoint::Udp(_)) {
            return Err("TLS is not spoken over UDP; say HOST:PORT or unix:PATH".into());
        }
        let mut left = match server {
            Endpoint::Udp(place) => place.resolve()?,
            streams => vec![streams.address()?],
        };
        left.reverse();
        let limits = ClientLimits { timeout, ..ClientLimits::default() };
        let options = ClientOptions { limits, from: None, tls };
        Ok(Self { server: server.clone(), left, options, client: None, result: None })
    }

    /// Begins, at the server's first address.
    pub(crate) fn begin<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
    ) -> Result<(), OpenError> {
        if let Some(address) = self.left.pop() {
            self.client = Some(self.connect(registry, address)?);
        }
        Ok(())
    }

    fn connect<App: Caller>(
        &self,
        registry: &mut Registry<App>,
        address: Address,
    ) -> Result<Client, OpenError> {
        match self.server {
            Endpoint::Udp(_) => Client::connect_datagrams(registry, address, &self.options),
            Endpoint::Tcp(_) | Endpoint::Unix(_) => {
                Client::connect(registry, address, &self.options)
            }
        }
    }

    /// The conversation is over, and the program with it; unless the server could not be reached and
    /// has another address.
    pub(crate) fn handle_finish<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        outcome: Result<(), Failure>,
    ) {
        match outcome {
            Ok(()) => self.finish(registry, Ok(())),
            Err(Failure::Connect(_)) if !self.left.is_empty() => {
                if let Err(error) = self.begin(registry) {
                    self.finish(registry, Err(error.into()));
                }
            }
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
