//! How bytes come in.

use std::time::Duration;

use reactor::ConnectionId;

use super::{About, Conversation, Flow, refusal};
use crate::transfer::ftp::Server;
use crate::transfer::store::Fate;

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// Bytes of an upload. They go to the system's cache at once, so none wait here.
    pub(in crate::transfer::ftp) fn handle_bytes(&mut self, data: ConnectionId, bytes: &[u8]) {
        let Some(running) = self.running_on(data) else {
            return;
        };
        let Flow::Upload { upload: Some(upload), decoder } = &mut running.flow else {
            return;
        };
        let written = match decoder {
            None => upload.write(bytes),
            Some(decoder) => {
                let mut text = Vec::with_capacity(bytes.len() + 1);
                decoder.decode(bytes, &mut text);
                upload.write(&text)
            }
        };
        if let Err(error) = written {
            let (code, text) = refusal(&error, About::What);
            return self.fail(code, &text, false);
        }
        let wait = self.note_moved(bytes.len() as u64);
        if !wait.is_zero() {
            self.rest(data, wait);
        }
    }

    /// Does not read the client for a while.
    pub(super) fn rest(&mut self, data: ConnectionId, wait: Duration) {
        let waits = self.wait_then(wait, move |it| {
            let _ = it.registry.resume(data);
        });
        if waits {
            let _ = self.registry.pause(data);
        }
    }

    /// The client's FIN: an upload is whole.
    pub(in crate::transfer::ftp) fn handle_data_end(&mut self, data: ConnectionId) {
        let Some(running) = self.running_on(data) else {
            return;
        };
        let Flow::Upload { upload, decoder } = &mut running.flow else {
            return;
        };
        let (Some(upload), decoder) = (upload.take(), decoder.take()) else {
            return;
        };
        let (subject, timer) = (running.summary(), running.timer.take());
        timer.map(|timer| self.registry.cancel(timer));
        // It is closed before the reply says that it was.
        let _ = self.registry.close(data);
        self.offload(
            move || {
                let mut upload = upload.with_fate(Fate::Undone);
                if let Some(mut decoder) = decoder {
                    let mut rest = Vec::new();
                    decoder.finish(&mut rest);
                    upload.write(&rest)?;
                }
                upload.commit()
            },
            move |it, result| match result {
                Ok(_) => {
                    it.note_transfer(&subject, true);
                    it.reply(226, "Transfer complete.");
                }
                Err(error) => {
                    it.note_transfer(&subject, false);
                    it.refuse(&error, About::Name);
                }
            },
        );
    }
}
