//! Timers: what it costs to set one, to move it, to cancel it, and to have it fire.
//!
//! A contender keeps as many timers as it is told, each in a place of its own, and is asked to do the
//! same to a batch of places chosen at random. Whatever it needs to find a timer again it keeps there.
//!
//! The deadlines are far off, as those of idle connections are, but for the ones that are to expire:
//! these are spread over [`SOON`], and fire all at once when it has passed.

mod btree;
mod delay_queue;
mod hash_wheel;
mod heap;
mod reactor;

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::work::{Spent, Work};
use crate::{PATIENCE, Result};

/// The time over which timers that are to expire are spread.
pub const SOON: Duration = Duration::from_millis(250);

/// The deadlines of the others, in seconds: nothing fires meanwhile.
const LATER: std::ops::Range<f64> = 60.0..3600.0;

/// Places in a batch, and never more than half of all.
const BATCH: usize = 65_536;

/// After so many batches' worth of all timers a contender is built anew, so that one which cancels
/// lazily is not measured with more garbage than it would ever have.
const REBUILT_AFTER: usize = 4;

/// Who keeps the timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keeper {
    /// A binary heap that forgets cancelled timers when they come up: the ruler.
    Heap,
    /// The reactor: ours, through its public calls.
    Reactor,
    /// A B-tree by deadline.
    Btree,
    /// tokio-util's `DelayQueue`.
    DelayQueue,
    /// The crate hierarchical_hash_wheel_timer.
    HashWheel,
}

crate::choice!(Keeper);

/// What is done to a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// It is set.
    Insert,
    /// It is given another deadline.
    #[value(name = "re-arm")]
    Rearm,
    /// It is cancelled.
    Cancel,
    /// It fires, having waited its time.
    Expire,
}

crate::choice!(Operation);

/// A place, and how far off its timer's deadline is.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The place.
    pub place: usize,
    /// How far off.
    pub delay: Duration,
}

/// One who keeps timers, each in a place.
pub trait Timers {
    /// Sets a timer in each of these places, which are empty.
    fn insert(&mut self, settings: &[Setting]) -> Result;

    /// Moves the timers in these places.
    fn rearm(&mut self, settings: &[Setting]) -> Result;

    /// Cancels the timers in these places.
    fn cancel(&mut self, settings: &[Setting]) -> Result;

    /// Fires everything that is due; how many timers that were.
    fn fire(&mut self) -> Result<u64>;
}

/// A keeper with room for so many timers, and none set.
pub fn keep(keeper: Keeper, places: usize) -> Result<Box<dyn Timers>> {
    Ok(match keeper {
        Keeper::Heap => Box::new(heap::Heap::new(places)),
        Keeper::Reactor => Box::new(reactor::Loop::new(places)?),
        Keeper::Btree => Box::new(btree::Btree::new(places)),
        Keeper::DelayQueue => Box::new(delay_queue::Queue::new(places)?),
        Keeper::HashWheel => Box::new(hash_wheel::HashWheel::new(places)),
    })
}

/// One operation on one keeper's timers, as work.
pub struct TimerWork {
    keeper: Keeper,
    operation: Operation,
    timers: Box<dyn Timers>,
    /// Every place, shuffled: a batch is a stretch of it.
    settings: Vec<Setting>,
    next: usize,
    touched: usize,
}

impl TimerWork {
    /// So many live timers, all far off.
    pub fn new(keeper: Keeper, operation: Operation, live: usize) -> Result<Self> {
        let mut work = Self {
            keeper,
            operation,
            timers: keep(keeper, live)?,
            settings: shuffled(live),
            next: 0,
            touched: 0,
        };
        work.rebuild()?;
        Ok(work)
    }

    fn rebuild(&mut self) -> Result {
        self.timers = keep(self.keeper, self.settings.len())?;
        self.touched = 0;
        if self.operation != Operation::Expire {
            self.timers.insert(&self.settings)?;
        }
        Ok(())
    }

    /// All timers, set and waited for; only the firing counts.
    fn expire(&mut self) -> Result<Spent> {
        let soon = spread_over(SOON, self.settings.len());
        self.timers.insert(&soon)?;
        thread::sleep(SOON + Duration::from_millis(5));
        let (start, mut fired) = (Instant::now(), 0);
        while fired < soon.len() as u64 {
            fired += self.timers.fire()?;
            if start.elapsed() > PATIENCE {
                return Err(format!("only {fired} of {} timers fired", soon.len()).into());
            }
        }
        Ok(spent(fired, start))
    }

    fn batch(&mut self) -> Result<Spent> {
        if self.touched > REBUILT_AFTER * self.settings.len() {
            self.rebuild()?;
        }
        let (from, size) = (self.next, BATCH.min(self.settings.len() / 2));
        self.next = (from + size) % (self.settings.len() - size);
        self.touched += size;
        let batch = &mut self.settings[from..from + size];
        for setting in batch.iter_mut() {
            setting.delay = later();
        }
        match self.operation {
            Operation::Insert => {
                self.timers.cancel(batch)?;
                timed(batch, |batch| self.timers.insert(batch))
            }
            Operation::Rearm => timed(batch, |batch| self.timers.rearm(batch)),
            Operation::Cancel => {
                let spent = timed(batch, |batch| self.timers.cancel(batch))?;
                self.timers.insert(batch)?;
                Ok(spent)
            }
            Operation::Expire => self.expire(),
        }
    }
}

impl Work for TimerWork {
    fn run(&mut self, units: u64) -> Result<Spent> {
        let mut spent = Spent::default();
        while spent.units < units {
            spent += self.batch()?;
        }
        Ok(spent)
    }
}

impl fmt::Debug for TimerWork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TimerWork")
            .field("keeper", &self.keeper)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

fn timed(batch: &[Setting], work: impl FnOnce(&[Setting]) -> Result) -> Result<Spent> {
    let start = Instant::now();
    work(batch)?;
    Ok(spent(batch.len() as u64, start))
}

/// Nobody else takes part, so the two clocks say the same.
fn spent(units: u64, start: Instant) -> Spent {
    let wall = start.elapsed();
    Spent { units, wall, processor: wall }
}

/// Timers in every place, in random order.
fn shuffled(places: usize) -> Vec<Setting> {
    let mut settings: Vec<Setting> =
        (0..places).map(|place| Setting { place, delay: later() }).collect();
    fastrand::shuffle(&mut settings);
    settings
}

/// Timers in every place, with deadlines at random within `span`.
pub fn spread_over(span: Duration, places: usize) -> Vec<Setting> {
    let at_random = |place| Setting { place, delay: span.mul_f64(fastrand::f64()) };
    (0..places).map(at_random).collect()
}

fn later() -> Duration {
    Duration::from_secs_f64(LATER.start + fastrand::f64() * (LATER.end - LATER.start))
}

/// Milliseconds since `start`, the tick of those who have no clock of their own.
fn tick(start: Instant) -> u64 {
    start.elapsed().as_millis() as u64
}

/// The tick of a deadline, rounded up: no timer fires early.
fn deadline(now: u64, delay: Duration) -> u64 {
    now + delay.as_nanos().div_ceil(1_000_000) as u64
}
