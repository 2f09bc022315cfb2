//! `nats request`: ask, and print the answer.

use std::error::Error;

use clap::Args;
use examples::output::{NoAnswer, Usage};
use protocols::nats::{HeaderMap, Message, PublishError, RequestError};
use reactor::Registry;

use crate::how::{Head, How};
use crate::print::Printer;
use crate::publish::data;
use crate::run::{self, Lasts, Run};

/// Publish a request, and print the first answer
///
/// In a pipe only its payload is printed. That nobody is there to answer is told at once.
#[derive(Args)]
pub(crate) struct Options {
    /// What to ask
    subject: String,

    /// The payload, or - for standard input
    #[arg(default_value = "", hide_default_value = true)]
    data: String,

    /// Print the payload alone on a terminal too
    #[arg(short, long)]
    raw: bool,

    #[command(flatten)]
    head: Head,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let (payload, headers) = (data(&options.data)?, options.head.map()?);
    let printer = Printer::new(options.raw);
    run::run(options.how.options()?, Lasts::Once, printer, |registry, run| {
        let mut message = Message::new(&options.subject, &payload);
        message.headers = headers.as_ref().map(HeaderMap::view);
        let asked = run.client.request_message(registry, &message, options.how.timeout, told);
        asked.map_err(|error| match error {
            RequestError::NotSent(PublishError::Subject(error)) => Usage(error.to_string()).into(),
            error => error.into(),
        })
    })
}

fn told(registry: &mut Registry<Run>, run: &mut Run, answer: Result<Message<'_>, RequestError>) {
    let result: Result<(), Box<dyn Error>> = match answer {
        Ok(message) => run.printer.print(registry, &message).map(drop).map_err(Into::into),
        Err(error @ (RequestError::NoResponders | RequestError::TimedOut(_))) => {
            Err(NoAnswer(error.to_string()).into())
        }
        // Why the connection was lost says more, and is told next.
        Err(RequestError::Lost | RequestError::Closed) => return,
        Err(error) => Err(error.into()),
    };
    run.end(registry, result);
}
