//! A chat bot: it throws dice, reminds people, knows when somebody was last seen, and gives files away.
//!
//! ```console
//! $ cargo run --release --bin chat -- serve --flood off
//! $ cargo run --release --bin chat-bot -- 127.0.0.1:6667 --channel '#lobby'
//! ```
//!
//! Then, in `#lobby`:
//!
//! ```text
//! <ann> !roll 2d6
//! -bot- ann: 4 + 6 = 10
//! <ann> !remind 10m tea is ready
//! -bot- ann: in 10 minutes, then
//! ```
//!
//! With `--share PATH` it seeds a torrent of that, and says in each channel where it is:
//!
//! ```text
//! -bot- photos, 12.50 MiB: magnet:?xt=urn:btih:…&dn=photos&tr=http%3A%2F%2F192.0.2.1…&x.pe=192.0.2.1:6881
//! ```
//!
//! Whoever says `torrent get LINK --output DIR` has it, and gives it on; so does who gives the link to another program, since
//! the bot is a tracker for it, too. Chat and torrent are one loop, and one application that is told of both; people can fetch
//! on when the chat server has gone.
//!
//! It is what a bot looks like on this project's client: a struct that is told what happens, and whose
//! timers are the loop's. It answers with notices, which no other bot answers, so that two of them do not
//! talk to each other for ever (RFC 1459, 4.4.2).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use examples::advice::NotOpened;
use examples::endpoint::{self, Endpoint, HostPort};
use examples::names::{self, Channels};
use examples::output;
use examples::torrents::{self, Giving};
use indicatif::BinaryBytes;
use protocols::chat::client::{Caller, Client, ClientId, Event, Failure, Kind, Options};
use protocols::torrent::peer::{Host, Swarm, Swarms};
use protocols::torrent::tracker::{self, Tracker};
use reactor::{Address, ListenOptions, Reactor, Registry};

/// Names it remembers. When there are more, the one seen longest ago is forgotten.
const MOST_SEEN: usize = 10_000;
/// Reminders at one time, of everybody: each is a timer of the loop.
const MOST_REMINDERS: usize = 1_000;
/// How many bytes a link may have that says the torrent's name.
const LONGEST_LINK: usize = 200;
/// The longest time somebody is reminded after.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A chat bot that throws dice, reminds people, and knows when somebody was last seen
///
/// It stays until Ctrl-C, and comes back when the connection is lost. In a channel, or to it alone:
/// !roll 2d6, !remind 10m TEXT, !seen NICK, !files, !help.
#[derive(Parser)]
#[command(name = "chat-bot", version)]
struct Cli {
    /// HOST:PORT or unix:PATH
    #[arg(value_name = "ADDR", value_parser = endpoint::of_streams)]
    server: Endpoint,

    /// What to be called
    #[arg(long, short, value_name = "NAME", default_value = "bot", value_parser = names::nick)]
    nick: String,

    /// Join a channel; with a key: '#room key'; several: '#room,#other'
    #[arg(long, short, value_name = "CHANNEL", value_parser = names::channels)]
    channel: Vec<Channels>,

    /// Give this file or folder to everybody, as a torrent: the link is said in each channel
    #[arg(long, value_name = "PATH")]
    share: Option<PathBuf>,

    /// Where to be fetched from: an address that peers reach, since the link says it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", requires = "share")]
    listen: HostPort,

    /// Where those who fetch it ask for each other, over HTTP: an address that they reach [default: any free port beside --listen]
    #[arg(long, value_name = "ADDR", requires = "share")]
    tracker: Option<HostPort>,
}

/// The bot: its client, and what it remembers.
struct Bot {
    client: Client,
    /// When each was last seen, by lower-case nick, and doing what.
    seen: BTreeMap<String, Sighting>,
    reminders: usize,
    giving: Giving,
    /// What is said of the torrent.
    shared: Option<String>,
    result: Option<Result<(), Failure>>,
}

struct Sighting {
    nick: String,
    at: Instant,
    doing: &'static str,
}

fn main() -> ExitCode {
    output::exit("chat-bot", run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::<Bot>::new()?;
    let mut options = Options::new(cli.server.address()?, &cli.nick);
    options.real_name = Some("a bot: say !help".to_owned());
    options.channels = cli.channel.clone();
    let client = Client::start(reactor.registry(), ClientId::default(), options);
    #[cfg(unix)]
    for signal in [reactor::Signal::Interrupt, reactor::Signal::Terminate] {
        reactor.registry().on_signal(signal, |registry, bot: &mut Bot| {
            bot.client.quit(registry, "Back to the workshop");
        })?;
    }
    let mut giving = Giving::new(reactor.registry());
    let shared = share(cli, reactor.registry(), &mut giving)?;
    let (seen, reminders) = Default::default();
    let mut bot = Bot { client, seen, reminders, giving, shared, result: None };
    reactor.run(&mut bot)?;
    Ok(bot.result.unwrap_or(Ok(()))?)
}

/// Begins to give away what is to be given, and puts that in words.
fn share(
    cli: &Cli,
    registry: &mut Registry<Bot>,
    giving: &mut Giving,
) -> Result<Option<String>, Box<dyn Error>> {
    let Some(path) = &cli.share else {
        return Ok(None);
    };
    let (at, options) = (torrents::named(cli.listen.first()?)?, ListenOptions::default());
    let beside = at.ip().map(|ip| Address::Ip((ip, 0).into()));
    let id = giving.swarms.listen(registry, at, &options).map_err(NotOpened::by("--listen"))?;
    let listens = registry.listener_address(id)?;
    let tracker = cli.tracker.as_ref().map(HostPort::first).transpose()?.or(beside);
    let tracker = torrents::named(tracker.ok_or("--tracker wants an address")?)?;
    let id =
        tracker::listen_http(registry, tracker, &options).map_err(NotOpened::by("--tracker"))?;
    let tracks = registry.listener_address(id)?;
    let mut link = giving.seed(registry, path, &listens, &tracks)?;
    let length =
        giving.swarms.get(&link.hash).and_then(Swarm::info).map_or(0, |info| info.length());
    let name = link.name.as_deref().unwrap_or("a torrent").replace(char::is_control, "\u{fffd}");
    // A line has room for one of them (RFC 2812, 2.3), and a link that is cut leads nowhere.
    if link.to_string().len() > LONGEST_LINK {
        link.name = None;
    }
    Ok(Some(format!("{name}, {}: {link}", BinaryBytes(length))))
}

impl Host for Bot {
    fn swarms(&mut self) -> &mut Swarms {
        &mut self.giving.swarms
    }
}

impl AsMut<Tracker> for Bot {
    fn as_mut(&mut self) -> &mut Tracker {
        &mut self.giving.tracker
    }
}

impl Caller for Bot {
    fn client(&mut self, _: ClientId) -> Option<&mut Client> {
        Some(&mut self.client)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event) {
        match event {
            Event::Welcome { nick } => output::complain(format_args!("here as {nick}")),
            Event::Ready => self.say_what_i_am(registry),
            Event::Lost { why, pause } => {
                output::complain(format_args!("{why}; trying again in {pause:.0?}"));
            }
            Event::Joined { channel, own: true, .. } => {
                output::complain(format_args!("joined {channel}"));
                if let Some(shared) = self.shared.clone() {
                    self.answer(registry, &channel, &channel, &shared);
                }
            }
            Event::Joined { who, own: false, .. } => self.see(registry, &who.nick, "joining"),
            Event::Left { who, own: false, .. } => self.see(registry, &who.nick, "leaving"),
            Event::Quit { who, .. } => self.see(registry, &who.nick, "quitting"),
            Event::Message { kind: Kind::Message, from, target, text, own: false, .. }
                if !from.is_server() =>
            {
                self.see(registry, &from.nick, "talking");
                self.hear(registry, &from.nick, &target, &text);
            }
            Event::Message { kind: Kind::Action, from, own: false, .. } => {
                self.see(registry, &from.nick, "talking");
            }
            // A channel does not let one in.
            Event::Reply { code: 403 | 405 | 471 | 473..=477 | 489, params } => {
                output::complain(params.join(": "));
            }
            _ => {}
        }
    }

    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        _: ClientId,
        outcome: Result<(), Failure>,
    ) {
        self.result = Some(outcome);
        registry.shutdown(Duration::ZERO);
    }
}

impl Bot {
    /// Says that it is a bot, where there is a mode for that (IRCv3 bot mode).
    fn say_what_i_am(&mut self, registry: &mut Registry<Self>) {
        let nick = self.client.nick().to_owned();
        // A server without it answers that it does not know the letter, and no harm is done.
        let _ = self.client.send_line(registry, &format!("MODE {nick} +B"));
    }

    /// Somebody has said something; perhaps it is for us.
    fn hear(&mut self, registry: &mut Registry<Self>, nick: &str, target: &str, text: &str) {
        let Some(command) = text.strip_prefix('!') else { return };
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        let rest = rest.trim();
        // What was said to us alone is answered alone.
        let is_private = !self.client.support().is_channel(target);
        let place = if is_private { nick } else { target };
        let answer = match name {
            "roll" => roll(rest, || registry.random()),
            "seen" => self.when_seen(registry, rest),
            "remind" => self.remind(registry, nick, place, rest),
            "files" => self.shared.clone().ok_or("I have none to give"),
            "help" => Ok("!roll 2d6, !remind 10m TEXT, !seen NICK, !files".to_owned()),
            _ => return,
        };
        let answer = answer.unwrap_or_else(str::to_owned);
        self.answer(registry, nick, place, &answer);
    }

    /// Answers somebody, with what no program answers.
    fn answer(&mut self, registry: &mut Registry<Self>, nick: &str, place: &str, text: &str) {
        let text = if place == nick { text.to_owned() } else { format!("{nick}: {text}") };
        if let Err(why) = self.client.notice(registry, place, &text) {
            output::complain(format_args!("{nick} is not answered: {why}"));
        }
    }

    // ── what it remembers ───────────────────────────────────────────────────────────────────

    fn see(&mut self, registry: &Registry<Self>, nick: &str, doing: &'static str) {
        let key = nick.to_lowercase();
        if !self.seen.contains_key(&key) && self.seen.len() >= MOST_SEEN {
            let oldest = self.seen.iter().min_by_key(|(_, it)| it.at).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.seen.remove(&key));
        }
        let sighting = Sighting { nick: nick.to_owned(), at: registry.now(), doing };
        self.seen.insert(key, sighting);
    }

    fn when_seen(&self, registry: &Registry<Self>, nick: &str) -> Result<String, &'static str> {
        if nick.is_empty() {
            return Err("who? !seen NICK");
        }
        Ok(match self.seen.get(&nick.to_lowercase()) {
            Some(Sighting { nick, at, doing }) => {
                let ago = in_words(registry.now().saturating_duration_since(*at));
                format!("{nick} was last seen {ago} ago, {doing}")
            }
            None => format!("I have not seen {nick}"),
        })
    }

    /// Sets a timer that says something.
    fn remind(
        &mut self,
        registry: &mut Registry<Self>,
        nick: &str,
        place: &str,
        what: &str,
    ) -> Result<String, &'static str> {
        let (span, text) = what.split_once(' ').ok_or("of what, and when? !remind 10m TEXT")?;
        let span = span_of(span).ok_or("I know s, m and h: !remind 10m TEXT")?;
        if self.reminders >= MOST_REMINDERS {
            return Err("I have too much to remember already");
        }
        let (nick, place, text) = (nick.to_owned(), place.to_owned(), text.trim().to_owned());
        let timer = registry.after(span, move |registry, bot: &mut Self| {
            bot.reminders -= 1;
            bot.answer(registry, &nick, &place, &text);
        });
        timer.map_err(|_| "I have too much to remember already")?;
        self.reminders += 1;
        Ok(format!("in {}, then", in_words(span)))
    }
}

/// Throws dice: `2d6` is two with six sides, `d20` one with twenty.
fn roll(what: &str, mut random: impl FnMut() -> u64) -> Result<String, &'static str> {
    const USAGE: &str = "up to 20 dice with up to 1000 sides: !roll 2d6";
    let (count, sides) =
        if what.is_empty() { ("", "6") } else { what.split_once('d').ok_or(USAGE)? };
    let count: u64 = if count.is_empty() { 1 } else { count.parse().map_err(|_| USAGE)? };
    let sides: u64 = sides.parse().map_err(|_| USAGE)?;
    if !(1..=20).contains(&count) || !(2..=1_000).contains(&sides) {
        return Err(USAGE);
    }
    // One in 2^64/1000 is off by one: nobody plays long enough to see it.
    let dice: Vec<u64> = (0..count).map(|_| random() % sides + 1).collect();
    let sum: u64 = dice.iter().sum();
    let dice: Vec<_> = dice.iter().map(u64::to_string).collect();
    Ok(if count == 1 { sum.to_string() } else { format!("{} = {sum}", dice.join(" + ")) })
}

/// `90s`, `10m`, `2h`, as a span of time.
fn span_of(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return None,
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let span = Duration::from_secs(count.checked_mul(seconds)?);
    (!span.is_zero() && span <= LONGEST).then_some(span)
}

fn in_words(span: Duration) -> String {
    let (count, unit) = match span.as_secs() {
        seconds @ 0..=119 => (seconds, "second"),
        seconds @ 120..=7_199 => (seconds / 60, "minute"),
        seconds => (seconds / 3_600, "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_have_as_many_sides_as_one_says() {
        let throw = |what| {
            let mut next = 4;
            roll(what, || {
                next += 1;
                next
            })
        };
        assert_eq!(throw("2d6"), Ok("6 + 1 = 7".into()));
        assert_eq!(throw("d20"), Ok("6".into()));
        assert_eq!(throw(""), Ok("6".into()));
        for wrong in
            ["6", "0d6", "21d6", "2d1", "2d1001", "xd6", "2dx", "-1d6", "99999999999999999999d6"]
        {
            assert!(throw(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span_of("90s"), Some(Duration::from_secs(90)));
        assert_eq!(span_of("2h"), Some(Duration::from_secs(7_200)));
        for wrong in ["", "s", "10", "0m", "1d", "99999999h", "99999999999999999999s", "1é"] {
            assert_eq!(span_of(wrong), None, "{wrong}");
        }
        assert_eq!(in_words(Duration::from_secs(1)), "1 second");
        assert_eq!(in_words(Duration::from_secs(600)), "10 minutes");
    }
}
