//! `nats pub`: one message, the same several times, or one for each line of standard input.

use std::error::Error;
use std::io::{self, Read};

use bytes::Bytes;
use clap::Args;
use examples::endpoint::how_many;
use examples::output::{self, Usage};
use examples::stdin::{Cut, Reader, Stdin};
use protocols::nats::{HeaderMap, Message, PublishError};
use reactor::Registry;

use crate::how::{Head, How};
use crate::print::Printer;
use crate::run::{self, Lasts, Run};

/// Publish a message, and end when the server has it
///
/// DATA is the payload; - is what comes on standard input.
#[derive(Args)]
pub(crate) struct Options {
    /// What to publish it as
    subject: String,

    /// The payload, or - for standard input
    #[arg(default_value = "", conflicts_with = "lines", hide_default_value = true)]
    data: String,

    /// Publish each line of standard input as a message
    #[arg(long)]
    lines: bool,

    /// Where answers are to go
    #[arg(long, value_name = "SUBJECT")]
    reply: Option<String>,

    /// Publish it so many times
    #[arg(long, value_name = "N", default_value = "1", value_parser = how_many::<u64>, conflicts_with = "lines")]
    count: u64,

    #[command(flatten)]
    head: Head,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let payload: Bytes = if options.lines { Bytes::new() } else { data(&options.data)? };
    let feed = Feed {
        subject: options.subject.clone(),
        reply: options.reply.clone(),
        headers: options.head.map()?,
        left: if options.lines { 0 } else { options.count },
        payload,
        stdin: None,
        published: 0,
        bytes: 0,
    };
    run::run(options.how.options()?, Lasts::Once, Printer::new(true), |registry, run| {
        let stdin = match options.lines {
            true => Some(Stdin::start(registry.handle(), Cut::Lines(1024 * 1024))?),
            false => None,
        };
        run.feed = Some(Feed { stdin, ..feed });
        // What cannot be published at all is known before there is a connection.
        let first =
            run.feed.as_ref().map(|feed| protocols::nats::wire::subject::check(&feed.subject));
        first.transpose().map_err(|error| Usage(error.to_string()))?;
        Feed::go_on(run, registry);
        Ok(())
    })
}

/// The payload of a message, as the words say it.
pub(crate) fn data(text: &str) -> io::Result<Bytes> {
    if text != "-" {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    let mut all = Vec::new();
    io::stdin().lock().read_to_end(&mut all)?;
    Ok(all.into())
}

/// What is published, as fast as the server takes it.
pub(crate) struct Feed {
    subject: String,
    reply: Option<String>,
    headers: Option<HeaderMap>,
    payload: Bytes,
    /// How often the payload is still to be published.
    left: u64,
    /// Where further payloads come from.
    stdin: Option<Stdin>,
    published: u64,
    bytes: u64,
}

impl Feed {
    /// Publishes what there is, until the server has enough for a while: [`Drained`](protocols::nats::Event::Drained)
    /// says when to go on.
    pub(crate) fn go_on(run: &mut Run, registry: &mut Registry<Run>) {
        let Some(feed) = &mut run.feed else { return };
        // Others are to have their turn as well, and who only writes would never hear of an end.
        let most = feed.published + 10_000;
        while feed.left > 0 && feed.published < most {
            match run.client.publish_message(registry, &feed.message()) {
                Ok(()) => {}
                Err(PublishError::Full) => return,
                Err(error) => return run.end(registry, Err(error.into())),
            }
            feed.left -= 1;
            feed.published += 1;
            feed.bytes += feed.payload.len() as u64;
        }
        if feed.left > 0 {
            return registry.defer(|registry, run| Self::go_on(run, registry));
        }
        match &mut feed.stdin {
            Some(stdin) => stdin.ask(),
            None => Self::finish(run, registry),
        }
    }

    fn message(&self) -> Message<'_> {
        let mut message = Message::new(&self.subject, &self.payload);
        message.reply = self.reply.as_deref();
        message.headers = self.headers.as_ref().map(HeaderMap::view);
        message
    }

    fn finish(run: &mut Run, registry: &mut Registry<Run>) {
        let Some(feed) = run.feed.take() else { return };
        let Self { published, bytes, subject, .. } = feed;
        run.end_when_taken(registry, move || match published {
            1 => output::complain(format_args!("published {bytes} bytes to {subject}")),
            _ => output::complain(format_args!(
                "published {published} messages, {bytes} bytes, to {subject}"
            )),
        });
    }
}

impl Reader for Run {
    fn handle_piece(&mut self, registry: &mut Registry<Self>, piece: Bytes) {
        if let Some(feed) = &mut self.feed {
            let line = piece.strip_suffix(b"\n").unwrap_or(&piece);
            feed.payload = piece.slice_ref(line);
            feed.left = 1;
            if let Some(stdin) = &mut feed.stdin {
                stdin.answered();
            }
            Feed::go_on(self, registry);
        }
    }

    fn handle_end(&mut self, registry: &mut Registry<Self>, result: io::Result<()>) {
        match result {
            Ok(()) => Feed::finish(self, registry),
            Err(error) => self.end(registry, Err(error.into())),
        }
    }
}
