//! One conversation with a server: how it is begun, and how the program ends with it.

use std::error::Error;
use std::time::Duration;

use examples::{output, stop};
use protocols::nats::{Client, ClientOptions, Event, ServerError};
use reactor::{Reactor, Registry};

use crate::print::Printer;
use crate::publish::Feed;

/// What the program has while the loop runs.
pub(crate) struct Run {
    pub(crate) client: Client<Run>,
    pub(crate) printer: Printer,
    /// The lines of standard input, if these are published.
    pub(crate) feed: Option<Feed>,
    lasts: Lasts,
    /// The last server that could not be connected to, and why.
    failed: Option<String>,
    result: Option<Result<(), Box<dyn Error>>>,
}

/// What the program does about a connection that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// It is made again.
    Always,
    /// It ends.
    Once,
}

impl Run {
    /// The program has what it wanted, or cannot have it: what was published leaves, and that was it.
    pub(crate) fn end(
        &mut self,
        registry: &mut Registry<Self>,
        result: Result<(), Box<dyn Error>>,
    ) {
        self.result.get_or_insert(result);
        registry.shutdown(Duration::from_secs(1));
    }

    /// The same when the server has taken everything, behind which something may be said.
    pub(crate) fn end_when_taken(
        &mut self,
        registry: &mut Registry<Self>,
        say: impl FnOnce() + 'static,
    ) {
        let flushed = self.client.flush(registry, |registry, run, result| match result {
            Ok(()) => {
                say();
                run.end(registry, Ok(()));
            }
            // Why the connection was lost says more, and is told next.
            Err(_) if run.lasts == Lasts::Once => {}
            Err(error) => run.end(registry, Err(error.into())),
        });
        if let Err(error) = flushed {
            self.end(registry, Err(error.into()));
        }
    }

    fn handle_event(&mut self, registry: &mut Registry<Self>, event: &Event<'_>) {
        match event {
            Event::Closed { error: Some(error) } => {
                let why = self.failed.take().unwrap_or_else(|| error.to_string());
                self.end(registry, Err(why.into()));
            }
            Event::Disconnected { error, server, .. } if self.lasts == Lasts::Always => {
                output::complain(format_args!("nats: {server}: {error}; connecting again"));
            }
            Event::ConnectFailed { server: Some(server), error } => {
                // The last one is what the program ends with, if it does.
                if let Some(failed) = self.failed.replace(format!("{server}: {error}")) {
                    output::complain(format_args!("nats: {failed}"));
                }
            }
            Event::Connected { server, again, .. } => {
                self.failed = None;
                if *again {
                    output::complain(format_args!("nats: connected again, to {server}"));
                }
            }
            Event::Complaint(error @ ServerError::PermissionsViolation(_)) => {
                self.end(registry, Err(error.to_string().into()));
            }
            Event::LameDuck { server } => {
                output::complain(format_args!("nats: {server} is about to stop"));
            }
            Event::Drained => Feed::go_on(self, registry),
            _ => {}
        }
    }
}

/// Connects, lets `begin` ask for something, and turns the loop until somebody calls [`Run::end`].
pub(crate) fn run(
    mut options: ClientOptions,
    lasts: Lasts,
    printer: Printer,
    begin: impl FnOnce(&mut Registry<Run>, &mut Run) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if lasts == Lasts::Once {
        options.reconnect = None;
    }
    let mut reactor = Reactor::<Run>::new()?;
    let registry = reactor.registry();
    stop::on_request(registry)?;
    let client = Client::connect(registry, options, |registry, run: &mut Run, event| {
        run.handle_event(registry, &event);
    });
    let mut run = Run { client, printer, feed: None, lasts, failed: None, result: None };
    begin(registry, &mut run)?;
    reactor.run(&mut run)?;
    run.printer.flush()?;
    match (run.result, run.lasts) {
        (Some(result), _) => result,
        // Nothing was to come of it but the end.
        (None, Lasts::Always) => Ok(()),
        (None, Lasts::Once) => Err("it was stopped before it was done".into()),
    }
}
