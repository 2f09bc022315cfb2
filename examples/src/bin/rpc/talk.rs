//! One conversation with one server: how it is begun, and how the program ends with it.

use std::error::Error;
#[cfg(unix)]
use std::process::Child;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use examples::endpoint::some_seconds;
use examples::output::NoAnswer;
use protocols::rpc::{CallError, Client, ClientOptions, Dialect, Framing, Remote, Service};
use reactor::{Backoff, Reactor, Registry};

use examples::tls::Trust;

use crate::place::Place;

/// How to talk to the server
#[derive(Args, Clone)]
pub(crate) struct How {
    /// How messages are told apart: a line each, Content-Length headers as language servers have them, or
    /// nothing at all; by default frames for stdio:, lines for everything else
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) framing: Option<Cut>,

    /// Speak version 1.0 of the protocol
    #[arg(long)]
    v1: bool,

    #[command(flatten)]
    trust: Trust,

    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = some_seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cut {
    Lines,
    Frames,
    Bare,
}

/// What a conversation leaves behind.
#[derive(Default)]
pub(crate) struct Talk {
    result: Option<Result<(), Box<dyn Error>>>,
}

impl From<Cut> for Framing {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Lines => Self::Lines,
            Cut::Frames => Self::ContentLength,
            Cut::Bare => Self::Bare,
        }
    }
}

impl How {
    pub(crate) fn dialect(&self) -> Dialect {
        if self.v1 { Dialect::One } else { Dialect::Two }
    }

    fn framing(&self, place: &Place) -> Framing {
        let default = if let Place::Stdio(_) = place { Cut::Frames } else { Cut::Lines };
        self.framing.unwrap_or(default).into()
    }
}

impl Talk {
    /// The program has what it wanted, or cannot have it.
    pub(crate) fn end<App>(
        &mut self,
        registry: &mut Registry<App>,
        result: Result<(), Box<dyn Error>>,
    ) {
        self.result.get_or_insert(result);
        registry.shutdown(Duration::from_secs(1));
    }

    /// The connection has not ended well; if nothing has been decided yet, that decides it.
    pub(crate) fn note_end(&mut self, why: &str) {
        let lost = CallError::Lost { why: why.to_owned(), sent: false };
        self.result.get_or_insert_with(|| Err(lost.into()));
    }
}

/// Ends the loop when all notifications have left, or when that has taken too long.
pub(crate) fn end_when_sent(
    registry: &mut Registry<Talk>,
    remote: Remote<Talk>,
    patience: Duration,
) -> Result<(), Box<dyn Error>> {
    const STEP: Duration = Duration::from_millis(5);
    if remote.unsent() == 0 || patience.is_zero() {
        registry.shutdown(patience.max(STEP));
        return Ok(());
    }
    registry.after(STEP, move |registry, talk: &mut Talk| {
        let left = patience.saturating_sub(STEP);
        if let Err(error) = end_when_sent(registry, remote, left) {
            talk.end(registry, Err(error));
        }
    })?;
    Ok(())
}

/// Connects, lets `begin` ask for something, and turns the loop until somebody calls [`Talk::end`].
/// `persists`: a connection that is lost is made again.
pub(crate) fn run(
    place: &Place,
    how: &How,
    service: Service<Talk>,
    persists: Option<Backoff>,
    begin: impl FnOnce(&mut Registry<Talk>, &Client<Talk>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::<Talk>::new()?;
    let mut conversation =
        Conversation::begin(reactor.registry(), place, how, Rc::new(service), persists)?;
    begin(reactor.registry(), &conversation.client).map_err(|error| told(place, error))?;
    let mut talk = Talk::default();
    reactor.run(&mut talk)?;
    conversation.end();
    talk.result.unwrap_or(Ok(())).map_err(|error| told(place, error))
}

/// What a call that failed is to the person who made it.
fn told(place: &Place, error: Box<dyn Error>) -> Box<dyn Error> {
    match error.downcast::<CallError>().map(|error| *error) {
        Ok(CallError::Refused(error)) => NoAnswer(error.to_string()).into(),
        // It is the connection that failed, and no call.
        Ok(CallError::Lost { why, sent: false }) => format!("{place}: {why}").into(),
        Ok(error) => format!("{place}: {error}").into(),
        Err(error) => error,
    }
}

/// A client, and the program that it talks to if it has started one.
struct Conversation {
    client: Client<Talk>,
    #[cfg(unix)]
    child: Option<Child>,
}

impl Conversation {
    fn begin(
        registry: &mut Registry<Talk>,
        place: &Place,
        how: &How,
        service: Rc<Service<Talk>>,
        reconnect: Option<Backoff>,
    ) -> Result<Self, Box<dyn Error>> {
        if let Place::Stdio(command) = place {
            return Self::spawn(registry, command, how, place, service);
        }
        let server = place.address()?.ok_or("there is no address in it")?;
        let tls = match (place.is_secure(), how.trust.is_given()) {
            (true, _) => Some(how.trust.load(None, &[])?),
            (false, true) => {
                return Err(
                    format!("{place}: TLS is spoken with tls://, https:// or wss://").into()
                );
            }
            (false, false) => None,
        };
        let options = ClientOptions {
            tls,
            carrier: place.carrier(),
            framing: how.framing(place),
            dialect: how.dialect(),
            reconnect,
            ..ClientOptions::new(server)
        };
        let client = Client::start(registry, options, service);
        Ok(Self {
            client,
            #[cfg(unix)]
            child: None,
        })
    }

    /// Starts a program whose standard input and output are one socket, so that the loop can wait for it.
    #[cfg(unix)]
    fn spawn(
        registry: &mut Registry<Talk>,
        command: &str,
        how: &How,
        place: &Place,
        service: Rc<Service<Talk>>,
    ) -> Result<Self, Box<dyn Error>> {
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;
        use std::process::Command;

        let (ours, theirs) = UnixStream::pair()?;
        let input = OwnedFd::from(theirs.try_clone()?);
        let child = Command::new("sh")
            .args(["-c", command])
            .stdin(input)
            .stdout(OwnedFd::from(theirs))
            .spawn()
            .map_err(|error| format!("cannot start a shell for '{command}': {error}"))?;
        let client = Client::adopt(registry, ours, how.framing(place), service)?;
        Ok(Self { client, child: Some(child) })
    }

    #[cfg(not(unix))]
    fn spawn(
        _: &mut Registry<Talk>,
        _: &str,
        _: &How,
        place: &Place,
        _: Rc<Service<Talk>>,
    ) -> Result<Self, Box<dyn Error>> {
        Err(format!("{place}: this system has no sockets for a program's input and output").into())
    }

    /// A program that was started sees the end of its input. One that does not take the hint in a second is
    /// ended.
    #[cfg(unix)]
    fn end(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        const STEP: Duration = Duration::from_millis(5);
        let Some(child) = &mut self.child else { return };
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(STEP);
        }
        // Both fail only if it has ended after all.
        let _ = child.kill();
        let _ = child.wait();
    }

    #[cfg(not(unix))]
    fn end(&mut self) {}
}
