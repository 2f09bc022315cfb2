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
use protocols::echo::{Caller, Client, ClientId, Event, Failure, NotSent, Reply};
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
    let mut ping = Ping::new(options)?;
    for signal in [Signal::Interrupt, Signal::Terminate] {
        reactor.registry().on_signal(signal, |registry, ping: &mut Ping| {
            ping.call.finish(registry, Ok(()));
        })?;
    }
    ping.call.begin(reactor.registry())?;
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
    returned: u64,
    lost: u64,
    /// When those left that have yet to return. The loop's clock stands still during a turn; this is
    /// the system's.
    departures: HashMap<u64, Instant>,
    /// Round trips in nanoseconds, to three digits.
    times: Histogram<u64>,
}

impl Ping {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let default = if options.count.is_some() { Duration::ZERO } else { WATCHING };
        let pace = match options.interval.unwrap_or(default) {
            Duration::ZERO => Pace::AfterReply,
            interval => Pace::Every(interval),
        };
        Ok(Self {
            call: Call::new(&options.server, options.timeout)?,
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
        let Some(client) = self.call.current().filter(|_| self.left > 0) else {
            return;
        };
        let now = Instant::now();
        match client.send(registry, payload(self.score.sent, self.size)) {
            Ok(sequence) => {
                self.left -= 1;
                self.score.note_sent(sequence, now);
            }
            // The peer is behind: this beat is skipped.
            Err(NotSent::WindowFull(_)) => {}
            // It was told so of an earlier one, which says nothing of this one: it is tried again.
            Err(NotSent::Refused { error, .. }) if error.kind() == ErrorKind::ConnectionRefused => {
                registry.defer(|registry, ping: &mut Self| ping.beat(registry));
            }
            Err(error) => self.call.fail(registry, error),
        }
    }

    /// A ping has returned, or is lost: sends the next, or ends.
    fn go_on(&mut self, registry: &mut Registry<Self>) {
        if self.left == 0 && self.score.is_settled() {
            if let Some(client) = self.call.current() {
                client.close(registry);
            }
        } else if matches!(self.pace, Pace::AfterReply) {
            self.beat(registry);
        }
    }

    /// Prints a line about the server, if lines are wanted.
    fn print(&mut self, registry: &mut Registry<Self>, line: impl FnOnce(&Endpoint) -> String) {
        if self.prints
            && let Err(error) = output::say(line(self.call.server()))
        {
            self.call.finish(registry, Err(error.into()));
        }
    }

    /// Prints the summary, if there was anything to sum up.
    fn report(mut self) -> Result<(), Box<dyn Error>> {
        if self.score.sent == 0 {
            return self.call.into_result();
        }
        output::say(&self.score)?;
        match self.call.current().map_or(0, |client| client.strays()) {
            0 => {}
            strays => output::say(format_args!("{strays} came back late, twice or changed"))?,
        }
        if self.score.returned == 0 {
            let nothing = format!("{}: nothing came back", self.call.server());
            return self.call.into_result().and(Err(nothing.into()));
        }
        self.call.into_result()
    }
}

impl Caller for Ping {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.call.client(id)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, _: ClientId, event: Event<'_>) {
        match event {
            Event::Open => self.start(registry),
            Event::Bytes(_) => {}
            Event::Reply(reply) => {
                let time = self.score.note_reply(&reply);
                self.print(registry, |server| {
                    let (size, number) = (reply.payload.len(), reply.sequence + 1);
                    format!("{size} bytes from {server}: seq={number} time={}", Millis(time))
                });
                self.go_on(registry);
            }
            Event::Lost { sequence, .. } => {
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

    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        _: ClientId,
        outcome: Result<(), Failure>,
    ) {
        self.call.handle_finish(registry, outcome);
    }
}

impl Score {
    fn new() -> Result<Self, Box<dyn Error>> {
        let times = Histogram::new_with_bounds(1, HOUR, 3)?;
        Ok(Self { sent: 0, returned: 0, lost: 0, departures: HashMap::new(), times })
    }

    fn note_sent(&mut self, sequence: u64, now: Instant) {
        self.sent += 1;
        self.departures.insert(sequence, now);
    }

    fn note_loss(&mut self, sequence: u64) {
        self.lost += 1;
        self.departures.remove(&sequence);
    }

    /// A ping has returned; how long it took.
    fn note_reply(&mut self, reply: &Reply) -> Duration {
        self.returned += 1;
        let departure = self.departures.remove(&reply.sequence);
        let round_trip = departure.map_or(reply.round_trip, |departure| departure.elapsed());
        let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.times.saturating_record(nanos.max(1));
        round_trip
    }

    /// Whether nothing is on its way.
    fn is_settled(&self) -> bool {
        self.returned + self.lost == self.sent
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, returned, lost, times, .. } = self;
        write!(f, "{sent} sent, {returned} returned, {lost} lost")?;
        if times.is_empty() {
            return Ok(());
        }
        let millis = |nanos| Millis(Duration::from_nanos(nanos));
        let (min, max) = (millis(times.min()), millis(times.max()));
        let [median, p99] = [0.5, 0.99].map(|quantile| millis(times.value_at_quantile(quantile)));
        write!(f, "\nround trip: min {min}, median {median}, p99 {p99}, max {max}")
    }
}

/// Prints as ping does: `0.043 ms`.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms", self.0.as_secs_f64() * 1e3)
    }
}

/// The sequence number, as far as it fits, and then a pattern: no two datagrams are equal.
fn payload(sequence: u64, size: usize) -> Bytes {
    let pattern = (0..=u8::MAX).cycle();
    sequence.to_le_bytes().into_iter().chain(pattern).take(size).collect()
}
