//! `rpc call`: one call, or one notification.

use std::error::Error;
use std::net::UdpSocket;

use clap::Args;
use examples::endpoint::HostPort;
use examples::output::{self, Usage};
use protocols::rpc::{self, CallError, Client, Event, Service};
use reactor::Registry;
use serde_json::value::RawValue;

use crate::place::Place;
use crate::talk::{self, How, Talk};
use crate::{params, print};

/// Call a method, and print its result
///
/// Parameters are by name if the first is NAME=VALUE, else by position. A value is JSON, or else a text:
/// `5` is a number, `five` a text, `'"5"'` a text too. On a terminal the result is printed with room to
/// breathe, in a pipe as a line of JSON.
#[derive(Args)]
pub(crate) struct Options {
    /// The server
    #[arg(value_name = "ADDR")]
    place: Place,

    /// The method's name
    method: String,

    /// Its parameters: values, or NAME=VALUE
    #[arg(value_name = "PARAM", allow_negative_numbers = true, conflicts_with = "json")]
    params: Vec<String>,

    /// All parameters as one array or object of JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    json: Option<Box<RawValue>>,

    /// Send a notification, which nobody answers
    #[arg(long)]
    notify: bool,

    /// Send the notification as a datagram: ADDR is tcp://HOST:PORT all the same
    #[arg(long, requires = "notify")]
    udp: bool,

    #[command(flatten)]
    how: How,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let params = match &options.json {
        Some(json) => json.clone(),
        None => params::parse(&options.params)?,
    };
    match (&options.place, options.udp) {
        (Place::Tcp(place), true) => notify_by_udp(place, &options.method, &params),
        (_, true) => Err(Usage("a datagram goes to HOST:PORT".to_owned()).into()),
        _ => talk::run(&options.place, &options.how, nobody(), None, |registry, client| {
            begin(options, registry, client, &params)
        }),
    }
}

/// A service for a server that calls back: it has no methods. A connection that does not end well ends the
/// program.
pub(crate) fn nobody() -> Service<Talk> {
    let mut service = Service::<Talk>::new("rpc", env!("CARGO_PKG_VERSION"));
    service.on_event(|talk: &mut Talk, event| match event {
        Event::Closed { why, is_clean: false, .. } => talk.note_end(why),
        Event::Complaint { error, .. } => {
            output::complain(format_args!("the server complains: {error}"));
        }
        _ => {}
    });
    service
}

fn begin(
    options: &Options,
    registry: &mut Registry<Talk>,
    client: &Client<Talk>,
    params: &RawValue,
) -> Result<(), Box<dyn Error>> {
    let (method, timeout) = (&*options.method, options.how.timeout);
    if options.notify {
        client.remote().notify(registry, method, params)?;
        return talk::end_when_sent(registry, client.remote().clone(), timeout);
    }
    client.remote().call(
        registry,
        method,
        params,
        timeout,
        |registry, talk: &mut Talk, result| {
            let result: Result<Box<RawValue>, CallError> = result;
            let printed = match result {
                Ok(result) => print::value(&result).map_err(Into::into),
                Err(error) => Err(error.into()),
            };
            talk.end(registry, printed);
        },
    )?;
    Ok(())
}

/// What is no JSON is no text here, as it would be among words.
fn json(text: &str) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_str(text)
}

fn notify_by_udp(place: &HostPort, method: &str, params: &RawValue) -> Result<(), Box<dyn Error>> {
    let server = place.first()?.socket_addr().ok_or("a datagram goes to HOST:PORT")?;
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(any)?.send_to(&rpc::notification(method, params)?, server)?;
    Ok(())
}
