//! Quiet clients: messages on a schedule, and how long their echoes take.
//!
//! A ping that comes late because the one before took long is counted from when it was due, and pings
//! that a silent server never let leave are counted too: otherwise a stall of a second would be one
//! slow ping among thousands.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Result;
use crate::clients::sockets::connect;

/// How long the last echo may take once the time is over.
const GRACE: Duration = Duration::from_secs(1);

/// Who sends, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Clients, who take turns.
    pub clients: usize,
    /// The time from one message to the next, of whichever client.
    pub every: Duration,
}

/// The latencies of all clients.
pub struct Latencies {
    nanoseconds: Histogram<u64>,
}

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { nanoseconds: Histogram::new(3)? })
    }

    /// The latency that `quantile` of the pings stayed below.
    pub fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.nanoseconds.value_at_quantile(quantile))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.nanoseconds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nanoseconds.is_empty()
    }

    /// The worst latency.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.max())
    }

    /// Notes down a latency.
    pub(crate) fn record(&mut self, latency: Duration) -> Result {
        let nanoseconds = u64::try_from(latency.as_nanos())?;
        Ok(self.nanoseconds.record(nanoseconds)?)
    }
}

/// Pings the server on this schedule, `lasting` so long.
pub fn run(address: SocketAddr, schedule: Schedule, lasting: Duration) -> Result<Latencies> {
    let connect = |_| connect(address);
    let mut streams = (0..schedule.clients).map(connect).collect::<Result<Vec<_>>>()?;
    let mut latencies = Latencies::new()?;
    let mut due = Instant::now();
    let end = due + lasting;
    for turn in (0..schedule.clients).cycle() {
        if due >= end {
            break;
        }
        let start = wait_until(due);
        if !is_answered(&mut streams[turn], end + GRACE)? {
            count_as_stalled(&mut latencies, due, schedule.every, end)?;
            break;
        }
        latencies.record(start.elapsed())?;
        due += schedule.every;
    }
    Ok(latencies)
}

/// Sleeps until `due`. From when a ping counts: from waking up, as the sleep is not the server's; when
/// it is late already, from when it was due.
fn wait_until(due: Instant) -> Instant {
    match due.checked_duration_since(Instant::now()) {
        Some(early) => {
            thread::sleep(early);
            Instant::now()
        }
        None => due,
    }
}

/// One message there and back, before `deadline`.
fn is_answered(stream: &mut TcpStream, deadline: Instant) -> Result<bool> {
    let message = [b'p'; 64];
    let mut reply = [0; 64];
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    stream.write_all(&message)?;
    match stream.read_exact(&mut reply) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Counts each ping from `due` on as answered no sooner than now.
fn count_as_stalled(
    latencies: &mut Latencies,
    mut due: Instant,
    every: Duration,
    end: Instant,
) -> Result {
    let now = Instant::now();
    while due < end {
        latencies.record(now.saturating_duration_since(due))?;
        due += every;
    }
    Ok(())
}
