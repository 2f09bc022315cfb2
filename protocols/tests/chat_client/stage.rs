//! A client, and a server that says and hears what a test has it.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use protocols::chat::Message;
use protocols::chat::client::{Caller, Client, ClientId, Event, Failure, Options};
use reactor::sim::{Choices, Host, Network};
use reactor::{Closed, ConnectionId, Input, ListenerId, Protocol, Registry, Transport};

/// The port of the server.
const PORT: u16 = 6667;

/// Longer than any message takes from one host to the other.
const MOMENT: Duration = Duration::from_millis(100);

pub(crate) struct Stage {
    pub(crate) network: Network,
    server: Host<Server>,
    pub(crate) client: Host<Program>,
}

/// The server: it says nothing by itself.
#[derive(Default)]
pub(crate) struct Server {
    heard: Vec<String>,
    /// The latest connection, while it is open.
    connection: Option<ConnectionId>,
    listener: Option<ListenerId>,
    pub(crate) accepted: usize,
}

struct Session {
    unread: Vec<u8>,
}

/// The program that has the client.
pub(crate) struct Program {
    pub(crate) client: Client,
    events: Vec<Event>,
    pub(crate) messages: usize,
    pub(crate) finished: Option<Result<(), Failure>>,
}

impl Stage {
    /// A client with these options, which has just been started; its server is filled in.
    pub(crate) fn new(change: impl Fn(&mut Options) + 'static) -> Self {
        let mut network = Network::new(Choices::from_tape(Vec::new()));
        let server = network.host("server", |registry| {
            let mut server = Server::default();
            server.open(registry)?;
            Ok(server)
        });
        let address = network.address(server, PORT);
        let client = network.host("client", move |registry| {
            let mut options = Options::new(address.clone(), "ann");
            change(&mut options);
            let client = Client::start(registry, ClientId(7), options);
            Ok(Program { client, events: Vec::new(), messages: 0, finished: None })
        });
        Self { network, server, client }
    }

    /// One who is welcome, on a server with everything, and has heard all about it.
    pub(crate) fn online(change: impl Fn(&mut Options) + 'static) -> Self {
        let mut stage = Self::new(change);
        stage.hears();
        stage.says("CAP * LS :multi-prefix echo-message");
        stage.hears();
        stage.says("CAP * ACK :multi-prefix echo-message");
        assert_eq!(stage.hears(), ["CAP END"]);
        stage.welcome();
        stage
    }

    /// The server welcomes the client, with all it says then.
    pub(crate) fn welcome(&mut self) {
        for line in [
            ":irc.test 001 ann :Welcome",
            ":irc.test 005 ann CHANTYPES=# PREFIX=(ov)@+ CASEMAPPING=ascii :are supported",
            ":irc.test 422 ann :MOTD File is missing",
        ] {
            self.says(line);
        }
        self.events();
    }

    /// Lets time pass.
    #[track_caller]
    pub(crate) fn wait(&mut self, time: Duration) {
        self.network.run_for(time).expect("nothing breaks");
    }

    /// What the server has heard since it was asked last.
    #[track_caller]
    pub(crate) fn hears(&mut self) -> Vec<String> {
        self.wait(MOMENT);
        std::mem::take(&mut self.server().heard)
    }

    /// The server says a line; this stage again, for what is to be heard of it.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) -> &mut Self {
        let line = Bytes::from(format!("{line}\r\n"));
        let (registry, server) = self.network.parts(self.server).expect("it is up");
        let connection = server.connection.expect("somebody is connected");
        let _ = registry.send(connection, line).expect("it is open");
        self.wait(MOMENT);
        self
    }

    /// The server has the client's connection do something.
    #[track_caller]
    pub(crate) fn ends(&mut self, end: impl FnOnce(&mut Registry<Server>, ConnectionId)) {
        let (registry, server) = self.network.parts(self.server).expect("it is up");
        end(registry, server.connection.take().expect("somebody is connected"));
        self.wait(MOMENT);
    }

    /// What the program was told since it was asked last.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let (_, program) = self.network.parts(self.client).expect("it is up");
        std::mem::take(&mut program.events)
    }

    /// The program has its client do something.
    pub(crate) fn does<T>(
        &mut self,
        act: impl FnOnce(&mut Client, &mut Registry<Program>) -> T,
    ) -> T {
        let (registry, program) = self.network.parts(self.client).expect("it is up");
        act(&mut program.client, registry)
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        self.network.parts(self.server).expect("it is up").1
    }

    /// The server is not there, or is again.
    pub(crate) fn is_there(&mut self, there: bool) {
        let (registry, server) = self.network.parts(self.server).expect("it is up");
        if there {
            server.open(registry).expect("the port is free");
        } else if let Some(listener) = server.listener.take() {
            registry.close_listener(listener).expect("it listened");
        }
    }

    pub(crate) fn finished(&mut self) -> Option<Result<(), Failure>> {
        self.network.parts(self.client).expect("it is up").1.finished.clone()
    }
}

impl Server {
    fn open(&mut self, registry: &mut Registry<Self>) -> Result<(), Box<dyn Error>> {
        let address = format!("0.0.0.0:{PORT}").parse()?;
        let id = registry.listen(address, |_, _| Session { unread: Vec::new() })?;
        self.listener = Some(id);
        Ok(())
    }
}

impl Protocol<Server> for Session {
    fn on_open(&mut self, transport: &mut Transport<'_, Server>, server: &mut Server) {
        server.connection = Some(transport.id());
        server.accepted += 1;
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, Server>,
        input: &mut Input<'_>,
        server: &mut Server,
    ) {
        self.unread.extend_from_slice(input.take_all());
        while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = self.unread.drain(..end + 2).take(end).collect();
            server.heard.push(String::from_utf8(line).expect("it is text"));
        }
    }

    fn on_close(&mut self, _: &mut Registry<Server>, closed: &Closed, server: &mut Server) {
        server.connection = server.connection.filter(|id| *id != closed.id);
    }
}

impl Caller for Program {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        Some(&mut self.client).filter(|client| client.id() == id)
    }

    fn on_event(&mut self, _: &mut Registry<Self>, id: ClientId, event: Event) {
        assert_eq!(id, ClientId(7));
        self.events.push(event);
    }

    fn on_message(&mut self, _: &mut Registry<Self>, _: ClientId, _: &Message<'_>) {
        self.messages += 1;
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, _: ClientId, outcome: Result<(), Failure>) {
        let before = self.finished.replace(outcome);
        assert_eq!(before, None, "the end comes once");
    }
}
