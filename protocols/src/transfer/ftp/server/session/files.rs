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

    /// Does something with what a path leads to, if the client's user may; what cannot be done is refused.
    pub(super) fn with_path<T: Send + 'static>(
        &mut self,
        path: &[u8],
        about: About,
        may: impl FnOnce(Permissions) -> bool,
        work: impl FnOnce(&Store, &VirtualPath) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(&mut Conversation<'_>, VirtualPath, T) + 'static,
    ) {
        let Some(path) = self.permitted(path, about, may) else {
            return;
        };
        let wanted = path.clone();
        self.with_store(
            move |store| work(store, &wanted),
            move |it, result| match result {
                Ok(result) => done(it, path, result),
                Err(error) => it.refuse(&error, about),
            },
        );
    }

    // ── directories ─────────────────────────────────────────────────────────────────────────

    /// CWD, CDUP.
    pub(super) fn change_directory(&mut self, path: &[u8]) {
        let look = |store: &Store, path: &VirtualPath| match store.entry(path)?.kind {
            Kind::Directory => Ok(()),
            _ => Err(StoreError::NotADirectory),
        };
        self.with_path(
            path,
            About::What,
            |_| true,
            look,
            |it, path, ()| {
                it.reply(250, [b"Now in ", &quoted(path.as_bytes())[..], b"."].concat());
                it.session.directory = path;
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
        let mode = 0o777 & !self.session.umask;
        let make = move |store: &Store, path: &VirtualPath| store.create_directory(path, mode);
        self.with_path(
            path,
            About::What,
            |may| may.create,
            make,
            |it, path, ()| {
                it.note_change("MKD", &path);
                it.reply(257, [&quoted(path.as_bytes())[..], b" created."].concat());
            },
        );
    }

    /// RMD.
    pub(super) fn remove_directory(&mut self, path: &[u8]) {
        self.with_path(
            path,
            About::What,
            |may| may.delete,
            Store::remove_directory,
            |it, path, ()| {
                it.changed("RMD", &path, "Removed.");
            },
        );
    }

    /// DELE.
    pub(super) fn delete(&mut self, path: &[u8]) {
        self.with_path(
            path,
            About::What,
            |may| may.delete,
            Store::remove_file,
            |it, path, ()| {
                it.changed("DELE", &path, "Deleted.");
            },
        );
    }

    /// One of the changes that are answered with 250.
    fn changed(&mut self, verb: &'static str, path: &VirtualPath, text: &'static str) {
        self.note_change(verb, path);
        self.reply(250, text);
    }

    // ── names ───────────────────────────────────────────────────────────────────────────────

    /// RNFR.
    pub(super) fn rename_from(&mut self, path: &[u8]) {
        self.with_path(
            path,
            About::What,
            |may| may.modify,
            Store::entry,
            |it, path, _| {
                it.session.rename_from = Some(path);
                it.reply(350, "Send the new name with RNTO.");
            },
        );
    }

    /// RNTO.
    pub(super) fn rename_to(&mut self, path: &[u8]) {
        let Some(from) = self.session.rename_from.take() else {
            return self.reply(503, "Say what is to be renamed first, with RNFR.");
        };
        let rename = move |store: &Store, to: &VirtualPath| store.rename(&from, to, Replace::Yes);
        self.with_path(
            path,
            About::Name,
            |may| may.modify,
            rename,
            |it, to, ()| {
                it.changed("RNTO", &to, "Renamed.");
            },
        );
    }

    // ── what there is to know ───────────────────────────────────────────────────────────────

    /// SIZE (RFC 3659, 4): bytes that would be transferred. Of what was kept of an upload, too, since a
    /// client asks in order to go on with it.
    pub(super) fn size(&mut self, path: &[u8]) {
        if self.session.kind == Type::Ascii {
            // It would have to be read from one end to the other.
            return self.reply(550, "SIZE is for TYPE I.");
        }
        let size = |store: &Store, path: &VirtualPath| match store.entry(path) {
            Ok(Entry { kind: Kind::File, size, .. }) => Ok(size),
            Ok(_) => Err(StoreError::NotAFile),
            Err(error) => store.kept(path).ok_or(error),
        };
        self.with_path(
            path,
            About::What,
            |may| may.read || may.create,
            size,
            |it, _, size| {
                it.reply(213, size.to_string());
            },
        );
    }

    /// MDTM (RFC 3659, 3).
    pub(super) fn modified(&mut self, path: &[u8]) {
        self.with_path(
            path,
            About::What,
            |may| may.read,
            Store::entry,
            |it, _, entry| match entry.modified {
                Some(time) => it.reply(213, Timestamp::from(time).to_string()),
                None => it.refuse(&StoreError::Unsupported, About::What),
            },
        );
    }

    /// MLST (RFC 3659, 7): the facts of one thing, on the control connection.
    pub(super) fn facts_of(&mut self, path: Option<&[u8]>) {
        let path = path.unwrap_or(b".");
        self.with_path(
            path,
            About::What,
            |may| may.read,
            Store::find,
            |it, path, found| {
                let facts = it.session.facts.tell(&found, it.session.permissions());
                let line = [facts.as_bytes(), b" ", path.as_bytes()].concat();
                it.say(&Reply::with_lines(250, "Listing", [line], "End"));
            },
        );
    }

    /// STAT with a path: a list, on the control connection (RFC 959, 4.1.3).
    pub(super) fn status_of(&mut self, path: &[u8]) {
        let style = Style::Long(self.control.network().wall_clock());
        let list = move |store: &Store, path: &VirtualPath| match store.entry(path)?.kind {
            Kind::Directory => {
                let mut show = Show::new(store.list(path, SHOWN_BY_STAT)?, style);
                let pieces =
                    std::iter::from_fn(|| Some(show.next_piece()).filter(|it| !it.is_empty()));
                Ok((212, pieces.flatten().collect()))
            }
            _ => {
                let mut line = Vec::new();
                show(style, path.name().unwrap_or(b"/"), &store.find(path)?, &mut line);
                Ok((213, line))
            }
        };
        self.with_path(
            path,
            About::List,
            |may| may.read,
            list,
            |it, path, (code, text): (u16, Vec<u8>)| {
                let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
                let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                let first = [b"Status of ", &quoted(path.as_bytes())[..], b":"].concat();
                it.say(&Reply::with_lines(code, first, lines, "End of status."));
            },
        );
    }

    // ── times and modes ─────────────────────────────────────────────────────────────────────

    /// MFMT: sets when something was written last. What is told is what it was set to: not every file system
    /// has times of every year.
    pub(super) fn set_modified(&mut self, time: Timestamp, path: &[u8]) {
        let set = move |store: &Store, path: &VirtualPath| {
            store.set_modified(path, time.to_system_time())?;
            Ok(store.entry(path)?.modified.map_or(time, Timestamp::from))
        };
        self.with_path(
            path,
            About::What,
            |may| may.modify || may.create,
            set,
            |it, path, time| {
                it.reply(213, [format!("Modify={time}; ").as_bytes(), path.as_bytes()].concat());
            },
        );
    }

    /// SITE CHMOD.
    pub(super) fn change_mode(&mut self, mode: u32, path: &[u8]) {
        let change = move |store: &Store, path: &VirtualPath| store.set_mode(path, mode);
        self.with_path(
            path,
            About::What,
            |may| may.modify,
            change,
            move |it, path, ()| {
                it.note_change("CHMOD", &path);
                it.reply(200, format!("The mode is {mode:03o}."));
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
