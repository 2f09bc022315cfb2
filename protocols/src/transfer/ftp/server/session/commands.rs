//! Which command is done where.

use super::Conversation;
use super::conversation::{NOT_LOGGED_IN, is_for_anybody};
use crate::transfer::ftp::server::listing::Style;
use crate::transfer::ftp::wire::command::{Command, CommandError, Mode, Site, Structure};

impl Conversation<'_> {
    pub(super) fn handle_command(&mut self, command: Command) {
        if self.session.account().is_none() && !is_for_anybody(&command) {
            return self.reply(530, NOT_LOGGED_IN);
        }
        self.forget_what_it_interrupts(&command);
        match command {
            Command::User(name) => self.user(&name),
            Command::Pass(password) => self.pass(password),
            Command::Acct(_) => self.reply(202, "There are no accounts here."),
            Command::Rein => self.reinitialize(),
            Command::Quit => self.quit(),

            Command::Auth => self.auth(),
            Command::Pbsz(_) => self.pbsz(),
            Command::Prot(protection) => self.prot(protection),
            Command::Ccc => self.clear_command_channel(),

            Command::Port(address) => self.port(address.into(), "PORT"),
            Command::Eprt(address) => self.port(address, "EPRT"),
            Command::Pasv => self.pasv(),
            Command::Epsv(what) => self.epsv(what),
            Command::Type(kind) => self.set_type(kind),
            Command::Stru(Structure::File) => self.reply(200, "Files have no structure."),
            Command::Mode(Mode::Stream) => self.reply(200, "Files are sent as streams."),

            Command::Retr(path) => self.retrieve(&path),
            Command::Stor(path) => self.store(&path),
            Command::Stou(path) => self.store_unique(path),
            Command::Appe(path) => self.append(&path),
            Command::Allo(bytes) => self.allocate(bytes),
            Command::Rest(offset) => self.restart(offset),
            Command::Abor => self.abort(),
            Command::List(path) => {
                let style = Style::Long(self.control.network().wall_clock());
                self.list(path.as_deref(), style);
            }
            Command::Nlst(path) => self.list(path.as_deref(), Style::Names),
            Command::Mlsd(path) => self.list_facts(path.as_deref()),

            Command::Cwd(path) => self.change_directory(&path),
            Command::Cdup => self.change_directory(b".."),
            Command::Pwd => self.print_directory(),
            Command::Rnfr(path) => self.rename_from(&path),
            Command::Rnto(path) => self.rename_to(&path),
            Command::Dele(path) => self.delete(&path),
            Command::Rmd(path) => self.remove_directory(&path),
            Command::Mkd(path) => self.make_directory(&path),
            Command::Size(path) => self.size(&path),
            Command::Mdtm(path) => self.modified(&path),
            Command::Mfmt(time, path) => self.set_modified(time, &path),
            Command::Mlst(path) => self.facts_of(path.as_deref()),
            Command::Hash(path) => self.hash(&path),
            Command::Site(Site::Chmod(mode, path)) => self.change_mode(mode, &path),
            Command::Site(Site::Umask(mask)) => self.umask(mask),

            Command::Site(Site::Help) => self.site_help(),
            Command::Syst => self.system(),
            Command::Stat(None) => self.status(),
            Command::Stat(Some(path)) => self.status_of(&path),
            Command::Help(about) => self.help(about.as_deref()),
            Command::Feat => self.features(),
            Command::Opts(opts) => self.options(opts),
            Command::Noop => self.reply(200, "Still here."),
        }
    }

    /// RNFR is for the next command alone, and REST for the next transfer (RFC 959, 4.1.3), though many
    /// clients ask for a port in between.
    fn forget_what_it_interrupts(&mut self, command: &Command) {
        let transfer_comes = matches!(
            command,
            Command::Port(_)
                | Command::Eprt(_)
                | Command::Pasv
                | Command::Epsv(_)
                | Command::Type(_)
                | Command::Rest(_)
                | Command::Retr(_)
                | Command::Stor(_)
                | Command::Appe(_)
                | Command::Noop
                | Command::Stat(None)
        );
        if !transfer_comes {
            self.session.restart = 0;
        }
        if !matches!(command, Command::Rnto(_)) {
            self.session.rename_from = None;
        }
    }

    pub(super) fn refuse_line(&mut self, error: CommandError) {
        match error {
            CommandError::Unknown => self.reply(500, "There is no such command."),
            CommandError::Syntax => self.reply(501, "The argument is missing or malformed."),
            CommandError::NotImplemented => self.reply(502, "That command is not implemented."),
            CommandError::Parameter => self.reply(504, "Not implemented for that parameter."),
            CommandError::Protection => self.reply(536, "TLS protects all, or nothing."),
            // RFC 2428, 2: the numbers are the families that are supported.
            CommandError::Protocol => self.reply(522, "Network protocol not supported, use (1,2)."),
        }
    }

    fn quit(&mut self) {
        self.reply(221, "Goodbye.");
        self.close();
    }
}
