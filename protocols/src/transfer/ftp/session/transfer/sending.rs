//! How bytes go out, piece by piece, and when.

use std::time::Duration;

use reactor::{ConnectionId, SentFile};

use super::{About, Conversation, Flow, PIECE, Running, Stage, Text, Work, refusal};
use crate::transfer::ftp::{Server, data};
use crate::transfer::store::StoreError;

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match &mut self.state()?.work {
            Work::Transfer(running) => Some(running),
            Work::Idle | Work::Busy | Work::Over => None,
        }
    }

    /// The transfer, if it is still the one that was meant.
    pub(super) fn running_as(&mut self, ticket: u64) -> Option<&mut Running> {
        self.running().filter(|running| running.ticket == ticket)
    }

    /// The transfer whose data connection this is.
    pub(super) fn running_on(&mut self, data: ConnectionId) -> Option<&mut Running> {
        self.running().filter(|running| running.data == Some(data))
    }

    /// The data connection is there. If a transfer waits for it, that begins.
    pub(in crate::transfer::ftp) fn handle_data_open(&mut self, data: ConnectionId) {
        match self.running() {
            Some(running) if running.stage == Stage::Opening => {
                running.data = Some(data);
                self.begin_flow();
            }
            // It keeps what it says to itself until it is asked.
            _ => drop(self.registry.pause(data)),
        }
    }

    /// Whether a transfer waits for its data connection.
    pub(in crate::transfer::ftp) fn is_transfer_waiting(&mut self) -> bool {
        self.running().is_some_and(|running| running.stage == Stage::Opening)
    }

    /// Whether this is the connection that a transfer is being made for.
    pub(in crate::transfer::ftp) fn is_connecting(&mut self, data: ConnectionId) -> bool {
        self.running_on(data).is_some_and(|running| running.stage == Stage::Opening)
    }

    /// Both ends are there.
    pub(super) fn begin_flow(&mut self) {
        let Some(running) = self.running() else {
            return;
        };
        running.stage = Stage::Flowing;
        let (data, is_upload) = (running.data, matches!(running.flow, Flow::Upload { .. }));
        if let Some(data) = data {
            // If it has ended meanwhile, that is what will be heard of it next.
            let _ = self.registry.resume(data);
        }
        if !is_upload {
            self.send_more();
        }
    }

    /// Sends the next piece, or the end.
    fn send_more(&mut self) {
        let Some((pace, running)) = self.state().and_then(|state| match &mut state.work {
            Work::Transfer(running) => Some((state.pace, running)),
            Work::Idle | Work::Busy | Work::Over => None,
        }) else {
            return;
        };
        running.stage = Stage::Flowing;
        let (ticket, data) = (running.ticket, running.data);
        let Some(data) = data else {
            return;
        };
        match &mut running.flow {
            Flow::File { left: 0, .. } => self.end_sending(data),
            Flow::File { file, offset, left } => {
                let (file, offset, left) = (file.take(), *offset, *left);
                let portion = self.server().portion(pace.portion(left.min(PIECE)));
                if let Some(file) = file {
                    // If it has ended meanwhile, that is what will be heard of it next.
                    let _ = self.registry.send_file(data, file, offset, portion);
                }
            }
            Flow::Text(text) => {
                if let Some(text) = text.take() {
                    self.make_text(ticket, text);
                }
            }
            Flow::Upload { .. } => {}
        }
    }

    /// A piece of a file has left.
    pub(in crate::transfer::ftp) fn handle_file_sent(
        &mut self,
        data: ConnectionId,
        sent: SentFile,
    ) {
        let Some(running) = self.running_on(data) else {
            return;
        };
        let Flow::File { file, offset, left } = &mut running.flow else {
            return;
        };
        *file = Some(sent.file);
        *offset += sent.sent;
        *left -= sent.sent.min(*left);
        let is_shorter = sent.sent < sent.requested;
        let wait = self.note_moved(sent.sent);
        if is_shorter {
            return self.fail(451, "The file has become shorter meanwhile.", false);
        }
        self.send_more_after(wait);
    }

    /// Has the pool make the next piece of a text.
    fn make_text(&mut self, ticket: u64, mut text: Text) {
        let id = self.id;
        let posted = self.registry.offload(
            move || text.next_piece().map(|piece| (piece, text)),
            move |registry, app: &mut App, result| {
                Conversation::enter(registry, app, id, |it| match result {
                    Ok(result) => it.handle_text(ticket, result),
                    Err(_) => it.fail(451, "Something went wrong here.", false),
                });
            },
        );
        if posted.is_err() {
            self.fail(451, "Too much is going on; try again later.", false);
        }
    }

    fn handle_text(&mut self, ticket: u64, result: Result<(Vec<u8>, Text), StoreError>) {
        let Some(running) = self.running_as(ticket) else {
            return;
        };
        let Some(data) = running.data else {
            return;
        };
        let (piece, text) = match result {
            Ok(made) => made,
            Err(error) => {
                let (code, text) = refusal(&error, About::What);
                return self.fail(code, &text, false);
            }
        };
        if piece.is_empty() {
            return self.end_sending(data);
        }
        running.flow = Flow::Text(Some(text));
        let length = piece.len() as u64;
        // If it has ended meanwhile, that is what will be heard of it next.
        let _ = self.registry.send(data, piece.into());
        let wait = self.note_moved(length);
        if self.registry.queued_bytes(data).is_ok_and(|queued| queued > data::HIGH) {
            if let Some(running) = self.running() {
                running.stage = Stage::Full;
            }
        } else {
            self.send_more_after(wait);
        }
    }

    /// The client has taken most of what was queued.
    pub(in crate::transfer::ftp) fn handle_drain(&mut self, data: ConnectionId) {
        if self.running_on(data).is_some_and(|running| running.stage == Stage::Full) {
            self.send_more();
        }
    }

    fn send_more_after(&mut self, wait: Duration) {
        if wait.is_zero() {
            return self.send_more();
        }
        if !self.wait_then(wait, |it| {
            it.send_more();
        }) {
            self.send_more();
        }
    }

    /// Goes on after a while, if the transfer is still the same then; whether there was a timer left.
    pub(super) fn wait_then(
        &mut self,
        wait: Duration,
        event: impl FnOnce(&mut Conversation<'_, App>) + 'static,
    ) -> bool {
        let Some(ticket) = self.running().map(|running| running.ticket) else {
            return true;
        };
        let timer = self.after(wait, move |it| {
            if let Some(running) = it.running_as(ticket) {
                running.timer = None;
                event(it);
            }
        });
        if let Some(running) = self.running() {
            running.timer = timer;
        }
        timer.is_some()
    }

    /// Bytes have gone over the data connection: how long to wait before the next may.
    pub(super) fn note_moved(&mut self, bytes: u64) -> Duration {
        let now = self.registry.now();
        let Some(state) = self.state() else {
            return Duration::ZERO;
        };
        let wait = state.pace.handle_moved(bytes, now);
        let Work::Transfer(running) = &mut state.work else {
            return Duration::ZERO;
        };
        running.moved += bytes;
        match running.subject.direction {
            Some(direction) => wait.max(self.server().bytes_moved(direction, bytes, now)),
            None => wait,
        }
    }

    /// Everything has been said. When the system has taken it the connection is closed, and then it is told
    /// that it was (RFC 959, 5.4), without a word from the client: some wait for the reply before they close
    /// their end, and to hear of it from far away takes a round trip for every file. The system sends what is
    /// on its way, however slowly it is taken.
    fn end_sending(&mut self, data: ConnectionId) {
        if let Some(running) = self.running() {
            running.stage = Stage::Ended;
        }
        // If it has ended meanwhile, that is what will be heard of it next.
        let _ = self.registry.release(data);
    }
}
