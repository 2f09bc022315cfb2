//! How bytes come in.

use reactor::Transport;

use super::{About, Flow, Incoming, Job, refusal};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::server::data::{Data, NEXT, Stage};
use crate::transfer::ftp::server::session::tell;
use crate::transfer::store::{Fate, StoreError};

impl Data {
    /// Bytes of an upload. They go to the system's cache at once, so none wait here. What comes in during a
    /// download nobody has asked for.
    pub(in crate::transfer::ftp) fn handle_bytes<App: AsMut<Server>>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        bytes: &[u8],
    ) {
        if let Stage::Flowing(Job { flow: Flow::Upload(incoming), meter }) = &mut self.stage {
            if let Err(error) = incoming.write(bytes) {
                return self.fail(transport, refusal(&error, About::What));
            }
            let now = transport.registry().now();
            let wait = meter.note_moved(app.as_mut(), bytes.len() as u64, now);
            if !wait.is_zero() {
                transport.pause();
                transport.set_timer(NEXT, wait);
            }
        }
    }

    /// The client's FIN: an upload is whole, and its session gives it its name. During a download it is
    /// nothing: the client has only said that it sends no more.
    pub(in crate::transfer::ftp) fn handle_end<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
    ) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Flowing(Job { flow: Flow::Upload(incoming), .. }) => {
                // It is closed before the reply says that it was.
                transport.close();
                let id = transport.id();
                tell(transport.registry(), self.session, move |it| it.handle_whole(id, incoming));
            }
            other => self.stage = other,
        }
    }
}

impl Incoming {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(decoder) = &mut self.decoder else {
            return self.upload.write(bytes);
        };
        let mut text = Vec::with_capacity(bytes.len() + 1);
        decoder.decode(bytes, &mut text);
        self.upload.write(&text)
    }

    /// Gives the file its name.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let mut upload = self.upload.with_fate(Fate::Undone);
        if let Some(mut decoder) = self.decoder {
            let mut rest = Vec::new();
            decoder.finish(&mut rest);
            upload.write(&rest)?;
        }
        upload.commit().map(drop)
    }
}
