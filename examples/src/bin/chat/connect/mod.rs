//! `chat connect`: a client for people on a terminal, and for scripts elsewhere.

mod clock;
mod command;
mod joins;
mod lines;
mod record;
mod report;
mod screen;
mod talk;
mod terminal;
mod whereabouts;

use std::error::Error;
use std::io::{self, IsTerminal};

use clap::Args;
use examples::endpoint::{self, Endpoint};
use examples::names::{self, Channels};
use examples::tls::CallTls;
use protocols::chat::client::{Client, ClientId, Login, Options as ClientOptions};
use protocols::chat::{Builder, WriteError};
use reactor::Reactor;

use crate::secret;
use lines::Lines;
use talk::{Front, Talk};
use terminal::Terminal;

/// Messages of the past to ask for when one joins: a few screens.
const HISTORY: u16 = 100;

/// Talk on a server
///
/// On a terminal it has windows, one for each channel and each person you talk to. Type /help for what
/// there is to type. Tab finishes names, Page Up scrolls back, Up brings back what you typed, Alt-1 or
/// Ctrl-N go to another window, Ctrl-C says goodbye.
///
/// Without a terminal it reads standard input, a command or something to say a line, and prints what
/// happens, a line each:
///
/// {n}  #room <ann> what ann says in #room            bob <bob> what bob says to you alone
/// {n}  #room * ann what ann does                     #room -bot- what a program says
/// {n}  -- what the server tells                      -! what is refused
///
/// A line is read when the one before it has been done: text goes to the channel that was joined or
/// named by /query last, or, if that channel forwards, where the server puts one instead. If none of
/// those that were asked for last lets one in, it goes to nobody. At the end of the input it says goodbye.
///
/// A connection that is lost is made again, after a pause that is told and grows. Without a terminal that is
/// so once the server has let one in: a script whose server is not there ends, unless there is --retry.
///
/// Exit code: 0 if all was said and done. 1 if not: a channel did not let one in, somebody was not there,
/// a command is none, the connection was lost for good; what was not said is on standard error. 2 if the
/// command line makes no sense, also a nick that no server would take.
#[derive(Args)]
#[allow(rustdoc::invalid_html_tags, reason = "it is what `--help` prints")]
pub(crate) struct Options {
    /// HOST:PORT, or unix:PATH
    #[arg(value_name = "ADDR", value_parser = endpoint::of_streams)]
    server: Endpoint,

    #[command(flatten)]
    tls: CallTls,

    /// What to be called
    #[arg(long, short, value_name = "NAME", value_parser = names::nick)]
    nick: String,

    /// Join a channel; with a key: '#room key'; several: '#room,#other'
    #[arg(long, short, visible_alias = "join", value_name = "CHANNEL", value_parser = names::channels)]
    channel: Vec<Channels>,

    /// Log in to an account; its password is taken from CHAT_PASSWORD, or asked for
    #[arg(long, short, value_name = "NAME")]
    account: Option<String>,

    /// The server's password, if it has one
    #[arg(long, value_name = "PASSWORD", value_parser = sentence)]
    password: Option<String>,

    /// A name that may be a sentence, for those who ask who you are
    #[arg(long, value_name = "TEXT", value_parser = sentence)]
    real_name: Option<String>,

    /// Lines a second, after the first five; servers let go of those who talk faster than they like
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,

    /// Try again until the server lets one in for the first time, also without a terminal
    #[arg(long, conflicts_with = "once")]
    retry: bool,

    /// End when the connection is lost, instead of connecting again
    #[arg(long)]
    once: bool,

    /// Lines even on a terminal
    #[arg(long)]
    lines: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut client = client_options(options)?;
    let mut reactor = Reactor::<Talk>::new()?;
    let handle = reactor.handle();
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && !options.lines;
    // A script is told what happens; somebody who comes back reads up on what happened.
    client.history = if on_terminal { HISTORY } else { 0 };
    let front = if on_terminal {
        Front::Screen(Box::new(Terminal::start(handle)?))
    } else {
        Front::Lines(Lines::start(handle)?)
    };
    #[cfg(unix)]
    for signal in [reactor::Signal::Interrupt, reactor::Signal::Terminate] {
        reactor.registry().on_signal(signal, |registry, talk: &mut Talk| {
            talk.quit(registry, "Goodbye");
        })?;
    }
    let names = client.channels.iter().flat_map(|(names, _)| names.split(','));
    let channels: Vec<_> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let client = Client::start(reactor.registry(), ClientId::default(), client);
    let mut talk = Talk::new(client, front, &channels);
    talk.gives_up = !on_terminal && !options.retry;
    reactor.run(&mut talk)?;
    talk.into_result()
}

fn client_options(options: &Options) -> Result<ClientOptions, Box<dyn Error>> {
    let login = match &options.account {
        None => None,
        Some(account) => {
            let password = secret::known_or_asked(&format!("Password of {account}: "))?;
            Some(Login { account: account.clone(), password })
        }
    };
    let mut client = ClientOptions::new(options.server.address()?, &options.nick);
    client.tls = options.tls.load(options.server.host())?;
    client.channels.clone_from(&options.channel);
    client.login = login;
    client.password.clone_from(&options.password);
    client.real_name.clone_from(&options.real_name);
    client.echo = true;
    client.reconnect = !options.once;
    client.limits.rate = options.rate;
    client.limits.burst = client.limits.burst.max(options.rate);
    Ok(client)
}

/// A text of a single line.
fn sentence(text: &str) -> Result<String, WriteError> {
    Builder::new().command("PASS").text(text).finish().map(|_| text.to_owned())
}
