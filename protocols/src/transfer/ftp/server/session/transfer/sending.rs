//! How bytes go out, piece by piece, and when.

use std::time::Duration;

use reactor::{OffloadError, SentFile, Transport};

use super::{About, Flow, Job, Making, PIECE, Text, refusal};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::server::data::{Data, HIGH, NEXT, Stage};
use crate::transfer::store::StoreError;

/// A piece, and what makes the next one.
type Made = Result<(Vec<u8>, Text), StoreError>;

impl Data {
    /// Sends the next piece, or the end.
    pub(in crate::transfer::ftp) fn send_more<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) {
        if let Stage::Flowing(Job { flow, meter }) = &mut self.stage {
            match flow {
                Flow::File { left: 0, .. } => self.end_sending(transport),
                Flow::File { file, offset, left } => {
                    let portion = meter.portion(app.as_mut(), (*left).min(PIECE));
                    if let Some(file) = file.take() {
                        transport.send_file(file, *offset, portion);
                    }
                }
                Flow::Text(making) => match std::mem::replace(making, Making::Away) {
                    Making::Resting(text) | Making::Full(text) => self.make_text(transport, text),
                    Making::Away => {}
                },
                Flow::Upload(_) => {}
            }
        }
    }

    /// A piece of a file has left.
    pub(in crate::transfer::ftp) fn handle_file_sent<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        sent: SentFile,
    ) {
        if let Stage::Flowing(Job { flow: Flow::File { file, offset, left }, meter }) =
            &mut self.stage
        {
            *file = Some(sent.file);
            *offset += sent.sent;
            *left -= sent.sent.min(*left);
            let wait = meter.note_moved(app.as_mut(), sent.sent, transport.registry().now());
            if sent.sent < sent.requested {
                let text = "The file has become shorter meanwhile.".to_owned();
                return self.fail(transport, (451, text));
            }
            self.send_more_after(transport, app, wait);
        }
    }

    /// Has the pool make the next piece of a text.
    fn make_text<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        mut text: Text,
    ) {
        let posted = transport.offload(
            move || text.next_piece().map(|piece| (piece, text)),
            |data: &mut Self, transport, app, made| data.handle_text(transport, app, made),
        );
        if posted.is_err() {
            self.fail(transport, (451, "Too much is going on; try again later.".to_owned()));
        }
    }

    fn handle_text<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        made: Result<Made, OffloadError>,
    ) {
        match made {
            Ok(Ok((piece, _))) if piece.is_empty() => self.end_sending(transport),
            Ok(Ok((piece, text))) => self.send_text(transport, app, piece, text),
            Ok(Err(error)) => self.fail(transport, refusal(&error, About::What)),
            Err(_) => self.fail(transport, (451, "Something went wrong here.".to_owned())),
        }
    }

    fn send_text<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        piece: Vec<u8>,
        text: Text,
    ) {
        if let Stage::Flowing(Job { flow, meter }) = &mut self.stage {
            let now = transport.registry().now();
            let wait = meter.note_moved(app.as_mut(), piece.len() as u64, now);
            transport.send(piece.into());
            if transport.queued_bytes() > HIGH {
                *flow = Flow::Text(Making::Full(text));
            } else {
                *flow = Flow::Text(Making::Resting(text));
                self.send_more_after(transport, app, wait);
            }
        }
    }

    /// The client has taken most of what was queued.
    pub(in crate::transfer::ftp) fn handle_drain<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) {
        if let Stage::Flowing(Job { flow: Flow::Text(Making::Full(_)), .. }) = &self.stage {
            self.send_more(transport, app);
        }
    }

    fn send_more_after<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        wait: Duration,
    ) {
        if wait.is_zero() {
            self.send_more(transport, app);
        } else {
            transport.set_timer(NEXT, wait);
        }
    }

    /// Everything has been said. When the system has taken it the connection is closed, and then it is told
    /// that it was (RFC 959, 5.4), without a word from the client: some wait for the reply before they close
    /// their end, and to hear of it from far away takes a round trip for every file. The system sends what is
    /// on its way, however slowly it is taken.
    fn end_sending<App>(&mut self, transport: &mut Transport<'_, App>) {
        self.stage = Stage::Ended;
        transport.release();
    }
}
