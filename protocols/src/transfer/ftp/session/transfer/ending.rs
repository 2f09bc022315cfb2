//! How a transfer ends: well, or with one reason.

use reactor::{CloseReason, ConnectionId};

use super::{Conversation, Running, Stage, Subject, Summary, Work};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::record::Transfer;
use crate::transfer::store::{Fate, Upload};

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// The data connection has ended, by itself or because of what was done to it.
    pub(in crate::transfer::ftp) fn handle_data_close(
        &mut self,
        data: ConnectionId,
        ticket: u64,
        reason: &CloseReason,
    ) {
        if let Some(running) = self.running_on(data) {
            return match running.stage {
                Stage::Ended if reason.is_clean() => self.succeed(),
                Stage::Opening => self.fail(425, "The data connection cannot be opened.", true),
                Stage::Flowing | Stage::Full | Stage::Ended => {
                    let text = match reason {
                        CloseReason::IdleTimeout | CloseReason::CloseTimeout => {
                            "The data connection stood still for too long."
                        }
                        CloseReason::FileFailed(_) => {
                            return self.fail(451, "The file cannot be read.", true);
                        }
                        _ => "The data connection was lost; transfer aborted.",
                    };
                    self.fail(426, text, true);
                }
            };
        }
        if self.state().is_some_and(|state| state.channel.ticket() == Some(ticket)) {
            self.close_channel();
            self.handle_no_data_connection();
        }
    }

    /// There will be no data connection: a transfer that waits for one is over.
    pub(in super::super) fn handle_no_data_connection(&mut self) {
        if self.running().is_some_and(|running| running.data.is_none()) {
            self.fail(425, "No data connection was made.", true);
        }
    }

    /// ABOR: the transfer ends with 426, the command with 226 (RFC 959, 4.1.3).
    pub(in super::super) fn abort(&mut self) {
        if self.running().is_some() {
            self.fail_and(426, "Transfer aborted.", true, |it| {
                it.reply(226, "Aborted, as you wish.");
            });
        } else {
            if let Some(state) = self.state() {
                state.interrupted = false;
            }
            self.close_channel();
            self.reply(226, "Nothing is being transferred.");
        }
    }

    pub(super) fn succeed(&mut self) {
        if let Some(running) = self.take_running() {
            self.note_transfer(&running.summary(), true);
            self.reply(226, "Transfer complete.");
        }
    }

    /// Ends a transfer early, if there is one.
    pub(in super::super) fn fail(&mut self, code: u16, text: &str, keep: bool) {
        self.fail_and(code, text, keep, |_| {});
    }

    /// Ends a transfer early: the data connection is reset, what there is of an upload is kept, if it is to
    /// be and uploads are, or undone, and then the client is told.
    pub(super) fn fail_and(
        &mut self,
        code: u16,
        text: &str,
        keep: bool,
        then: impl FnOnce(&mut Conversation<'_, App>) + 'static,
    ) {
        let Some(running) = self.take_running() else {
            return;
        };
        if let Some(data) = running.data {
            // It may have ended by itself, and this be the consequence.
            let _ = self.registry.abort(data);
        }
        self.close_channel();
        self.note_transfer(&running.summary(), false);
        let text = text.to_owned();
        match running.into_upload() {
            Some(upload) => self.offload(
                // Without a pool, since the loop ends, it is dropped as well.
                move || drop(if keep { upload } else { upload.with_fate(Fate::Undone) }),
                move |it, ()| {
                    it.reply(code, text);
                    then(it);
                },
            ),
            None => {
                self.reply(code, text);
                then(self);
            }
        }
    }

    /// What becomes of an upload of which nothing came: what was there before is kept.
    pub(super) fn settle(&mut self, upload: Option<Upload>) {
        if let Some(upload) = upload {
            // If the pool is full it is dropped right here, to the same effect.
            let _ = self.registry.offload(move || drop(upload), |_, _, _| {});
        }
    }

    pub(super) fn take_running(&mut self) -> Option<Box<Running>> {
        let now = self.registry.now();
        let state = self.state()?;
        match std::mem::replace(&mut state.work, Work::Idle) {
            Work::Transfer(mut running) => {
                state.active = now;
                state.interrupted = false;
                running.timer.take().map(|timer| self.registry.cancel(timer));
                Some(running)
            }
            work => {
                state.work = work;
                None
            }
        }
    }

    pub(super) fn note_transfer(&mut self, summary: &Summary, complete: bool) {
        let Some(direction) = summary.subject.direction else {
            return;
        };
        let took = self.registry.now() - summary.begun;
        let ended = self.registry.wall_clock();
        let Some((peer, account)) =
            self.state().and_then(|state| Some((state.peer, state.account()?.clone())))
        else {
            return;
        };
        let Subject { path, ascii, .. } = summary.subject.clone();
        self.server().transferred(Transfer {
            ended,
            took,
            peer,
            bytes: summary.moved,
            path,
            ascii,
            direction,
            user: account.name,
            anonymous: account.anonymous,
            complete,
        });
    }
}
