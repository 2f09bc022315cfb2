//! `web proxy`: what clients ask is asked of servers behind it.

use std::cell::RefCell;
use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use examples::endpoint::{HostPort, how_many, some_seconds};
use examples::output;
use examples::tls::BackendTrust;
use protocols::http::client::{Client, ClientLimits, ClientOptions, Scheme, Url};
use protocols::http::proxy::{Backend, Checks, Forwarded, News, Proxy, ProxyOptions};
use protocols::http::server::{Exchange, Settings, Site};
use protocols::http::wire::Request;
use protocols::http::{ProxyLimits, ServerLimits};
use reactor::{ConnectOptions, StreamLimits};

use crate::serve::{Here, Serving};

/// There is nothing to be kept but the site.
type App = Here<()>;

/// Pass requests on to servers behind this one, until Ctrl-C
///
/// Each request goes to the server with the least to do, over connections that are kept. One that cannot be reached
/// is left alone for a while, and with --check one that is not well; a request is sent to another if nothing of it can have been received, or if it may be
/// sent twice. Bodies pass as they come, both ways. WebSockets pass. What a client says of who it is, in Forwarded
/// and X-Forwarded-For, is replaced by what this proxy sees.
///
/// Ctrl-C drains: answers may end, for three seconds at most. Ctrl-C again stops at once.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Listen here; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: Vec<HostPort>,

    /// A server to pass requests on to: http://HOST:PORT, or https://, over TLS. May be given several times; a path
    /// in it stands before that of every request
    #[arg(long, value_name = "URL", required = true)]
    to: Vec<Url>,

    /// Ask the servers by the name in their URLs, and not by the one that the client used
    #[arg(long)]
    rewrite_host: bool,

    /// What the servers are told of the client
    #[arg(long, value_enum, value_name = "HOW", default_value = "replace")]
    forwarded: Tell,

    /// Let connections change to this protocol
    #[arg(long, value_name = "NAME", default_value = "websocket", value_parser = protocol)]
    upgrade: Vec<String>,

    /// Have no more than N connections to one server; requests beyond it wait
    #[arg(long, value_name = "N", default_value_t = 128,
          value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,

    /// Refuse a request with a body of more than N bytes with 413
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    max_body: u64,

    /// Give a server up that cannot be connected to within so long
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "5")]
    connect_timeout: Duration,

    /// Give a server up that does not begin to answer, or stops in the middle, for so long: 504
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "60")]
    timeout: Duration,

    /// Ask each server for this path, and pass it over while it does not answer 200 to 399
    #[arg(long, value_name = "PATH")]
    check: Option<String>,

    /// Ask for it so often
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds, default_value = "5", requires = "check")]
    check_every: Duration,

    /// Pass a server over that has failed so many checks in a row
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = how_many::<u32>, requires = "check")]
    check_fall: u32,

    /// Ask it again once it has answered so many in a row
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = how_many::<u32>, requires = "check")]
    check_rise: u32,

    #[command(flatten)]
    trust: BackendTrust,

    #[command(flatten)]
    serving: Serving,
}

const AFTER_HELP: &str = "\
502 says that no server could be reached, or that what one answered makes no sense; 503 that too many requests wait \
for them; 504 that one does not answer in time; 508 that the request has been here before. Why is said on standard \
error.";

/// What the servers are told of the client.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tell {
    /// Who it is, as this proxy sees it, whatever it says of itself
    Replace,
    /// The same, behind what it says: where all clients come through another proxy that is trusted
    Append,
    /// Nothing, whatever it says
    Nothing,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let proxy_options = proxy_options(options);
    // The client behind it is slow, or the server is: neither is a handler that has forgotten to answer.
    let answer_time = options.timeout.saturating_mul(4);
    let limits = ServerLimits { answer_time, ..ServerLimits::default() };
    let settings = Settings { limits, ..Settings::default() };
    options.serving.serve(&options.listen, &settings, |registry| {
        let proxy = Proxy::new(backends(options)?, proxy_options.clone()).with_log(teller());
        if let Some(checks) = options.checks() {
            proxy.watch(registry, checks)?;
        }
        let site =
            move |request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>, _: &mut App| {
                proxy.serve(request, exchange);
            };
        Ok((Site::new(site), ()))
    })
}

impl Options {
    fn checks(&self) -> Option<Checks> {
        Some(Checks {
            path: self.check.clone()?,
            interval: self.check_every,
            timeout: self.connect_timeout.min(Checks::default().timeout),
            fall: self.check_fall,
            rise: self.check_rise,
        })
    }
}

fn backends(options: &Options) -> Result<Vec<Backend<App>>, Box<dyn Error>> {
    let limits = ClientLimits {
        connections: options.serving.loops.share(options.connections.into()),
        head_time: options.timeout,
        silence: options.timeout,
        ..ClientLimits::default()
    };
    let stream =
        StreamLimits { connect_timeout: Some(options.connect_timeout), ..StreamLimits::default() };
    let connect = ConnectOptions { limits: stream, ..ConnectOptions::default() };
    let client = Client::new(ClientOptions { connect, limits });
    let trust = options.trust.trust();
    let mut secure = None;
    let mut backend = |url: &Url| -> Result<_, Box<dyn Error>> {
        let client = match (url.scheme(), &secure) {
            (Scheme::Http, _) => client.clone(),
            (Scheme::Https, Some(secure)) => Client::clone(secure),
            (Scheme::Https, None) => {
                let tls = Some(trust.load(None, &["http/1.1"])?);
                let mut options = client.options().clone();
                options.connect.tls = tls;
                secure.insert(Client::new(options)).clone()
            }
        };
        Ok(Backend::new(url.clone(), client).map_err(|error| format!("{url}: {error}"))?)
    };
    if trust.is_given() && options.to.iter().all(|url| url.scheme() == Scheme::Http) {
        return Err("none of the servers is asked over TLS: their URLs begin with http://".into());
    }
    options.to.iter().map(&mut backend).collect()
}

/// Reads what a protocol is called in `Upgrade`: such names are words as those of fields are.
fn protocol(text: &str) -> Result<String, String> {
    match http::HeaderName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected the name of a protocol, such as websocket".to_owned()),
    }
}

fn proxy_options(options: &Options) -> ProxyOptions {
    // Another one of this program may stand behind this one: it has another name.
    let random = RandomState::new().build_hasher().finish() as u32;
    ProxyOptions {
        forwarded: match options.forwarded {
            Tell::Replace => Forwarded::Replace,
            Tell::Append => Forwarded::Append,
            Tell::Nothing => Forwarded::Nothing,
        },
        is_secure: options.serving.is_secure(),
        rewrite_host: options.rewrite_host,
        upgrades: options.upgrade.clone(),
        name: format!("web-{random:08x}"),
        limits: ProxyLimits { request_body: options.max_body, ..ProxyLimits::default() },
    }
}

/// Tells of backends on standard error; of the same once a second, however often it is so.
fn teller() -> impl Fn(&Url, &News) {
    const OFTEN: Duration = Duration::from_secs(1);
    let last: RefCell<Option<(String, Instant)>> = RefCell::default();
    move |url, news| {
        let (line, now) = (format!("web: {url}: {news}"), Instant::now());
        let is_told = |(told, at): &(String, Instant)| *told == line && now < *at + OFTEN;
        if !last.borrow().as_ref().is_some_and(is_told) {
            output::complain(&line);
            last.replace(Some((line, now)));
        }
    }
}
