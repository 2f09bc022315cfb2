//! One conversation: what it is asked to do, carried out step by step, with a deadline for every reply.

use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use reactor::{
    Address, CloseReason, ConnectOptions, ConnectionId, OpenError, Registry, StreamLimits, TimerId,
    Transport,
};
use thiserror::Error;

use super::control::ControlConnection;
use super::data::{DataConnection, DataEnd};
use super::dialogue::{Dialogue, Step};
use super::{Caller, ClientLimits, Done, Failure, Features, Listing, Login, Operation, Security};
use crate::transfer::ftp::wire::command::{Command, Iac};
use crate::transfer::ftp::wire::reply::Reply;
use crate::transfer::ftp::wire::time::Timestamp;

mod deadlines;

/// How a client talks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// Who it is. Default: anybody.
    pub login: Login,
    /// Whether its connections are protected. Default: they are not.
    pub security: Security,
    /// The bounds.
    pub limits: ClientLimits,
}

/// One conversation with an FTP server.
///
/// ```
/// use protocols::transfer::ftp::client::{Caller, Client, ClientOptions, Done, Failure, Operation};
/// use reactor::{ConnectionId, Reactor, Registry};
/// use std::time::Duration;
///
/// /// Fetches one file, and leaves.
/// struct Program {
///     client: Client,
///     outcome: Option<Result<(), Failure>>,
/// }
///
/// impl Caller for Program {
///     fn client(&mut self, _: ConnectionId) -> Option<&mut Client> {
///         Some(&mut self.client)
///     }
///
///     fn on_ready(&mut self, registry: &mut Registry<Self>, _: ConnectionId) {
///         let sink = Box::new(std::io::sink());
///         let get = Operation::Get { path: b"README".to_vec(), offset: 0, sink };
///         self.client.start(registry, get).expect("it has nothing else to do");
///     }
///
///     fn on_done(
///         &mut self,
///         registry: &mut Registry<Self>,
///         _: ConnectionId,
///         outcome: Result<Done, Failure>,
///     ) {
///         println!("{outcome:?}");
///         self.client.quit(registry);
///     }
///
///     fn on_finish(
///         &mut self,
///         registry: &mut Registry<Self>,
///         _: ConnectionId,
///         outcome: Result<(), Failure>,
///     ) {
///         self.outcome = Some(outcome);
///         registry.shutdown(Duration::ZERO);
///     }
/// }
///
/// // Nobody listens there any more, so it does not come far.
/// let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
/// let mut reactor = Reactor::<Program>::new()?;
/// let client = Client::connect(reactor.registry(), gone.into(), &ClientOptions::default())?;
/// let mut program = Program { client, outcome: None };
/// reactor.run(&mut program)?;
/// assert_eq!(program.outcome, Some(Err(Failure::Connect(std::io::ErrorKind::ConnectionRefused))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    id: ConnectionId,
    server: Address,
    limits: ClientLimits,
    security: Security,
    dialogue: Dialogue,
    /// The operation under way, until its data connection has it.
    operation: Option<Operation>,
    work: Option<Work>,
    /// Its data connection, while there is one.
    data: Option<ConnectionId>,
    moved: u64,
    list: Vec<u8>,
    iac: Iac,
    /// Why it is ending, if it is.
    ending: Option<Result<(), Failure>>,
    /// When what the server owes is overdue.
    due: Option<Instant>,
    /// The timer that looks, and when it will.
    timer: Option<(TimerId, Instant)>,
}

/// What kind of operation is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Command,
    Facts,
    Lines,
    Get,
    Put,
}

/// What there is to tell the program.
pub(super) enum News {
    Nothing,
    /// Nothing, but TLS is to begin.
    Secure,
    Ready,
    Done(Result<Done, Failure>),
}

/// An operation was not begun; it is handed back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotStarted {
    /// The client has another to do, or is not logged in yet, or not any more.
    #[error("the client is busy")]
    Busy(Operation),
    /// A name has a line end in it, and FTP has none for such names.
    #[error("FTP has no way to say this name")]
    Unsendable(Operation),
}

impl Client {
    /// Calls a server, and logs in. The caller has to have the client, under its [`id`](Self::id), before
    /// the next turn.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. A server that is not there is found out later.
    pub fn connect<App: Caller>(
        registry: &mut Registry<App>,
        server: Address,
        options: &ClientOptions,
    ) -> Result<Self, OpenError> {
        let limits = options.limits.clone();
        let security = options.security.bound_to(&server);
        let connect = ConnectOptions {
            limits: StreamLimits {
                connect_timeout: Some(limits.connect_timeout),
                handshake_timeout: Some(limits.connect_timeout),
                ..StreamLimits::default()
            },
            ..security.of_control()
        };
        let line = ControlConnection::new(limits.line);
        let id = registry.connect_with(server.clone(), &connect, line)?;
        let is_v4 = is_v4(&server);
        let mut client = Self {
            id,
            server,
            dialogue: Dialogue::new(options.login.clone(), security.beginning(), is_v4),
            security,
            operation: None,
            work: None,
            data: None,
            moved: 0,
            list: Vec::new(),
            iac: Iac::Doubled,
            ending: None,
            // The greeting may take as long as connecting and a reply.
            due: registry.now().checked_add(limits.connect_timeout + limits.reply_timeout),
            timer: None,
            limits,
        };
        client.arm(registry);
        Ok(client)
    }

    /// The server is there: which of its addresses it is is known now, if it was called by its name.
    pub(super) fn handle_open(&mut self, server: Address) {
        self.dialogue.handle_open(is_v4(&server));
        self.server = server;
    }

    /// How the byte 255 in a name is said.
    #[must_use]
    pub fn iac(&self) -> Iac {
        self.iac
    }

    /// Says the byte 255 in a name like this from now on. There is no way to ask a server what it knows of
    /// Telnet; that it does not find a name with such a byte may mean that it knows nothing.
    pub fn set_iac(&mut self, iac: Iac) {
        self.iac = iac;
    }

    /// Begins an operation.
    ///
    /// # Errors
    ///
    /// See [`NotStarted`], which hands it back.
    pub fn start<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        operation: Operation,
    ) -> Result<(), NotStarted> {
        if !self.is_idle() {
            return Err(NotStarted::Busy(operation));
        }
        let has_facts = self.dialogue.features().facts;
        let command = operation.command(has_facts);
        if command.to_line().is_err() {
            return Err(NotStarted::Unsendable(operation));
        }
        (self.moved, self.list) = (0, Vec::new());
        let (work, step) = match &operation {
            Operation::Command(_) => (Work::Command, self.dialogue.start_plain(command)),
            _ => {
                let work = match &operation {
                    Operation::List { .. } if has_facts => Work::Facts,
                    Operation::List { .. } => Work::Lines,
                    Operation::Get { .. } => Work::Get,
                    _ => Work::Put,
                };
                (work, self.dialogue.start_transfer(command, operation.restart()))
            }
        };
        self.work = Some(work);
        self.operation = Some(operation);
        // It is a command to be said, and that cannot bring any news.
        let _ = self.carry_out(registry, step);
        Ok(())
    }

    /// Gives up the transfer that is under way: its data connection is reset, and the server is told
    /// (ABOR). It ends with [`Failure::Cancelled`] once the server has said what it says to that; if it
    /// does not, within [`ClientLimits::reply_timeout`], the conversation ends. Who does not need that any
    /// more is quicker with [`close`](Self::close).
    pub fn cancel<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let Some(data) = self.data {
            // It fails if it has ended: then there is nothing to give up.
            let _ = registry.abort(data);
        }
    }

    /// Says goodbye, if there is nothing to do; else ends the conversation at once.
    pub fn quit<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if !self.is_idle() {
            return self.close(registry);
        }
        self.ending = Some(Ok(()));
        let step = self.dialogue.quit();
        // As above.
        let _ = self.carry_out(registry, step);
        // What the server says to it is of no interest; but that it has heard it is.
        let _ = registry.close(self.id);
    }

    /// Ends the conversation at once.
    pub fn close<App: Caller>(&mut self, registry: &mut Registry<App>) {
        self.ending.get_or_insert(Ok(()));
        self.drop_data(registry);
        // It fails if it has ended: `on_finish` comes anyhow.
        let _ = registry.close(self.id);
    }

    /// Its id, for as long as it lasts.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Whom it talks to.
    #[must_use]
    pub fn server(&self) -> &Address {
        &self.server
    }

    /// What the server says it can do, once the client is logged in.
    #[must_use]
    pub fn features(&self) -> &Features {
        self.dialogue.features()
    }

    /// Whether it may be given an operation.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.dialogue.is_idle() && self.ending.is_none()
    }

    /// Whether the conversation is over, or about to be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    // ── what happens ────────────────────────────────────────────────────────────────────────

    pub(super) fn handle_reply<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        reply: Reply,
    ) -> News {
        let step = self.dialogue.handle_reply(reply);
        self.carry_out(registry, step)
    }

    /// Begins TLS on the control connection.
    pub(super) fn begin_tls<App: Caller>(&mut self, transport: &mut Transport<'_, App>) {
        if let Err(failure) = self.security.begin(transport) {
            // It ends with `on_finish`.
            let _ = self.fail(transport.registry(), failure);
        }
    }

    /// The handshake that was begun is over.
    pub(super) fn handle_secure<App: Caller>(&mut self, registry: &mut Registry<App>) -> News {
        let step = self.dialogue.handle_secure();
        self.carry_out(registry, step)
    }

    pub(super) fn handle_data_end<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        end: DataEnd,
    ) -> News {
        // One that was dropped is none of the operation that is under way now.
        if self.data != Some(end.data) {
            return News::Nothing;
        }
        self.data = None;
        (self.moved, self.list) = (end.moved, end.list);
        let step = self.dialogue.handle_data_end(end.result);
        self.carry_out(registry, step)
    }

    /// The control connection has ended: what has become of the operation, if there was one, and of the
    /// conversation.
    pub(super) fn handle_close<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        reason: &CloseReason,
    ) -> (Option<Failure>, Result<(), Failure>) {
        if let Some((timer, _)) = self.timer.take() {
            registry.cancel(timer);
        }
        self.drop_data(registry);
        let outcome = self.ending.take().unwrap_or_else(|| Err(Failure::of_end(reason)));
        self.ending = Some(Ok(()));
        let cut_off = self.work.take().map(|_| match &outcome {
            Err(failure) => failure.clone(),
            Ok(()) => Failure::Cancelled,
        });
        (cut_off, outcome)
    }

    /// The conversation cannot go on.
    pub(super) fn fail<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        failure: Failure,
    ) -> News {
        self.ending.get_or_insert(Err(failure));
        // It fails if it has ended: `on_finish` comes anyhow.
        let _ = registry.abort(self.id);
        News::Nothing
    }

    fn carry_out<App: Caller>(&mut self, registry: &mut Registry<App>, first: Step) -> News {
        let mut step = first;
        let news = loop {
            step = match step {
                Step::Wait => break News::Nothing,
                Step::Say(command) => match self.say(registry, &command) {
                    Ok(()) => break News::Nothing,
                    Err(failure) => break self.fail(registry, failure),
                },
                Step::Secure => break News::Secure,
                Step::Connect(port) => self.open_data(registry, port),
                Step::Ready => break News::Ready,
                Step::Done(result) => break self.finish(registry, result),
                Step::Instead(command) => self.begin_again(registry, command),
                Step::Over(failure) => break self.fail(registry, failure),
            };
        };
        let is_owed = self.dialogue.is_owed_a_reply() && self.ending.is_none();
        self.due = match is_owed {
            true => registry.now().checked_add(self.limits.reply_timeout),
            false => None,
        };
        self.arm(registry);
        news
    }

    fn say<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        command: &Command,
    ) -> Result<(), Failure> {
        let line = command.to_line_with(self.iac).map_err(Failure::Unsendable)?;
        // It fails if the connection has ended: `on_finish` comes anyhow.
        let _ = registry.send(self.id, Bytes::from(line));
        Ok(())
    }

    /// Connects to that port of the server: of the one that this talks to, whoever it says it is.
    fn open_data<App: Caller>(&mut self, registry: &mut Registry<App>, port: u16) -> Step {
        let line = self
            .operation
            .take()
            .and_then(|operation| DataConnection::new(self.id, operation, &self.limits));
        let (Some(line), Some(address)) = (line, with_port(&self.server, port)) else {
            let nothing = Failure::Data("there is nothing to carry".to_owned());
            return self.dialogue.handle_not_connected(nothing);
        };
        let options = DataConnection::options(&self.limits, &self.security);
        match registry.connect_with(address, &options, line) {
            Ok(id) => {
                self.data = Some(id);
                self.dialogue.handle_connecting()
            }
            Err(error) => self.dialogue.handle_not_connected(Failure::of_open(&error)),
        }
    }

    /// A list that the server does not have for programs is asked for as it is for people.
    fn begin_again<App: Caller>(&mut self, registry: &mut Registry<App>, command: Command) -> Step {
        self.drop_data(registry);
        let path = match &command {
            Command::List(path) => path.clone().unwrap_or_default(),
            _ => Vec::new(),
        };
        self.work = Some(Work::Lines);
        self.operation = Some(Operation::List { path });
        self.dialogue.start_transfer(command, None)
    }

    fn finish<App: Caller>(
        &mut self,
        registry: &mut Registry<App>,
        result: Result<Reply, Failure>,
    ) -> News {
        self.drop_data(registry);
        self.operation = None;
        let work = self.work.take();
        let list = std::mem::take(&mut self.list);
        News::Done(result.map(|reply| match work {
            Some(Work::Facts) => Done::Listed(Listing::of_facts(&list)),
            Some(Work::Lines) => {
                let today = Timestamp::from(registry.wall_clock());
                Done::Listed(Listing::of_lines(&list, today))
            }
            Some(Work::Get) => Done::Received(self.moved),
            Some(Work::Put) => Done::Sent(self.moved),
            Some(Work::Command) | None => Done::Command(reply),
        }))
    }

    fn drop_data<App: Caller>(&mut self, registry: &mut Registry<App>) {
        if let Some(data) = self.data.take() {
            // It fails if it has ended already.
            let _ = registry.abort(data);
        }
    }
}

fn is_v4(server: &Address) -> bool {
    server.ip().is_some_and(|ip| ip.to_canonical().is_ipv4())
}

fn with_port(server: &Address, port: u16) -> Option<Address> {
    let mut address = server.socket_addr()?;
    address.set_port(port);
    // An IPv4 address in an IPv6 coat is called by its own name.
    if let IpAddr::V4(ip) = address.ip().to_canonical() {
        return Some(Address::Ip((ip, port).into()));
    }
    Some(Address::Ip(address))
}
