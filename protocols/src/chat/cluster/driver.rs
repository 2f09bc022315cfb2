//! A node on a loop: the machine, a client of NATS, and the server between which they carry.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Instant;

use reactor::{CloseReason, ConnectionId, Registry, TimerId};
use thiserror::Error;

use super::admission::Clock;
use super::bucket::Found;
use super::claims::{Claims, Holder};
use super::limits::Limits;
use super::machine::{Carried, Cluster, Gone, Output};
use crate::chat::server::{
    Claim, Effect, Event, NickRequest, Outgoing, Server, To, share_accounts,
};
use crate::chat::wire::node::{InvalidNodeName, NodeName};
use crate::chat::wire::timestamp::Timestamp;
use crate::nats::kv::{KeyValue, KvError, Watch};
use crate::nats::{self, Client, ClientOptions, ConnectionError, PublishError, SubscribeError};

/// How a server is a node of a network.
#[derive(Clone, Debug)]
pub struct Options {
    /// How NATS is connected to.
    pub nats: ClientOptions,
    /// What this server is called among the nodes. No other may be called so.
    pub node: NodeName,
    /// The bounds.
    pub limits: Limits,
}

/// Why a server is no node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// The network's name is none that NATS could have in its subjects.
    #[error("the network is called so that it cannot have several servers")]
    Network(#[from] InvalidNodeName),
    /// The client is full, or closed.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The bucket of claims cannot be called as it would be.
    #[error(transparent)]
    Bucket(#[from] KvError),
}

/// Makes a server a node of the network that its settings name, before anybody is on it. It is connected as soon as there
/// is a server of NATS, and again whenever that is lost. Meanwhile the node is alone.
///
/// Its [accounts](crate::chat::accounts::Accounts::of_network) are those of the network, in the bucket
/// `chat-NETWORK-accounts` ([`share_accounts`]), unless it has some of its own.
///
/// What becomes of it are [events](Event) of the server, and operators are told. When the loop shuts down, the others
/// are told that this node is gone.
///
/// ```no_run
/// use protocols::chat::accounts::{AccountLimits, Accounts};
/// use protocols::chat::{Server, Settings, cluster};
/// use protocols::nats::ClientOptions;
/// use reactor::Reactor;
///
/// let mut server = Server::new(Settings::default(), Accounts::of_network(AccountLimits::default()));
/// let mut reactor = Reactor::<Server>::new()?;
/// let nats = ClientOptions::new(["nats://127.0.0.1:4222".parse()?]);
/// let options = cluster::Options { nats, node: "fra".parse()?, limits: cluster::Limits::default() };
/// cluster::join(reactor.registry(), &mut server, options)?;
/// reactor.run(&mut server)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// See [`JoinError`].
pub fn join<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    app: &mut App,
    options: Options,
) -> Result<Membership<App>, JoinError> {
    let Options { mut nats, node, limits } = options;
    let network = NodeName::new(&app.as_mut().settings().network)?;
    // It is there when NATS is, whichever is started first.
    nats.retry_on_failed_connect = true;
    nats.echo = false;
    if nats.name.is_empty() {
        nats.name = format!("chat {node}");
    }
    // A snapshot leaves at once.
    nats.limits.outbox = nats.limits.outbox.max(limits.snapshot);
    let me = Me::default();
    let client = Client::connect(registry, nats, me.clone().on_event());
    let bucket = KeyValue::new(&client, &format!("chat-{network}-nicks"), limits.ask)?;
    share_accounts(registry, app, &client, &format!("chat-{network}-accounts"))?;
    // Two of one name may begin in one millisecond, and have to be told apart.
    let epoch = (clock(registry) << 12) | (registry.random() & 0xfff);
    let cluster = Cluster::new(network, node.clone(), epoch, limits);
    for subject in cluster.subjects() {
        let me = me.clone();
        client.subscribe(registry, &subject, move |registry, app, message| {
            me.handle_message(registry, app, message.payload);
        })?;
    }
    let driver = Rc::new(RefCell::new(Driver {
        cluster,
        claims: Claims::new(node.clone()),
        client: client.clone(),
        bucket,
        is_found: Found::No,
        watch: None,
        timer: None,
        up_since: None,
        failed: None,
        me: me.clone(),
    }));
    // Nobody was told anything yet that would have set it.
    let _ = me.0.set(Rc::downgrade(&driver));
    let server = app.as_mut();
    server.begin(registry);
    server.join_cluster(node);
    let membership = Membership { client: client.clone(), me };
    let reporter = Rc::clone(&driver);
    // It is asked for by an operator, and not while something is carried.
    server.set_report(move |now| {
        reporter.try_borrow().map_or_else(|_| String::new(), |it| it.report(now))
    });
    server.on_news(move |registry: &mut Registry<App>, app: &mut App| {
        // It is called when all that this turn has brought is done.
        client.send_together(registry, |registry| driver.borrow_mut().carry_out(registry, app));
    });
    Ok(membership)
}

/// A server's being a node, which lasts as long as the server, whether this is kept or not.
pub struct Membership<App> {
    client: Client<App>,
    me: Me<App>,
}

impl<App: AsMut<Server> + 'static> Membership<App> {
    /// Leaves the network for good: the others are told, and let this server's users quit, and the connection to NATS is
    /// closed. Whoever is on this server stays there, alone, and accounts cannot be changed any more. It is for a server
    /// whose successor has the same name.
    pub fn leave(&self, registry: &mut Registry<App>, app: &mut App) {
        self.me.with(registry, app, |driver, _, _| driver.cluster.leave());
        self.client.drain(registry);
    }

    /// The client of NATS.
    #[must_use]
    pub fn client(&self) -> &Client<App> {
        &self.client
    }
}

impl<App> fmt::Debug for Membership<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("client", &self.client).finish_non_exhaustive()
    }
}

pub(super) struct Driver<App> {
    pub(super) cluster: Cluster<Effect>,
    pub(super) claims: Claims<Option<ConnectionId>>,
    client: Client<App>,
    pub(super) bucket: KeyValue<App>,
    pub(super) is_found: Found,
    /// What there is in the bucket, as long as it is told.
    pub(super) watch: Option<Watch<App>>,
    /// What wakes this node up, and when.
    timer: Option<(TimerId, Instant)>,
    /// Since when there is a connection to NATS.
    pub(super) up_since: Option<Instant>,
    /// Why NATS could not be connected to, when it was tried last.
    failed: Option<String>,
    pub(super) me: Me<App>,
}

/// The driver, as long as the server is there that has it.
pub(super) struct Me<App>(Rc<OnceCell<Weak<RefCell<Driver<App>>>>>);

impl<App: AsMut<Server> + 'static> Me<App> {
    /// Has something done with the driver, and then what comes of it.
    pub(super) fn with(
        &self,
        registry: &mut Registry<App>,
        app: &mut App,
        handle: impl FnOnce(&mut Driver<App>, &mut Registry<App>, &mut App),
    ) {
        if let Some(driver) = self.0.get().and_then(Weak::upgrade) {
            let mut driver = driver.borrow_mut();
            handle(&mut driver, registry, app);
            driver.carry_out(registry, app);
            driver.set_timer(registry);
        }
    }

    fn handle_message(&self, registry: &mut Registry<App>, app: &mut App, payload: &[u8]) {
        let Some(driver) = self.0.get().and_then(Weak::upgrade) else { return };
        let mut driver = driver.borrow_mut();
        if driver.cluster.handle_next(registry.now(), payload) {
            driver.carry_out(registry, app);
        } else {
            driver.set_clock(registry);
            driver.cluster.handle_message(registry.now(), payload);
            driver.carry_out(registry, app);
            driver.set_timer(registry);
        }
    }

    fn on_event(self) -> impl FnMut(&mut Registry<App>, &mut App, nats::Event<'_>) + 'static {
        move |registry, app, event| {
            self.with(registry, app, |driver, registry, app| {
                driver.handle_event(registry, app, &event);
            });
        }
    }
}

impl<App> Clone for Me<App> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<App> Default for Me<App> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<App: AsMut<Server> + 'static> Driver<App> {
    // ── NATS ────────────────────────────────────────────────────────────────────────────────

    fn handle_event(
        &mut self,
        registry: &mut Registry<App>,
        app: &mut App,
        event: &nats::Event<'_>,
    ) {
        match event {
            nats::Event::Connected { server, .. } => {
                let now = registry.now();
                (self.up_since, self.failed) = (Some(now), None);
                self.set_clock(registry);
                let most = self.client.server_info().max_payload;
                if most > 0 {
                    self.cluster.set_payload(most);
                }
                self.cluster.handle_connected(now);
                self.find_bucket(registry, app);
                let nats = server.to_string();
                tell(registry, app, &Event::Networked { nats: &nats });
            }
            nats::Event::Disconnected { error, .. } => {
                (self.up_since, self.is_found) = (None, Found::No);
                self.stop_watching(registry);
                self.cluster.handle_disconnected();
                self.claims.handle_disconnected();
                tell(registry, app, &Event::Alone { why: &error.to_string() });
            }
            nats::Event::ConnectFailed { server: Some(server), error } if !is_end(error) => {
                let why = format!("{server}: {error}");
                if self.failed.as_ref() != Some(&why) {
                    app.as_mut().log(&Event::NotNetworked { why: &why });
                    self.failed = Some(why);
                }
            }
            nats::Event::Complaint(error) => {
                app.as_mut().log(&Event::NotNetworked { why: &error.to_string() });
            }
            nats::Event::Closed { error: Some(error) } if !is_end(error) => {
                tell(registry, app, &Event::Alone { why: &error.to_string() });
            }
            nats::Event::ShuttingDown => self.say_goodbye(registry, app),
            _ => {}
        }
    }

    /// Those who are here go too, and need not see the others go.
    fn say_goodbye(&mut self, registry: &mut Registry<App>, app: &mut App) {
        self.take(app.as_mut());
        self.cluster.leave();
        while let Some(output) = self.cluster.poll_output() {
            if let Output::Publish { .. } = output {
                self.handle_output(registry, app, output);
            }
        }
    }

    fn set_clock(&mut self, registry: &Registry<App>) {
        self.cluster.set_clock(clock(registry));
    }

    /// Does what there is to do, until there is nothing.
    fn carry_out(&mut self, registry: &mut Registry<App>, app: &mut App) {
        loop {
            self.take(app.as_mut());
            if let Some(output) = self.cluster.poll_output() {
                self.handle_output(registry, app, output);
            } else if let Some(order) = self.claims.poll_order() {
                self.handle_order(registry, order);
            } else {
                break;
            }
        }
    }

    fn handle_output(
        &mut self,
        registry: &mut Registry<App>,
        app: &mut App,
        output: Output<Effect>,
    ) {
        match output {
            Output::Publish { subject, payload } => {
                let published = self.client.publish(registry, &subject, &payload);
                // Of everything else that does not leave the others see a gap, and ask again.
                if let Err(error @ PublishError::TooLong { .. }) = published {
                    app.as_mut().log(&Event::NotNetworked { why: &error.to_string() });
                }
                self.cluster.give_back(payload);
            }
            Output::Apply { node, effect } => app.as_mut().apply(registry, &node, effect),
            Output::Replace { node, snapshot, is_first } => {
                app.as_mut().replace(registry, &node, snapshot);
                if is_first {
                    tell(registry, app, &Event::NodeJoined { node: &node });
                }
                // Who has a nick that both had is known now.
                self.claims.catch_up();
            }
            Output::Lost { node, how } => {
                app.as_mut().lost(registry, &node);
                let is_silent = match how {
                    Gone::Silent(_) => true,
                    Gone::Goodbye | Gone::Anew => false,
                    // That is told of this node, or of the clock.
                    Gone::Left | Gone::Refused => return,
                };
                tell(registry, app, &Event::NodeLost { node: &node, is_silent });
            }
            Output::Clock { node, clock } => {
                let node = &node;
                let event = match clock {
                    Clock::Right => Event::ClockRight { node },
                    Clock::Wrong { by, is_ahead } => {
                        Event::ClockWrong { node, by, is_ahead, is_refused: false }
                    }
                    Clock::Refused { by, is_ahead } => {
                        Event::ClockWrong { node, by, is_ahead, is_refused: true }
                    }
                };
                tell(registry, app, &event);
            }
            Output::OtherVersion { node } => {
                tell(registry, app, &Event::OtherVersion { node: &node });
            }
            Output::TooMuch { bytes } => tell(registry, app, &Event::TooMuchToTell { bytes }),
            Output::Asked { node } => {
                let snapshot = app.as_mut().snapshot();
                self.cluster.answer(&node, &snapshot);
            }
            Output::Yielded => {
                let node = self.cluster.name().clone();
                let silence = self.cluster.limits().silence;
                self.leave_bucket(registry, silence);
                tell(registry, app, &Event::NameInUse { node: &node });
            }
            Output::Succeeded => {
                self.is_found = Found::Again(registry.now());
                let node = self.cluster.name().clone();
                tell(registry, app, &Event::NameFree { node: &node });
            }
        }
    }

    // ── the server ──────────────────────────────────────────────────────────────────────────

    /// Takes what users of this node have done.
    fn take(&mut self, server: &mut Server) {
        let effects = server.take_effects();
        for run in effects.chunk_by(|one, next| one.to == next.to) {
            let effects = run.iter().map(|Outgoing { effect, .. }| effect);
            match run.first().map(|it| &it.to) {
                Some(To::Node(node)) => self.cluster.publish_to(node, effects),
                _ => self.cluster.publish(effects),
            }
        }
        server.give_back(effects);
        for request in server.take_nick_requests() {
            match request {
                NickRequest::Claim(Claim { connection, nick, user, since, account }) => {
                    let (node, user) = (self.cluster.name().clone(), user.to_string());
                    self.claims.claim(&nick, Holder { node, user, since, account }, connection);
                }
                NickRequest::Release { nick, user } => {
                    self.claims.release(&nick, &user.to_string());
                }
            }
        }
    }

    fn report(&self, now: Instant) -> String {
        let (held, open) = self.claims.counts();
        let network = self.cluster.report(now);
        format!("{network}\nnicknames: {held} claimed, {open} to be claimed")
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────

    fn set_timer(&mut self, registry: &mut Registry<App>) {
        let due = self.cluster.poll_timeout();
        match (due, self.timer) {
            (Some(due), Some((_, at))) if due == at => {}
            (None, Some((timer, _))) => {
                registry.cancel(timer);
                self.timer = None;
            }
            (Some(due), timer) => self.wake_at(registry, due, timer.map(|(timer, _)| timer)),
            (None, None) => {}
        }
    }

    fn wake_at(&mut self, registry: &mut Registry<App>, due: Instant, timer: Option<TimerId>) {
        let after = due.saturating_duration_since(registry.now());
        if let Some(timer) = timer
            && registry.rearm(timer, after)
        {
            self.timer = Some((timer, due));
            return;
        }
        let me = self.me.clone();
        let timer = registry.after(after, move |registry, app| {
            me.with(registry, app, Self::handle_time);
        });
        // Without one, what comes next will set it.
        self.timer = timer.ok().map(|timer| (timer, due));
    }

    fn handle_time(&mut self, registry: &mut Registry<App>, app: &mut App) {
        self.timer = None;
        let now = registry.now();
        self.set_clock(registry);
        self.cluster.handle_time(now);
        match self.is_found {
            Found::Again(at) if at <= now && self.cluster.is_up() => {
                self.find_bucket(registry, app);
            }
            Found::Yes => {
                self.begin_claims();
                self.watch_bucket(registry);
            }
            _ => {}
        }
    }
}

fn clock<App>(registry: &Registry<App>) -> u64 {
    Timestamp::of(registry.wall_clock()).millis()
}

/// Whether it is this loop that ends, and nothing that anybody has to be told.
fn is_end(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Transport(CloseReason::Shutdown))
}

/// Logs it, and tells the operators.
fn tell<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    app: &mut App,
    event: &Event<'_>,
) {
    app.as_mut().tell_operators(registry, event);
}

impl Carried for Effect {
    fn is_lasting(&self) -> bool {
        Self::is_lasting(self)
    }

    fn write(&self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        self.write_said(out).is_some() || {
            out.truncate(before);
            serde_json::to_writer(out, self).is_ok()
        }
    }

    fn read(line: &[u8]) -> Option<Self> {
        Self::read_said(line).or_else(|| serde_json::from_slice(line).ok())
    }
}

impl<App> fmt::Debug for Driver<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
