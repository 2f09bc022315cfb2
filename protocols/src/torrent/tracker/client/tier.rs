//! Trackers that stand for each other (BEP 12), and when which of them is asked: pure.
//!
//! ```text
//!                     it is time                 answered: this one first from now on
//!   ┌─────────┐ ──────────────────▶ ┌────────┐ ──────────────────────────────┐
//!   │ Waiting │                     │ Asking │                               │
//!   └─────────┘ ◀── the next one ── └────────┘                               │
//!        ▲          at once; after   failed                                  │
//!        │          the last a pause                                         │
//!        └───────────────────────────────────────────────── its interval ────┘
//! ```

use std::time::{Duration, Instant};

use reactor::Backoff;

use crate::torrent::wire::announce::{Answer, Event};

/// Trackers that stand for each other.
#[derive(Debug)]
pub(super) struct Tier {
    trackers: Vec<Tracker>,
    /// Which of them is next, or is being asked.
    at: usize,
    state: State,
    backoff: Backoff,
    /// The soonest that it may be asked again: as the last answer allows; or after a pause, where there was none.
    earliest: Instant,
}

/// One tracker, and what it has been told.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) url: String,
    told: Told,
}

/// What a tracker knows of us, by its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Started,
    Completed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Asking(Event),
}

/// The pauses after which a tier is asked again that had no answer.
const PAUSES: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(30 * 60));

/// No tracker is asked more often, whatever it says, and none less often.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(6 * 3600));

impl Tier {
    /// They are asked in this order.
    pub(super) fn new(urls: Vec<String>, now: Instant) -> Self {
        let trackers = urls.into_iter().map(|url| Tracker { url, told: Told::Nothing });
        Self {
            trackers: trackers.collect(),
            at: 0,
            state: State::Waiting { until: now },
            backoff: Backoff::new(PAUSES.0, PAUSES.1),
            earliest: now,
        }
    }

    /// When it wants to be polled; `None` while one is asked.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } if !self.trackers.is_empty() => Some(until),
            _ => None,
        }
    }

    /// Whom to ask now, and why. `is_complete` is whether everything is here, and was not at the start.
    pub(super) fn poll(&mut self, is_complete: bool, now: Instant) -> Option<(&str, Event)> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let tracker = self.trackers.get(self.at)?;
        let event = match tracker.told {
            Told::Nothing => Event::Started,
            Told::Started if is_complete => Event::Completed,
            Told::Started | Told::Completed => Event::Regular,
        };
        self.state = State::Asking(event);
        Some((&tracker.url, event))
    }

    /// The one that was asked has answered.
    pub(super) fn handle_answer(&mut self, answer: &Answer, now: Instant) {
        let State::Asking(event) = self.state else {
            return;
        };
        if let Some(tracker) = self.trackers.get_mut(self.at) {
            tracker.told = match event {
                Event::Completed => Told::Completed,
                _ => tracker.told.max(Told::Started),
            };
        }
        // It stands in front from now on.
        if let Some(front) = self.trackers.get_mut(..=self.at) {
            front.rotate_right(1);
        }
        self.at = 0;
        self.backoff.reset();
        let clamp = |time: Duration| time.clamp(INTERVALS.0, INTERVALS.1);
        self.earliest = now + clamp(answer.least_interval.unwrap_or(answer.interval));
        self.state = State::Waiting { until: now + clamp(answer.interval) };
    }

    /// The one that was asked has not answered, or will not. How long it takes until the next is asked.
    pub(super) fn handle_failure(&mut self, now: Instant, random: u64) -> Duration {
        self.at += 1;
        let pause = if self.at < self.trackers.len() {
            Duration::ZERO
        } else {
            self.at = 0;
            self.backoff.pause(random)
        };
        // Who wants more does not ask sooner either.
        self.earliest = now + pause;
        self.state = State::Waiting { until: self.earliest };
        pause
    }

    /// Everything is here: who has been told of the start is told of that, too.
    pub(super) fn handle_complete(&mut self, now: Instant) {
        let is_told = self.trackers.get(self.at).is_some_and(|it| it.told == Told::Started);
        if let (State::Waiting { .. }, true) = (self.state, is_told) {
            self.state = State::Waiting { until: now };
        }
    }

    /// More peers are wanted: it is asked as soon as it allows that.
    pub(super) fn handle_want(&mut self, now: Instant) {
        if let State::Waiting { until } = self.state {
            self.state = State::Waiting { until: until.min(self.earliest.max(now)) };
        }
    }

    /// Those that have been told of the start, and now have to be told of the end; and whether they do not know yet
    /// that everything is here.
    pub(super) fn into_started(self, is_complete: bool) -> impl Iterator<Item = (String, bool)> {
        let asked = (self.state == State::Asking(Event::Started)).then_some(self.at);
        // Who is being asked may have heard it, although its answer is not here.
        let started = self.trackers.into_iter().enumerate();
        let started = started.filter(move |(at, it)| it.told > Told::Nothing || asked == Some(*at));
        started.map(move |(_, it)| (it.url, is_complete && it.told < Told::Completed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tier, and what time it is there.
    struct Scene {
        tier: Tier,
        now: Instant,
        complete: bool,
    }

    impl Scene {
        fn new(urls: &[&str]) -> Self {
            let now = Instant::now();
            let urls = urls.iter().map(|&url| url.to_owned()).collect();
            Self { tier: Tier::new(urls, now), now, complete: false }
        }

        fn asks(&mut self) -> Option<(String, Event)> {
            let asked = self.tier.poll(self.complete, self.now);
            asked.map(|(url, event)| (url.to_owned(), event))
        }

        /// It asks this one, with this event.
        #[track_caller]
        fn asks_for(&mut self, url: &str, event: Event) {
            assert_eq!(self.asks(), Some((url.to_owned(), event)));
            assert_eq!(self.asks(), None, "one at a time");
        }

        fn answered(&mut self, seconds: u64) {
            let interval = Duration::from_secs(seconds);
            self.tier.handle_answer(&Answer { interval, ..Answer::default() }, self.now);
        }

        fn fails(&mut self) -> Duration {
            self.tier.handle_failure(self.now, 0)
        }

        fn passes(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn one_that_answers_is_asked_again_after_its_interval() {
        let mut scene = Scene::new(&["a", "b"]);
        scene.asks_for("a", Event::Started);
        scene.answered(60);
        scene.passes(59);
        assert_eq!(scene.asks(), None);
        scene.passes(1);
        scene.asks_for("a", Event::Regular);
        scene.answered(0);
        scene.passes(9);
        assert_eq!(scene.asks(), None, "not without a rest");
        scene.passes(1);
        scene.asks_for("a", Event::Regular);
    }

    #[test]
    fn the_next_stands_in_and_stays_in_front() {
        let mut scene = Scene::new(&["a", "b", "c"]);
        scene.asks_for("a", Event::Started);
        assert_eq!(scene.fails(), Duration::ZERO);
        scene.asks_for("b", Event::Started);
        scene.answered(60);
        scene.passes(60);
        scene.asks_for("b", Event::Regular);
        scene.fails();
        scene.asks_for("a", Event::Started);
        scene.fails();
        scene.asks_for("c", Event::Started);
        let pause = scene.fails();
        assert_eq!(pause, Duration::from_secs(15));
        assert_eq!(scene.asks(), None);
        scene.passes(15);
        scene.asks_for("b", Event::Regular);
    }

    #[test]
    fn the_end_is_told_to_whom_the_beginning_was() {
        let mut scene = Scene::new(&["a", "b", "c"]);
        scene.asks_for("a", Event::Started);
        scene.answered(60);
        scene.passes(60);
        scene.asks_for("a", Event::Regular);
        scene.fails();
        scene.asks_for("b", Event::Started);
        let started: Vec<_> = scene.tier.into_started(false).map(|(url, _)| url).collect();
        assert_eq!(started, ["a", "b"], "b may have heard it");
        let mut silent = Scene::new(&["a"]);
        silent.asks_for("a", Event::Started);
        silent.fails();
        assert_eq!(silent.tier.into_started(true).count(), 0);
    }

    #[test]
    fn the_last_piece_is_told_at_once_and_once() {
        let mut scene = Scene::new(&["a"]);
        scene.asks_for("a", Event::Started);
        scene.answered(60);
        scene.complete = true;
        scene.tier.handle_complete(scene.now);
        scene.asks_for("a", Event::Completed);
        scene.answered(60);
        scene.tier.handle_complete(scene.now);
        assert_eq!(scene.asks(), None);
        scene.passes(60);
        scene.asks_for("a", Event::Regular);
    }

    #[test]
    fn what_is_complete_meanwhile_is_told_afterwards() {
        let mut scene = Scene::new(&["a"]);
        scene.asks_for("a", Event::Started);
        scene.complete = true;
        scene.tier.handle_complete(scene.now);
        assert_eq!(scene.asks(), None);
        scene.answered(60);
        scene.passes(60);
        scene.asks_for("a", Event::Completed);
        scene.fails();
        scene.passes(15);
        scene.asks_for("a", Event::Completed);
    }

    #[test]
    fn more_peers_are_asked_for_when_the_tracker_allows_it() {
        let mut scene = Scene::new(&["a"]);
        scene.asks_for("a", Event::Started);
        let answer = Answer {
            interval: Duration::from_secs(1800),
            least_interval: Some(Duration::from_secs(60)),
            ..Answer::default()
        };
        scene.tier.handle_answer(&answer, scene.now);
        scene.tier.handle_want(scene.now);
        scene.passes(59);
        assert_eq!(scene.asks(), None);
        scene.passes(1);
        scene.asks_for("a", Event::Regular);
    }

    #[test]
    fn who_wants_more_does_not_ask_sooner_where_nobody_answers() {
        let mut scene = Scene::new(&["a"]);
        scene.asks_for("a", Event::Started);
        scene.answered(60);
        scene.passes(60);
        scene.asks_for("a", Event::Regular);
        let pause = scene.fails();
        scene.tier.handle_want(scene.now);
        assert_eq!(scene.asks(), None);
        scene.now += pause;
        scene.asks_for("a", Event::Regular);
    }

    #[test]
    fn a_tier_without_trackers_asks_nobody() {
        let mut scene = Scene::new(&[]);
        assert_eq!((scene.tier.due(), scene.asks()), (None, None));
    }
}
