//! `nats sub`: what is published, as it comes.

use std::error::Error;

use clap::Args;
use examples::endpoint::how_many;
use examples::output::{self, Usage};
use protocols::nats::{Message, SubscribeError, Subscription};
use reactor::Registry;

use crate::how::How;
use crate::print::Printer;
use crate::run::{self, Lasts, Run};

/// Subscribe, and print the messages that come, until Ctrl-C
///
/// In a pipe only the payloads are printed, a line each. A connection that is lost is made again; what is published
/// meanwhile is lost.
#[derive(Args)]
pub(crate) struct Options {
    /// What to subscribe to: * stands for one word, > at the end for one or more
    subject: String,

    /// Be a member of this group, of which one gets each message
    #[arg(long, value_name = "GROUP")]
    queue: Option<String>,

    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = how_many::<u64>)]
    count: Option<u64>,

    /// Print payloads alone on a terminal too
    #[arg(short, long)]
    raw: bool,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let client_options = options.how.options()?;
    let printer = Printer::new(options.raw);
    run::run(client_options, Lasts::Always, printer, move |registry, run| {
        let (subject, queue) = (options.subject, options.queue);
        let subscription = subscribe(registry, run, &subject, queue.as_deref(), options.count)?;
        if let Some(count) = options.count {
            run.client.unsubscribe_after(registry, subscription, count);
        }
        run.client.flush(registry, move |_, _, result| {
            if result.is_ok() {
                output::complain(format_args!("nats: subscribed to {subject}"));
            }
        })?;
        Ok(())
    })
}

fn subscribe(
    registry: &mut Registry<Run>,
    run: &mut Run,
    subject: &str,
    queue: Option<&str>,
    count: Option<u64>,
) -> Result<Subscription, Box<dyn Error>> {
    let print = move |registry: &mut Registry<Run>, run: &mut Run, message: &Message<'_>| match run
        .printer
        .print(registry, message)
    {
        Ok(printed) if Some(printed) == count => run.end(registry, Ok(())),
        Ok(_) => {}
        Err(error) => run.end(registry, Err(error.into())),
    };
    let subscribed = match queue {
        Some(queue) => run.client.queue_subscribe(registry, subject, queue, print),
        None => run.client.subscribe(registry, subject, print),
    };
    subscribed.map_err(|error| match error {
        SubscribeError::Subject(error) => Usage(error.to_string()).into(),
        error => error.into(),
    })
}
