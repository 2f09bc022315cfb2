//! `web get`: what is at a URL comes here.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use examples::bars::{self, Bars};
use examples::endpoint::some_seconds;
use examples::output;
use examples::tls::Trust;
use http::Method;
use protocols::http::client::{Client, ClientLimits, ClientOptions, NoUrl, Scheme, Url};
use reactor::tls::TlsError;
use reactor::{ConnectOptions, Reactor, Registry};

mod code;
mod fetch;
mod proxies;
mod target;

use code::Code;
use fetch::Fetch;
use proxies::Proxies;
use target::Target;

/// Fetch what is at one URL, or several
///
/// A file is called NAME.part until all of it is here. Redirects are followed. Several URLs are fetched at
/// one time, and requests to one server go over connections that are kept.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// What to fetch: http://HOST:PORT/PATH, port 80 if none is given; or https://, over TLS, and 443
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,

    /// Where to put it: a file, a directory that is there, or - for standard output [default: its name, here]
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,

    #[command(flatten)]
    trust: Trust,

    /// Go on with what there is of NAME.part, or else of NAME, if the server can
    #[arg(long = "continue", short = 'c')]
    resume: bool,

    /// Fetch N at one time
    #[arg(long, short, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,

    /// Send this field as well: "Accept: text/html"
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = field)]
    header: Vec<(String, String)>,

    /// Send this as the body, with POST; @FILE sends what is in a file
    #[arg(long, short, value_name = "TEXT")]
    data: Option<String>,

    /// The method [default: GET, or POST with --data]
    #[arg(long, short = 'X', value_name = "METHOD")]
    request: Option<Method>,

    /// Follow no more than N redirects
    #[arg(long, value_name = "N", default_value_t = 10)]
    redirects: u32,

    /// Give a URL up that is not here after so long, with all redirects, whatever it waits for
    #[arg(long, short, value_name = "SECONDS", value_parser = some_seconds)]
    max_time: Option<Duration>,

    /// Ask through this proxy: [http://][USER:PASSWORD@]HOST[:PORT], port 1080 if none is given; what is asked over TLS
    /// goes through it by CONNECT. socks5h:// is a SOCKS proxy, and so is socks5://; names are looked up there. Empty
    /// is none [default: $http_proxy, $https_proxy, or $all_proxy]
    #[arg(long, short = 'x', value_name = "PROXY")]
    #[allow(rustdoc::broken_intra_doc_links, reason = "it is what `--help` prints")]
    proxy: Option<String>,

    /// Ask these hosts, and those below them, without a proxy; * is all [default: $no_proxy]
    #[arg(long, value_name = "HOST,...")]
    noproxy: Option<String>,

    /// Let the answer come compressed, and put what it stands for into the file
    #[arg(long)]
    compressed: bool,

    /// Print the head of the answer on standard error
    #[arg(long, short)]
    verbose: bool,
}

const AFTER_HELP: &str = "\
Exit code: that of the first failure, as curl has it: 1 for a URL of another scheme, 3 for none, 5 for a \
proxy that is not found, 6 for a host that is not, 7 for no connection, 8 for an answer that makes no sense, 18 for one that was cut \
off, 22 for a status of 400 or more, 23 for a file that cannot be written, 26 for one that cannot be read, \
28 for a server that has fallen silent or was not done in time, 33 for what cannot be gone on with, 35 for TLS that cannot be begun, 47 for too many redirects, 52 for no \
answer, 56 for a connection that failed, or a \
proxy that lets nobody through, 60 for a certificate that is not accepted, 61 for what cannot be decompressed, 77 for roots that cannot be \
read, 97 for a SOCKS proxy that leads nowhere; 2 if the command line makes no sense.";

/// The application of the loop.
pub(crate) struct Getter {
    client: Client<Self>,
    /// The same over TLS, once it was needed: whom to trust is in files.
    secure: Option<Client<Self>>,
    trust: Trust,
    proxies: Proxies,
    bars: Bars,
    /// What has not begun.
    waiting: VecDeque<Fetch>,
    /// How many are under way.
    running: usize,
    code: Code,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match get(options) {
        Ok(code) => code.into(),
        Err((code, why)) => {
            output::complain(format_args!("web: {why}"));
            code.into()
        }
    }
}

fn get(options: &Options) -> Result<Code, (Code, String)> {
    let asking = Rc::new(asking(options)?);
    let mut waiting = VecDeque::new();
    let mut places = HashSet::new();
    for text in &options.urls {
        let url = parse(text).map_err(|error| (Code::of_url(error), format!("{text}: {error}")))?;
        let target = Target::of(&url, options.output.as_deref(), options.urls.len())
            .map_err(|why| (Code::NOT_WRITTEN, format!("{text}: {why}")))?;
        // The answer to HEAD has nothing to be put anywhere.
        let target = if asking.method == Method::HEAD { Target::Stdout } else { target };
        if let Target::File(part) = &target
            && !places.insert(part.target().to_owned())
        {
            let why =
                format!("{text}: another URL is put into {} already", part.target().display());
            return Err((Code::USAGE, why));
        }
        waiting.push_back(Fetch::new(url, target, Rc::clone(&asking)));
    }
    let limits = ClientLimits { connections: options.parallel.into(), ..ClientLimits::default() };
    let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
    let trust = options.trust.clone();
    let environment = |name: &str| std::env::var(name).ok();
    let proxies = Proxies::new(options.proxy.as_deref(), options.noproxy.as_deref(), environment)
        .map_err(|why| (Code::NO_PROXY, why))?;
    let mut getter = Getter {
        client,
        secure: None,
        trust,
        proxies,
        bars: Bars::new("web"),
        waiting,
        running: 0,
        code: Code::WELL,
    };
    let mut reactor = Reactor::<Getter>::new().map_err(|error| (Code::OTHER, error.to_string()))?;
    let registry = reactor.registry();
    for _ in 0..options.parallel {
        getter.begin_next(registry);
    }
    if getter.bars.is_seen() {
        let ticking = registry.every(bars::TICK, |_, getter: &mut Getter| getter.bars.tick());
        debug_assert!(ticking.is_ok(), "there are timers");
    }
    let _ = reactor.run(&mut getter).map_err(|error| (Code::OTHER, error.to_string()))?;
    Ok(getter.code)
}

/// What all requests have in common.
#[derive(Debug)]
pub(crate) struct Asking {
    method: Method,
    header: Vec<(String, String)>,
    body: Option<bytes::Bytes>,
    resume: bool,
    redirects: u32,
    max_time: Option<Duration>,
    compressed: bool,
    verbose: bool,
}

fn asking(options: &Options) -> Result<Asking, (Code, String)> {
    let body = match &options.data {
        None => None,
        Some(data) => Some(match data.strip_prefix('@') {
            None => data.clone().into_bytes(),
            Some(path) => {
                std::fs::read(path).map_err(|error| (Code::NOT_READ, format!("{path}: {error}")))?
            }
        }),
    };
    let usual = if body.is_some() { Method::POST } else { Method::GET };
    Ok(Asking {
        method: options.request.clone().unwrap_or(usual),
        header: options.header.clone(),
        body: body.map(Into::into),
        resume: options.resume,
        redirects: options.redirects,
        max_time: options.max_time,
        compressed: options.compressed,
        verbose: options.verbose,
    })
}

impl Getter {
    /// By which client a URL is asked for.
    fn client_for(&mut self, url: &Url) -> Result<Client<Self>, TlsError> {
        if url.scheme() == Scheme::Http {
            return Ok(self.client.clone());
        }
        if let Some(client) = &self.secure {
            return Ok(client.clone());
        }
        let tls = Some(self.trust.load(None, &["http/1.1"])?);
        let connect = ConnectOptions { tls, ..ConnectOptions::default() };
        let client = Client::new(ClientOptions { connect, ..self.client.options().clone() });
        self.secure = Some(client.clone());
        Ok(client)
    }

    fn begin_next(&mut self, registry: &mut Registry<Self>) {
        if let Some(fetch) = self.waiting.pop_front() {
            self.running += 1;
            fetch.begin(registry, self);
        }
    }

    /// One has come to its end.
    fn end(
        &mut self,
        registry: &mut Registry<Self>,
        name: &str,
        outcome: Result<String, (Code, String)>,
    ) {
        match outcome {
            Ok(line) if line.is_empty() => {}
            Ok(line) => {
                // Without a reader there is nobody to tell.
                let _ = self.bars.say(line);
            }
            Err((code, why)) => {
                self.bars.complain(format_args!("{name}: {why}"));
                self.code.note(code);
            }
        }
        self.running -= 1;
        self.begin_next(registry);
        if self.running == 0 {
            registry.shutdown(Duration::ZERO);
        }
    }
}

/// A URL, as a person types it: without a scheme it is http.
fn parse(text: &str) -> Result<Url, NoUrl> {
    if text.contains("://") { text.parse() } else { format!("http://{text}").parse() }
}

pub(crate) fn field(text: &str) -> Result<(String, String), String> {
    let name_and_value = text.split_once(':').map(|(name, value)| (name.trim_end(), value.trim()));
    let (name, value) = name_and_value.ok_or("expected NAME: VALUE")?;
    if http::HeaderName::try_from(name).is_err() {
        return Err(format!("{name:?} is no name of a field"));
    }
    field_value(value)?;
    match &*name.to_ascii_lowercase() {
        "host" => Err("Host is what the URL says".to_owned()),
        "content-length" | "transfer-encoding" => {
            Err(format!("{name} is what the body says, with --data"))
        }
        _ => Ok((name.to_owned(), value.to_owned())),
    }
}

/// Reads what a field says. A line end in it would begin a field, or a request, of somebody else's choice.
pub(crate) fn field_value(text: &str) -> Result<String, String> {
    match http::HeaderValue::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a value has no line ends and no control characters in it".to_owned()),
    }
}
