//! One data connection: it carries what a session gives it, and tells the session what came of that.
//!
//! ```text
//!             begin                  all has been said: release, or close behind the client's FIN
//!   Waiting ─────────▶ Flowing ───────────────────────────────────────────────────────────────────▶ Ended
//!                         └── the disk has failed: abort ──▶ Failed
//!
//!   and whatever the state is, when the connection has closed the session is told, once.
//! ```

use std::rc::Rc;

use reactor::{
    CloseReason, Closed, ConnectionId, Input, Protocol, Registry, SentFile, StreamLimits,
    StreamOptions, TimerKey, Transport,
};

use super::data_port::PassivePort;
use super::session::{Job, tell};
use crate::transfer::ftp::secure::DataTls;
use crate::transfer::ftp::{Limits, Server};
use crate::transfer::store::{Fate, Upload};

/// Above so many queued bytes no more text is made.
pub(super) const HIGH: usize = 64 * 1024;

/// The time has come for the next bytes.
pub(super) const NEXT: TimerKey = TimerKey(0);

/// The server's side of one data connection.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) session: ConnectionId,
    /// Where it has come to; nothing, if we have connected to the client.
    port: Option<Rc<PassivePort>>,
    /// What it speaks, if it is protected.
    tls: Option<DataTls>,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing has been asked of it yet.
    Waiting,
    /// Bytes go, or wait for their time.
    Flowing(Job),
    /// All has been said: the system has yet to take the last of it.
    Ended,
    /// The reply that tells why, and what there is of an upload.
    Failed(u16, String, Option<Upload>),
}

/// Why a transfer has ended early: the code and the text of the reply.
pub(super) type Failure = (u16, String);

/// The options of a data connection. Nobody waits for the last bytes of a piece, so they may wait for the
/// next one: a segment less for each (Nagle's algorithm, RFC 896), and the FIN sends what is left.
pub(in crate::transfer::ftp) fn stream_options() -> StreamOptions {
    StreamOptions { nodelay: false, ..StreamOptions::default() }
}

/// The bounds of a data connection.
pub(super) fn stream_limits(limits: &Limits) -> StreamLimits {
    StreamLimits {
        outbox_high: HIGH,
        // Nothing comes in but what is wanted.
        outbox_holds_reading: false,
        connect_timeout: Some(limits.data_timeout),
        // Clients connect, ask for a file, and begin with TLS when that is answered.
        handshake_timeout: Some(limits.data_timeout),
        idle_timeout: Some(limits.stall_timeout),
        close_timeout: limits.stall_timeout,
        ..StreamLimits::default()
    }
}

impl Data {
    /// One that comes to a port, or that we open ourselves.
    pub(super) fn new(
        session: ConnectionId,
        port: Option<Rc<PassivePort>>,
        tls: Option<DataTls>,
    ) -> Self {
        Self { session, port, tls, stage: Stage::Waiting }
    }

    /// It is there, and protected if it is to be: the session is told.
    fn arrive<App: AsMut<Server> + 'static>(&mut self, transport: &mut Transport<'_, App>) {
        let id = transport.id();
        transport.pause();
        if self.port.as_ref().is_some_and(|port| !port.take(id)) {
            return transport.abort();
        }
        if self.tls.as_ref().is_some_and(|tls| !tls.accepts(transport)) {
            // The reply says why; the connection ends as one that has nothing to say.
            self.stage = Stage::Failed(522, String::new(), None);
            return transport.release();
        }
        tell(transport.registry(), self.session, move |it| it.handle_data_open(id));
    }

    /// Carries something.
    pub(super) fn begin<App: AsMut<Server> + 'static>(
        &mut self,
        transport: &mut Transport<'_, App>,
        app: &mut App,
        job: Job,
    ) {
        self.stage = Stage::Flowing(job);
        transport.resume();
        self.send_more(transport, app);
    }

    /// Ends it early. What there is of an upload is undone.
    pub(super) fn fail<App>(&mut self, transport: &mut Transport<'_, App>, (code, text): Failure) {
        let upload = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Flowing(job) => job.flow.into_upload(),
            Stage::Waiting | Stage::Ended | Stage::Failed(..) => None,
        };
        let upload = upload.map(|upload| upload.with_fate(Fate::Undone));
        self.stage = Stage::Failed(code, text, upload);
        transport.abort();
    }
}

impl<App: AsMut<Server> + 'static> Protocol<App> for Data {
    /// It keeps what it says to itself until it is asked.
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        match &self.tls {
            // Whoever comes to a port has it when it is here.
            Some(tls) if self.port.is_none() => {
                if !tls.begin(transport) {
                    transport.abort();
                }
            }
            _ => self.arrive(transport),
        }
    }

    fn on_secure(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.arrive(transport);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        self.handle_bytes(transport, app, input.take_all());
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.handle_end(transport);
    }

    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        self.handle_drain(transport, app);
    }

    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, file: SentFile, app: &mut App) {
        self.handle_file_sent(transport, app, file);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, _: TimerKey, app: &mut App) {
        // An upload goes on when it is read again, a download when more is sent.
        transport.resume();
        self.send_more(transport, app);
    }

    /// The session decides whether it has the time.
    fn on_shutdown(&mut self, _: &mut Transport<'_, App>, _: &mut App) {}

    /// What there is of an upload is kept, if uploads are, or undone, and then the session is told.
    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, _: &mut App) {
        let (id, session) = (closed.id, self.session);
        if let Some(port) = &self.port {
            // It may have ended before it was open.
            port.take(id);
        }
        let (result, upload) = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Ended if closed.reason.is_clean() => (Ok(()), None),
            Stage::Waiting | Stage::Ended => (Err(lost(&closed.reason)), None),
            Stage::Flowing(job) => (Err(lost(&closed.reason)), job.flow.into_upload()),
            Stage::Failed(code, text, upload) => (Err((code, text)), upload),
        };
        settle(registry, upload, move |registry| {
            tell(registry, session, move |it| it.handle_data_close(id, result));
        });
    }
}

fn lost(reason: &CloseReason) -> Failure {
    let (code, text) = match reason {
        CloseReason::IdleTimeout | CloseReason::CloseTimeout => {
            (426, "The data connection stood still for too long.")
        }
        CloseReason::FileFailed(_) => (451, "The file cannot be read."),
        _ => (426, "The data connection was lost; transfer aborted."),
    };
    (code, text.to_owned())
}

/// Has the pool keep or undo what there is of an upload, and does something then.
pub(super) fn settle<App>(
    registry: &mut Registry<App>,
    upload: Option<Upload>,
    then: impl FnOnce(&mut Registry<App>) + Clone + 'static,
) where
    App: 'static,
{
    let done = then.clone();
    let is_posted = upload.is_some_and(|upload| {
        registry.offload(move || drop(upload), |registry, _, _| done(registry)).is_ok()
    });
    if !is_posted {
        // If the pool is full it was dropped right here, to the same effect.
        then(registry);
    }
}
