//! How a transfer begins: the file is opened, then the data connection.

use std::net::SocketAddr;

use reactor::{ConnectOptions, ConnectionId};

use super::super::parameters::NO_RESTART_OF_TEXT;
use super::{About, Channel, Conversation, Flow, Opened, Running, Stage, Subject, Text, Work};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::ascii::{Decoder, Encoder};
use crate::transfer::ftp::command::Type;
use crate::transfer::ftp::data::{self, Data};
use crate::transfer::ftp::record::Direction;
use crate::transfer::ftp::users::Permissions;
use crate::transfer::store::{
    CreateOptions, Fate, Replace, Store, StoreError, Upload, VirtualPath,
};

/// The answer to who wants a transfer, and has not said how.
const NO_WAY: &str = "Say how to connect first, with EPSV, PASV, EPRT or PORT.";

impl<App: AsMut<Server> + 'static> Conversation<'_, App> {
    /// RETR.
    pub(in super::super) fn retrieve(&mut self, path: &[u8]) {
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
    pub(in super::super) fn store(&mut self, path: &[u8]) {
        let Some((path, kind, offset)) = self.prepare(path, About::Name, |may| may.create) else {
            return;
        };
        let options = CreateOptions { offset, ..self.create_options() };
        self.receive(path, kind, move |store, path| store.create(path, &options), About::Name);
    }

    /// APPE.
    pub(in super::super) fn append(&mut self, path: &[u8]) {
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
    pub(in super::super) fn store_unique(&mut self, path: Option<Vec<u8>>) {
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
        let keeps = self.state().is_some_and(|state| state.keep_uploads);
        let fate = if keeps { Fate::Kept } else { Fate::Undone };
        let (wanted, ascii) = (path.clone(), decoder.is_some());
        let subject = Subject { direction: Some(Direction::Upload), path, ascii, total: None };
        self.with_store(
            move |store| {
                let upload = Some(open(store, &wanted)?.with_fate(fate));
                Ok(Opened { flow: Flow::Upload { upload, decoder }, total: None, text })
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
        let state = self.state()?;
        let (kind, offset) = (state.kind, std::mem::take(&mut state.restart));
        let is_open = !matches!(state.channel, Channel::None);
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
            let text = if code == 0 { NO_WAY } else { "The data connection cannot be opened." };
            return self.reply(425, text);
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
    fn connect(&mut self, target: SocketAddr) -> Option<ConnectionId> {
        let limits = self.settings().limits;
        let state = self.state()?;
        let (ticket, mut from) = (state.next_ticket(), state.local);
        from.set_port(0);
        let options = ConnectOptions {
            from: Some(from.into()),
            stream: data::stream_options(),
            limits: data::stream_limits(&limits),
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
