//! How a transfer ends: well, or with one reason.

use reactor::ConnectionId;

use super::{About, Conversation, Incoming, Place, Running};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::server::data::Failure;
use crate::transfer::ftp::server::network::Network;
use crate::transfer::ftp::server::record::Transfer;
use crate::transfer::ftp::server::session::state::{Channel, Replies, Session, Work};
use crate::transfer::store::Upload;

const WHOLE: &str = "Transfer complete.";
const GONE: Replies = &[(426, "You have gone; transfer aborted.")];
const NOT_OPENED: Replies = &[(425, "The data connection cannot be opened.")];
/// Whoever has come did not go on with the session of the control connection.
const NOT_BOUND: Replies = &[(522, "The data connection has to go on with the TLS session.")];
const NOBODY_CAME: Replies = &[(425, "No data connection was made.")];
/// The transfer ends with 426, the command with 226 (RFC 959, 4.1.3).
const ABORTED: Replies = &[(426, "Transfer aborted."), (226, "Aborted, as you wish.")];

impl Conversation<'_> {
    /// The data connection has ended, by itself or because of what was done to it.
    pub(in crate::transfer::ftp) fn handle_data_close(
        &mut self,
        data: ConnectionId,
        result: Result<(), Failure>,
    ) {
        if self.session.channel.data() == Some(data) {
            let is_ours = matches!(self.session.channel, Channel::Connecting(_));
            self.lose_channel(match result {
                Err((522, _)) => NOT_BOUND,
                _ if is_ours => NOT_OPENED,
                _ => NOBODY_CAME,
            });
        } else if let Some(replies) = self.session.aborting(data) {
            self.set_work(Work::Idle);
            self.say_all(replies);
        } else if let Some(running) = self.take_running(|place| place.is_on(data)) {
            self.note_transfer(&running, result.is_ok());
            match result {
                Ok(()) => self.reply(226, WHOLE),
                Err((code, text)) => self.reply(code, text),
            }
        }
    }

    /// An upload is there to its last byte.
    pub(super) fn handle_whole(&mut self, data: ConnectionId, all: Incoming) {
        if let Some(running) = self.take_running(|place| place.is_on(data)) {
            self.offload(
                move || all.commit(),
                move |it, result| {
                    it.note_transfer(&running, result.is_ok());
                    match result {
                        Ok(()) => it.reply(226, WHOLE),
                        Err(error) => it.refuse(&error, About::Name),
                    }
                },
            );
        } else {
            // It was aborted meanwhile.
            let replies = self.session.aborting(data).unwrap_or_default();
            self.say_when_settled(Some(all.upload), replies);
        }
    }

    /// Nobody came to the port in time, or nothing was done with the connection.
    pub(in crate::transfer::ftp::server::session) fn handle_channel_timeout(&mut self) {
        self.lose_channel(NOBODY_CAME);
    }

    /// There will be no data connection: a transfer that waits for one is over.
    fn lose_channel(&mut self, replies: Replies) {
        self.close_channel();
        if let Some(running) = self.take_running(|place| matches!(place, Place::Waiting(_))) {
            self.give_up(*running, replies);
        }
    }

    /// The client will not hear how a transfer ends.
    pub(in crate::transfer::ftp::server::session) fn abort_of_gone(&mut self) {
        if let Some(running) = self.take_running(|_| true) {
            self.give_up(*running, GONE);
        }
    }

    /// ABOR.
    pub(in crate::transfer::ftp::server::session) fn abort(&mut self) {
        if let Some(running) = self.take_running(|_| true) {
            return self.give_up(*running, ABORTED);
        }
        self.session.interrupted = false;
        self.close_channel();
        self.reply(226, "Nothing is being transferred.");
    }

    /// Ends a transfer early: the data connection is reset, what there is of an upload is kept, if uploads
    /// are, or undone, and then the client is told.
    fn give_up(&mut self, running: Running, replies: Replies) {
        self.close_channel();
        self.note_transfer(&running, false);
        match running.place {
            Place::Waiting(flow) => self.say_when_settled(flow.into_upload(), replies),
            Place::On(data) => {
                // It may have ended by itself: that is heard of it next, in either case.
                self.control.network().abort(data);
                self.set_work(Work::Aborting(data, replies));
            }
        }
    }

    fn say_when_settled(&mut self, upload: Option<Upload>, replies: Replies) {
        match upload {
            // Without a pool, since the loop ends, it is dropped as well.
            Some(upload) => self.offload(move || drop(upload), move |it, ()| it.say_all(replies)),
            None => self.say_all(replies),
        }
    }

    fn say_all(&mut self, replies: Replies) {
        replies.iter().for_each(|(code, text)| self.reply(*code, text));
    }

    fn take_running(&mut self, is_meant: impl Fn(&Place) -> bool) -> Option<Box<Running>> {
        match std::mem::replace(&mut self.session.work, Work::Idle) {
            Work::Transfer(running) if is_meant(&running.place) => {
                self.session.active = self.control.network().now();
                self.session.interrupted = false;
                Some(running)
            }
            other => {
                self.session.work = other;
                None
            }
        }
    }

    fn note_transfer(&mut self, running: &Running, complete: bool) {
        self.session.note_transfer(self.control.network(), self.server, running, complete);
    }
}

impl Session {
    /// The control connection has ended: so does everything that was done for it.
    pub(in crate::transfer::ftp::server::session) fn handle_gone(
        &mut self,
        id: ConnectionId,
        network: &mut dyn Network,
        server: &mut Server,
    ) {
        self.channel.close(network);
        if let Work::Transfer(running) = std::mem::replace(&mut self.work, Work::Over) {
            self.note_transfer(network, server, &running, false);
            match running.place {
                Place::Waiting(flow) => network.settle(flow.into_upload()),
                // It may have ended by itself.
                Place::On(data) => network.abort(data),
            }
        }
        if let Some(account) = self.account() {
            server.log_out(&account.key, id);
        }
    }

    /// What is to be said when this data connection has closed, if its transfer was aborted.
    fn aborting(&self, data: ConnectionId) -> Option<Replies> {
        match self.work {
            Work::Aborting(aborted, replies) => (aborted == data).then_some(replies),
            Work::Idle | Work::Busy | Work::Transfer(_) | Work::Over => None,
        }
    }

    /// Tells the log. It does not speak of lists.
    fn note_transfer(
        &self,
        network: &dyn Network,
        server: &mut Server,
        Running { subject, begun, moved, .. }: &Running,
        complete: bool,
    ) {
        if let (Some(direction), Some(account)) = (subject.direction, self.account()) {
            server.transferred(Transfer {
                ended: network.wall_clock(),
                took: network.now() - *begun,
                peer: self.peer,
                bytes: moved.get(),
                path: subject.path.clone(),
                ascii: subject.ascii,
                direction,
                user: account.name.clone(),
                anonymous: account.anonymous,
                complete,
            });
        }
    }
}
