//! Files and lists, on their way: the dance of the two connections.
//!
//! ```text
//!   client                 control                 server                     data connection
//!     │ EPSV                                         │
//!     │─────────────────────────────────────────────▶│ listens
//!     │           229 (|||50321|)                    │
//!     │◀─────────────────────────────────────────────│
//!     │                                              │        connects
//!     │════════════════════════════════════════════════════════════════▶ accepted, if it is the client
//!     │ RETR song                                    │ opens the file       and closes its ears: one is
//!     │─────────────────────────────────────────────▶│ (on the pool)        enough
//!     │           150 Opening …  (or 125)            │
//!     │◀─────────────────────────────────────────────│
//!     │                                              │        bytes, bytes, bytes
//!     │◀════════════════════════════════════════════════════════════════ sendfile, piece by piece
//!     │ STAT                                         │
//!     │─────────────────────────────────────────────▶│ heard meanwhile
//!     │           211 4096 of 10240 bytes            │
//!     │◀─────────────────────────────────────────────│
//!     │                                              │        FIN
//!     │◀════════════════════════════════════════════════════════════════ end(): all is in the kernel
//!     │                                              │        FIN
//!     │════════════════════════════════════════════════════════════════▶ so all has arrived
//!     │           226 Transfer complete.             │
//!     │◀─────────────────────────────────────────────│
//! ```
//!
//! An upload is the mirror image: the client's FIN is the end of the file, the file gets its name, and
//! then there is the 226. Whatever goes wrong on the way, the client learns it from the one reply that
//! follows the 150, and there is always exactly one.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use reactor::{CloseReason, ConnectOptions, ConnectionId, SentFile, TimerId};

use super::Conversation;
use super::files::{About, refusal};
use super::state::{Channel, Work};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::ascii::{Decoder, Encoder};
use crate::transfer::ftp::command::Type;
use crate::transfer::ftp::data::{self, Data};
use crate::transfer::ftp::listing::{Show, Style, show};
use crate::transfer::ftp::record::{Direction, Transfer};
use crate::transfer::store::{
    CreateOptions, Entry, Kind, Replace, Store, StoreError, Upload, VirtualPath,
};

/// The most of a file that is queued at once: so often the progress is known, and a rate looked at.
const PIECE: u64 = 16 * 1024 * 1024;
/// How much of a text is read and translated at once.
const CHUNK: usize = 64 * 1024;

/// A transfer.
#[derive(Debug)]
pub(in crate::transfer::ftp) struct Running {
    /// Tells it from those before and after it.
    ticket: u64,
    /// The data connection; `None` until it is there.
    pub(super) data: Option<ConnectionId>,
    stage: Stage,
    flow: Flow,
    subject: Subject,
    begun: Instant,
    /// Bytes that have gone over the data connection.
    moved: u64,
    /// What it waits for, if that is time.
    pub(super) timer: Option<TimerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The data connection is not there yet.
    Opening,
    /// Bytes go, or wait for their time.
    Flowing,
    /// Too much is queued: it goes on when the client has taken some of it.
    Full,
    /// All has been sent, and our FIN: the client's is waited for.
    Ended,
}

/// What goes, and where.
#[derive(Debug)]
enum Flow {
    /// A file, as it is. The loop has it while a piece of it is being sent.
    File { file: Option<File>, offset: u64, left: u64 },
    /// Text that is made on the pool, which has it meanwhile.
    Text(Option<Text>),
    /// A file that comes in.
    Upload { upload: Option<Upload>, decoder: Option<Decoder> },
}

/// Text that is made piece by piece.
#[derive(Debug)]
enum Text {
    List(Show),
    Lines(Vec<u8>),
    File(File, Encoder),
}

/// What the log is told.
#[derive(Clone, Debug)]
struct Subject {
    /// `None` for a list, of which no log speaks.
    direction: Option<Direction>,
    path: VirtualPath,
    ascii: bool,
    /// Bytes that are to be sent, if that is known.
    total: Option<u64>,
}

/// A flow that was opened on the pool, ready to go.
struct Opened {
    flow: Flow,
    total: Option<u64>,
    /// What the reply says of it.
    text: Vec<u8>,
}

impl Running {
    /// A line for STAT.
    pub(super) fn describe(&self) -> Vec<u8> {
        let what = match self.subject.direction {
            Some(Direction::Download) => "Sending ",
            Some(Direction::Upload) => "Receiving ",
            None => "Listing ",
        };
        let moved = match self.subject.total {
            Some(total) => format!(": {} of {total} bytes", self.moved),
            None => format!(": {} bytes", self.moved),
        };
        [what.as_bytes(), self.subject.path.as_bytes(), moved.as_bytes()].concat()
    }

    pub(super) fn into_upload(self) -> Option<Upload> {
        match self.flow {
            Flow::Upload { upload, .. } => upload,
            Flow::File { .. } | Flow::Text(_) => None,
        }
    }
}

/// What becomes of an upload that has ended early.
pub(super) fn settle_upload(upload: Upload, keep: bool) {
    if keep {
        upload.keep();
    }
}

// ── beginning ───────────────────────────────────────────────────────────────────────────────

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// RETR.
    pub(super) fn retrieve(&mut self, path: &[u8]) {
        let Some((path, kind, offset)) = self.prepare(path, About::What, |may| may.read) else {
            return;
        };
        let wanted = path.clone();
        let subject = Subject {
            direction: Some(Direction::Download),
            path,
            ascii: kind == Type::Ascii,
            total: None,
        };
        self.with_store(
            move |store| open_download(store, &wanted, kind, offset),
            move |it, opened| it.begin(subject, opened, About::What),
        );
    }

    /// STOR.
    pub(super) fn store(&mut self, path: &[u8]) {
        let Some((path, kind, offset)) = self.prepare(path, About::Name, |may| may.create) else {
            return;
        };
        let options = CreateOptions { offset, ..self.create_options() };
        self.receive(path, kind, move |store, path| store.create(path, &options), About::Name);
    }

    /// APPE.
    pub(super) fn append(&mut self, path: &[u8]) {
        let Some((path, kind, _)) = self.prepare(path, About::What, |may| may.create) else {
            return;
        };
        let options = self.create_options();
        self.receive(
            path,
            kind,
            move |store, path| store.append_or_create(path, &options),
            About::What,
        );
    }

    /// STOU: under a name that nothing has; the reply says which (RFC 1123, 4.1.2.9).
    pub(super) fn store_unique(&mut self, path: Option<Vec<u8>>) {
        let base = path.unwrap_or_else(|| b"upload".to_vec());
        let Some((path, kind, _)) = self.prepare(&base, About::Name, |may| may.create) else {
            return;
        };
        let options = CreateOptions { replace: Replace::No, keep: false, ..self.create_options() };
        let suffix = format!(".{:08x}", options.token as u32);
        let unique =
            path.parent().join(&[path.name().unwrap_or(b"upload"), suffix.as_bytes()].concat());
        match unique {
            Ok(path) => self.receive_as(
                path.clone(),
                kind,
                move |store, path| store.create(path, &options),
                About::Name,
                [b"FILE: ", path.name().unwrap_or_default()].concat(),
            ),
            Err(error) => self.refuse(&error.into(), About::Name),
        }
    }

    /// How a file is made here.
    fn create_options(&mut self) -> CreateOptions {
        let token = self.registry.random();
        let modify = self.account().is_some_and(|account| account.permissions.modify);
        let (umask, keep) = self.state().map_or((0o022, false), |it| (it.umask, it.keep_uploads));
        CreateOptions {
            replace: if modify { Replace::Yes } else { Replace::No },
            offset: 0,
            keep,
            mode: 0o666 & !umask,
            token,
        }
    }

    fn receive(
        &mut self,
        path: VirtualPath,
        kind: Type,
        open: impl FnOnce(&Store, &VirtualPath) -> Result<Upload, StoreError> + Send + 'static,
        about: About,
    ) {
        let text =
            [b"Opening data connection for ", path.name().unwrap_or_default(), b"."].concat();
        self.receive_as(path, kind, open, about, text);
    }

    fn receive_as(
        &mut self,
        path: VirtualPath,
        kind: Type,
        open: impl FnOnce(&Store, &VirtualPath) -> Result<Upload, StoreError> + Send + 'static,
        about: About,
        text: Vec<u8>,
    ) {
        let decoder = (kind == Type::Ascii).then(Decoder::default);
        let (wanted, ascii) = (path.clone(), decoder.is_some());
        let subject = Subject { direction: Some(Direction::Upload), path, ascii, total: None };
        self.with_store(
            move |store| {
                let upload = Some(open(store, &wanted)?);
                Ok(Opened { flow: Flow::Upload { upload, decoder }, total: None, text })
            },
            move |it, opened| it.begin(subject, opened, about),
        );
    }

    /// LIST, NLST.
    pub(super) fn list(&mut self, path: Option<&[u8]>, style: Style) {
        self.list_as(path, style, About::List, |store, path, entry, style, most| {
            match entry.kind {
                Kind::Directory => Ok(Text::List(Show::new(store.list(path, most)?, style))),
                _ => {
                    let mut line = Vec::new();
                    show(style, path.name().unwrap_or(b"/"), entry, &mut line);
                    Ok(Text::Lines(line))
                }
            }
        });
    }

    /// MLSD: of a directory, and of nothing else (RFC 3659, 7.2.1).
    pub(super) fn list_facts(&mut self, path: Option<&[u8]>) {
        let Some((facts, permissions)) =
            self.state().and_then(|state| Some((state.facts, state.account()?.permissions)))
        else {
            return;
        };
        let style = Style::Facts(facts, permissions);
        self.list_as(path, style, About::What, |store, path, _, style, most| {
            Ok(Text::List(Show::new(store.list(path, most)?, style)))
        });
    }

    fn list_as(
        &mut self,
        path: Option<&[u8]>,
        style: Style,
        about: About,
        open: impl FnOnce(&Store, &VirtualPath, &Entry, Style, usize) -> Result<Text, StoreError>
        + Send
        + 'static,
    ) {
        let Some((path, ..)) = self.prepare(path.unwrap_or(b"."), about, |may| may.read) else {
            return;
        };
        let (wanted, most) = (path.clone(), self.server().limits().entries);
        let subject = Subject { direction: None, path, ascii: true, total: None };
        self.with_store(
            move |store| {
                let entry = store.entry(&wanted)?;
                let text = open(store, &wanted, &entry, style, most)?;
                let told = b"Opening data connection for a list.".to_vec();
                Ok(Opened { flow: Flow::Text(Some(text)), total: None, text: told })
            },
            move |it, opened| it.begin(subject, opened, about),
        );
    }

    /// What every transfer asks for first: a permission, a path, and a way to go.
    fn prepare(
        &mut self,
        path: &[u8],
        about: About,
        may: impl FnOnce(crate::transfer::ftp::users::Permissions) -> bool,
    ) -> Option<(VirtualPath, Type, u64)> {
        let state = self.state()?;
        let (kind, offset) = (state.kind, std::mem::take(&mut state.restart));
        let is_open = !matches!(state.channel, Channel::None);
        let path = self.permitted(path, about, may)?;
        if !is_open {
            self.reply(425, "Say how to connect first, with EPSV, PASV, EPRT or PORT.");
            return None;
        }
        Some((path, kind, offset))
    }

    /// The file is open: now for the data connection.
    fn begin(&mut self, subject: Subject, opened: Result<Opened, StoreError>, about: About) {
        let Opened { flow, total, text } = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&error, about),
        };
        let begun = self.registry.now();
        let Some(state) = self.state() else {
            return;
        };
        let ticket = state.next_ticket();
        let subject = Subject { total, ..subject };
        let mut running = Running {
            ticket,
            data: None,
            stage: Stage::Opening,
            flow,
            subject,
            begun,
            moved: 0,
            timer: None,
        };
        let code = match std::mem::replace(&mut state.channel, Channel::None) {
            Channel::Open { data, deadline, .. } => {
                running.data = Some(data);
                deadline.map(|timer| self.registry.cancel(timer));
                125
            }
            Channel::Active(address) => {
                running.data = self.connect(address);
                150
            }
            passive @ Channel::Passive { .. } => {
                state.channel = passive;
                150
            }
            Channel::None => 0,
        };
        let is_here = code == 125;
        if code == 0 || (code == 150 && running.data.is_none() && !self.is_passive()) {
            self.settle(running.into_upload());
            return self.reply(425, "The data connection cannot be opened.");
        }
        self.set_work(Work::Transfer(Box::new(running)));
        self.reply(code, text);
        if is_here {
            self.begin_flow();
        }
    }

    fn is_passive(&mut self) -> bool {
        self.state().is_some_and(|state| matches!(state.channel, Channel::Passive { .. }))
    }

    /// Connects to the client, from the host that it has reached.
    fn connect(&mut self, target: std::net::SocketAddr) -> Option<ConnectionId> {
        let limits = self.settings().limits;
        let state = self.state()?;
        let (ticket, mut from) = (state.next_ticket(), state.local);
        from.set_port(0);
        let options = ConnectOptions {
            from: Some(from.into()),
            limits: data::stream_limits(&limits),
            ..ConnectOptions::default()
        };
        self.registry.connect_with(target.into(), &options, Data::new(self.id, ticket)).ok()
    }
}

/// A file, as bytes or as text.
fn open_download(
    store: &Store,
    path: &VirtualPath,
    kind: Type,
    offset: u64,
) -> Result<Opened, StoreError> {
    let (file, entry) = store.read(path)?;
    let name = path.name().unwrap_or_default();
    match kind {
        // Where in the text that would be, nobody knows without reading all of it.
        Type::Ascii if offset > 0 => Err(StoreError::OffsetBeyondEnd(0)),
        Type::Ascii => {
            let text = [b"Opening ASCII data connection for ", name, b"."].concat();
            let flow = Flow::Text(Some(Text::File(file, Encoder::default())));
            Ok(Opened { flow, total: None, text })
        }
        Type::Image => {
            let left =
                entry.size.checked_sub(offset).ok_or(StoreError::OffsetBeyondEnd(entry.size))?;
            // The size in this place is what many clients show progress by.
            let size = format!(" ({left} bytes).");
            let text = [b"Opening data connection for ", name, size.as_bytes()].concat();
            Ok(Opened {
                flow: Flow::File { file: Some(file), offset, left },
                total: Some(left),
                text,
            })
        }
    }
}

impl Text {
    /// The next piece; empty at the end.
    fn next_piece(&mut self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::List(show) => Ok(show.next_piece()),
            Self::Lines(lines) => Ok(std::mem::take(lines)),
            Self::File(file, encoder) => {
                let mut piece = Vec::with_capacity(CHUNK);
                file.take(CHUNK as u64).read_to_end(&mut piece)?;
                let mut text = Vec::with_capacity(piece.len() + piece.len() / 16);
                encoder.encode(&piece, &mut text);
                Ok(text)
            }
        }
    }
}

// ── going on ────────────────────────────────────────────────────────────────────────────────

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    fn running(&mut self) -> Option<&mut Running> {
        match &mut self.state()?.work {
            Work::Transfer(running) => Some(running),
            Work::Idle | Work::Busy | Work::Over => None,
        }
    }

    /// The transfer, if it is still the one that was meant.
    fn running_as(&mut self, ticket: u64) -> Option<&mut Running> {
        self.running().filter(|running| running.ticket == ticket)
    }

    /// The transfer whose data connection this is.
    fn running_on(&mut self, data: ConnectionId) -> Option<&mut Running> {
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
    fn begin_flow(&mut self) {
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
    fn wait_then(
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
    fn note_moved(&mut self, bytes: u64) -> Duration {
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

    /// Everything has been handed to the kernel: FIN follows it.
    fn end_sending(&mut self, data: ConnectionId) {
        let linger = self.server().limits().linger;
        let Some(running) = self.running() else {
            return;
        };
        running.stage = Stage::Ended;
        let _ = self.registry.end(data);
        // Afterwards the connection goes on by itself, for as long as there is something to go.
        if !self.wait_then(linger, |it| {
            it.succeed();
        }) {
            self.succeed();
        }
    }

    // ── what comes in ───────────────────────────────────────────────────────────────────────

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
    fn rest(&mut self, data: ConnectionId, wait: Duration) {
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
        let (Some(mut upload), decoder) = (upload.take(), decoder.take()) else {
            return;
        };
        let (subject, timer) = (running.summary(), running.timer.take());
        timer.map(|timer| self.registry.cancel(timer));
        // It is closed before the reply says that it was.
        let _ = self.registry.close(data);
        self.offload(
            move || {
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

    // ── ending ──────────────────────────────────────────────────────────────────────────────

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
                        CloseReason::IdleTimeout => "The data connection stood still for too long.",
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
    pub(super) fn handle_no_data_connection(&mut self) {
        if self.running().is_some_and(|running| running.data.is_none()) {
            self.fail(425, "No data connection was made.", true);
        }
    }

    /// ABOR: the transfer ends with 426, the command with 226 (RFC 959, 4.1.3).
    pub(super) fn abort(&mut self) {
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

    fn succeed(&mut self) {
        if let Some(running) = self.take_running() {
            self.note_transfer(&running.summary(), true);
            self.reply(226, "Transfer complete.");
        }
    }

    /// Ends a transfer early, if there is one.
    pub(super) fn fail(&mut self, code: u16, text: &str, keep: bool) {
        self.fail_and(code, text, keep, |_| {});
    }

    /// Ends a transfer early: the data connection is reset, what there is of an upload is kept or
    /// undone, and then the client is told.
    fn fail_and(
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
        let keep = keep && self.state().is_some_and(|state| state.keep_uploads);
        match running.into_upload() {
            Some(upload) => self.offload(
                move || settle_upload(upload, keep),
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

    /// What becomes of an upload that was never begun.
    fn settle(&mut self, upload: Option<Upload>) {
        if let Some(upload) = upload {
            // If the pool is full it is dropped right here, to the same effect.
            let _ = self.registry.offload(move || drop(upload), |_, _, _| {});
        }
    }

    fn take_running(&mut self) -> Option<Box<Running>> {
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

    fn note_transfer(&mut self, summary: &Summary, complete: bool) {
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

/// What the log is told of a transfer in the end.
struct Summary {
    subject: Subject,
    begun: Instant,
    moved: u64,
}

impl Running {
    fn summary(&self) -> Summary {
        Summary { subject: self.subject.clone(), begun: self.begun, moved: self.moved }
    }
}
