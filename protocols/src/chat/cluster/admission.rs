//! Which of the other nodes may be heard: those that speak as this one does, and whose clock is right enough.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::limits::Limits;
use super::peer;
use crate::chat::wire::node::NodeName;

/// How the clock of another node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As this one's.
    Right,
    /// Farther from it than [`Limits::clock_warning`].
    Wrong {
        /// How far.
        by: Duration,
        /// Whether it is ahead of this one's.
        is_ahead: bool,
    },
    /// Farther from it than [`Limits::clock_refusal`]: what the node says is not heard until that is mended.
    Refused {
        /// How far.
        by: Duration,
        /// Whether it is ahead of this one's.
        is_ahead: bool,
    },
}

/// The nodes with which something is not right, as long as anything is heard of them.
#[derive(Debug, Default)]
pub(super) struct Admission {
    doubtful: BTreeMap<NodeName, Doubtful>,
}

#[derive(Debug)]
struct Doubtful {
    epoch: u64,
    heard: Instant,
    /// How often it says that it is there, if it has told so.
    beat: Duration,
    why: Why,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    Format,
    Clock(Compared),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Compared {
    clock: Clock,
    /// How it seems to be, and since when: farther behind. Whoever stood still reads what was said meanwhile in one go, and
    /// takes it for a clock that is behind. So that is believed when it is said again later.
    seems: Option<(Instant, Clock)>,
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) now: Instant,
    pub(super) epoch: u64,
    /// Milliseconds between two of its heartbeats, if it tells.
    pub(super) beat: Option<u64>,
    /// Its clock and this node's, if both are told.
    pub(super) clocks: Option<(u64, u64)>,
    /// Its users are shown.
    pub(super) is_shown: bool,
}

/// What comes of it.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) is_heard: bool,
    /// How its clock is, if that is not as it was.
    pub(super) news: Option<Clock>,
}

impl Admission {
    /// A node says something.
    pub(super) fn admit(&mut self, node: &NodeName, said: &Said, limits: &Limits) -> Admitted {
        let known = self.doubtful.get_mut(node);
        let before = known.as_ref().map_or(Compared::RIGHT, |it| it.compared());
        let Some(clocks) = said.clocks else {
            if let Some(known) = known {
                known.heard = said.now;
            }
            return Admitted { is_heard: before.is_heard(said.is_shown), news: None };
        };
        let is_same_life = known.as_ref().is_some_and(|it| it.epoch == said.epoch);
        let after = before.compare(said.now, clocks, is_same_life, limits);
        if after == Compared::RIGHT {
            self.doubtful.remove(node);
        } else {
            let beat = said.beat.map(Duration::from_millis).or(known.map(|it| it.beat));
            let (epoch, heard, beat) = (said.epoch, said.now, beat.unwrap_or_default());
            let doubtful = Doubtful { epoch, heard, beat, why: Why::Clock(after) };
            self.doubtful.insert(node.clone(), doubtful);
        }
        let is_news = after.clock.severity() != before.clock.severity();
        Admitted { is_heard: after.is_heard(said.is_shown), news: is_news.then_some(after.clock) }
    }

    /// A node says something in another format; whether that is new.
    pub(super) fn handle_foreign(&mut self, now: Instant, node: NodeName, epoch: u64) -> bool {
        let doubtful = Doubtful { epoch, heard: now, beat: Duration::ZERO, why: Why::Format };
        let before = self.doubtful.insert(node, doubtful);
        !before.is_some_and(|it| matches!(it.why, Why::Format))
    }

    /// Nothing is to be known of a node any more.
    pub(super) fn forget(&mut self, node: &NodeName) {
        self.doubtful.remove(node);
    }

    pub(super) fn forget_all(&mut self) {
        self.doubtful.clear();
    }

    /// Forgets those of which nothing is heard any more.
    pub(super) fn lose_silent(&mut self, now: Instant, limits: &Limits) {
        self.doubtful.retain(|_, it| it.silent_at(limits) > now);
    }

    /// It was this node that has not listened for so long.
    pub(super) fn forgive(&mut self, late: Duration) {
        self.doubtful.values_mut().for_each(|it| it.heard += late);
    }

    /// When the next is forgotten, unless it is heard.
    pub(super) fn next_silent(&self, limits: &Limits) -> Option<Instant> {
        self.doubtful.values().map(|it| it.silent_at(limits)).min()
    }

    pub(super) fn knows(&self, node: &NodeName) -> bool {
        self.doubtful.contains_key(node)
    }

    pub(super) fn len(&self) -> usize {
        self.doubtful.len()
    }

    /// For people: what is not right, a line each.
    pub(super) fn report(&self) -> impl Iterator<Item = String> {
        self.doubtful.iter().filter_map(|(node, it)| match it.why {
            Why::Format => Some(format!("node {node}: it is of another version, and not heard")),
            Why::Clock(Compared { clock: Clock::Right, .. }) => None,
            Why::Clock(Compared { clock, .. }) => Some(format!("node {node}: {clock}")),
        })
    }
}

impl Doubtful {
    fn compared(&self) -> Compared {
        match self.why {
            Why::Format => Compared::RIGHT,
            Why::Clock(compared) => compared,
        }
    }

    fn silent_at(&self, limits: &Limits) -> Instant {
        self.heard + peer::patience(self.beat, limits)
    }
}

impl Compared {
    const RIGHT: Self = Self { clock: Clock::Right, seems: None };

    /// Who is about to be right has to come half of the way, so that operators are not told with each heartbeat; but not
    /// with a life that begins, of which the other node knows no more than its own clock.
    fn compare(
        self,
        now: Instant,
        (theirs, ours): (u64, u64),
        is_same_life: bool,
        limits: &Limits,
    ) -> Self {
        let (by, is_ahead) = (Duration::from_millis(theirs.abs_diff(ours)), theirs > ours);
        let was = if is_same_life { self.clock } else { Clock::Right };
        let is_beyond = |bound: Duration, severity| {
            by > if was.severity() >= severity { bound / 2 } else { bound }
        };
        let clock = if is_beyond(limits.clock_refusal, 2) {
            Clock::Refused { by, is_ahead }
        } else if is_beyond(limits.clock_warning, 1) {
            Clock::Wrong { by, is_ahead }
        } else {
            Clock::Right
        };
        if is_ahead || clock.severity() <= self.clock.severity() {
            return Self { clock, seems: None };
        }
        let since = self.seems.filter(|_| is_same_life).map_or(now, |(since, _)| since);
        if since + limits.heartbeat / 2 <= now {
            return Self { clock, seems: None };
        }
        Self { seems: Some((since, clock)), ..self }
    }

    /// Who is not shown yet waits until it is known what its clock is.
    fn is_heard(self, is_shown: bool) -> bool {
        let seems_refused = self.seems.is_some_and(|(_, clock)| clock.is_refused());
        !self.clock.is_refused() && (is_shown || !seems_refused)
    }
}

impl Clock {
    fn severity(self) -> u8 {
        match self {
            Self::Right => 0,
            Self::Wrong { .. } => 1,
            Self::Refused { .. } => 2,
        }
    }

    fn is_refused(self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, is_ahead, and_so) = match *self {
            Self::Right => return f.write_str("its clock is right"),
            Self::Wrong { by, is_ahead } => (by, is_ahead, ""),
            Self::Refused { by, is_ahead } => (by, is_ahead, ", so that it is not heard"),
        };
        let side = if is_ahead { "ahead of" } else { "behind" };
        write!(f, "its clock is {} s {side} this one's{and_so}", by.as_secs())
    }
}
