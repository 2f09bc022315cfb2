//! How a transfer begins: the file is opened, then the data connection.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use reactor::{ConnectOptions, ConnectionId, OpenError};

use super::{
    About, Channel, Conversation, Flow, Incoming, Job, Making, Meter, Opened, Place, Running,
    Subject, Text, Work,
};
use crate::transfer::ftp::server::data;
use crate::transfer::ftp::server::pace::Pace;
use crate::transfer::ftp::server::record::Direction;
use crate::transfer::ftp::server::session::parameters::NO_RESTART_OF_TEXT;
use crate::transfer::ftp::server::session::state::CHANNEL;
use crate::transfer::ftp::server::users::Permissions;
use crate::transfer::ftp::wire::ascii::{Decoder, Encoder};
use crate::transfer::ftp::wire::command::Type;
use crate::transfer::store::{
    CreateOptions, Fate, Replace, Store, StoreError, Upload, VirtualPath,
};

/// The answer to who wants a transfer, and has not said how.
const NO_WAY: &str = "Say how to connect first, with EPSV, PASV, EPRT or PORT.";

impl Conversation<'_> {
    /// RETR.
    pub(in crate::transfer::ftp::server::session) fn retrieve(&mut self, path: &[u8]) {
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
    pub(in crate::transfer::ftp::server::session) fn store(&mut self, path: &[u8]) {
        let Some((path, kind, offset)) = self.prepare(path, About::Name, |may| may.create) else {
            return;
        };
        let options = CreateOptions { offset, ..self.create_options() };
        self.receive(path, kind, move |store, path| store.create(path, &options), About::Name);
    }

    /// APPE.
    pub(in crate::transfer::ftp::server::session) fn append(&mut self, path: &[u8]) {
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
    pub(in crate::transfer::ftp::server::session) fn store_unique(
        &mut self,
        path: Option<Vec<u8>>,
    ) {
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
        let modify = self.session.permissions().modify;
        CreateOptions {
            replace: if modify { Replace::Yes } else { Replace::No },
            offset: 0,
            keep: self.session.keep_uploads,
            mode: 0o666 & !self.session.umask,
            token: self.control.network().random(),
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
        let fate = if self.session.keep_uploads { Fate::Kept } else { Fate::Undone };
        let (wanted, ascii) = (path.clone(), decoder.is_some());
        let subject = Subject { direction: Some(Direction::Upload), path, ascii, total: None };
        self.with_store(
            move |store| {
                let upload = open(store, &wanted)?.with_fate(fate);
                Ok(Opened { flow: Flow::Upload(Incoming { upload, decoder }), total: None, text })
            },
            move |it, opened| it.begin(subject, opened, about),
        );
    }

    /// What every transfer asks for first: a permission, a path, and a way to go.
    pub(super) fn prepare(
        &mut self,
        path: &[u8],
        about: About,
        may: impl FnOnce(Permissions) -> bool,
    ) -> Option<(VirtualPath, Type, u64)> {
        let (kind, offset) = (self.session.kind, std::mem::take(&mut self.session.restart));
        if !self.may_transfer() {
            return None;
        }
        let is_open = !matches!(self.session.channel, Channel::None);
        let path = self.permitted(path, about, may)?;
        if kind == Type::Ascii && offset > 0 {
            // TYPE came behind REST.
            self.reply(554, NO_RESTART_OF_TEXT);
            return None;
        }
        // That a list is of no directory is told whether or not there is a way to send it.
        if !is_open && about != About::Directory {
            self.reply(425, NO_WAY);
            return None;
        }
        Some((path, kind, offset))
    }

    /// The file is open: now for the data connection.
    pub(super) fn begin(
        &mut self,
        subject: Subject,
        opened: Result<Opened, StoreError>,
        about: About,
    ) {
        let Opened { flow, total, text } = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&error, about),
        };
        let here = self.session.channel.data();
        match self.session.channel {
            Channel::Active(address) => match self.connect(address) {
                Ok(data) => self.session.channel = Channel::Connecting(data),
                Err(_) => {
                    return self.give_up_at_once(flow, "The data connection cannot be opened.");
                }
            },
            // The time for it has passed meanwhile, or there was none.
            Channel::None => return self.give_up_at_once(flow, NO_WAY),
            Channel::Passive(..) | Channel::Connecting(_) | Channel::Open(_) => {}
        }
        let running = Running {
            place: Place::Waiting(flow),
            subject: Subject { total, ..subject },
            begun: self.control.network().now(),
            moved: Rc::default(),
        };
        self.set_work(Work::Transfer(Box::new(running)));
        self.reply(if here.is_some() { 125 } else { 150 }, text);
        if let Some(data) = here {
            self.handle_data_open(data);
        }
    }

    /// What was there before is kept.
    fn give_up_at_once(&mut self, flow: Flow, why: &'static str) {
        self.session.channel = Channel::None;
        self.control.network().settle(flow.into_upload());
        self.reply(425, why);
    }

    /// Connects to the client, from the host that it has reached.
    fn connect(&mut self, target: SocketAddr) -> Result<ConnectionId, OpenError> {
        let limits = self.settings().limits;
        let mut from = self.session.local;
        from.set_port(0);
        let mut options = ConnectOptions { from: Some(from.into()), ..ConnectOptions::default() };
        options.stream = data::stream_options();
        options.limits = data::stream_limits(&limits);
        let (session, tls) = (self.control.id(), self.data_tls());
        self.control.network().connect(target, &options, session, tls)
    }

    /// The data connection is there: nobody else is waited for at the port. It is given what waits for it, or
    /// waits for that itself.
    pub(in crate::transfer::ftp) fn handle_data_open(&mut self, data: ConnectionId) {
        let channel = &mut self.session.channel;
        if channel.data() != Some(data) {
            // The channel was closed, and the connection with it.
            return;
        }
        if let Channel::Passive(listener, _) = std::mem::replace(channel, Channel::Open(data)) {
            self.control.network().close_listener(listener);
        }
        if let Work::Transfer(running) = &mut self.session.work
            && let Some(job) = running.hand_over(data, &self.session.pace)
        {
            self.session.channel = Channel::None;
            self.control.cancel_timer(CHANNEL);
            self.control.network().begin(data, job);
        }
    }
}

impl Running {
    /// What the data connection is to do, unless one does it already.
    fn hand_over(&mut self, data: ConnectionId, pace: &Rc<Cell<Pace>>) -> Option<Job> {
        let Running { place, subject, moved, .. } = self;
        match std::mem::replace(place, Place::On(data)) {
            Place::Waiting(flow) => {
                let (moved, pace) = (Rc::clone(moved), Rc::clone(pace));
                Some(Job { flow, meter: Meter { direction: subject.direction, moved, pace } })
            }
            elsewhere => {
                *place = elsewhere;
                None
            }
        }
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
        Type::Ascii => {
            let text = [b"Opening ASCII data connection for ", name, b"."].concat();
            let flow = Flow::Text(Making::Resting(Text::File(file, Encoder::default())));
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
