//! Everything a command has to do, and those who do it: several conversations with FTP servers, and
//! transfers of TFTP, all on one loop.
//!
//! ```text
//!   queue of tasks ──▶ a worker for each conversation: Task says what is next, Client does it
//!         ▲                    │
//!         └── more tasks ──────┘     a directory finds files; when all are done, everybody goes home
//! ```

mod packets;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use clap::Args;
use examples::bars::{self, Bars};
use examples::endpoint::seconds;
use examples::part::Part;
use indicatif::ProgressBar;
use protocols::transfer::ftp::client::{
    self as ftp, Client, ClientLimits, ClientOptions, Done, Failure, Operation,
};
use protocols::transfer::ftp::command::Iac;
use reactor::{ConnectionId, Reactor, Registry, Signal, SocketId};

pub(crate) use packets::{Manner, PacketTask, Way};
use packets::{Packets, Place};

use crate::site::{Site, Sites};
use crate::task::{Next, Remarks, Report, Task, Tasks, Thought};
use crate::url::shown;

/// How long the loop may take to say goodbye to servers.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long servers may take.
#[derive(Args)]
pub(crate) struct Patience {
    /// Give up what has not moved, or not been answered, for so long
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
}

/// All that is to be done: the application of the loop.
pub(crate) struct Workers {
    sites: Vec<Site>,
    queue: VecDeque<Job>,
    workers: BTreeMap<ConnectionId, Worker>,
    packets: BTreeMap<SocketId, Packets>,
    /// How servers of TFTP are asked first.
    manner: Manner,
    parallel: usize,
    options: ClientOptions,
    bars: Bars,
    /// Whether nothing is printed of a file that was moved, since it is what is printed.
    is_silent: bool,
    /// What was to be done, with what was found while doing it.
    total: usize,
    failures: Vec<String>,
    /// Nobody reads what is printed any more, or somebody has pressed Ctrl-C.
    stopped: Option<Box<dyn Error>>,
}

/// Something to do, and where.
struct Job {
    site: usize,
    what: What,
}

enum What {
    Ftp(Box<dyn Task>),
    Tftp(PacketTask),
}

impl What {
    /// Whether it is written into a pipe or the like.
    fn is_special(&self) -> bool {
        match self {
            Self::Ftp(task) => task.is_special(),
            Self::Tftp(task) => Part::of(task.local.clone()).is_special(),
        }
    }
}

/// A conversation with an FTP server.
struct Worker {
    client: Client,
    site: usize,
    is_welcome: bool,
    job: Option<Running>,
}

/// A task under way.
struct Running {
    task: Box<dyn Task>,
    bar: ProgressBar,
    /// When its file began to move, and how long it has taken.
    since: Instant,
    took: Option<Duration>,
    attempt: Attempt,
}

/// How often it has been begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    First,
    /// With its name said in the other way.
    Second,
}

/// Does everything, to the end.
pub(crate) fn work(mut workers: Workers) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::<Workers>::new()?;
    // The loop stands still while a pipe waits for its reader, and would not hear of them; there is nothing to go on with.
    let waits = workers.queue.iter().any(|job| job.what.is_special());
    let heard = [Signal::Interrupt, Signal::Terminate];
    for signal in heard.into_iter().filter(|_| !waits) {
        reactor.registry().on_signal(signal, |registry, workers: &mut Workers| {
            let advice = if workers.can_be_continued() { "; --continue goes on" } else { "" };
            workers.stop(registry, format!("interrupted{advice}").into());
        })?;
    }
    if workers.bars.is_seen() {
        tick(reactor.registry(), &mut workers);
    }
    workers.pump(reactor.registry());
    reactor.run(&mut workers)?;
    match (workers.stopped, workers.failures.len()) {
        (Some(why), _) => Err(why),
        (None, 0) => Ok(()),
        // That was all there was to do, and it says everything.
        (None, 1) if workers.total == 1 => Err(workers.failures.swap_remove(0).into()),
        (None, count) => Err(format!("{count} of {} have failed", workers.total).into()),
    }
}

/// Moves the bars, from time to time.
fn tick(registry: &mut Registry<Workers>, workers: &mut Workers) {
    workers.bars.tick();
    // Without a timer left in the loop they stand still.
    let _ = registry.after(bars::TICK, tick);
}

impl Workers {
    pub(crate) fn new(sites: Sites, parallel: usize, patience: &Patience) -> Self {
        let limits = ClientLimits {
            connect_timeout: patience.timeout.min(ClientLimits::default().connect_timeout),
            reply_timeout: patience.timeout,
            stall_timeout: patience.timeout,
            ..ClientLimits::default()
        };
        Self {
            sites: sites.into_vec(),
            queue: VecDeque::new(),
            workers: BTreeMap::new(),
            packets: BTreeMap::new(),
            manner: Manner::Hopeful,
            parallel,
            options: ClientOptions { limits, ..ClientOptions::default() },
            bars: Bars::new("transfer"),
            is_silent: false,
            total: 0,
            failures: Vec::new(),
            stopped: None,
        }
    }

    /// The same workers, who ask servers of TFTP like this.
    pub(crate) fn asking(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// The same workers, whose file goes to standard output.
    pub(crate) fn silent(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// Something to do on an FTP server.
    pub(crate) fn add(&mut self, site: usize, task: Box<dyn Task>) {
        self.total += 1;
        self.queue.push_back(Job { site, what: What::Ftp(task) });
    }

    /// Something to do on a TFTP server.
    pub(crate) fn add_packet_task(&mut self, site: usize, packet_task: PacketTask) {
        self.total += 1;
        self.queue.push_back(Job { site, what: What::Tftp(packet_task) });
    }

    // ── who does what ───────────────────────────────────────────────────────────────────────

    /// Begins as much as may be done at one time; ends the program when there is nothing left.
    fn pump(&mut self, registry: &mut Registry<Self>) {
        while self.busy() < self.parallel && self.stopped.is_none() {
            let Some(job) = self.queue.pop_front() else {
                break;
            };
            self.begin(registry, job);
        }
        if self.busy() == 0 {
            for worker in self.workers.values_mut() {
                worker.client.quit(registry);
            }
            registry.shutdown(GOODBYE);
        }
    }

    fn busy(&self) -> usize {
        let working = self.workers.values().filter(|worker| worker.job.is_some()).count();
        working + self.packets.len()
    }

    fn begin(&mut self, registry: &mut Registry<Self>, job: Job) {
        let site = job.site;
        match job.what {
            What::Tftp(packet_task) => {
                self.begin_packet_task(
                    registry,
                    Place { site, address: 0 },
                    packet_task,
                    self.manner,
                );
            }
            What::Ftp(task) => {
                let is_free = |worker: &Worker| worker.site == site && worker.client.is_idle();
                let free =
                    self.workers.iter().find(|(_, worker)| worker.job.is_none() && is_free(worker));
                match free.map(|(id, _)| *id) {
                    Some(id) => self.give(registry, id, task),
                    None => self.call(registry, site, task),
                }
            }
        }
    }

    /// Gives a task to somebody who is there and has nothing to do.
    fn give(&mut self, registry: &mut Registry<Self>, id: ConnectionId, task: Box<dyn Task>) {
        let running = self.running(task);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.job = Some(running);
            self.begin_task(registry, id);
        }
    }

    /// Calls a server for a task.
    fn call(&mut self, registry: &mut Registry<Self>, site: usize, task: Box<dyn Task>) {
        let Some(server) = self.sites.get(site) else { return };
        let (login, security) = (server.login.clone(), server.security.clone());
        let options = ClientOptions { login, security, ..self.options.clone() };
        let Some(place) = server.addresses.first().cloned() else { return };
        let running = self.running(task);
        match Client::connect(registry, place, &options) {
            Ok(client) => {
                let job = Some(running);
                let worker = Worker { site, is_welcome: false, job, client };
                self.workers.insert(worker.client.id(), worker);
            }
            Err(error) => self.fail_job(&running, &error.to_string()),
        }
    }

    fn running(&self, task: Box<dyn Task>) -> Running {
        let (bar, since) = (self.bars.add(&task.name(), task.size()), Instant::now());
        Running { task, bar, since, took: None, attempt: Attempt::First }
    }

    // ── tasks of FTP ────────────────────────────────────────────────────────────────────────

    fn begin_task(&mut self, registry: &mut Registry<Self>, id: ConnectionId) {
        let next = self.ask(id, |task, client| task.begin(client.features()));
        self.carry_out(registry, id, next);
    }

    /// Has a worker's task say what is next.
    fn ask(
        &mut self,
        id: ConnectionId,
        how: impl FnOnce(&mut dyn Task, &Client) -> Next,
    ) -> Option<Next> {
        let worker = self.workers.get_mut(&id)?;
        let running = worker.job.as_mut()?;
        let next = how(&mut *running.task, &worker.client);
        if running.took.is_none() {
            bars::set_size(&running.bar, running.task.size());
        }
        Some(next)
    }

    fn carry_out(&mut self, registry: &mut Registry<Self>, id: ConnectionId, next: Option<Next>) {
        match next {
            Some(Next::Do(operation)) => self.start(registry, id, operation),
            Some(Next::Think(thought)) => self.think(registry, id, thought),
            Some(Next::Done(report, tasks)) => self.end_task(registry, id, Ok((report, tasks))),
            Some(Next::Failed(why)) => self.end_task(registry, id, Err(why)),
            None => {}
        }
    }

    fn start(&mut self, registry: &mut Registry<Self>, id: ConnectionId, operation: Operation) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let is_file = matches!(operation, Operation::Get { .. } | Operation::Put { .. });
        if let Some(running) = worker.job.as_mut().filter(|_| is_file) {
            running.since = Instant::now();
            bars::begin_at(&running.bar, running.task.offset());
        }
        if let Err(error) = worker.client.start(registry, operation) {
            self.end_task(registry, id, Err(error.to_string()));
        }
    }

    /// Has something worked out away from the loop.
    fn think(&mut self, registry: &mut Registry<Self>, id: ConnectionId, thought: Thought) {
        let queued = registry.offload(thought, move |registry, workers: &mut Self, result| {
            let thought = result.unwrap_or_else(|error| Err(error.to_string()));
            let next = workers.ask(id, |task, _| task.handle_thought(thought));
            workers.carry_out(registry, id, next);
        });
        if queued.is_err() {
            self.end_task(registry, id, Err("there is too much to work out".to_owned()));
        }
    }

    fn end_task(
        &mut self,
        registry: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<(Report, Tasks), String>,
    ) {
        if outcome.is_err() && self.say_otherwise(id) {
            return self.begin_task(registry, id);
        }
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (site, Some(running)) = (worker.site, worker.job.take()) else { return };
        match outcome {
            Ok((report, tasks)) => {
                // In front of the rest, and in order: a tree is walked through as it is listed.
                self.total += tasks.len();
                for task in tasks.into_iter().rev() {
                    self.queue.push_front(Job { site, what: What::Ftp(task) });
                }
                self.report(registry, &running, report);
            }
            Err(why) => self.fail_job(&running, &why),
        }
        self.pump(registry);
    }

    /// Has a worker say the byte 255 in the other way, if that may be why its task has failed.
    fn say_otherwise(&mut self, id: ConnectionId) -> bool {
        let Some(worker) = self.workers.get_mut(&id).filter(|it| it.client.is_idle()) else {
            return false;
        };
        let is_first = |running: &&mut Running| running.attempt == Attempt::First;
        let Some(running) = worker.job.as_mut().filter(is_first) else {
            return false;
        };
        if !running.task.has_iac() {
            return false;
        }
        running.attempt = Attempt::Second;
        worker.client.set_iac(match worker.client.iac() {
            Iac::Doubled => Iac::Single,
            Iac::Single => Iac::Doubled,
        });
        true
    }

    fn report(&mut self, registry: &mut Registry<Self>, running: &Running, report: Report) {
        self.bars.remove(&running.bar);
        let name = running.task.name();
        let said = match report {
            Report::Remarks(Remarks { said, told, failure }) => {
                let said = said.iter().try_for_each(|line| self.bars.say(line));
                told.iter().for_each(|line| self.bars.complain(line));
                if let Some(why) = failure {
                    self.fail(&name, &why);
                }
                said
            }
            Report::Moved { bytes, remark, told } => {
                told.iter().for_each(|line| self.bars.complain(line));
                self.say_moved(&name, bytes, running.took.unwrap_or_default(), &remark)
            }
        };
        self.note_output(registry, said);
    }

    fn say_moved(&self, name: &str, bytes: u64, took: Duration, remark: &str) -> io::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        let comma = if remark.is_empty() { "" } else { ", " };
        self.bars.say(format_args!("{name}: {}{comma}{remark}", bars::speed(bytes, took)))
    }

    fn fail_job(&mut self, running: &Running, why: &str) {
        self.bars.remove(&running.bar);
        running.task.abandon();
        let name = running.task.name();
        self.fail(&name, why);
    }

    fn fail(&mut self, name: &str, why: &str) {
        // What a server says is not for a terminal to obey.
        let why = format!("{name}: {}", shown(why.as_bytes()));
        if self.total > 1 {
            self.bars.complain(&why);
        }
        self.failures.push(why);
    }

    /// Whoever reads what is printed may have gone.
    fn note_output(&mut self, registry: &mut Registry<Self>, said: io::Result<()>) {
        if let Err(error) = said {
            self.stop(registry, error.into());
        }
    }

    fn stop(&mut self, registry: &mut Registry<Self>, why: Box<dyn Error>) {
        self.stopped.get_or_insert(why);
        self.queue.clear();
        registry.shutdown(Duration::ZERO);
    }

    /// Whether there is something to do that another run can go on with. Over TFTP there is no going on.
    fn can_be_continued(&self) -> bool {
        let queued = self.queue.iter().filter_map(|job| match &job.what {
            What::Ftp(task) => Some(&**task),
            What::Tftp(_) => None,
        });
        let running = self.workers.values().filter_map(|worker| worker.job.as_ref());
        queued.chain(running.map(|running| &*running.task)).any(Task::can_be_continued)
    }

    /// A conversation is over, and there was something to do.
    fn handle_lost(&mut self, worker: Worker, running: Running, failure: &Failure) {
        let Worker { site, is_welcome, .. } = worker;
        // Whether the server has let others in, or may do so yet.
        let has_colleagues = self.workers.values().any(|it| it.site == site);
        match failure {
            // It has enough of us: those who are let in do the rest. Some say so with 530, some without a word.
            _ if !is_welcome && has_colleagues => {
                self.bars.remove(&running.bar);
                self.parallel = self.parallel.saturating_sub(1).max(1);
                self.queue.push_front(Job { site, what: What::Ftp(running.task) });
            }
            Failure::Connect(_)
            | Failure::Host(_)
            | Failure::NoTls(_)
            | Failure::NotTrusted(_)
            | Failure::Tls(_)
            | Failure::NotProtected(_)
            | Failure::Unwelcome(_)
            | Failure::Login(_)
                if !is_welcome =>
            {
                self.bars.remove(&running.bar);
                self.give_up_site(site, failure);
            }
            _ => self.fail_job(&running, &failure.to_string()),
        }
    }

    /// Nothing can be done there.
    fn give_up_site(&mut self, site: usize, failure: &Failure) {
        // It is one failure, however much was to be done there.
        let before = self.queue.len();
        self.queue.retain(|job| job.site != site);
        self.total -= before - self.queue.len();
        let name = self.sites.get(site).map_or_else(String::new, |site| site.name.clone());
        self.fail(&name, &failure.to_string());
    }
}

impl ftp::Caller for Workers {
    fn client(&mut self, id: ConnectionId) -> Option<&mut Client> {
        self.workers.get_mut(&id).map(|worker| &mut worker.client)
    }

    fn on_ready(&mut self, registry: &mut Registry<Self>, id: ConnectionId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_welcome = true;
        }
        self.begin_task(registry, id);
    }

    fn on_progress(&mut self, _: &mut Registry<Self>, id: ConnectionId, moved: u64) {
        let running = self.workers.get(&id).and_then(|worker| worker.job.as_ref());
        if let Some(Running { bar, task, .. }) = running {
            bar.set_position(task.offset() + moved);
        }
    }

    fn on_done(
        &mut self,
        registry: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<Done, Failure>,
    ) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let (Some(running), Ok(Done::Received(_) | Done::Sent(_))) = (&mut worker.job, &outcome)
        {
            running.took = Some(running.since.elapsed());
            bars::set_checking(&running.bar);
        }
        // Of what the conversation took with it, `on_finish` tells.
        if !worker.client.is_over() {
            let next = self.ask(id, |task, client| task.handle(outcome, client.features()));
            self.carry_out(registry, id, next);
        }
    }

    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<(), Failure>,
    ) {
        let Some(mut worker) = self.workers.remove(&id) else { return };
        if let Some(running) = worker.job.take() {
            let failure = outcome.err().unwrap_or(Failure::Cancelled);
            if self.stopped.is_some() {
                self.bars.remove(&running.bar);
                running.task.abandon();
            } else {
                self.handle_lost(worker, running, &failure);
            }
        }
        self.pump(registry);
    }
}
