//! Asks the trackers of a torrent, for as long as it is shared.
//!
//! | file | what it is |
//! |---|---|
//! | `options` | who asks, and whom |
//! | `question` | what a tracker can be asked |
//! | `tier` | trackers that stand for each other, and when which of them is asked: pure |
//! | `http` | one question over HTTP |
//! | `udp` | one question over UDP |
//! | `failure` | why a tracker has not answered |

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use reactor::{Registry, TimerId};

use crate::torrent::wire::announce::{Announce, Answer, Counts, Event, Progress};

mod failure;
mod http;
mod options;
mod question;
mod tier;
mod udp;

pub use failure::AnnounceFailed;
pub use options::AnnounceOptions;

use options::{Done, Outcome};
use question::Question;
use tier::Tier;

/// What trackers had to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerEvent {
    /// One has answered.
    Answered {
        /// Which.
        url: String,
        /// What: peers, this one perhaps among them.
        answer: Answer,
    },
    /// One has not.
    Failed {
        /// Which.
        url: String,
        /// Why.
        why: AnnounceFailed,
        /// How long it takes until another one is asked, or this one again.
        pause: Duration,
    },
}

/// Asks the trackers of a torrent, for as long as this lives.
///
/// ```
/// use std::time::Duration;
/// use protocols::torrent::PeerId;
/// use protocols::torrent::tracker::{AnnounceOptions, Announcer, TrackerEvent};
/// use protocols::torrent::wire::announce::Progress;
/// use reactor::Reactor;
///
/// let mut reactor = Reactor::<Vec<String>>::new()?;
/// let nobody = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
/// let tiers = vec![vec![format!("udp://{nobody}")]];
/// let options = AnnounceOptions::new([0; 20].into(), PeerId::new([0; 12]), 6881, tiers);
/// let progress = |_: &mut Vec<String>| Progress { left: 1000, ..Progress::default() };
/// let _announcer = Announcer::start(reactor.registry(), options, progress, |registry, log, event| {
///     if let TrackerEvent::Failed { url, why, .. } = event {
///         log.push(format!("{url}: {why}"));
///         registry.shutdown(Duration::ZERO);
///     }
/// });
/// let mut log = Vec::new();
/// reactor.run(&mut log)?;
/// assert!(log[0].contains("cannot reach it"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Announcer<App> {
    shared: Rc<Shared<App>>,
}

struct Shared<App> {
    options: AnnounceOptions,
    progress: Box<dyn Fn(&mut App) -> Progress>,
    on_event: Box<OnEvent<App>>,
    tiers: RefCell<Vec<Tier>>,
    timer: Cell<Option<TimerId>>,
    /// Everything is here, and was not at the start.
    is_complete: Cell<bool>,
}

type OnEvent<App> = dyn Fn(&mut Registry<App>, &mut App, TrackerEvent);

type Wants<App> = dyn Fn(&mut App) -> bool;

/// How often it is looked whether more peers are wanted.
const WATCH: Duration = Duration::from_secs(30);

/// How long the trackers have to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(3);

impl<App: 'static> Announcer<App> {
    /// Begins to ask. `progress` is asked what to tell them, and `on_event` hears what they say; neither is called
    /// before this returns.
    #[must_use]
    pub fn start(
        registry: &mut Registry<App>,
        options: AnnounceOptions,
        progress: impl Fn(&mut App) -> Progress + 'static,
        on_event: impl Fn(&mut Registry<App>, &mut App, TrackerEvent) + 'static,
    ) -> Self {
        let now = registry.now();
        let tiers = options.tiers.iter().map(|tier| Tier::new(tier.clone(), now)).collect();
        let shared = Rc::new(Shared {
            options,
            progress: Box::new(progress),
            on_event: Box::new(on_event),
            tiers: RefCell::new(tiers),
            timer: Cell::new(None),
            is_complete: Cell::new(false),
        });
        Shared::look_later(&shared, registry);
        Self { shared }
    }

    /// The last piece has come: the trackers are told. It is not for a torrent that was whole at the start.
    pub fn complete(&self, registry: &mut Registry<App>) {
        self.shared.is_complete.set(true);
        let now = registry.now();
        self.shared.tiers.borrow_mut().iter_mut().for_each(|tier| tier.handle_complete(now));
        Shared::look_later(&self.shared, registry);
    }

    /// More peers are wanted: trackers are asked as soon as they allow it.
    pub fn want_more(&self, registry: &mut Registry<App>) {
        Shared::want_more(&self.shared, registry);
    }

    /// Looks every half a minute whether more peers are wanted, for as long as this lives, and [asks](Self::want_more) if so.
    /// Else who comes first, and cannot be reached, waits for half an hour until it hears of the next one. Of a swarm it is
    /// known whether it [wants them](crate::torrent::peer::Swarm::wants_peers).
    pub fn want_more_while(
        &self,
        registry: &mut Registry<App>,
        wants: impl Fn(&mut App) -> bool + 'static,
    ) {
        Shared::watch(Rc::downgrade(&self.shared), Box::new(wants), registry);
    }

    /// It is over: those who heard of the start are told, and `done` is called when they have answered, or after
    /// three seconds. A loop that is shutting down opens nothing any more, so this comes before.
    pub fn stop(
        self,
        registry: &mut Registry<App>,
        app: &mut App,
        done: impl FnOnce(&mut Registry<App>, &mut App) + 'static,
    ) {
        if let Some(timer) = self.shared.timer.take() {
            registry.cancel(timer);
        }
        let (tiers, is_complete) = (self.shared.tiers.take(), self.shared.is_complete.get());
        let urls: Vec<_> = tiers.into_iter().flat_map(|it| it.into_started(is_complete)).collect();
        let options =
            AnnounceOptions { patience: FAREWELL, udp_tries: 1, ..self.shared.options.clone() };
        let farewell = Rc::new(Farewell {
            shared: self.shared,
            options,
            left: Cell::new(urls.len()),
            done: Cell::new(Some(Box::new(done))),
        });
        if urls.is_empty() {
            return registry.defer(move |registry, app| farewell.end(registry, app));
        }
        for (url, owes) in urls {
            farewell.say(url, owes, registry, app);
        }
        let late = Rc::clone(&farewell);
        // Without a timer it takes as long as it takes.
        let _ = registry.after(FAREWELL, move |registry, app| late.end(registry, app));
    }
}

/// Trackers that are still to be told that it is over.
struct Farewell<App> {
    shared: Rc<Shared<App>>,
    options: AnnounceOptions,
    left: Cell<usize>,
    done: Cell<Option<Box<Last<App>>>>,
}

type Last<App> = dyn FnOnce(&mut Registry<App>, &mut App);

impl<App: 'static> Farewell<App> {
    /// Tells one that it is over; before that, that everything is here, if it does not know that yet.
    fn say(self: &Rc<Self>, url: String, owes: bool, registry: &mut Registry<App>, app: &mut App) {
        let event = if owes { Event::Completed } else { Event::Stopped };
        let announce = self.shared.announce(event, app);
        let (this, told) = (Rc::clone(self), url.clone());
        let told: Done<App, Answer> = Rc::new(move |registry, app, _| {
            if owes {
                this.say(told.clone(), false, registry, app);
            } else {
                this.handle_told(registry, app);
            }
        });
        ask(registry, &url, announce, &self.options, told);
    }

    fn handle_told(&self, registry: &mut Registry<App>, app: &mut App) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.end(registry, app);
        }
    }

    fn end(&self, registry: &mut Registry<App>, app: &mut App) {
        if let Some(done) = self.done.take() {
            done(registry, app);
        }
    }
}

impl<App: 'static> Shared<App> {
    fn announce(&self, event: Event, app: &mut App) -> Announce {
        let AnnounceOptions { hash, peer, port, key, want, .. } = self.options;
        // Who leaves wants nobody.
        let want = if event == Event::Stopped { Some(0) } else { want };
        Announce { hash, peer, port, progress: (self.progress)(app), event, want, key }
    }

    fn want_more(this: &Rc<Self>, registry: &mut Registry<App>) {
        let now = registry.now();
        this.tiers.borrow_mut().iter_mut().for_each(|tier| tier.handle_want(now));
        Self::look_later(this, registry);
    }

    /// Looks again and again whether more are wanted, until there is nobody to ask for them.
    fn watch(weak: Weak<Self>, wants: Box<Wants<App>>, registry: &mut Registry<App>) {
        // Without a timer they are asked when they say.
        let _ = registry.after(WATCH, move |registry, app| {
            let Some(this) = weak.upgrade() else {
                return;
            };
            if wants(app) {
                Self::want_more(&this, registry);
            }
            Self::watch(weak, wants, registry);
        });
    }

    /// Looks when the first tier is due.
    fn look_later(this: &Rc<Self>, registry: &mut Registry<App>) {
        let due = this.tiers.borrow().iter().filter_map(Tier::due).min();
        let Some(due) = due else {
            return;
        };
        let wait = due.saturating_duration_since(registry.now());
        if this.timer.get().is_some_and(|timer| registry.rearm(timer, wait)) {
            return;
        }
        let weak = Rc::downgrade(this);
        let timer = registry.after(wait, move |registry, app| Self::look(&weak, registry, app));
        // Without timers nobody is asked, until somebody wants more.
        this.timer.set(timer.ok());
    }

    /// Asks whoever is due.
    fn look(weak: &Weak<Self>, registry: &mut Registry<App>, app: &mut App) {
        let Some(this) = weak.upgrade() else {
            return;
        };
        this.timer.set(None);
        let tiers = this.tiers.borrow().len();
        for at in 0..tiers {
            let now = registry.now();
            let asked = this.tiers.borrow_mut().get_mut(at).and_then(|tier| {
                tier.poll(this.is_complete.get(), now).map(|(url, event)| (url.to_owned(), event))
            });
            if let Some((url, event)) = asked {
                this.ask(at, url, event, registry, app);
            }
        }
        Self::look_later(&this, registry);
    }

    fn ask(
        self: &Rc<Self>,
        tier: usize,
        url: String,
        event: Event,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let announce = self.announce(event, app);
        let (weak, asked) = (Rc::downgrade(self), url.clone());
        let done: Done<App, Answer> = Rc::new(move |registry, app, outcome| {
            if let Some(this) = weak.upgrade() {
                this.handle_outcome(tier, asked.clone(), outcome, registry, app);
            }
        });
        ask(registry, &url, announce, &self.options, done);
    }

    fn handle_outcome(
        self: &Rc<Self>,
        tier: usize,
        url: String,
        outcome: Outcome<Answer>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let (now, random) = (registry.now(), registry.random());
        let event = match self.tiers.borrow_mut().get_mut(tier) {
            // It was stopped meanwhile.
            None => return,
            Some(tier) => match outcome {
                Ok(answer) => {
                    tier.handle_answer(&answer, now);
                    TrackerEvent::Answered { url, answer }
                }
                Err(why) => {
                    let pause = tier.handle_failure(now, random);
                    TrackerEvent::Failed { url, why, pause }
                }
            },
        };
        Self::look_later(self, registry);
        (self.on_event)(registry, app, event);
    }
}

/// Asks a tracker how many peers a torrent has (BEP 48). Of the options, those count that say how it is asked, and the
/// torrent. `done` is called once, and never before this returns.
///
/// The program `torrent` does so: `torrent show FILE --ask`.
pub fn scrape<App: 'static>(
    registry: &mut Registry<App>,
    url: &str,
    options: &AnnounceOptions,
    done: impl FnOnce(&mut Registry<App>, &mut App, Result<Counts, AnnounceFailed>) + 'static,
) {
    let done = Cell::new(Some(done));
    let told: Done<App, Counts> = Rc::new(move |registry, app, outcome| {
        if let Some(done) = done.take() {
            done(registry, app, outcome);
        }
    });
    ask(registry, url, options.hash, options, told);
}

/// Asks a tracker, however it is asked.
fn ask<App: 'static, Q: Question>(
    registry: &mut Registry<App>,
    url: &str,
    question: Q,
    options: &AnnounceOptions,
    done: Done<App, Q::Answer>,
) {
    if url.starts_with("udp:") {
        udp::ask(registry, url, question, options, done);
    } else {
        http::ask(registry, url, question, options, done);
    }
}

impl<App> fmt::Debug for Announcer<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").field("tiers", &self.shared.tiers).finish_non_exhaustive()
    }
}
