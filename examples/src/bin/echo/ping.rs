//! `echo ping`: round trips, and their distribution.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use examples::endpoint::{Endpoint, how_many, seconds};
use examples::output;
use hdrhistogram::Histogram;
use protocols::echo::{Caller, Client, ClientId, Event, NotSent, Outcome, Sent};
use reactor::{Reactor, Registry, Signal};

use crate::call::{Call, Server};

/// The time between two pings that somebody watches.
const WATCHING: Duration = Duration::from_secs(1);

/// The longest round trip that is told apart, in nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// Measure round trips
///
/// Ctrl-C ends it and prints the summary. Exit code 1 if nothing came back.
///
/// Without --count it goes on for ever, a ping a second and a line for each reply. With --count it
/// measures: each ping leaves when the one before it has returned, and only the summary is printed.
/// --interval makes both choices by hand.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,

    /// Stop after N pings
    #[arg(long, short, value_name = "N", value_parser = how_many::<u64>)]
    count: Option<u64>,

    /// How many bytes to send
    #[arg(long, short, value_name = "BYTES", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    size: u32,

    /// Time between pings; 0 waits for each reply instead
    #[arg(long, short, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<Duration>,

    /// Give a reply up after so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "2")]
    timeout: Duration,

    /// Print only the summary
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let call = Call::begin(reactor.registry(), &options.server, options.timeout)?;
    let mut ping = Ping::new(options, call)?;
    for signal in [Signal::Interrupt, Signal::Terminate] {
        reactor.registry().on_signal(signal, |registry, ping: &mut Ping| {
            ping.call.finish(registry, Ok(()));
        })?;
    }
    reactor.run(&mut ping)?;
    ping.report()
}

/// The program's state.
struct Ping {
    call: Call,
    size: usize,
    pace: Pace,
    /// Pings not sent yet.
    left: u64,
    prints: bool,
    score: Score,
}

/// When the next ping leaves.
#[derive(Clone, Copy)]
enum Pace {
    /// When the one before it has returned, or is lost.
    AfterReply,
    Every(Duration),
}

/// What has come of it so far.
struct Score {
    sent: u64,
    /// When those left that have yet to return. The loop's clock stands still during a turn; this is
    /// the system's.
    departures: HashMap<u64, Instant>,
    /// Round trips of those that have returned, in nanoseconds, to three digits.
    times: Histogram<u64>,
}

impl Ping {
    fn new(options: &Options, call: Call) -> Result<Self, Box<dyn Error>> {
        let default = if options.count.is_some() { Duration::ZERO } else { WATCHING };
        let pace = match options.interval.unwrap_or(default) {
            Duration::ZERO => Pace::AfterReply,
            interval => Pace::Every(interval),
        };
        Ok(Self {
            call,
            size: options.size as usize,
            left: options.count.unwrap_or(u64::MAX),
            prints: !options.quiet && matches!(pace, Pace::Every(_)),
            pace,
            score: Score::new()?,
        })
    }

    fn start(&mut self, registry: &mut Registry<Self>) {
        self.beat(registry);
        if let Pace::Every(interval) = self.pace {
            let beats = registry.every(interval, |registry, ping: &mut Self| ping.beat(registry));
            if let Err(error) = beats {
                self.call.finish(registry, Err(error.into()));
            }
        }
    }

    /// Sends one ping, if there are any left.
    fn beat(&mut self, registry: &mut Registry<Self>) {
        if self.left == 0 {
            return;
        }
        let now = Instant::now();
        match self.call.client.send(registry, payload(self.score.sent, self.size)) {
            Ok(sequence) => {
                self.left -= 1;
                self.score.note_sent(sequence, now);
            }
            // The peer is behind: this beat is skipped.
            Err(NotSent::WindowFull(_)) => {}
            // It was told so of an earlier one, which says nothing of this one: it is tried again.
            Err(NotSent::Refused(_, error)) if error.kind() == ErrorKind::ConnectionRefused => {
                registry.defer(|registry, ping: &mut Self| ping.beat(registry));
            }
            Err(error) => self.call.fail(registry, error),
        }
    }

    /// A ping has returned, or is lost: sends the next, or ends.
    fn go_on(&mut self, registry: &mut Registry<Self>) {
        if self.left == 0 && self.score.departures.is_empty() {
            self.call.client.close(registry);
        } else if matches!(self.pace, Pace::AfterReply) {
            self.beat(registry);
        }
    }

    /// Prints a line about the server, if lines are wanted.
    fn print(&mut self, registry: &mut Registry<Self>, line: impl FnOnce(&Endpoint) -> String) {
        if self.prints
            && let Err(error) = output::say(line(&self.call.server))
        {
            self.call.finish(registry, Err(error.into()));
        }
    }

    /// Prints the summary, if there was anything to sum up.
    fn report(self) -> Result<(), Box<dyn Error>> {
        if self.score.sent == 0 {
            return self.call.into_result();
        }
        output::say(&self.score)?;
        match self.call.client.exchange().strays() {
            0 => {}
            strays => output::say(format_args!("{strays} came back late, twice or changed"))?,
        }
        if self.score.times.is_empty() {
            let nothing = format!("{}: nothing came back", self.call.server);
            return self.call.into_result().and(Err(nothing.into()));
        }
        self.call.into_result()
    }
}

impl Caller for Ping {
    fn client(&mut self, _: ClientId) -> Option<&mut Client> {
        Some(&mut self.call.client)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event<'_>) {
        match event {
            Event::Open => self.start(registry),
            Event::Bytes(_) => {}
            Event::Reply(Sent { sequence, payload, .. }) => {
                let time = self.score.note_reply(sequence);
                self.print(registry, |server| {
                    let (size, number) = (payload.len(), sequence + 1);
                    format!("{size} bytes from {server}: seq={number} time={}", millis(time))
                });
                self.go_on(registry);
            }
            Event::Lost(Sent { sequence, .. }) => {
                self.score.note_loss(sequence);
                self.print(registry, |server| {
                    format!("nothing from {server}: seq={}", sequence + 1)
                });
                self.go_on(registry);
            }
            Event::Trouble(trouble) => {
                self.print(registry, |server| format!("{server}: {trouble}"));
            }
        }
    }

    fn on_finish(&mut self, registry: &mut Registry<Self>, _: ClientId, outcome: Outcome) {
        self.call.handle_finish(registry, outcome);
    }
}

impl Score {
    fn new() -> Result<Self, Box<dyn Error>> {
        let times = Histogram::new_with_bounds(1, HOUR, 3)?;
        Ok(Self { sent: 0, departures: HashMap::new(), times })
    }

    fn note_sent(&mut self, sequence: u64, now: Instant) {
        self.sent += 1;
        self.departures.insert(sequence, now);
    }

    fn note_loss(&mut self, sequence: u64) {
        self.departures.remove(&sequence);
    }

    /// A ping has returned; how long it took.
    fn note_reply(&mut self, sequence: u64) -> Duration {
        let round_trip = self.departures.remove(&sequence).unwrap_or_else(Instant::now).elapsed();
        let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.times.saturating_record(nanos.max(1));
        round_trip
    }
}

/// Those that are neither lost nor back are on their way.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, departures, times } = self;
        let (returned, on_their_way) = (times.len(), departures.len() as u64);
        write!(f, "{sent} sent, {returned} returned, {} lost", sent - returned - on_their_way)?;
        if times.is_empty() {
            return Ok(());
        }
        let [min, median, p99, max] = [0.0, 0.5, 0.99, 1.0]
            .map(|quantile| millis(Duration::from_nanos(times.value_at_quantile(quantile))));
        write!(f, "\nround trip: min {min}, median {median}, p99 {p99}, max {max}")
    }
}

/// As ping prints it: `0.043 ms`.
fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The sequence number, as far as it fits, and then a pattern: no two datagrams are equal.
fn payload(sequence: u64, size: usize) -> Bytes {
    let pattern = (0..=u8::MAX).cycle();
    sequence.to_le_bytes().into_iter().chain(pattern).take(size).collect()
}
