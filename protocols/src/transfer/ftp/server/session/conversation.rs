//! A session with everything around it: replies, work for the pool, and what is next.

use std::sync::mpsc;

use reactor::{ConnectionId, Registry, Transport};

use super::state::{CHANNEL, Heard, Leaving, Session, Work};
use crate::password::HashingSession;
use crate::transfer::ftp::server::network::Control;
use crate::transfer::ftp::server::record::Event;
use crate::transfer::ftp::wire::command::Command;
use crate::transfer::ftp::wire::reply::Reply;
use crate::transfer::ftp::{Limits, Server, Settings};
use crate::transfer::store::{InvalidPath, Store, VirtualPath};

/// A session, with its connection and the application, for the time of one event.
pub(in crate::transfer::ftp) struct Conversation<'a> {
    pub(super) session: &'a mut Session,
    pub(super) control: &'a mut dyn Control,
    pub(super) server: &'a mut Server,
}

/// Tells a session something from elsewhere: it is done when nothing else is, and not if it has ended.
pub(in crate::transfer::ftp) fn tell<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    session: ConnectionId,
    event: impl FnOnce(&mut Conversation<'_>) + 'static,
) {
    let _ = registry.with(session, |session: &mut Session, transport, app| {
        session.enter(transport, app, event);
    });
}

impl Session {
    /// Does something in a session, and then whatever else can be done there.
    pub(in crate::transfer::ftp::server) fn enter<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        event: impl FnOnce(&mut Conversation<'_>),
    ) {
        let server = app.as_mut();
        let mut conversation = Conversation { session: self, control: transport, server };
        event(&mut conversation);
        conversation.go_on();
        Self::compute_next(transport.registry(), app);
    }

    /// Whether so much waits that it had better not be read.
    pub(super) fn is_full(&mut self, limits: &Limits) -> bool {
        self.paused = self.waiting.len() >= limits.waiting;
        self.paused
    }
}

impl Conversation<'_> {
    /// Does what waits, as far as it may be done now.
    fn go_on(&mut self) {
        while let Some(heard) = self.session.take_next() {
            self.handle_next(heard);
        }
        if self.session.paused && !self.session.is_full(self.server.limits()) {
            self.control.resume();
        }
        self.leave_if_done();
        self.watch();
    }

    fn leave_if_done(&mut self) {
        match (&self.session.work, self.session.leaving) {
            (Work::Idle, Some(Leaving::ClientEnded)) => self.close(),
            (Work::Idle, Some(Leaving::Shutdown)) => {
                self.reply(421, "The server is shutting down; goodbye.");
                self.close();
            }
            _ => {}
        }
    }

    // ── events of the control connection ────────────────────────────────────────────────────

    pub(super) fn handle_heard(&mut self, heard: Heard) {
        self.session.active = self.control.network().now();
        match heard {
            Heard::Interrupt => self.session.interrupted = true,
            heard => self.session.waiting.push_back(heard),
        }
    }

    /// The session ends when everything is done: what the client has asked for, if it only says no more;
    /// a transfer that is under way, if the loop is shutting down.
    ///
    /// A client that says no more during a transfer, not even goodbye, has gone, and means to abort it
    /// (RFC 959, 4.1.1: QUIT): if it has died, a half of its file must not be taken for the whole.
    pub(super) fn handle_leaving(&mut self, why: Leaving) {
        self.session.leaving = Some(why);
        match why {
            Leaving::Shutdown => self.session.waiting.clear(),
            Leaving::ClientEnded if self.session.waits_for_goodbye() => {}
            Leaving::ClientEnded => self.abort_of_gone(),
        }
    }

    // ── what handlers say and do ────────────────────────────────────────────────────────────

    pub(super) fn server(&mut self) -> &mut Server {
        self.server
    }

    pub(super) fn settings(&mut self) -> Settings {
        self.server().settings().clone()
    }

    /// Says something of one line.
    pub(super) fn reply(&mut self, code: u16, text: impl AsRef<[u8]>) {
        self.say(&Reply::new(code, text));
    }

    pub(super) fn say(&mut self, reply: &Reply) {
        self.control.write(&reply.to_bytes());
    }

    /// Ends the session, when everything that was said has left.
    pub(super) fn close(&mut self) {
        self.session.work = Work::Over;
        self.control.close();
    }

    pub(super) fn tell(&mut self, event: &Event) {
        self.server().tell(event);
    }

    /// Has the pool do something; `done` is told what came of it, unless the client has gone meanwhile.
    pub(super) fn offload<R: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut Conversation<'_>, R) + 'static,
    ) {
        let (give, get) = mpsc::channel();
        let work = move || {
            // If the client has gone, nobody takes it.
            let _ = give.send(work());
        };
        let then = move |it: &mut Conversation<'_>| {
            it.set_work(Work::Idle);
            match get.try_recv() {
                Ok(result) => done(it, result),
                Err(_) => it.reply(451, "Something went wrong here."),
            }
        };
        match self.control.offload(Box::new(work), Box::new(then)) {
            true => self.set_work(Work::Busy),
            false => self.reply(451, "Too much is going on; try again later."),
        }
    }

    /// As [`Self::offload`], with the client's tree.
    pub(super) fn with_store<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Store) -> R + Send + 'static,
        done: impl FnOnce(&mut Conversation<'_>, R) + 'static,
    ) {
        match self.session.account() {
            Some(account) => {
                let store = account.store.clone();
                self.offload(move || work(&store), done);
            }
            None => self.reply(530, NOT_LOGGED_IN),
        }
    }

    pub(super) fn set_work(&mut self, work: Work) {
        self.session.active = self.control.network().now();
        self.session.work = work;
    }

    pub(super) fn close_channel(&mut self) {
        self.control.cancel_timer(CHANNEL);
        self.session.channel.close(self.control.network());
    }

    /// Where a path leads from where the client is.
    pub(super) fn path(&self, path: &[u8]) -> Result<VirtualPath, InvalidPath> {
        self.session.directory.join(path)
    }

    fn handle_next(&mut self, heard: Heard) {
        match heard {
            Heard::Command(command) => self.handle_command(command),
            Heard::Refused(error) => self.refuse_line(error),
            Heard::TooLong => self.reply(500, "That line is too long."),
            Heard::Interrupt => {}
        }
    }

    /// Tells the log that the tree was changed.
    pub(super) fn note_change(&mut self, command: &'static str, path: &VirtualPath) {
        let (peer, user) = (self.session.peer, self.session.user().to_owned());
        self.tell(&Event::Changed { peer, user, verb: command, path: path.clone() });
    }
}

pub(super) const NOT_LOGGED_IN: &str = "Please log in with USER and PASS.";

/// Whether a command may be given before somebody is logged in.
pub(super) fn is_for_anybody(command: &Command) -> bool {
    matches!(
        command,
        Command::User(_)
            | Command::Pass(_)
            | Command::Acct(_)
            | Command::Quit
            | Command::Auth
            | Command::Pbsz(_)
            | Command::Prot(_)
            | Command::Ccc
            | Command::Rein
            | Command::Noop
            | Command::Help(_)
            | Command::Feat
            | Command::Syst
            | Command::Opts(_)
            | Command::Abor
    )
}
