//! A session with everything around it: replies, work for the pool, and what is next.

use std::time::Duration;

use reactor::{ConnectionId, Registry};

use super::state::{Account, Heard, Leaving, State, Work};
use crate::transfer::ftp::command::Command;
use crate::transfer::ftp::record::Event;
use crate::transfer::ftp::reply::Reply;
use crate::transfer::ftp::{Server, Settings};
use crate::transfer::store::{InvalidPath, Store, VirtualPath};

/// A session, with the loop and the application, for the time of one event.
pub(in crate::transfer::ftp) struct Conversation<'a, App> {
    pub(in crate::transfer::ftp) registry: &'a mut Registry<App>,
    pub(super) app: &'a mut App,
    pub(in crate::transfer::ftp) id: ConnectionId,
}

impl Server {
    /// Whether so much waits that a session had better not be read.
    pub(super) fn is_full(&mut self, id: ConnectionId) -> bool {
        let most = self.limits().waiting;
        let Some(state) = self.state(id) else {
            return false;
        };
        state.paused = state.waiting.len() >= most;
        state.paused
    }
}

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// Does something in a session, and then whatever else can be done there. Nothing, if it has ended.
    pub(in crate::transfer::ftp) fn enter(
        registry: &mut Registry<App>,
        app: &mut App,
        id: ConnectionId,
        event: impl FnOnce(&mut Conversation<'_, App>),
    ) {
        if app.as_mut().state(id).is_some() {
            let mut conversation = Conversation { registry, app, id };
            event(&mut conversation);
            conversation.go_on();
        }
    }

    /// Does what waits, as far as it may be done now.
    fn go_on(&mut self) {
        while let Some(heard) = self.state().and_then(State::take_next) {
            self.handle_next(heard);
        }
        let most = self.server().limits().waiting;
        let Some(state) = self.state() else {
            return;
        };
        if state.paused && state.waiting.len() < most {
            state.paused = false;
            // It may have ended.
            let _ = self.registry.resume(self.id);
        }
        self.leave_if_done();
        self.watch();
    }

    fn leave_if_done(&mut self) {
        let Some(state) = self.state() else {
            return;
        };
        if !matches!(state.work, Work::Idle) {
            return;
        }
        match state.leaving {
            None => {}
            Some(Leaving::ClientEnded) => self.close(),
            Some(Leaving::Shutdown) => {
                self.reply(421, "The server is shutting down; goodbye.");
                self.close();
            }
        }
    }

    // ── events of the control connection ────────────────────────────────────────────────────

    pub(super) fn handle_heard(&mut self, heard: Heard) {
        let now = self.registry.now();
        if let Some(state) = self.state() {
            state.active = now;
            match heard {
                Heard::Interrupt => state.interrupted = true,
                heard => state.waiting.push_back(heard),
            }
        }
    }

    /// The session ends when everything is done: what the client has asked for, if it only says no more;
    /// a transfer that is under way, if the loop is shutting down.
    ///
    /// A client that says no more during a transfer, not even goodbye, has gone, and means to abort it
    /// (RFC 959, 4.1.1: QUIT): if it has died, a half of its file must not be taken for the whole.
    pub(super) fn handle_leaving(&mut self, why: Leaving) {
        let Some(state) = self.state() else {
            return;
        };
        state.leaving = Some(why);
        match why {
            Leaving::Shutdown => state.waiting.clear(),
            Leaving::ClientEnded if state.waits_for_goodbye() => {}
            Leaving::ClientEnded => self.fail(426, "You have gone; transfer aborted.", true),
        }
    }

    /// The control connection has ended: so does everything that was done for it.
    pub(super) fn handle_gone(&mut self) {
        if let Some(state) = self.state() {
            state.waiting.clear();
        }
        self.fail(426, "You have gone; transfer aborted.", true);
        self.close_channel();
        self.set_work(Work::Over);
        self.stop_watching();
    }

    // ── what handlers say and do ────────────────────────────────────────────────────────────

    pub(in crate::transfer::ftp) fn server(&mut self) -> &mut Server {
        self.app.as_mut()
    }

    pub(in crate::transfer::ftp) fn state(&mut self) -> Option<&mut State> {
        self.app.as_mut().state(self.id)
    }

    pub(super) fn settings(&mut self) -> Settings {
        self.server().settings().clone()
    }

    /// Says something of one line.
    pub(in crate::transfer::ftp) fn reply(&mut self, code: u16, text: impl AsRef<[u8]>) {
        self.say(&Reply::new(code, text));
    }

    pub(in crate::transfer::ftp) fn say(&mut self, reply: &Reply) {
        // If the client has gone, the session ends soon.
        let _ = self.registry.send(self.id, reply.to_bytes().into());
    }

    /// Ends the session, when everything that was said has left.
    pub(super) fn close(&mut self) {
        if let Some(state) = self.state() {
            state.work = Work::Over;
        }
        let _ = self.registry.close(self.id);
    }

    pub(in crate::transfer::ftp) fn tell(&mut self, event: &Event) {
        self.server().tell(event);
    }

    /// Has the pool do something; `done` is told what came of it, unless the client has gone meanwhile.
    pub(super) fn offload<R: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut Conversation<'_, App>, R) + 'static,
    ) {
        let id = self.id;
        let posted = self.registry.offload(work, move |registry, app, result| {
            Conversation::enter(registry, app, id, |it| {
                it.set_work(Work::Idle);
                match result {
                    Ok(result) => done(it, result),
                    Err(_) => it.reply(451, "Something went wrong here."),
                }
            });
        });
        match posted {
            Ok(()) => self.set_work(Work::Busy),
            Err(_) => self.reply(451, "Too much is going on; try again later."),
        }
    }

    /// As [`Self::offload`], with the client's tree.
    pub(super) fn with_store<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Store) -> R + Send + 'static,
        done: impl FnOnce(&mut Conversation<'_, App>, R) + 'static,
    ) {
        if let Some(account) = self.account() {
            self.offload(move || work(&account.store), done);
        }
    }

    /// Does something after a delay, unless the client has gone meanwhile.
    pub(in crate::transfer::ftp) fn after(
        &mut self,
        delay: Duration,
        event: impl FnOnce(&mut Conversation<'_, App>) + 'static,
    ) -> Option<reactor::TimerId> {
        let id = self.id;
        let timer = self.registry.after(delay, move |registry, app: &mut App| {
            Conversation::enter(registry, app, id, event);
        });
        timer.ok()
    }

    pub(super) fn set_work(&mut self, work: Work) {
        let now = self.registry.now();
        if let Some(state) = self.state() {
            state.active = now;
            state.work = work;
        }
    }

    /// Who is logged in. A command that asks for it is not carried out before somebody is.
    pub(super) fn account(&mut self) -> Option<Account> {
        self.state()?.account().cloned()
    }

    /// Where a path leads from where the client is.
    pub(super) fn path(&mut self, path: &[u8]) -> Result<VirtualPath, InvalidPath> {
        match self.state() {
            Some(state) => state.directory.join(path),
            None => VirtualPath::root().join(path),
        }
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
        let Some((peer, user)) =
            self.state().and_then(|it| Some((it.peer, it.account()?.name.clone())))
        else {
            return;
        };
        self.tell(&Event::Changed { peer, user, verb: command, path: path.clone() });
    }
}

/// Whether a command may be given before somebody is logged in.
pub(super) fn is_for_anybody(command: &Command) -> bool {
    matches!(
        command,
        Command::User(_)
            | Command::Pass(_)
            | Command::Acct(_)
            | Command::Quit
            | Command::Rein
            | Command::Noop
            | Command::Help(_)
            | Command::Feat
            | Command::Syst
            | Command::Opts(_)
            | Command::Abor
    )
}
