//! `nats reply`: answer requests.

use std::cell::Cell;
use std::error::Error;

use bytes::Bytes;
use clap::Args;
use examples::endpoint::how_many;
use examples::output::{self, Usage};
use protocols::nats::{Message, SubscribeError};
use reactor::Registry;

use crate::how::How;
use crate::print::Printer;
use crate::publish::data;
use crate::run::{self, Lasts, Run};

/// Answer requests, and print them, until Ctrl-C
///
/// Several that run this for one subject share the work: each request is answered by one of them.
#[derive(Args)]
pub(crate) struct Options {
    /// What is asked
    subject: String,

    /// The payload of each answer, or - for standard input
    #[arg(required_unless_present = "echo")]
    data: Option<String>,

    /// Answer with the payload of the request
    #[arg(long, conflicts_with = "data")]
    echo: bool,

    /// The group that shares the work
    #[arg(long, value_name = "GROUP", default_value = "NATS-RPLY-22")]
    queue: String,

    /// End after so many requests
    #[arg(long, value_name = "N", value_parser = how_many::<u64>)]
    count: Option<u64>,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let answer = options.data.as_deref().map(data).transpose()?;
    run::run(options.how.options()?, Lasts::Always, Printer::new(false), |registry, run| {
        let left = Cell::new(options.count);
        let subscribed = run.client.queue_subscribe(
            registry,
            &options.subject,
            &options.queue,
            move |registry, run: &mut Run, message| {
                respond(registry, run, message, answer.as_ref(), &left);
            },
        );
        let subscription = subscribed.map_err(|error| -> Box<dyn Error> {
            match error {
                SubscribeError::Subject(error) => Usage(error.to_string()).into(),
                error => error.into(),
            }
        })?;
        // The others of its group get what comes behind the last one.
        if let Some(count) = options.count {
            run.client.unsubscribe_after(registry, subscription, count);
        }
        run.client.flush(registry, move |_, _, result| {
            if result.is_ok() {
                output::complain(format_args!("nats: answering {}", options.subject));
            }
        })?;
        Ok(())
    })
}

/// Answers a request, and ends after the last one.
fn respond(
    registry: &mut Registry<Run>,
    run: &mut Run,
    message: &Message<'_>,
    answer: Option<&Bytes>,
    left: &Cell<Option<u64>>,
) {
    left.set(left.get().map(|left| left.saturating_sub(1)));
    let payload = answer.map_or(message.payload, |answer| answer);
    if let Err(error) = run.client.clone().respond(registry, message, payload) {
        output::complain(format_args!("nats: {error}"));
    }
    if let Err(error) = run.printer.print(registry, message) {
        return run.end(registry, Err(error.into()));
    }
    if left.get() == Some(0) {
        run.end_when_taken(registry, || {});
    }
}
