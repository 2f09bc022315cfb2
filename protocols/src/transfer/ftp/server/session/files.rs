//! What is done to the tree, and asked of it, without a transfer.

use super::Conversation;
use super::refusal::About;
use crate::transfer::ftp::server::listing::{Show, Style, show};
use crate::transfer::ftp::server::users::Permissions;
use crate::transfer::ftp::wire::command::Type;
use crate::transfer::ftp::wire::reply::{Reply, quoted};
use crate::transfer::ftp::wire::time::Timestamp;
use crate::transfer::store::{Entry, Kind, Replace, Store, StoreError, VirtualPath};

/// Entries of a directory that STAT shows: its reply is on the control connection, and held in memory.
const SHOWN_BY_STAT: usize = 1_000;

impl Conversation<'_> {
    /// The path of a command, if its user has the permission; else a reply.
    pub(super) fn permitted(
        &mut self,
        path: &[u8],
        about: About,
        may: impl FnOnce(Permissions) -> bool,
    ) -> Option<VirtualPath> {
        if !may(self.session.permissions()) {
            self.refuse(&StoreError::Denied, about);
            return None;
        }
        match self.path(path) {
            Ok(path) => Some(path),
            Err(error) => {
                self.refuse(&error.into(), about);
                None
            }
        }
    }

    // ── directories ─────────────────────────────────────────────────────────────────────────

    /// CWD, CDUP.
    pub(super) fn change_directory(&mut self, path: &[u8]) {
        let Some(path) = self.permitted(path, About::What, |_| true) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| store.entry(&wanted),
            move |it, entry| match entry {
                Ok(Entry { kind: Kind::Directory, .. }) => {
                    it.reply(250, [b"Now in ", &quoted(path.as_bytes())[..], b"."].concat());
                    it.session.directory = path;
                }
                Ok(_) => it.refuse(&StoreError::NotADirectory, About::What),
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// PWD.
    pub(super) fn print_directory(&mut self) {
        let directory = quoted(self.session.directory.as_bytes());
        self.reply(257, [&directory[..], b" is where you are."].concat());
    }

    /// MKD.
    pub(super) fn make_directory(&mut self, path: &[u8]) {
        let Some(path) = self.permitted(path, About::What, |may| may.create) else {
            return;
        };
        let (wanted, mode) = (path.clone(), 0o777 & !self.session.umask);
        self.with_store(
            move |store| store.create_directory(&wanted, mode),
            move |it, result| match result {
                Ok(()) => {
                    it.note_change("MKD", &path);
                    it.reply(257, [&quoted(path.as_bytes())[..], b" created."].concat());
                }
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// RMD.
    pub(super) fn remove_directory(&mut self, path: &[u8]) {
        self.change(path, "RMD", "Removed.", |may| may.delete, Store::remove_directory);
    }

    /// DELE.
    pub(super) fn delete(&mut self, path: &[u8]) {
        self.change(path, "DELE", "Deleted.", |may| may.delete, Store::remove_file);
    }

    /// One of the changes that are answered with 250.
    fn change(
        &mut self,
        path: &[u8],
        verb: &'static str,
        text: &'static str,
        may: impl FnOnce(Permissions) -> bool,
        change: impl FnOnce(&Store, &VirtualPath) -> Result<(), StoreError> + Send + 'static,
    ) {
        let Some(path) = self.permitted(path, About::What, may) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| change(store, &wanted),
            move |it, result| match result {
                Ok(()) => {
                    it.note_change(verb, &path);
                    it.reply(250, text);
                }
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    // ── names ───────────────────────────────────────────────────────────────────────────────

    /// RNFR.
    pub(super) fn rename_from(&mut self, path: &[u8]) {
        let Some(path) = self.permitted(path, About::What, |may| may.modify) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| store.entry(&wanted),
            move |it, entry| match entry {
                Ok(_) => {
                    it.session.rename_from = Some(path);
                    it.reply(350, "Send the new name with RNTO.");
                }
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// RNTO.
    pub(super) fn rename_to(&mut self, path: &[u8]) {
        let Some(from) = self.session.rename_from.take() else {
            return self.reply(503, "Say what is to be renamed first, with RNFR.");
        };
        let Some(to) = self.permitted(path, About::Name, |may| may.modify) else {
            return;
        };
        let wanted = to.clone();
        self.with_store(
            move |store| store.rename(&from, &wanted, Replace::Yes),
            move |it, result| match result {
                Ok(()) => {
                    it.note_change("RNTO", &to);
                    it.reply(250, "Renamed.");
                }
                Err(error) => it.refuse(&error, About::Name),
            },
        );
    }

    // ── what there is to know ───────────────────────────────────────────────────────────────

    /// Looks at something, if its user may read.
    fn look<T: Send + 'static>(
        &mut self,
        path: &[u8],
        look: impl FnOnce(&Store, &VirtualPath) -> Result<T, StoreError> + Send + 'static,
        show: impl FnOnce(&mut Conversation<'_>, &VirtualPath, T) + 'static,
    ) {
        let Some(path) = self.permitted(path, About::What, |may| may.read) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| look(store, &wanted),
            move |it, seen| match seen {
                Ok(seen) => show(it, &path, seen),
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// SIZE (RFC 3659, 4): bytes that would be transferred. Of what was kept of an upload, too, since a
    /// client asks in order to go on with it.
    pub(super) fn size(&mut self, path: &[u8]) {
        if self.session.kind == Type::Ascii {
            // It would have to be read from one end to the other.
            return self.reply(550, "SIZE is for TYPE I.");
        }
        let Some(path) = self.permitted(path, About::What, |may| may.read || may.create) else {
            return;
        };
        self.with_store(
            move |store| match store.entry(&path) {
                Ok(Entry { kind: Kind::File, size, .. }) => Ok(size),
                Ok(_) => Err(StoreError::NotAFile),
                Err(error) => store.kept(&path).ok_or(error),
            },
            |it, size| match size {
                Ok(size) => it.reply(213, size.to_string()),
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// MDTM (RFC 3659, 3).
    pub(super) fn modified(&mut self, path: &[u8]) {
        self.look(path, Store::entry, |it, _, entry| match entry.modified {
            Some(time) => it.reply(213, Timestamp::from(time).to_string()),
            None => it.refuse(&StoreError::Unsupported, About::What),
        });
    }

    /// MLST (RFC 3659, 7): the facts of one thing, on the control connection.
    pub(super) fn facts_of(&mut self, path: Option<&[u8]>) {
        self.look(path.unwrap_or(b"."), Store::find, |it, path, found| {
            let facts = it.session.facts.tell(&found, it.session.permissions());
            let line = [facts.as_bytes(), b" ", path.as_bytes()].concat();
            it.say(&Reply::with_lines(250, "Listing", [line], "End"));
        });
    }

    /// STAT with a path: a list, on the control connection (RFC 959, 4.1.3).
    pub(super) fn status_of(&mut self, path: &[u8]) {
        let Some(path) = self.permitted(path, About::List, |may| may.read) else {
            return;
        };
        let style = Style::Long(self.control.network().wall_clock());
        let wanted = path.clone();
        self.with_store(
            move |store| match store.entry(&wanted)?.kind {
                Kind::Directory => {
                    let mut show = Show::new(store.list(&wanted, SHOWN_BY_STAT)?, style);
                    let pieces =
                        std::iter::from_fn(|| Some(show.next_piece()).filter(|it| !it.is_empty()));
                    Ok((212, pieces.flatten().collect()))
                }
                _ => {
                    let mut line = Vec::new();
                    show(style, wanted.name().unwrap_or(b"/"), &store.find(&wanted)?, &mut line);
                    Ok((213, line))
                }
            },
            move |it, result: Result<(u16, Vec<u8>), StoreError>| match result {
                Ok((code, text)) => {
                    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
                    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                    let first = [b"Status of ", &quoted(path.as_bytes())[..], b":"].concat();
                    it.say(&Reply::with_lines(code, first, lines, "End of status."));
                }
                Err(error) => it.refuse(&error, About::List),
            },
        );
    }

    // ── times and modes ─────────────────────────────────────────────────────────────────────

    /// MFMT: sets when something was written last. What is told is what it was set to: not every file system
    /// has times of every year.
    pub(super) fn set_modified(&mut self, time: Timestamp, path: &[u8]) {
        let Some(path) = self.permitted(path, About::What, |may| may.modify || may.create) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| {
                store.set_modified(&wanted, time.to_system_time())?;
                Ok(store.entry(&wanted)?.modified.map_or(time, Timestamp::from))
            },
            move |it, result| match result {
                Ok(time) => {
                    let text = [format!("Modify={time}; ").as_bytes(), path.as_bytes()].concat();
                    it.reply(213, text);
                }
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// SITE CHMOD.
    pub(super) fn change_mode(&mut self, mode: u32, path: &[u8]) {
        let Some(path) = self.permitted(path, About::What, |may| may.modify) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| store.set_mode(&wanted, mode),
            move |it, result| match result {
                Ok(()) => {
                    it.note_change("CHMOD", &path);
                    it.reply(200, format!("The mode is {mode:03o}."));
                }
                Err(error) => it.refuse(&error, About::What),
            },
        );
    }

    /// SITE UMASK.
    pub(super) fn umask(&mut self, mask: Option<u32>) {
        let mask = mask.unwrap_or(self.session.umask);
        self.session.umask = mask;
        self.reply(200, format!("The umask is {mask:03o}."));
    }
}
