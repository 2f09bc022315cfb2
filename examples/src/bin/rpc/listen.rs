//! `rpc listen`: what a server has to tell, as it happens.

use std::error::Error;

use clap::Args;
use examples::output::{self, Usage};
use examples::stop;
use protocols::rpc::{CallError, Event, Service};
use reactor::Backoff;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::place::Place;
use crate::talk::{self, How, Talk};
use crate::{params, print};

/// Subscribe, and print the notifications that come, until Ctrl-C
///
/// METHOD is the one that subscribes; what it answers is said on standard error. A connection that is lost is made
/// again, and the subscription with it. By http:// nothing can be listened to: use ws://.
#[derive(Args)]
pub(crate) struct Options {
    /// The server
    #[arg(value_name = "ADDR")]
    place: Place,

    /// The method that subscribes
    method: String,

    /// Its parameters: values, or NAME=VALUE
    #[arg(value_name = "PARAM", allow_negative_numbers = true)]
    params: Vec<String>,

    /// End after so many notifications
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Place::Http(_) = options.place {
        return Err(
            Usage("by http:// a server tells nothing of itself: use ws://".to_owned()).into()
        );
    }
    let params = params::parse(&options.params)?;
    let service = listener(options.count);
    let again = Some(Backoff::default());
    talk::run(&options.place, &options.how, service, again, |registry, client| {
        stop::on_request(registry)?;
        let (method, timeout) = (&*options.method, options.how.timeout);
        client.subscribe(
            registry,
            method,
            &params,
            timeout,
            |registry, talk: &mut Talk, result| {
                let result: Result<Value, CallError> = result;
                match result {
                    // Whether it was one that subscribes, only its answer can tell.
                    Ok(answer) => {
                        output::complain(format_args!("rpc: answered {answer}; listening"));
                    }
                    Err(error) => talk.end(registry, Err(error.into())),
                }
            },
        )?;
        Ok(())
    })
}

/// What is printed of a notification.
#[derive(Serialize)]
struct Heard<'a> {
    method: &'a str,
    params: Option<&'a RawValue>,
}

/// A service that prints whatever is called, and ends after so many.
fn listener(count: Option<u64>) -> Service<Talk> {
    let mut service = Service::<Talk>::new("rpc listen", env!("CARGO_PKG_VERSION"));
    let left = std::cell::Cell::new(count);
    service.fallback(move |call, params| {
        let params = params.map(serde_json::from_str).transpose();
        let params = params.map_err(protocols::rpc::Error::invalid_params)?;
        let heard = to_raw_value(&Heard { method: call.method(), params });
        let printed = heard.map_err(Into::into).and_then(|heard| print::value(&heard));
        let left_now = left.get().map(|left| left.saturating_sub(1));
        left.set(left_now);
        match printed {
            Err(error) => call.app.end(call.registry, Err(error.into())),
            Ok(()) if left_now == Some(0) => call.app.end(call.registry, Ok(())),
            Ok(()) => {}
        }
        to_raw_value(&()).map_err(protocols::rpc::Error::internal)
    });
    service.on_event(|_, event| match event {
        Event::Closed { why, is_clean: false, .. } | Event::Unreachable { why } => {
            output::complain(format_args!("rpc: {why}; connecting again"));
        }
        Event::NotResubscribed { method, error } => {
            output::complain(format_args!("rpc: {method} is refused now: {error}"));
        }
        _ => {}
    });
    service
}
